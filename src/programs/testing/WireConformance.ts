/**
 * The rules of a network (`Wire`), tried: a transport of somebody's own (an object store, a file server) passes these before an
 * engine downloads by it. The rules stand at `services/Wire`; here each is a case that a transport which breaks it does not pass.
 *
 * The suite asks for bytes that it has put somewhere itself, so it needs a way to put them there, and nothing else. What the
 * engine makes of answers (identity, retries, the disk) is the engine's, and is the same over any Wire.
 *
 * @example
 * ```ts
 * import { it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import type * as Layer from "effect/Layer"
 * import type { Wire } from "sluice"
 * import { WireConformance } from "sluice/testing"
 *
 * declare const put: (name: string, bytes: Uint8Array) => string
 * declare const layer: Layer.Layer<Wire>
 *
 * const cases = WireConformance.cases({
 *   make: Effect.succeed({
 *     put: (name, bytes) => Effect.sync(() => put(name, bytes)),
 *     absent: "https://objects.example/nothing-here"
 *   })
 * })
 * for (const { name, run } of cases) it.live(name, () => Effect.provide(run, layer))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { from, parseContentRange } from "../../domain/ByteRange.js"
import { DownloadError, make as makeError } from "../../domain/DownloadError.js"
import { single } from "../../domain/Headers.js"
import { type Activity, type ByteSink, Wire, type WireResponse } from "../../services/Wire.js"
import { collector } from "./Collector.js"
import { bytesOf, type Case, caseOf, expect, isSame } from "./Conformance.js"

/** Where the suite puts what it asks for. */
export interface Place {
  /** Puts bytes under a name of letters and digits, in place of what was there, and succeeds with the URL they are at. */
  readonly put: (name: string, bytes: Uint8Array) => Effect.Effect<string>
  /** A URL at which there is nothing. */
  readonly absent: string
  /** The same as `put`, but the connection is lost after so many bytes of the body. Without it, that is not tried. */
  readonly cut?: (name: string, bytes: Uint8Array, after: number) => Effect.Effect<string>
  /** A URL of a server that can't be reached. Without it, that is not tried. */
  readonly unreachable?: string
  /** Succeeds when nothing is open any more for a request: no socket, process or file. Without it, that is not tried. */
  readonly idle?: Effect.Effect<void>
}

/** @see {@link cases} */
export interface Options<R = never> {
  /** Makes the place, for each case anew; what it needs ends with the scope. */
  readonly make: Effect.Effect<Place, never, R | Scope.Scope>
}

/** More than one chunk of any network, and more than what a system takes in advance. */
const large = 3 * 1024 * 1024

const secret = "c0nf0rmance-s3cret"

type Fields = ReadonlyArray<readonly [name: string, value: string]>

const idle = (): Activity => ({ phase: "connecting", bytes: 0, held: false })

const ask = (url: string, headers: Fields = [], activity = idle()) =>
  Effect.flatMap(Wire, (wire) => wire.request({ url, headers, activity }))

const read = (response: WireResponse) => {
  const { bytes, sink } = collector()
  return Effect.map(response.pipe(sink), bytes)
}

/** Lets the network do what it would do: a whole other exchange. */
const meanwhile = (place: Place) =>
  Effect.gen(function* () {
    const url = yield* place.put("meanwhile", bytesOf(100_000, 9))
    yield* Effect.scoped(Effect.flatMap(ask(url), read))
    yield* Effect.repeatN(Effect.yieldNow(), 20)
  })

const strongTag = (response: Pick<WireResponse, "headers">): string | undefined => {
  const tag = single(response.headers, "etag")
  return tag === undefined || tag.startsWith("W/") ? undefined : tag
}

/** Of `expected`, what an answer to a request for the range has to be: exactly the range, or the whole. */
const isRange = (response: WireResponse, expected: Uint8Array, start: number, end: number) =>
  Effect.gen(function* () {
    const bytes = yield* read(response)
    if (response.status === 200) {
      yield* expect(isSame(bytes, expected), "the 200 is not the whole")
      return
    }
    yield* expect(response.status === 206, `the answer has the status ${response.status}, not 206 or 200`)
    const range = parseContentRange(single(response.headers, "content-range") ?? "")
    yield* expect(
      range._tag === "Some" &&
        range.value.start === start &&
        range.value.end === end - 1 &&
        range.value.total === expected.length,
      `asked for ${start} to ${end - 1} of ${expected.length}, its Content-Range is ${single(response.headers, "content-range")}`
    )
    yield* expect(isSame(bytes, expected.subarray(start, end)), "the 206 has other bytes than it says")
  })

