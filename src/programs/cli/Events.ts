/**
 * Makes events (their shape is in EventSchema) from rows of downloads. Pure.
 */
import { join } from "node:path"
import type { Download, Status } from "../../domain/Download.js"
import { percent, retryCount } from "../../domain/Download.js"
import { adviceOf } from "../../domain/DownloadError.js"
import type { Change, Event } from "./EventSchema.js"

export { Change, Event } from "./EventSchema.js"

const iso = (at: number): string => new Date(at).toISOString()

const base = (download: Download, at: number) =>
  ({ v: 1, at: iso(at), id: download.id, url: download.url }) as const

const held = (download: Download) => ({ bytes: download.checkpoint, total: download.total })

/** The full path, once a name is known or was asked for. */
export const pathOf = (download: Download): string | null => {
  const name = download.filename ?? download.output
  return name === null ? null : join(download.directory, name)
}

const cause = (download: Download) => {
  const { detail, reason, status } = download.failure ?? {
    reason: "Network" as const,
    detail: "the reason is not known"
  }
  return { reason, detail, ...(status === undefined ? {} : { status }) }
}

const delayOf = (download: Download): number =>
  Math.max(0, (download.nextAttemptAt ?? 0) - download.updatedAt)

export const enqueued = (download: Download, attached: boolean, at: number): Change => ({
  ...base(download, at),
  event: "enqueued",
  attached,
  ...held(download)
})

export const progress = (
  download: Download,
  amounts: { readonly received: number; readonly total: number | undefined },
  at: number
): Change => ({
  ...base(download, at),
  event: "progress",
  bytes: amounts.received,
  total: amounts.total ?? download.total
})

export const interrupted = (download: Download, at: number): Change => ({
  ...base(download, at),
  event: "interrupted",
  ...held(download)
})

const entered: Partial<Record<Status, (download: Download) => Change>> = {
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
    path: pathOf(download) ?? download.directory,
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
export const between = (previous: Download | undefined, next: Download): ReadonlyArray<Change> => {
  const events: Array<Change> = []
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

export const listed = (download: Download): Event => ({
  ...base(download, download.updatedAt),
  event: "download",
  status: download.status,
  path: pathOf(download),
  directory: download.directory,
  ...held(download),
  percent: percent(download) ?? null,
  priority: download.priority,
  attempt: download.attempt,
  retries: retryCount(download),
  nextAttemptAt: download.nextAttemptAt === null ? null : iso(download.nextAttemptAt),
  reason: download.failure?.reason ?? null,
  detail: download.failure?.detail ?? null,
  createdAt: iso(download.createdAt),
  updatedAt: iso(download.updatedAt),
  finishedAt: download.finishedAt === null ? null : iso(download.finishedAt)
})

/** One line of newline-delimited JSON. */
export const encode = (event: Event): string => `${JSON.stringify(event)}\n`
