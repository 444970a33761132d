/**
 * What happens to downloads, as data: one event per change, made from the row before and the row after. Programs read
 * them from `Downloads.events`, the command writes them as lines of JSON and turns them into sentences.
 *
 * The shape is a contract, versioned by `v`: within a version fields and events are added, never removed or given another
 * meaning. Times (`at`) are ISO 8601 in UTC, sizes bytes, delays milliseconds. No event carries a header, and the URLs
 * inside sluice hold no credentials; `meta` is what the caller gave with the request, and there only if it gave some.
 */
import * as Schema from "effect/Schema"
import * as Downloads from "./Download.js"
import type { Download, Status } from "./Download.js"
import { adviceOf, Reason } from "./DownloadError.js"
import { DownloadId } from "./DownloadId.js"

/** What every event says: its version and time, and which download it is about. */
export const about = {
  v: Schema.Literal(1),
  at: Schema.String,
  id: DownloadId,
  url: Schema.String,
  meta: Schema.optional(Schema.Unknown)
}
/** Bytes from the start of the file that are held, and how many there are in all, where that is known. */
export const amounts = { bytes: Schema.NonNegative, total: Schema.NullOr(Schema.NonNegative) }
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
/**
 * The file is at `path`. `skipped`: one of that name was there already and was left alone, as asked. `unchanged`: the same
 * request had brought it before, and it is still what the server has.
 */
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
/** Ended by a person or a program; its part file is gone. */
export const Cancelled = Schema.Struct({ ...about, event: Schema.Literal("cancelled") })
/** Stopped until it is resumed; what has arrived is kept. */
export const Paused = Schema.Struct({ ...about, event: Schema.Literal("paused"), ...amounts })

/** One change of one download. Decodes and encodes what is written as JSON. */
export const DownloadEvent = Schema.Union(
  Enqueued,
  Started,
  Retrying,
  Waiting,
  Completed,
  Failed,
  Cancelled,
  Paused
)
export type DownloadEvent = typeof DownloadEvent.Type

/** A time as events write it. */
export const iso = (at: number): string => new Date(at).toISOString()

/** The fields `about`, filled. */
export const base = (download: Download, at: number) =>
  ({
    v: 1,
    at: iso(at),
    id: download.id,
    url: download.url,
    ...(download.meta === null ? {} : { meta: download.meta })
  }) as const

/** The fields `amounts`, filled with what is on stable storage. */
export const held = (download: Download) => ({ bytes: download.checkpoint, total: download.total })

const cause = (download: Download) => {
  const { detail, reason, status } = download.failure ?? {
    reason: "Network" as const,
    detail: "the reason is not known"
  }
  return { reason, detail, ...(status === undefined ? {} : { status }) }
}

const delayOf = (download: Download): number =>
  Math.max(0, (download.nextAttemptAt ?? 0) - download.updatedAt)

export const enqueued = (download: Download, attached: boolean, at: number): DownloadEvent => ({
  ...base(download, at),
  event: "enqueued",
  attached,
  ...held(download)
})

const entered: Partial<Record<Status, (download: Download) => DownloadEvent>> = {
  retrying: (download) => ({
    ...base(download, download.updatedAt),
    event: "retrying",
    attempt: download.attempt,
    delay: delayOf(download),
    ...cause(download)
  }),
  waiting: (download) => ({
    ...base(download, download.updatedAt),
    event: "waiting",
    delay: delayOf(download),
    ...cause(download)
  }),
  completed: (download) => ({
    ...base(download, download.updatedAt),
    event: "completed",
    path: Downloads.pathOf(download) ?? download.directory,
    bytes: download.total ?? download.checkpoint,
    outcome: download.outcome ?? "fetched"
  }),
  failed: (download) => {
    const failure = cause(download)
    return {
      ...base(download, download.updatedAt),
      event: "failed",
      ...failure,
      advice: adviceOf(failure.reason)
    }
  },
  cancelled: (download) => ({ ...base(download, download.updatedAt), event: "cancelled" }),
  paused: (download) => ({ ...base(download, download.updatedAt), event: "paused", ...held(download) })
}

/**
 * What happened between two rows of one download as they were seen; `previous` is undefined for one never seen before.
 * Rows in between may have been missed: a try that began since is still told, so that every reader sees the same story.
 */
export const between = (previous: Download | undefined, next: Download): ReadonlyArray<DownloadEvent> => {
  const events: Array<DownloadEvent> = []
  if (
    next.status !== "pending" &&
    next.attempt > (previous?.attempt ?? next.attempt - 1) &&
    next.attempt > 0
  ) {
    events.push({
      ...base(next, next.attemptStartedAt ?? next.updatedAt),
      event: "started",
      attempt: next.attempt,
      bytes: next.attemptFrom,
      total: next.total
    })
  }
  const again = previous?.status === next.status && previous.nextAttemptAt === next.nextAttemptAt
  const event = again ? undefined : entered[next.status]?.(next)
  return event === undefined ? events : [...events, event]
}

/** What a commit did to a download; `before` is null where the commit made the row. */
export const ofChange = (before: Download | null, after: Download): ReadonlyArray<DownloadEvent> =>
  before === null
    ? [
        enqueued(after, false, after.createdAt),
        ...between({ ...after, status: "pending", attempt: 0 }, after)
      ]
    : between(before, after)
