/**
 * The lines that `--json` writes: the engine's events (domain/DownloadEvent, whose contract holds for all of them), and
 * what only a command has to say.
 */
import * as Schema from "effect/Schema"
import * as Downloads from "../../domain/Download.js"
import { Reason } from "../../domain/DownloadError.js"
import { about, amounts, DownloadEvent } from "../../domain/DownloadEvent.js"

/** Bytes arrived; at most every 500 ms per download. They may not be on stable storage yet. */
export const Progress = Schema.Struct({ ...about, event: Schema.Literal("progress"), ...amounts })
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

/** A line of `consumers ls --json`. `behind` counts as far as 10000; `reader` is the engine that reads it, null for nobody. */
export const Consumer = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("consumer"),
  at: Schema.String,
  name: Schema.String,
  position: Schema.Int,
  behind: Schema.Int,
  reader: Schema.NullOr(Schema.String),
  pid: Schema.NullOr(Schema.Int),
  createdAt: Schema.String
})
/** `consumers rm --json` has forgotten it. */
export const ConsumerRemoved = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("consumer-removed"),
  at: Schema.String,
  name: Schema.String
})

/** One change of one download. */
export const Change = Schema.Union(...DownloadEvent.members, Progress, Interrupted)
export type Change = typeof Change.Type

/** Any line that `--json` writes. */
export const Event = Schema.Union(...Change.members, Failure, Listed, Consumer, ConsumerRemoved)
export type Event = typeof Event.Type
