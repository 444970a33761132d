/**
 * How long a download may take as a whole (`options.maxTime`): until when, and what is said when the time is over. The time is that of
 * the clock since work on it began (`begunAt`, durable in its row), so pauses between tries and an engine's downtime count.
 */
import type { Download } from "./Download.js"
import { type DownloadError, make } from "./DownloadError.js"
import type { Verdict } from "./Message.js"

type Limited = Pick<Download, "begunAt" | "options">

/** How much of its time is left at `now`, in milliseconds; undefined where there is no limit. 0 or less: it is over. */
export const left = ({ begunAt, options: { maxTime } }: Limited, now: number): number | undefined =>
  maxTime === null
    ? undefined
    : // a clock that was set back must not make it look as if work began in the future
      Math.min(begunAt ?? now, now) + maxTime - now

const seconds = (milliseconds: number): string => `${Math.round(milliseconds / 100) / 10} s`

/** Its time is over. `last`: why it has not come in that time, where a try has failed. */
export const timedOut = ({ options: { maxTime } }: Limited, last?: DownloadError): DownloadError =>
  make(
    "TimedOut",
    `it was to take ${seconds(maxTime ?? 0)} at most` +
      (last === undefined ? " and is not complete" : `, and the next try would begin later: ${last.detail}`)
  )

/** A try that could only begin when the time is over is not waited for. */
export const bounded = (
  download: Limited,
  error: DownloadError,
  verdict: Verdict,
  now: number
): { readonly error: DownloadError; readonly verdict: Verdict } => {
  const rest = left(download, now)
  return rest === undefined || verdict._tag === "Final" || verdict.at < now + rest
    ? { error, verdict }
    : { error: timedOut(download, error), verdict: { _tag: "Final" } }
}
