/**
 * When a failed try is followed by another: a Schedule over typed errors that survives restarts.
 *
 * The schedule is never slept on. Its state is rebuilt by stepping it through the strikes stored with the row (the
 * failed tries since the last progress), its randomness comes from the download's id, and what is stored is the
 * time of the next try, not a remaining delay: a restarted engine goes on exactly where the dead one was.
 */
import * as Effect from "effect/Effect"
import * as Intervals from "effect/ScheduleIntervals"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Duration from "effect/Duration"
import type { Download, Strike } from "./Download.js"
import { DownloadError } from "./DownloadError.js"
import type { DownloadOptions } from "./DownloadOptions.js"
import type { Verdict } from "./Message.js"

/** Decides over the errors of tries in a row that brought nothing to resume from. */
export type RetryPolicy = Schedule.Schedule<unknown, DownloadError>

/** No backoff is longer than this, in milliseconds. */
export const maxDelay = 5 * 60_000

/** Exponential from `retryDelay` doubled each time (2, 4, 8 s ...), at most `maxDelay`, `maxRetries` times in a row. */
export const fromOptions = (options: DownloadOptions): RetryPolicy =>
  Schedule.exponential(options.retryDelay, 2).pipe(
    Schedule.modifyDelay((_, delay) => Duration.min(delay, maxDelay)),
    Schedule.intersect(Schedule.recurs(options.maxRetries))
  )

/** A disk that is full (or a sink that is not part of the engine) is looked at again after this many milliseconds. */
const diskPause = 10_000

/** What follows from `error`, which just (at `now`) ended a try of `download`. */
export const decide = (
  policy: RetryPolicy,
  download: Download,
  error: DownloadError,
  now: number
): Effect.Effect<Verdict> => {
  if (error.kind === "permanent") return Effect.succeed({ _tag: "Final" })
  if (error.kind === "wait") return Effect.succeed(waitFor(download, error, now))
  return replay(policy, [...download.strikes, { at: now, failure: error }]).pipe(
    Effect.withRandom(Random.make(download.id))
  )
}

/** Without a network, the next look comes after as long a pause as this has lasted, from 1 s to 30 s. */
const offlinePause = (since: number, now: number): number => Math.min(30_000, Math.max(1000, now - since))

const pauseOf = (download: Download, error: DownloadError, now: number): number => {
  if (error.reason === "DiskFull" || error.reason === "SinkMissing") return diskPause
  if (error.reason === "Offline") return offlinePause(download.waitingSince ?? now, now)
  return Math.max(1000, error.retryAfter ?? 0)
}

const waitFor = (download: Download, error: DownloadError, now: number): Verdict => {
  const at = now + Math.ceil(pauseOf(download, error, now))
  // a clock that was set back must not make a wait look as if it began in the future
  const deadline = Math.min(download.waitingSince ?? now, now) + download.options.giveUp
  return at > deadline ? { _tag: "Final" } : { _tag: "WaitUntil", at }
}

const replay = (policy: RetryPolicy, strikes: ReadonlyArray<Strike>): Effect.Effect<Verdict> =>
  Effect.gen(function* () {
    let state: unknown = policy.initial
    let verdict: Verdict = { _tag: "Final" }
    for (const { at, failure } of strikes) {
      const [next, , decision] = yield* policy.step(at, new DownloadError(failure), state)
      if (decision._tag === "Done") return { _tag: "Final" } as const
      state = next
      verdict = { _tag: "RetryAt", at: Math.ceil(Math.max(at, Intervals.start(decision.intervals))) }
    }
    return verdict
  })
