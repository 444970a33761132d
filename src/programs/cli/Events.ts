/**
 * Makes what only a command says (its shape is in EventSchema) from rows of downloads; the engine's own events come from
 * the domain. Pure.
 */
import type { Consumer } from "../../domain/Consumer.js"
import type { Download } from "../../domain/Download.js"
import { pathOf, percent, retryCount } from "../../domain/Download.js"
import { base, held, iso } from "../../domain/DownloadEvent.js"
import type { Change, Event } from "./EventSchema.js"

export { Change, Event } from "./EventSchema.js"
export { pathOf } from "../../domain/Download.js"
export { between, enqueued } from "../../domain/DownloadEvent.js"

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

export const consumer = ({ createdAt, ...rest }: Consumer, at: number): Event => ({
  v: 1,
  event: "consumer",
  at: iso(at),
  ...rest,
  createdAt: iso(createdAt)
})

export const consumerRemoved = (name: string, at: number): Event => ({
  v: 1,
  event: "consumer-removed",
  at: iso(at),
  name
})

/** One line of newline-delimited JSON. */
export const encode = (event: Event): string => `${JSON.stringify(event)}\n`
