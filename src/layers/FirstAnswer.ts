/**
 * The first request of a download that holds nothing. A small body is taken in its head's wake and brought in memory, with
 * no file, no row and no fiber of its own; any other answer is handed on, its body still on the wire.
 *
 * A small body is not always a quick one: where it has not come by the first tick, it goes on into a part, recorded and seen
 * as that of any other; one that is cut before that is put into a part then, if a later try could continue it. Redirects,
 * policies that look at names first, and everything that has a part already are the transfer program's.
 *
 * Tricky interleavings: the wait can be interrupted, whatever the region around it, and nothing else can. An answer that came
 * in the instant of the interruption is lost with it, so the exchange is aborted however it failed. The body may end while a
 * tick is about to move it: whatever follows waits for the tick, and finds the bytes in one place or the other. They are
 * moved in one go, with no chunk in between.
 */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { isList } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadOptions } from "../domain/DownloadOptions.js"
import * as FileName from "../domain/FileName.js"
import { single } from "../domain/Headers.js"
import * as Identity from "../domain/Identity.js"
import { Spawned } from "../domain/Message.js"
import type { StoreError } from "../domain/StoreError.js"
import * as Validators from "../domain/Validator.js"
import type { Shape as Bandwidth } from "../services/Bandwidth.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Reporter, Transferred, Whole } from "../services/Transport.js"
import type { Activity, ByteSink, ResponseHead, WireResponse } from "../services/Wire.js"
import { boundedSink, type BoundedSink } from "./BoundedSink.js"
import * as PartSession from "./PartSession.js"
import type { PartWriter } from "./PartWriter.js"
import { lowSpeedOf, type Watchdog } from "./Watchdog.js"

/** The largest body that is taken into memory, in bytes. */
export const maxWhole = 64 * 1024

type Body = Extract<Identity.Verdict, { readonly _tag: "Body" }>

/** An answer whose body is still on the wire; `abort` lets go of it. */
export interface Answered {
  readonly _tag: "Answered"
  readonly response: WireResponse
  readonly url: URL
  readonly activity: Activity
  readonly abort: () => void
}

/** A small body that took its time: all of it has come, and is in a part, or on its way into it. */
export interface Moved {
  readonly _tag: "Moved"
  readonly session: PartSession.PartSession
  readonly writer: PartWriter
  readonly bodyLength: number | undefined
  /** Of the part. */
  readonly scope: Scope.CloseableScope
}

type Failures = DownloadError | StoreError

interface Dependencies {
  readonly wireFor: Bandwidth["wireFor"]
  readonly disk: Disk
  readonly watchdog: Watchdog
  readonly clock: Clock.Clock
  /** Between two ticks, in milliseconds. */
  readonly interval: number
}

/** Whether the download's whole file may be brought in memory, as far as its row can tell. */
export const mayComeWhole = ({ options, part, publishing, sources }: Download): boolean =>
  part === null &&
  // whoever has several is asked what it is to be held against
  sources === null &&
  // one piece or a few: they are verified where they lie
  options.pieces === null &&
  publishing === null &&
  // a list that can't be had must not cost the bytes that are there
  !isList(options.checksum) &&
  (options.onConflict === "rename" || options.onConflict === "overwrite")

/** Takes a body that is small, as announced. */
class Gathering implements ByteSink {
  readonly chunks: Array<Uint8Array> = []
  size = 0
  body: Body | undefined
  bounded: BoundedSink | undefined
  private writer: ByteSink | undefined
  onDrain: () => void = () => {}
  onFailure: (error: DownloadError) => void = () => {}

  constructor(private readonly gauge: Reporter["gauge"]) {}

  readonly write = (chunk: Uint8Array): boolean => {
    this.size += chunk.length
    if (this.writer !== undefined) return this.writer.write(chunk)
    this.chunks.push(chunk)
    this.gauge.received = this.size
    return true
  }

  /** Moves what has come, and all that will come, to a writer. */
  moveTo(writer: ByteSink): void {
    writer.onDrain = () => this.onDrain()
    writer.onFailure = (error) => this.onFailure(error)
    this.writer = writer
    for (const chunk of this.chunks.splice(0)) writer.write(chunk)
  }

  /** The sink for this body, if it is wanted. */
  take(verdict: Identity.Verdict, options: DownloadOptions): ByteSink | undefined {
    if (verdict._tag !== "Body" || verdict.bodyLength === undefined || verdict.bodyLength > maxWhole)
      return undefined
    if (Identity.announcedFault(options, verdict.total) !== undefined) return undefined
    this.body = verdict
    this.gauge.received = 0
    this.gauge.total = verdict.total
    this.gauge.state = "downloading"
    this.bounded = boundedSink(this, Identity.bodyLimit(verdict.bodyLength, 0, Identity.limitOf(options)))
    return this.bounded
  }
}

