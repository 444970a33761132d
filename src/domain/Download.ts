/**
 * A download as the engine knows it: the row, in memory. Immutable; changed by `transition` only.
 *
 * Counterparts of a classic queue table: status, retry count and limit, next retry time, pid, created and updated are
 * fields here; progress percent and summary are derived from `checkpoint` and `total`.
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Coverage } from "./Coverage.js"
import { Reason } from "./DownloadError.js"
import type { DownloadId } from "./DownloadId.js"
import type { DownloadOptions } from "./DownloadOptions.js"
import type { Header } from "./DownloadRequest.js"
import { FileIdentity } from "./FileFacts.js"
import type { Validator } from "./Validator.js"

/** How a download stands. `waiting` has a named reason (a host cooling down, a full disk), `retrying` a failed try behind it. */
export const Status = Schema.Literal(
  "pending",
  "processing",
  "retrying",
  "waiting",
  "paused",
  "completed",
  "failed",
  "cancelled"
)
export type Status = typeof Status.Type

export const terminal: ReadonlySet<Status> = new Set<Status>(["completed", "failed", "cancelled"])

/** What people want of a download; what it is may lag behind. */
export const Desired = Schema.Literal("run", "paused", "cancelled")
export type Desired = typeof Desired.Type

/** The name of an engine: one per running process and start, never used again. */
export const EngineId = Schema.String.pipe(Schema.brand("EngineId"))
export type EngineId = typeof EngineId.Type

/**
 * The unfinished file: its name in the directory and the inode we made. `size` and `mtime` are those that it was left with, where
 * its last try has come to an orderly end: nobody has written to it since if they are still the same.
 */
export const PartRecord = Schema.Struct({
  name: Schema.String,
  ...FileIdentity.fields,
  size: Schema.optional(Schema.Number),
  mtime: Schema.optional(Schema.String)
})
export type PartRecord = typeof PartRecord.Type

/** How an unfinished file was left. */
export interface PartState {
  readonly size: number
  readonly mtime: string
}

/** The finished file: recorded before it gets its final name, so that a restart can tell ours from a stranger's. */
export const FinalRecord = Schema.Struct({
  name: Schema.String,
  ...FileIdentity.fields,
  size: Schema.Number,
  mtime: Schema.String,
  /** Where the file system has no hard links: the empty file that keeps the name until the part takes its place. */
  reserved: Schema.optional(FileIdentity)
})
export type FinalRecord = typeof FinalRecord.Type

/** A result that a sink has: it has no inode, and nothing that could be looked at. */
export interface SunkRecord {
  readonly name: string
  readonly size: number
}

/** Why the last try did not succeed. */
export const Failure = Schema.Struct({
  reason: Reason,
  detail: Schema.String,
  status: Schema.optional(Schema.Int),
  retryAfter: Schema.optional(Schema.Number),
  /** The host that it happened at, where that is not the download's own. */
  origin: Schema.optional(Schema.String)
})
export type Failure = typeof Failure.Type

/**
 * One failed try since the last resumable progress (or ever, where a checksum was wrong): what the durable retry policy is
 * replayed from.
 */
export const Strike = Schema.Struct({
  at: Schema.Number,
  failure: Failure,
  /** Bytes that were held then, if there were any. */
  held: Schema.optional(Schema.Number),
  /** The try after it could not go on with them and began at 0. */
  lost: Schema.optional(Schema.Boolean)
})
export type Strike = typeof Strike.Type

/** One URL that a download can be fetched from. */
export const Source = Schema.Struct({
  /** Without credentials. */
  url: Schema.String,
  /** 1 is the best; equal ones in the order in which they were given. */
  priority: Schema.Int,
  /** Why it is not asked any more; null while it is in good standing. */
  aside: Schema.NullOr(Failure),
  /** Whether bytes that are held have come from it. */
  used: Schema.Boolean,
  /** Only a server has named it: it may bring what is missing of what is held, and is checked by a digest, but begins nothing. */
  named: Schema.optionalWith(Schema.Boolean, { exact: true })
})
export type Source = typeof Source.Type

/**
 * How a completed download came about: its bytes were fetched; a file of that name was left alone (`skip`); or an earlier
 * download of the same request had brought the file, and nothing says that it has changed since.
 */
export const Outcome = Schema.Literal("fetched", "skipped", "unchanged")
export type Outcome = typeof Outcome.Type

