/**
 * A conditional request over the Wire (RFC 9110 section 13), with the redirects of any other: asks as `domain/Refetch` says and
 * does what that makes of the answer. The file itself is others' business.
 *
 * Tricky interleavings: the body of an answer that brings the whole is not read, and its connection given up; whoever wants
 * it asks again. The watchdog ends a silent server; an interruption ends the exchange with the scope.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import { conditions, judge, type Kept } from "../domain/Refetch.js"
import { Bandwidth } from "../services/Bandwidth.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { type Answer, Revalidation } from "../services/Revalidation.js"
import type { Activity } from "../services/Wire.js"
import * as Redirects from "./Redirects.js"
import * as Watchdog from "./Watchdog.js"

const make = Effect.gen(function* () {
  const bandwidth = yield* Bandwidth
  const { checkpointInterval } = yield* EngineOptions
  const watchdog = yield* Watchdog.make

  const ask = (download: Download, kept: Kept): Effect.Effect<Answer, DownloadError> => {
    const { stallTimeout, timeout } = download.options
    const activity: Activity = { phase: "connecting", bytes: 0, held: false }
    const identity = ["accept-encoding", "identity"] as const
    const asking = (plainly: boolean): Effect.Effect<Answer, DownloadError> =>
      Effect.gen(function* () {
        const fields = plainly ? [identity] : [identity, ...conditions(kept.validator)]
        const url = new URL(download.url)
        const given = Redacted.value(download.headers)
        const wire = bandwidth.wireFor(download)
        const { response } = yield* Redirects.follow(wire, { url, given, home: url, fields, activity })
        yield* response.discard
        const now = yield* Clock.currentTimeMillis
        return judge(kept, plainly, response.status, response.headers, now)
      }).pipe(
        Effect.scoped,
        Effect.flatMap((verdict): Effect.Effect<Answer, DownloadError> => {
          switch (verdict._tag) {
            case "AskPlainly":
              return asking(true)
            case "Failed":
              return verdict.error
            default:
              return Effect.succeed(verdict)
          }
        })
      )
    return watchdog.watch(asking(false), {
      activity,
      timeout,
      stallTimeout,
      interval: checkpointInterval,
      onTick: Effect.void
    })
  }

  return Revalidation.of({ ask })
})

/** Needs the network seam, at the pace of the engine. */
export const layer: Layer.Layer<Revalidation, never, Bandwidth> = Layer.scoped(Revalidation, make)
