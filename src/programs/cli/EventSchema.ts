/**
 * The lines that `--json` writes: the engine's events (domain/DownloadEvent, whose contract holds for all of them), and
 * what only a command has to say.
 */
import * as Schema from "effect/Schema"
import * as Downloads from "../../domain/Download.js"
import { Reason } from "../../domain/DownloadError.js"
import { about, amounts, DownloadEvent } from "../../domain/DownloadEvent.js"
import { HostEvent } from "../../domain/HostEvent.js"
import { Algorithm } from "../../domain/Checksum.js"
import { DownloadId } from "../../domain/DownloadId.js"
import { DownloadOptions } from "../../domain/DownloadOptions.js"
import { Result, Voucher } from "../../domain/Verification.js"

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
const time = Schema.NullOr(Schema.String)

/** A host that is left alone. */
const cooling = Schema.Struct({ origin: Schema.String, until: Schema.String, why: Schema.String })

/** How a download stands. */
const standing = {
  ...about,
  status: Downloads.Status,
  /** How it was completed; null before that. */
  outcome: Schema.NullOr(Downloads.Outcome),
  path: Schema.NullOr(Schema.String),
  directory: Schema.String,
  ...amounts,
  percent: Schema.NullOr(Schema.Int),
  priority: Schema.Number,
  key: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
  /** The id of the download that is one more try of this one. */
  retriedAs: Schema.NullOr(Schema.String),
  attempt: Schema.Int,
  retries: Schema.Int,
  nextAttemptAt: time,
  reason: Schema.NullOr(Reason),
  detail: Schema.NullOr(Schema.String),
  /** Its host, where that is left alone and the download waits; else null. */
  cooling: Schema.NullOr(cooling),
  createdAt: Schema.String,
  updatedAt: Schema.String,
  finishedAt: time
}

/** A line of `ls --json`. */
export const Listed = Schema.Struct({ ...standing, event: Schema.Literal("download") })

/** One try of a download. `toBytes` and what follows are of the moment where the try goes on; no source has credentials. */
export const Try = Schema.Struct({
  number: Schema.Int,
  source: Schema.String,
  engine: Schema.NullOr(Schema.String),
  pid: Schema.NullOr(Schema.Int),
  startedAt: Schema.String,
  endedAt: time,
  status: Downloads.Status,
  fromBytes: Schema.NonNegative,
  toBytes: Schema.NonNegative,
  reason: Schema.NullOr(Reason),
  detail: Schema.NullOr(Schema.String),
  /** The HTTP status, where that was the cause. */
  httpStatus: Schema.NullOr(Schema.Int),
  nextAttemptAt: time,
  /** Milliseconds between its end and the next try; null if none was to follow by itself. */
  delay: Schema.NullOr(Schema.NonNegative)
})

/** The line of `show --json`. Of header fields it has the names alone. */
export const Shown = Schema.Struct({
  ...standing,
  event: Schema.Literal("details"),
  desired: Downloads.Desired,
  output: Schema.NullOr(Schema.String),
  part: Schema.NullOr(Schema.String),
  headers: Schema.Array(Schema.String),
  options: DownloadOptions,
  owner: Schema.NullOr(Schema.String),
  pid: Schema.NullOr(Schema.Int),
  crashes: Schema.Int,
  httpStatus: Schema.NullOr(Schema.Int),
  advice: Schema.NullOr(Schema.String),
  waitingSince: time,
  begunAt: time,
  attempts: Schema.Array(Try)
})

/** The commands that change downloads. */
export const Verb = Schema.Literal("pause", "resume", "cancel", "retry", "rm", "move", "source")
export type Verb = typeof Verb.Type

/**
 * What a command has done about one download. `already`: it was so before. `refused`: its status does not allow it.
 * `unanswered`: it is on record, but the engine that owns the download has not followed yet. `status` is how it stands now,
 * `next` the id of the new download that a retry has made.
 */
export const Commanded = Schema.Struct({
  ...about,
  event: Schema.Literal("command"),
  command: Verb,
  answer: Schema.Literal("done", "already", "refused", "unanswered"),
  status: Downloads.Status,
  next: Schema.NullOr(DownloadId),
  detail: Schema.NullOr(Schema.String),
  advice: Schema.NullOr(Schema.String)
})