export const make =
  ({ clock, disk, interval, watchdog, wireFor }: Dependencies) =>
  (download: Download, reporter: Reporter): Effect.Effect<Whole | Moved | Answered, Failures> =>
    Effect.suspend(() => {
      const { stallTimeout, timeout } = download.options
      const url = new URL(download.url)
      const asked = Identity.ask(Identity.nothing)
      const activity: Activity = { phase: "connecting", bytes: 0, held: false }
      const gathering = new Gathering(reporter.gauge)
      let head: ResponseHead | undefined
      let moved: Moved | undefined
      /** Why there is no going on, where a tick has found out. */
      let broken: Cause.Cause<Failures> | undefined
      const exchange = wireFor(download).exchange(
        {
          url: url.href,
          headers: [...Redacted.value(download.headers), ...asked.headers],
          activity,
          personal: true,
          onWait: (why) => void (reporter.gauge.state = why ?? "connecting"),
          onProcess: (pid) => Effect.ignore(reporter.note(Spawned({ pid })))
        },
        (response) => {
          head = response
          const now = clock.unsafeCurrentTimeMillis()
          return response.status === 200
            ? gathering.take(
                Identity.judge(Identity.nothing, asked, 200, response.headers, now),
                download.options
              )
            : undefined
        }
      )

      const proposedName = () =>
        FileName.propose(head && single(head.headers, "content-disposition"), url.href)

      /** From memory into a part. */
      const move = (body: Body): Effect.Effect<PartSession.PartSession, Failures> =>
        Effect.gen(function* () {
          const { total, validator } = body
          const scope = yield* Scope.make()
          const opening = PartSession.open(disk, download, reporter).pipe(
            Effect.tap((session) => session.begin({ proposedName, total, validator })),
            Scope.extend(scope),
            Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
          )
          const session = yield* opening
          const writer = session.write(0, body)
          gathering.moveTo(writer)
          moved = { _tag: "Moved", session, writer, bodyLength: body.bodyLength, scope }
          return session
        })

      const onTick = Effect.suspend((): Effect.Effect<void, Failures> => {
        if (moved !== undefined) return moved.session.record
        const { body } = gathering
        return body === undefined || gathering.size === 0
          ? Effect.void
          : Effect.flatMap(move(body), (session) => session.record)
      }).pipe(
        Effect.uninterruptible,
        Effect.catchAllCause((cause) =>
          Effect.sync(() => {
            broken = cause
            exchange.abort()
          })
        )
      )
      const lowSpeed = lowSpeedOf(download.options)
      const leave = watchdog.attend(
        { activity, timeout, stallTimeout, lowSpeed, interval, onTick },
        exchange.abort
      )

      const arrived = (body: Body): Effect.Effect<Whole | Moved, DownloadError> => {
        if (moved !== undefined) return Effect.succeed(moved)
        const { chunks, size } = gathering
        const fault = Identity.bodyFault(body.bodyLength, size)
        if (fault !== undefined) return fault
        const filename = download.filename ?? download.output ?? proposedName()
        return Effect.succeed({ _tag: "Whole", chunks, size, filename, validator: body.validator })
      }

      /** What a later try can continue is kept, what has proved wrong is not. */
      const keep = Effect.gen(function* () {
        const { body, bounded, size } = gathering
        if (body === undefined || size === 0) return
        const wrong = bounded?.excess !== undefined
        if (moved === undefined && (wrong || !Validators.canProve(body.validator))) return
        if (moved === undefined) yield* move(body)
        yield* wrong ? moved!.session.renounce : moved!.session.keep
      }).pipe(
        Effect.ignore,
        Effect.zipRight(Effect.suspend(() => (moved === undefined ? Effect.void : close(moved))))
      )

      /** Once no tick is at it any more. */
      const after = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> => {
        const ticking = leave()
        return ticking === undefined ? effect : Effect.zipRight(Fiber.await(ticking), effect)
      }

      return Effect.matchCauseEffect(Effect.interruptible(exchange.run), {
        onSuccess: (response): Effect.Effect<Whole | Moved | Answered, DownloadError> =>
          after<Whole | Moved | Answered, DownloadError>(
            response === undefined
              ? Effect.suspend(() => arrived(gathering.body!))
              : Effect.succeed({ _tag: "Answered", response, url, activity, abort: exchange.abort })
          ),
        onFailure: (cause) => {
          exchange.abort()
          return after(
            Effect.zipRight(
              keep,
              Effect.suspend(() => Effect.failCause(broken ?? cause))
            )
          )
        }
      })
    })

/** Lets go of the part. */
export const close = ({ scope }: Moved): Effect.Effect<void> => Scope.close(scope, Exit.void)

/** What is left to do with a body that has come, and has gone into a part. */
export const finish = ({ bodyLength, session, writer }: Moved): Effect.Effect<Transferred, Failures> =>
  Effect.gen(function* () {
    const fault = Identity.bodyFault(bodyLength, yield* session.settle(writer))
    if (fault !== undefined) session.condemn(fault, { fresh: true })
    yield* session.sound
    return session.fetched
  }).pipe(
    Effect.onError(() => session.keep),
    Effect.uninterruptible
  )
