/**
 * A line of the engine's log, as the command shows it on stderr: what happened, and after it what it is about. With a level
 * below warning (`--log-level info`, `debug`) each line has its time, and a defect its stack.
 *
 * Failures of downloads are told by the command itself, with advice and at the end once more; unless somebody reads the
 * log for its own sake, their lines are left out.
 */
import * as Cause from "effect/Cause"
import * as HashMap from "effect/HashMap"
import type * as Logger from "effect/Logger"
import { printable } from "../../domain/Redaction.js"

/** Longer words are cut. */
const limit = 2000

const words = (message: unknown): string =>
  (Array.isArray(message) ? message : [message])
    // objects have a form for people only where they are errors
    .map((word) => (word instanceof Error ? word.message : String(word)))
    .join(" ")

/** Undefined where it is not to be shown; else with its line end. */
export const format = (
  { annotations, cause, date, logLevel, message }: Logger.Logger.Options<unknown>,
  detailed: boolean
): string | undefined => {
  if (!detailed && HashMap.has(annotations, "reason")) return undefined
  const about = Array.from(annotations, ([key, value]) => `${key}=${String(value)}`).sort()
  const text = printable(words(message), limit)
  const level = logLevel._tag.toLowerCase()
  if (!detailed) return `sluice: ${level}: ${text}\n`
  const line = [date.toISOString(), `${level}:`, text, ...about.map((one) => printable(one))].join(" ")
  const stack = Cause.isEmpty(cause)
    ? ""
    : Cause.pretty(cause)
        .split("\n")
        .map((one) => `  ${printable(one, limit)}\n`)
        .join("")
  return `sluice: ${line}\n${stack}`
}
