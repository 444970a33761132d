/**
 * The transfer program: brings the missing bytes of one download into its part file over HTTP, above the two seams.
 *
 * It asks, judges and redirects as the pure rules say (`Identity`, `Redirect`), round by round until nothing is missing.
 * The part file and what the row claims of it are PartSession's business; retries, verification of the whole and the final
 * name are left to others.
 *
 * Tricky interleavings: the watchdog checkpoints while a body streams, and ends a silent one. When the rounds have ended, for
 * whatever reason, and the last tick with them, the writer is drained and a last checkpoint made, so that a pause or a
 * cut wastes nothing.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { isList } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import * as FileName from "../domain/FileName.js"
import { single } from "../domain/Headers.js"
import * as Identity from "../domain/Identity.js"
import * as Redirect from "../domain/Redirect.js"
import type { StoreError } from "../domain/StoreError.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { PartFile } from "../services/PartFile.js"
import { type Begun, type Reporter, type Transferred, Transport, type Whole } from "../services/Transport.js"
import { type Activity, Wire, type WireResponse } from "../services/Wire.js"
import { boundedSink } from "./BoundedSink.js"
import * as FirstAnswer from "./FirstAnswer.js"
import * as PartSession from "./PartSession.js"
import * as Watchdog from "./Watchdog.js"

/** A whole file of so many bytes or more is recorded before it is verified. */
const worthRecording = 8 * 1024 * 1024

type Failures = DownloadError.DownloadError | StoreError

/** How a round ended: all is there, ask for the rest, or the name is taken and the policy is to skip. */
type Round = "complete" | "more" | { readonly skipped: string }

type Body = Extract<Identity.Verdict, { readonly _tag: "Body" }>

