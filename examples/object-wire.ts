/**
 * A transport of one's own: downloads from an object store (S3 and its like) by way of its client instead of HTTP. What has to be
 * known of the store is `Objects`; `layer` makes the network of an engine out of it.
 *
 * URLs name objects: https://BUCKET/KEY. The engine does the rest (identity, resuming, several connections, retries, verifying), by
 * what the answers say, so they have to say it in the words of HTTP: a strong ETag, 206 with Content-Range, 404. The suite
 * `WireConformance` of `sluice/testing` tries that; object-wire.test.ts runs it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import {
  type ByteSink,
  DownloadError,
  type Exchange,
  type ResponseHead,
  Wire,
  type WireRequest,
  type WireResponse
} from "sluice"

/** What an object is at this moment. */
export interface Version {
  readonly size: number
  /** The same for the same bytes, another for others, in quotes. */
  readonly etag: string
}

/**
 * An object store. Errors are told to people, so there is no signature or key in them; their reason decides what follows: after `Network`
 * the engine tries again by its retry policy.
 */
export interface Objects {
  /** None where there is no such object. */
  readonly stat: (key: string) => Effect.Effect<Option.Option<Version>, DownloadError>
  /** The bytes of that version from `start` up to `end`, in chunks that nobody else writes to; fails where there is another version now. */
  readonly read: (
    key: string,
    version: Version,
    start: number,
    end: number
  ) => Stream.Stream<Uint8Array, DownloadError>
}

const lost = (detail: string) => new DownloadError({ reason: "Network", detail })

const asked = (request: WireRequest, name: string): string | undefined =>
  request.headers.find(([known]) => known.toLowerCase() === name)?.[1]

/** What is asked for of so many bytes; undefined: all. A store without ranges would leave this out and always send all. */
const rangeOf = (request: WireRequest, { etag, size }: Version) => {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(asked(request, "range") ?? "") ?? []
  // the rest of another version is of no use: then all of this one
  if (from === undefined || (asked(request, "if-range") ?? etag) !== etag) return undefined
  return { start: Number(from), end: to ? Math.min(size, Number(to) + 1) : size }
}

const headOf = (status: number, fields: Readonly<Record<string, string>>): ResponseHead => ({
  status,
  headers: new Map(Object.entries(fields).map(([name, value]) => [name, [value]]))
})

/** The head of the answer, and its body. */
const answer = (objects: Objects, request: WireRequest) =>
  Effect.gen(function* () {
    const key = decodeURIComponent(new URL(request.url).pathname.slice(1))
    const found = yield* objects.stat(key)
    if (Option.isNone(found)) return { head: headOf(404, { "content-length": "0" }), body: Stream.empty }
    const version = found.value
    const { etag, size } = version
    const { end, start } = rangeOf(request, version) ?? { start: 0, end: size }
    if (start > 0 && start >= size)
      return {
        head: headOf(416, { "content-range": `bytes */${size}`, "content-length": "0" }),
        body: Stream.empty
      }
    const fields = { etag, "accept-ranges": "bytes", "content-length": `${end - start}` }
    const head =
      end - start === size
        ? headOf(200, fields)
        : headOf(206, { ...fields, "content-range": `bytes ${start}-${end - 1}/${size}` })
    return { head, body: objects.read(key, version, start, end) }
  })

const make = (objects: Objects): Wire["Type"] => {
  const exchange = (request: WireRequest, onHead: (head: ResponseHead) => ByteSink | undefined): Exchange => {
    const { activity } = request
    const ended = Deferred.unsafeMake<never, DownloadError>(FiberId.none)
    let isOver = false
    const abort = (error = lost("the request was given up")) => {
      isOver = true
      activity.held = false
      Deferred.unsafeDone(ended, Effect.fail(error))
    }
    /** Until it is aborted or interrupted; nothing is written after that. */
    const until = <A>(effect: Effect.Effect<A, DownloadError>) =>
      Effect.onInterrupt(Effect.raceFirst(Deferred.await(ended), effect), () => Effect.sync(() => abort()))

    const bodyInto = (body: Stream.Stream<Uint8Array, DownloadError>) => (sink: ByteSink) =>
      Effect.gen(function* () {
        const room = yield* Effect.makeLatch(true)
        sink.onDrain = () => {
          activity.held = false
          room.unsafeOpen()
        }
        sink.onFailure = abort
        yield* Stream.runForEach(body, (chunk) =>
          Effect.suspend(() => {
            if (isOver) return Effect.never
            activity.bytes += chunk.length
            activity.held = true
            room.unsafeClose()
            if (!sink.write(chunk)) return room.await
            activity.held = false
            return Effect.void
          })
        )
      }).pipe(until)

    const run = Effect.gen(function* () {
      activity.phase = "awaiting-head"
      const { body, head } = yield* until(answer(objects, request))
      activity.phase = "body"
      const sink = onHead(head)
      if (sink !== undefined) return yield* bodyInto(body)(sink)
      return { ...head, pipe: bodyInto(body), discard: Effect.sync(() => abort()) } satisfies WireResponse
    })
    return { run, abort }
  }

  return {
    exchange,
    request: (request) => {
      const { abort, run } = exchange(request, () => undefined)
      return Effect.zipRight(
        Effect.addFinalizer(() => Effect.sync(() => abort())),
        // nobody takes the body at the head, so there is a response
        Effect.map(run, (response) => response as WireResponse)
      )
    }
  }
}

/** The network of an engine whose downloads are objects. */
export const layer = (objects: Objects): Layer.Layer<Wire> => Layer.succeed(Wire, make(objects))

/** A store in memory, for tests: `put` replaces, `cut` loses the connection after so many bytes. */
export const memory = () => {
  const held = new Map<string, { readonly bytes: Uint8Array; readonly etag: string; readonly cut: number }>()
  let count = 0
  const put = (key: string, bytes: Uint8Array, cut = Infinity) =>
    void held.set(key, { bytes, etag: `"${++count}"`, cut })
  const objects: Objects = {
    stat: (key) =>
      Effect.sync(() =>
        Option.map(Option.fromNullable(held.get(key)), ({ bytes, etag }) => ({ etag, size: bytes.length }))
      ),
    read: (key, { etag }, start, end) =>
      Stream.unwrap(
        Effect.sync(() => {
          const now = held.get(key)
          if (now?.etag !== etag) return Stream.fail(lost("the object has been replaced meanwhile"))
          const { bytes, cut } = now
          const whole = Stream.range(0, Math.ceil((end - start) / size) - 1).pipe(
            Stream.map((n) => bytes.slice(start + n * size, Math.min(end, start + (n + 1) * size)))
          )
          return cut >= end - start
            ? whole
            : Stream.concat(
                Stream.take(whole, Math.floor(cut / size)),
                Stream.fail(lost("the connection was lost"))
              )
        })
      )
  }
  return { objects, put }
}

/** Bytes of a chunk. */
const size = 64 * 1024
