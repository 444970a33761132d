/**
 * What the command says about downloads, as data: one event per change. `--json` writes each as a line of JSON on
 * stdout; the human displays turn the same events into sentences.
 *
 * The shape is a contract, versioned by `v`: within a version fields are added, never removed or given another
 * meaning. Times (`at`) are ISO 8601 in UTC, sizes bytes, delays milliseconds. No event carries a header, and the URLs
 * inside sluice hold no credentials.
 */
import * as Schema from "effect/Schema"
import * as Downloads from "../../domain/Download.js"
import { Reason } from "../../domain/DownloadError.js"
import { DownloadId } from "../../domain/DownloadId.js"

const about = { v: Schema.Literal(1), at: Schema.String, id: DownloadId, url: Schema.String }
/** Bytes from the start of the file that are held, and how many there are in all, where that is known. */
const amounts = { bytes: Schema.NonNegative, total: Schema.NullOr(Schema.NonNegative) }
/** Why a try did not succeed: a code of a closed set, a sentence, and the HTTP status where that was the cause. */
const why = { reason: Reason, detail: Schema.String, status: Schema.optional(Schema.Int) }

/** Recorded. `attached`: it was unfinished already, and goes on from `bytes`. */
export const Enqueued = Schema.Struct({
  ...about,
  event: Schema.Literal("enqueued"),
  attached: Schema.Boolean,
  ...amounts
})
/** A try begins; `attempt` counts from 1. */
export const Started = Schema.Struct({
  ...about,
  event: Schema.Literal("started"),
  attempt: Schema.Int,
  ...amounts
})
/** Bytes arrived; at most every 500 ms per download. They may not be on stable storage yet. */
export const Progress = Schema.Struct({ ...about, event: Schema.Literal("progress"), ...amounts })
/** A try failed; the next begins after `delay`. */
export const Retrying = Schema.Struct({
  ...about,
  event: Schema.Literal("retrying"),
  attempt: Schema.Int,
  delay: Schema.NonNegative,
  ...why
})
/** Not a failure: a named reason to wait for `delay`. */
export const Waiting = Schema.Struct({
  ...about,
  event: Schema.Literal("waiting"),
  delay: Schema.NonNegative,
  ...why
})
/** The file is at `path`. `skipped`: one of that name was there already and was left alone, as asked. */
export const Completed = Schema.Struct({
  ...about,
  event: Schema.Literal("completed"),
  path: Schema.String,
  bytes: Schema.NonNegative,
  outcome: Downloads.Outcome
})
/** It has ended for good. */
export const Failed = Schema.Struct({
  ...about,
  event: Schema.Literal("failed"),
  ...why,
  advice: Schema.String
})
export const Cancelled = Schema.Struct({ ...about, event: Schema.Literal("cancelled") })
export const Paused = Schema.Struct({ ...about, event: Schema.Literal("paused"), ...amounts })
/** The command was stopped before the download had ended; at least `bytes` are saved. */
export const Interrupted = Schema.Struct({ ...about, event: Schema.Literal("interrupted"), ...amounts })
/** The command as a whole could not do its work; the process ends with `exit`. */
export const Failure = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("error"),
  at: Schema.String,
  reason: Schema.String,
  message: Schema.String,
  advice: Schema.String,
  exit: Schema.Int
})
/** A line of `ls --json`. */
export const Listed = Schema.Struct({
  ...about,
  event: Schema.Literal("download"),
  status: Downloads.Status,
  path: Schema.NullOr(Schema.String),
  directory: Schema.String,
  ...amounts,
  percent: Schema.NullOr(Schema.Int),
  priority: Schema.Number,
  attempt: Schema.Int,
  retries: Schema.Int,
  nextAttemptAt: Schema.NullOr(Schema.String),
  reason: Schema.NullOr(Reason),
  detail: Schema.NullOr(Schema.String),
  createdAt: Schema.String,
  updatedAt: Schema.String,
  finishedAt: Schema.NullOr(Schema.String)
})

/** One change of one download. */
export const Change = Schema.Union(
  Enqueued,
  Started,
  Progress,
  Retrying,
  Waiting,
  Completed,
  Failed,
  Cancelled,
  Paused,
  Interrupted
)
export type Change = typeof Change.Type

/** Any line that `--json` writes. */
export const Event = Schema.Union(Change, Failure, Listed)
export type Event = typeof Event.Type