/** The cases, in an order that makes sense to read. Each needs the Wire that is tried. */
export const cases = <R = never>({
  make
}: Options<R>): ReadonlyArray<Case<Exclude<R | Wire, Scope.Scope>>> => {
  const rule = caseOf(make)

  /** A body in flight whose sink takes no more for now. */
  const held = (place: Place, name: string) =>
    Effect.gen(function* () {
      const wire = yield* Wire
      const url = yield* place.put(name, bytesOf(large))
      const activity = idle()
      const taken = collector(1)
      const exchange = wire.exchange({ url, headers: [], activity }, () => taken.sink)
      const fiber = yield* Effect.fork(Effect.either(exchange.run))
      yield* taken.begun
      return { activity, exchange, fiber, taken }
    })

  return [
    rule("an answer has its head, then its bytes, and says how far it is", (place) =>
      Effect.gen(function* () {
        const bytes = bytesOf(large)
        const activity = idle()
        const response = yield* ask(yield* place.put("a", bytes), [], activity)
        yield* expect(response.status === 200, `the status is ${response.status}, not 200`)
        const length = single(response.headers, "content-length")
        yield* expect(
          length === undefined || length === String(bytes.length),
          `the Content-Length of ${bytes.length} bytes is ${length}`
        )
        yield* expect(activity.phase === "body", `the phase behind the head is ${activity.phase}`)
        yield* expect(isSame(yield* read(response), bytes), "the bytes are others")
        yield* expect(activity.bytes === bytes.length, `${activity.bytes} bytes were counted`)
        yield* expect(!activity.held, "it is still held back")
      })
    ),
    rule("nothing at all is an answer too", (place) =>
      Effect.gen(function* () {
        const response = yield* ask(yield* place.put("a", new Uint8Array(0)))
        yield* expect(response.status === 200, `the status is ${response.status}, not 200`)
        yield* expect((yield* read(response)).length === 0, "there are bytes")
      })
    ),
    rule("a body waits until it is taken", (place) =>
      Effect.gen(function* () {
        const bytes = bytesOf(large)
        const response = yield* ask(yield* place.put("a", bytes))
        yield* meanwhile(place)
        yield* expect(isSame(yield* read(response), bytes), "its bytes are others when it is taken late")
      })
    ),
    rule(
      "nothing is sent before an exchange is run, its head is shown once, and its body taken at once",
      (place) =>
        Effect.gen(function* () {
          const wire = yield* Wire
          const bytes = bytesOf(large)
          const url = yield* place.put("a", bytes)
          const taken = collector()
          const heads: Array<number> = []
          const { run } = wire.exchange({ url, headers: [], activity: idle() }, ({ status }) => {
            heads.push(status)
            return taken.sink
          })
          yield* meanwhile(place)
          yield* expect(heads.length === 0, "an exchange that nobody has run was answered")
          const answer = yield* run
          yield* expect(answer === undefined, "it gives a response whose body was taken at its head")
          yield* expect(heads.join() === "200", `the heads shown were: ${heads.join()}`)
          yield* expect(isSame(taken.bytes(), bytes), "the bytes are others")
        })
    ),
    rule("of a range, the answer is exactly that, or the whole", (place) =>
      Effect.gen(function* () {
        const bytes = bytesOf(50_000)
        const url = yield* place.put("a", bytes)
        const rest = yield* ask(url, [["Range", from(20_000)]])
        yield* isRange(rest, bytes, 20_000, bytes.length)
        const span = yield* ask(url, [["Range", from(100, 5000)]])
        yield* isRange(span, bytes, 100, 5000)
      })
    ),
    rule(
      "a strong ETag is that of the bytes, and a rest is never of another version than If-Range says",
      (place) =>
        Effect.gen(function* () {
          const [old, other] = [bytesOf(50_000), bytesOf(50_000, 2)]
          const url = yield* place.put("a", old)
          const first = yield* ask(url)
          yield* read(first)
          const tag = strongTag(first)
          const same = yield* ask(url, [
            ["Range", from(20_000)],
            ["If-Range", tag ?? '"another"']
          ])
          if (tag === undefined) yield* expect(same.status === 200, "a rest where nothing proves its version")
          yield* isRange(same, old, 20_000, old.length)
          yield* expect(
            strongTag(same) === tag,
            `the ETag of the same bytes is ${strongTag(same)}, not ${tag}`
          )
          yield* place.put("a", other)
          const later = yield* ask(url, [
            ["Range", from(20_000)],
            ["If-Range", tag ?? '"another"']
          ])
          yield* expect(later.status === 200, `the rest of another version has the status ${later.status}`)
          yield* expect(isSame(yield* read(later), other), "the new version has other bytes")
          yield* expect(
            tag === undefined || strongTag(later) !== tag,
            "other bytes have the same strong ETag"
          )
        })
    ),
    rule("where nothing is, the answer is 404 or 410 (no failure), and its body can be left", (place) =>
      Effect.gen(function* () {
        const response = yield* ask(place.absent)
        yield* expect([404, 410].includes(response.status), `the status is ${response.status}`)
        yield* response.discard
        yield* meanwhile(place)
      })
    ),
    rule("a sink that asks to be spared gets nothing until it has room, and then all", (place) =>
      Effect.gen(function* () {
        const { activity, fiber, taken } = yield* held(place, "a")
        yield* meanwhile(place)
        yield* expect(taken.writes() === 1, `${taken.writes() - 1} more writes came`)
        yield* expect(activity.held, "it does not say that it is held back")
        taken.drain()
        const result = yield* Fiber.join(fiber)
        yield* expect(Either.isRight(result), `it failed: ${String(result)}`)
        yield* expect(isSame(taken.bytes(), bytesOf(large)), "the bytes are others")
        yield* expect(!activity.held, "it is still held back")
      })
    ),
    rule("a sink that can take no more ends it with the error it names", (place) =>
      Effect.gen(function* () {
        const url = yield* place.put("a", bytesOf(large))
        const why = makeError("DiskFull", "no room")
        const taken = collector()
        const refusing: ByteSink = {
          ...taken.sink,
          write: (chunk) => {
            taken.sink.write(chunk)
            refusing.onFailure(why)
            return false
          }
        }
        const result = yield* Effect.either(
          Effect.scoped(Effect.flatMap(ask(url), (response) => response.pipe(refusing)))
        )
        yield* expect(Either.isLeft(result) && result.left === why, `it ended otherwise: ${String(result)}`)
        yield* meanwhile(place)
        yield* expect(taken.writes() === 1, "more was written after that")
        yield* place.idle ?? Effect.void
      })
    ),
    rule("an exchange that is aborted fails with the error given, and writes no more", (place) =>
      Effect.gen(function* () {
        const { exchange, fiber, taken } = yield* held(place, "a")
        const why = makeError("Stalled", "enough")
        exchange.abort(why)
        const result = yield* Fiber.join(fiber)
        yield* expect(Either.isLeft(result) && result.left === why, `it ended otherwise: ${String(result)}`)
        const count = taken.count()
        taken.drain()
        yield* meanwhile(place)
        yield* expect(taken.count() === count, "it went on writing")
        yield* place.idle ?? Effect.void
        // to end what has ended is nothing
        exchange.abort()
      })
    ),
    rule("an exchange that is interrupted ends, and writes no more", (place) =>
      Effect.gen(function* () {
        const { exchange, fiber, taken } = yield* held(place, "a")
        yield* Fiber.interrupt(fiber)
        exchange.abort()
        const count = taken.count()
        taken.drain()
        yield* meanwhile(place)
        yield* expect(taken.count() === count, "it went on writing")
        yield* place.idle ?? Effect.void
      })
    ),
    rule("a body that nobody takes ends with its scope", (place) =>
      Effect.gen(function* () {
        const url = yield* place.put("a", bytesOf(large))
        const response = yield* Effect.scoped(ask(url))
        const taken = collector()
        const result = yield* Effect.either(response.pipe(taken.sink))
        yield* expect(Either.isLeft(result), "its body can be had after the scope has closed")
        yield* place.idle ?? Effect.void
      })
    ),
    rule("a body that is cut is never a success, and the error tells no secret", (place) =>
      Effect.gen(function* () {
        if (place.cut === undefined) return
        const url = yield* place.cut("a", bytesOf(large), 100_000)
        const asked = ask(url, [["Authorization", `Bearer ${secret}`]])
        yield* isTransient(yield* Effect.either(Effect.scoped(Effect.flatMap(asked, read))))
      })
    ),
    rule(
      "a server that can't be reached is a failure that another try may mend, and the error tells no secret",
      (place) =>
        Effect.gen(function* () {
          if (place.unreachable === undefined) return
          const asked = ask(`${place.unreachable}?token=${secret}`, [["Authorization", `Bearer ${secret}`]])
          yield* isTransient(yield* Effect.either(Effect.scoped(Effect.flatMap(asked, read))))
        })
    )
  ]
}

const isTransient = <A>(result: Either.Either<A, unknown>) =>
  Effect.gen(function* () {
    yield* expect(Either.isLeft(result), "it succeeds")
    const error = Either.isLeft(result) ? result.left : undefined
    yield* expect(error instanceof DownloadError, `it is no DownloadError: ${String(error)}`)
    if (!(error instanceof DownloadError)) return
    yield* expect(error.kind !== "permanent", `${error.reason} ends the download for good`)
    yield* expect(!JSON.stringify(error).includes(secret), "the error shows what was sent in confidence")
  })