/** All times are milliseconds since the epoch, all sizes bytes. */
export interface Download {
  /** Durable, and never used again. */
  readonly id: DownloadId
  /** Without credentials. */
  readonly url: string
  /** This URL and its mirrors; null where there is no other, and nothing against it. */
  readonly sources: ReadonlyArray<Source> | null
  /** An absolute path. */
  readonly directory: string
  /** The directory that was chosen, where the name asked for leads into one below it: nothing may lead out of it. Else null. */
  readonly root: string | null
  /** The name asked for, if any. */
  readonly output: string | null
  /** Secret. Empty once terminal. */
  readonly headers: Redacted.Redacted<ReadonlyArray<Header>>
  /** How to go about it; the engine's defaults are filled in. */
  readonly options: DownloadOptions
  /** Higher goes first. */
  readonly priority: number
  /** The caller's own name for the request; null where none was given. */
  readonly key: string | null
  /** Names it is found and commanded by, together with others. */
  readonly tags: ReadonlyArray<string>
  /** What the caller gave with the request: any JSON, opaque to sluice; null where nothing was given. */
  readonly meta: unknown

  /** How it stands, as committed. */
  readonly status: Status
  /** What was asked for last; the status follows once its worker has let go. */
  readonly desired: Desired
  /** The engine that owns the row, and the number of its claim: a write under another epoch changes nothing. */
  readonly owner: EngineId | null
  /** Grows with each claim. */
  readonly epoch: number

  /** The final name, once known; after completion the name the file really has. */
  readonly filename: string | null
  /** The unfinished file; null if there is none. */
  readonly part: PartRecord | null
  /** Bytes that are on stable storage in the part file. */
  readonly checkpoint: number
  /** Where they are in it; null for: at its beginning. */
  readonly segments: Coverage | null
  /** Bytes in all; null while the server has not said. */
  readonly total: number | null
  /** What tells this version of the resource from others. */
  readonly validator: Validator | null
  /** Set between "all bytes verified" and `completed`; stays null where the bytes go to a sink. */
  readonly publishing: FinalRecord | null
  /** How it was completed; null before that. */
  readonly outcome: Outcome | null

  /** Tries begun, ever. */
  readonly attempt: number
  /** When the current try began; null between tries. */
  readonly attemptStartedAt: number | null
  /** The checkpoint that the current try began with. */
  readonly attemptFrom: number
  /** Failed tries since the last progress. */
  readonly strikes: ReadonlyArray<Strike>
  /** Engine deaths in a row without progress while this was being processed. */
  readonly crashes: number
  /** When to go on, for `retrying` and `waiting`. */
  readonly nextAttemptAt: number | null
  /** Since when it waits without progress; the give-up limit counts from here. */
  readonly waitingSince: number | null
  /**
   * When it was first taken up since somebody asked for it last: `options.maxTime` counts from here, also after a restart. Null
   * before that, and where there is no such limit.
   */
  readonly begunAt: number | null
  /** Why the last try failed; null after a success. */
  readonly failure: Failure | null
  /** The last download of the same request that was completed before this one was asked for: its file may still do. */
  readonly earlier: DownloadId | null
  /** The download that is one more try of this one's request, once there is one. */
  readonly retriedAs: DownloadId | null
  /** The child process that does the work, where there is one. */
  readonly pid: number | null

  /** When it was enqueued. */
  readonly createdAt: number
  /** When the row changed last. */
  readonly updatedAt: number
  /** When it became terminal; null before that. */
  readonly finishedAt: number | null
}

/**
 * The full path of the file (once it is finished) or the one it is to get; null while neither a name was asked for nor one
 * is known. Joined as the directory is written.
 */
export const pathOf = ({
  directory,
  filename,
  output
}: Pick<Download, "directory" | "filename" | "output">): string | null => {
  const name = filename ?? output
  if (name === null) return null
  const windows = /^([a-z]:[\\/]|\\\\)/i.test(directory)
  return (windows ? /[\\/]$/ : /\/$/).test(directory)
    ? directory + name
    : directory + (windows ? "\\" : "/") + name
}

/** What most rows have, and all that are terminal; one value for all, as each would be registered with Redacted for itself. */
export const noHeaders: Download["headers"] = Redacted.make([])

/** Whole percent of what is on stable storage, rounded down; undefined where the total is unknown. */
export const percent = (download: Download): number | undefined =>
  download.status === "completed"
    ? 100
    : download.total === null || download.total === 0
      ? undefined
      : Math.min(99, Math.floor((download.checkpoint / download.total) * 100))

/** Failed tries in a row without progress: the classic retry count. */
export const retryCount = (download: Download): number => download.strikes.length