const make = Effect.gen(function* () {
  const wire = yield* Wire
  const disk = yield* PartFile
  const { checkpointInterval } = yield* EngineOptions
  const watchdog = yield* Watchdog.make

  /** One request, its redirects followed. */
  const follow = (
    download: Download,
    headers: ReadonlyArray<readonly [string, string]>,
    activity: Activity,
    first: FirstAnswer.Answered | undefined
  ): Effect.Effect<{ readonly response: WireResponse; readonly url: URL }, Failures, Scope.Scope> =>
    Effect.gen(function* () {
      let url = new URL(download.url)
      let given = Redacted.value(download.headers)
      for (let count = 0; ; count++) {
        let response: WireResponse
        if (count === 0 && first !== undefined) response = first.response
        else {
          activity.phase = "connecting"
          response = yield* wire.request({ url: url.href, headers: [...given, ...headers], activity })
        }
        if (!Redirect.isRedirect(response.status)) return { response, url }
        yield* response.discard
        const next = yield* Redirect.next(url, single(response.headers, "location"), count)
        // what was dropped on the way to another origin stays dropped: that origin may choose where on ours we return to
        given = Redirect.headersFor(url, next, given)
        url = next
      }
    })

  /**
   * The body was complete and yet not as long as it had announced, so its bytes need not be those asked for: a whole
   * resource sent as a part looks like this. From 0 then, since checkpoints may hold some of it by now.
   */
  const contradicted = (
    session: PartSession.PartSession,
    body: Body,
    fault: DownloadError.DownloadError
  ): Effect.Effect<"more", Failures> =>
    Effect.zipRight(
      session.renounce,
      body.start === 0
        ? Effect.fail(fault)
        : Effect.as(Effect.logInfo(`starting again from 0: ${fault.detail}`), "more" as const)
    )

  // uninterruptible but for the body itself: what has proved wrong must not be claimed on the way out
  const receive = (
    session: PartSession.PartSession,
    response: WireResponse,
    body: Body,
    maxSize: number | null
  ) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const bound = Identity.bodyLimit(body.bodyLength, body.start, maxSize)
        const sink = boundedSink(session.write(body.total), bound)
        const ended = yield* Effect.exit(restore(response.pipe(sink)))
        if (sink.excess !== undefined) return yield* contradicted(session, body, sink.excess)
        yield* ended
        const received = yield* session.settle
        const fault = Identity.bodyFault(body.bodyLength, received)
        if (fault !== undefined) return yield* contradicted(session, body, fault)
        if (body.total === undefined || session.held.bytes === body.total) return "complete"
        // a 206 may be shorter than what was asked for (RFC 9110 section 15.3.7): ask for the rest
        if (received > 0) return "more"
        return yield* DownloadError.make("ProtocolViolation", "the server sent an empty part")
      })
    )

  /** With the answer to the first request, if that is there already. */
  const transferFrom = (download: Download, reporter: Reporter, answered: FirstAnswer.Answered | undefined) =>
    Effect.gen(function* () {
      const { checksum, maxSize, stallTimeout, timeout } = download.options
      const session = yield* PartSession.open(disk, download, reporter)
      const activity: Activity = answered?.activity ?? { phase: "connecting", bytes: 0, held: false }
      let first = answered
      /** What is held could not be continued: ask for all of it. */
      let distrusted = false
      /** What is known of the version: a digest may come with the rest only. */
      let validator = session.held.validator

      const round: Effect.Effect<Round, Failures, Scope.Scope> = Effect.gen(function* () {
        const held = distrusted ? Identity.nothing : { ...session.held, validator }
        const asked = Identity.ask(held)
        const { response, url } = yield* follow(download, asked.headers, activity, first)
        first = undefined
        const now = yield* Clock.currentTimeMillis
        const verdict = Identity.judge(held, asked, response.status, response.headers, now)
        if (verdict._tag === "Failed") {
          yield* response.discard
          return yield* verdict.error
        }
        if (verdict._tag === "AskAgainFromZero") {
          yield* response.discard
          yield* Effect.logInfo(`starting again from 0: ${verdict.why}`)
          distrusted = true
          return "more"
        }
        const tooLarge = Identity.sizeFault(maxSize, verdict.total)
        if (tooLarge !== undefined) {
          yield* response.discard
          return yield* tooLarge
        }
        validator = verdict.validator
        if (verdict.start === 0) {
          if (verdict.restart !== undefined)
            yield* Effect.logInfo(`starting again from 0: ${verdict.restart}`)
          const skipped = yield* session.begin({
            proposedName: () => FileName.propose(single(response.headers, "content-disposition"), url.href),
            total: verdict.total,
            validator: verdict.validator
          })
          if (Option.isSome(skipped)) return { skipped: skipped.value }
          distrusted = false
        }
        reporter.gauge.state = "downloading"
        return yield* receive(session, response, verdict, maxSize)
      })

      const rounds: Effect.Effect<Transferred, Failures, Scope.Scope> = Effect.gen(function* () {
        const whole = session.part !== undefined && session.held.bytes === session.held.total
        const tooLarge = whole ? Identity.sizeFault(maxSize, session.held.total) : undefined
        if (tooLarge !== undefined) return yield* tooLarge
        let result: Round = whole ? "complete" : "more"
        // mostly one round is all, whose request may as well be let go of with the session
        if (result === "more") result = yield* round
        while (result === "more") result = yield* Effect.scoped(round)
        if (result !== "complete") return { _tag: "Skipped", filename: result.skipped }
        const { handle, name } = session.part!
        return {
          _tag: "Fetched",
          part: handle,
          partName: name,
          filename: session.filename!,
          size: session.held.bytes,
          digest: validator.digest
        }
      })

      return yield* watchdog
        .watch(rounds, {
          activity,
          timeout,
          stallTimeout,
          interval: checkpointInterval,
          onTick: session.record
        })
        .pipe(
          // verifying takes a while: neither a crash nor a pause then should cost what has just come
          Effect.tap(() =>
            isList(checksum) ||
            ((checksum !== null || validator.digest !== undefined) && session.held.bytes >= worthRecording)
              ? session.complete
              : Effect.void
          ),
          Effect.tap(() => session.sound),
          Effect.onError(() => session.keep)
        )
    })

  const transfer = (download: Download, reporter: Reporter) => transferFrom(download, reporter, undefined)

  const answer = FirstAnswer.make({
    wire,
    disk,
    watchdog,
    clock: yield* Effect.clock,
    interval: checkpointInterval
  })

  const begin = (download: Download, reporter: Reporter): Effect.Effect<Whole | Begun, Failures> => {
    if (!FirstAnswer.mayComeWhole(download)) {
      return Effect.succeed({ _tag: "Begun", rest: transfer(download, reporter), abandon: Effect.void })
    }
    return Effect.map(answer(download, reporter), (answered): Whole | Begun => {
      switch (answered._tag) {
        case "Whole":
          return answered
        case "Moved": {
          const abandon = FirstAnswer.close(answered)
          return {
            _tag: "Begun",
            rest: Effect.zipRight(
              Effect.addFinalizer(() => abandon),
              FirstAnswer.finish(answered)
            ),
            abandon
          }
        }
        case "Answered": {
          const abandon = Effect.sync(answered.abort)
          return {
            _tag: "Begun",
            rest: Effect.zipRight(
              Effect.addFinalizer(() => abandon),
              transferFrom(download, reporter, answered)
            ),
            abandon
          }
        }
      }
    })
  }

  return Transport.of({ begin, transfer })
})

/** Needs the two seams. */
export const layer: Layer.Layer<Transport, never, Wire | PartFile> = Layer.scoped(Transport, make)
