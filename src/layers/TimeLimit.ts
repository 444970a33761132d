/**
 * Ends the work on a download when its time as a whole is over (`options.maxTime`).
 *
 * Tricky interleavings: the work decides itself where it can be interrupted, so it is interrupted there, saves its checkpoint
 * and lets go, before the error is seen. What is about to get its name gets it: the end that stands in the row counts, not this
 * error. Somebody's pause or cancel interrupts the work as it does without a limit.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import * as MaxTime from "../domain/MaxTime.js"
import { firstToEnd } from "./Race.js"

/** In an uninterruptible region, as `work` is written for one. */
export const within = <A, E>(
  download: Download,
  work: Effect.Effect<A, E>
): Effect.Effect<A, E | DownloadError> =>
  download.options.maxTime === null
    ? work
    : Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<A, E | DownloadError> => {
        const left = MaxTime.left(download, now)!
        return left <= 0
          ? Effect.fail(MaxTime.timedOut(download))
          : Effect.interruptible(
              firstToEnd(
                Effect.uninterruptible(work),
                Effect.zipRight(
                  Effect.sleep(left),
                  Effect.suspend(() => Effect.fail(MaxTime.timedOut(download)))
                )
              )
            )
      })
