/**
 * Makes what only a command says (its shape is in EventSchema) from rows of downloads; the engine's own events come from
 * the domain. Pure.
 */
import * as Redacted from "effect/Redacted"
import type { Attempt } from "../../domain/Attempt.js"
import type { Consumer } from "../../domain/Consumer.js"
import type { Download } from "../../domain/Download.js"
import { pathOf, percent, retryCount } from "../../domain/Download.js"
import { adviceOf } from "../../domain/DownloadError.js"
import { base, held, iso } from "../../domain/DownloadEvent.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import type { Limited } from "../../domain/Limits.js"
import { redactUrl } from "../../domain/Redaction.js"
import type { Affected } from "../../domain/Selection.js"
import type { CoolingHost } from "../../domain/Stats.js"
import type { Counts, Report } from "../../domain/Survey.js"
import type { Verification } from "../../domain/Verification.js"
import type { Meter } from "./Meter.js"
import type { Watched } from "./Watched.js"
import type { Change, Commanded, Event, Try, Verb } from "./EventSchema.js"

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

const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at))

const cool = ({ origin, until, why }: CoolingHost) => ({ origin, until: iso(until), why })

const standing = (download: Download, cooling: CoolingHost | undefined) => ({
  ...base(download, download.updatedAt),
  status: download.status,
  outcome: download.outcome,
  path: pathOf(download),
  directory: download.directory,
  ...held(download),
  percent: percent(download) ?? null,
  priority: download.priority,
  key: download.key,
  tags: download.tags,
  retriedAs: download.retriedAs,
  attempt: download.attempt,
  retries: retryCount(download),
  nextAttemptAt: isoOrNull(download.nextAttemptAt),
  reason: download.failure?.reason ?? null,
  detail: download.failure?.detail ?? null,
  cooling: cooling === undefined ? null : cool(cooling),
  createdAt: iso(download.createdAt),
  updatedAt: iso(download.updatedAt),
  finishedAt: isoOrNull(download.finishedAt)
})

/** `cooling`: its host, where that is left alone and the download waits for it. */
export const listed = (download: Download, cooling?: CoolingHost): Event => ({
  ...standing(download, cooling),
  event: "download"
})

/** Milliseconds until the next try, as was decided when this one ended. */
export const delayOf = ({ endedAt, nextAttemptAt }: Attempt): number | null =>
  endedAt === null || nextAttemptAt === null ? null : Math.max(0, nextAttemptAt - endedAt)

const tried = (attempt: Attempt): typeof Try.Type => ({
  number: attempt.number,
  source: redactUrl(attempt.source),
  engine: attempt.engine,
  pid: attempt.pid,
  startedAt: iso(attempt.startedAt),
  endedAt: isoOrNull(attempt.endedAt),
  status: attempt.status,
  fromBytes: attempt.fromBytes,
  toBytes: attempt.toBytes,
  reason: attempt.failure?.reason ?? null,
  detail: attempt.failure?.detail ?? null,
  httpStatus: attempt.failure?.status ?? null,
  nextAttemptAt: isoOrNull(attempt.nextAttemptAt),
  delay: delayOf(attempt)
})

/** The names of the header fields that are sent with the request; their values are nobody's business. */
export const headerNames = ({ headers }: Download): ReadonlyArray<string> =>
  Redacted.value(headers).map(([name]) => name)

export const shown = (
  download: Download,
  attempts: ReadonlyArray<Attempt>,
  cooling?: CoolingHost
): Event => ({
  ...standing(download, cooling),
  event: "details",
  desired: download.desired,
  output: download.output,
  part: download.part?.name ?? null,
  headers: headerNames(download),
  options: download.options,
  owner: download.owner,
  pid: download.pid,
  crashes: download.crashes,
  httpStatus: download.failure?.status ?? null,
  advice: download.failure === null ? null : adviceOf(download.failure.reason),
  waitingSince: isoOrNull(download.waitingSince),
  begunAt: isoOrNull(download.begunAt),
  attempts: attempts.map(tried)
})

/** What has come of a command about one download. */
export interface Answer {
  readonly command: Verb
  readonly answer: (typeof Commanded.Type)["answer"]
  readonly next?: DownloadId
  readonly detail?: string
  readonly advice?: string
}

export const commanded = (download: Download, answer: Answer, at: number): Event => ({
  ...base(download, at),
  event: "command",
  command: answer.command,
  answer: answer.answer,
  status: download.status,
  next: answer.next ?? null,
  detail: answer.detail ?? null,
  advice: answer.advice ?? null
})

export const affected = (command: Verb, { asked, changed }: Affected, at: number): Event => ({
  v: 1,
  event: "affected",
  at: iso(at),
  command,
  changed,
  asked
})

export const verification = (
  { detail, download, found, known, path, result }: Verification,
  at: number
): Event => ({
  ...base(download, at),
  event: "verification",
  result,
  path,
  bytes: download.total ?? 0,
  algorithm: known?.algorithm ?? null,
  digest: known?.hex ?? null,
  by: known?.by ?? null,
  found,
  detail
})

export const limit = (limited: Limited, rate: number, at: number): Event => ({
  v: 1,
  event: "limit",
  at: iso(at),
  of: limited.of,
  origin: limited.of === "host" ? limited.origin : null,
  download: limited.of === "download" ? limited.id : null,
  rate
})

export const statistics = (stats: Report, at: number): Event => ({
  v: 1,
  event: "stats",
  at: iso(at),
  downloads: stats.downloads,
  bytes: stats.bytes,
  retries: stats.retries,
  recent: stats.recent.map(({ span, ...rest }) => ({ seconds: span / 1000, ...rest })),
  reasons: stats.reasons,
  hosts: stats.hosts,
  hostCount: stats.hostCount,
  cooling: stats.cooling.map(cool),
  engines: stats.engines.map(({ adopts, alive, id, pid, startedAt }) => ({
    id,
    pid,
    startedAt: iso(startedAt),
    adopts,
    alive
  }))
})

/** What `watch` sees. */
export const watched = (
  { active, engines, glance }: Pick<Watched, "active" | "engines" | "glance">,
  { bytes, ended, unfinished }: Counts,
  meter: Meter,
  at: number
): Event => ({
  v: 1,
  event: "watch",
  at: iso(at),
  downloads: { ...unfinished, ...ended },
  bytes,
  speed: active.length === 0 ? null : (meter.total.speed ?? null),
  active: glance.working.map((download) => ({
    id: download.id,
    url: download.url,
    bytes: download.checkpoint,
    total: download.total,
    speed: meter.downloads.get(download.id)?.speed ?? null,
    attempt: download.attempt
  })),
  delayed: glance.delayed.map((download) => ({
    id: download.id,
    url: download.url,
    status: download.status,
    reason: download.failure?.reason ?? null,
    detail: download.failure?.detail ?? null,
    nextAttemptAt: isoOrNull(download.nextAttemptAt)
  })),
  cooling: glance.cooling.map(cool),
  engines: engines.map(({ startedAt, ...engine }) => ({ ...engine, startedAt: iso(startedAt) }))
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