/**
 * What a command has done about all downloads of a selection: so many have changed, and so many were asked of other
 * engines, which follow in a moment.
 */
export const Affected = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("affected"),
  at: Schema.String,
  command: Verb,
  changed: Schema.Int,
  asked: Schema.Int
})

/**
 * A line of `verify --json`. `digest` is the one that is known, `by` whose it is (null where none is known: then `intact` says
 * that size, time and inode are as recorded), `found` the one that the file has (null where it was not read).
 */
export const Verified = Schema.Struct({
  ...about,
  event: Schema.Literal("verification"),
  result: Result,
  path: Schema.String,
  bytes: Schema.NonNegative,
  algorithm: Schema.NullOr(Algorithm),
  digest: Schema.NullOr(Schema.String),
  by: Schema.NullOr(Voucher),
  found: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(Schema.String)
})

/** The line of `stats --json`. */
export const Statistics = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("stats"),
  at: Schema.String,
  downloads: Schema.Record({ key: Downloads.Status, value: Schema.Int }),
  /** Of completed downloads that are still listed. */
  bytes: Schema.NonNegative,
  /** Tries after the first, of all that are listed. */
  retries: Schema.Int,
  /** What has ended in the last minute, hour and day; `bytes` of what was completed in it. */
  recent: Schema.Array(
    Schema.Struct({
      seconds: Schema.Number,
      completed: Schema.Int,
      failed: Schema.Int,
      bytes: Schema.NonNegative
    })
  ),
  /** Why downloads failed, or wait. */
  reasons: Schema.Array(Schema.Struct({ status: Downloads.Status, reason: Reason, downloads: Schema.Int })),
  /** Those with most downloads, of `hostCount` in all. */
  hosts: Schema.Array(
    Schema.Struct({
      origin: Schema.String,
      unfinished: Schema.Int,
      completed: Schema.Int,
      failed: Schema.Int,
      bytes: Schema.NonNegative
    })
  ),
  hostCount: Schema.Int,
  cooling: Schema.Array(cooling),
  engines: Schema.Array(
    Schema.Struct({
      id: Schema.String,
      pid: Schema.NullOr(Schema.Int),
      startedAt: Schema.String,
      adopts: Schema.Boolean,
      alive: Schema.Boolean
    })
  )
})

/**
 * A line of `watch --json`: how it stands. `bytes` is what the completed ones have, `speed` bytes a second (null while that is not known);
 * `active` has a thousand at most, `delayed` the twenty that go on soonest.
 */
export const Watched = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("watch"),
  at: Schema.String,
  downloads: Schema.Record({ key: Downloads.Status, value: Schema.Int }),
  bytes: Schema.NonNegative,
  speed: Schema.NullOr(Schema.Number),
  active: Schema.Array(
    Schema.Struct({
      id: DownloadId,
      url: Schema.String,
      bytes: Schema.NonNegative,
      total: Schema.NullOr(Schema.NonNegative),
      speed: Schema.NullOr(Schema.Number),
      attempt: Schema.Int
    })
  ),
  delayed: Schema.Array(
    Schema.Struct({
      id: DownloadId,
      url: Schema.String,
      status: Downloads.Status,
      reason: Schema.NullOr(Reason),
      detail: Schema.NullOr(Schema.String),
      nextAttemptAt: time
    })
  ),
  cooling: Statistics.fields.cooling,
  engines: Statistics.fields.engines
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

/** A line of `limit --json`: one limit that is set. `origin` where it is of a host, `download` (its id) where it is of one. */
export const Limit = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("limit"),
  at: Schema.String,
  of: Schema.Literal("all", "host", "download"),
  origin: Schema.NullOr(Schema.String),
  download: Schema.NullOr(Schema.String),
  /** Bytes per second. */
  rate: Schema.Int
})

/** One change of one download. */
export const Change = Schema.Union(...DownloadEvent.members, Progress, Interrupted)
export type Change = typeof Change.Type

/** Any line that `--json` writes. */
export const Event = Schema.Union(
  ...Change.members,
  HostEvent,
  Failure,
  Listed,
  Shown,
  Commanded,
  Affected,
  Verified,
  Statistics,
  Watched,
  Limit,
  Consumer,
  ConsumerRemoved
)
export type Event = typeof Event.Type
