/**
 * What a person is to see of the downloads of a command at an instant: a view, made from what is known. Pure. How it
 * looks is the Board's.
 *
 * Making one costs as much as there are downloads at work and lines to fill, whatever the length of the queue. A
 * percentage is that of a single download: that of a group that still grows would fall.
 */
import type { Download } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import { fallbackName } from "../../domain/FileName.js"
import { originOf, probeWhy } from "../../domain/Host.js"
import type { CoolingHost } from "../../domain/Stats.js"
import type { Active } from "../../services/Supervisor.js"
import * as Format from "./Format.js"
import type { Meter } from "./Meter.js"

/** What is known of the downloads of this command. */
export interface Known {
  readonly get: (id: DownloadId) => Download | undefined
  readonly unfinished: () => Iterable<Download>
  readonly finished: number
  readonly of: number
  /** Those that wait for a retry, a host or the disk. */
  readonly delayed: ReadonlyMap<DownloadId, Download>
  /** Hosts that are left alone, the first to be asked again first. */
  readonly cooling: ReadonlyArray<CoolingHost>
  /** How many wait for their turn, by the origin of their host. */
  readonly queuedAt: ReadonlyMap<string, number>
  /** How many have failed. */
  readonly failed: number
  /** Bytes on stable storage: of the completed ones, and of what is there of the others. */
  readonly held: number
  /** Bytes that have been checkpointed or completed since this command began; never falls. */
  readonly arrived: number
}

/** One download. */
export interface Entry {
  readonly name: string
  /** In words, such as "connecting". */
  readonly state: string
  /** Why it is in that state, as a sentence; may be empty. */
  readonly detail: string
  readonly received: number
  readonly total: number | undefined
  /** Bytes per second; undefined for one that nobody works on. */
  readonly speed: number | undefined
  /** Milliseconds until the end, at this speed. */
  readonly remaining: number | undefined
}

/** All downloads of a command that has several. */
export interface Total {
  readonly finished: number
  readonly of: number
  readonly failed: number
  /** Neither at work nor delayed. */
  readonly queued: number
  readonly received: number
  /** Of all together; undefined unless each is known. */
  readonly total: number | undefined
  readonly speed: number | undefined
  readonly remaining: number | undefined
}

/** Those that are queued for hosts that are left alone. */
export interface Behind {
  readonly queued: number
  /** So many hosts. */
  readonly hosts: number
  /** The one that may be asked again first. */
  readonly origin: string
  /** Milliseconds until then; undefined while one download asks it. */
  readonly left: number | undefined
  readonly why: string
}

export interface View {
  readonly entries: ReadonlyArray<Entry>
  /** Those at work for which there is no line, and those delayed. */
  readonly more: { readonly active: number; readonly delayed: number }
  /** Undefined where nothing waits for such a host, and where there is no line for it. */
  readonly behind: Behind | undefined
  readonly total: Total | undefined
}

/** The name to show before one is known: the last segment of the URL. */
export const nameOf = (download: Download): string => {
  const name = download.filename ?? download.output ?? new URL(download.url).pathname.split("/").at(-1) ?? ""
  return Format.printable(name === "" ? fallbackName : name)
}

/** What is said of a host that is left alone. */
export const leftAlone = ({ origin, until, why }: CoolingHost, now: number): string =>
  why === probeWhy
    ? `${origin}: ${why}`
    : `${origin} is left alone for ${Format.wait(until - now)}${why === "" ? "" : `: ${why}`}`

/** What a download that nobody works on right now waits for. `host`: its host, where that is left alone. */
export const stateOf = (
  download: Download,
  now: number,
  host?: Pick<CoolingHost, "until" | "why">
): string => {
  const left = (download.nextAttemptAt ?? now) - now
  switch (download.status) {
    case "retrying":
      return left > 0 ? `retrying in ${Format.wait(left)}` : "queued to retry"
    case "waiting":
      return download.failure?.reason === "DiskFull"
        ? `disk full, wait ${Format.wait(left)}`
        : `host cooling down ${Format.wait(left)}`
    case "pending":
      if (host === undefined) return "queued"
      return host.why === probeWhy
        ? "host is asked whether it is well"
        : `host cooling down ${Format.wait(host.until - now)}`
    case "processing":
      return "starting"
    default:
      return download.status
  }
}

const remaining = (
  received: number,
  total: number | undefined,
  speed: number | undefined
): number | undefined =>
  total === undefined || speed === undefined || speed < 1
    ? undefined
    : (Math.max(0, total - received) * 1000) / speed

const atWork = ({ gauge, id }: Active, known: Known, meter: Meter): Entry => {
  const download = known.get(id)
  const speed = meter.downloads.get(id)?.speed
  return {
    name: download === undefined ? id : nameOf(download),
    state: gauge.state,
    detail: "",
    received: gauge.received,
    total: gauge.total,
    speed,
    remaining: remaining(gauge.received, gauge.total, speed)
  }
}

const idle = (download: Download, now: number, host?: CoolingHost): Entry => ({
  name: nameOf(download),
  state: stateOf(download, now, host),
  detail:
    download.status === "retrying" || download.status === "waiting"
      ? Format.printable(download.failure?.detail ?? "")
      : Format.printable(host === undefined || host.why === probeWhy ? "" : host.why),
  received: download.checkpoint,
  total: download.total ?? undefined,
  speed: undefined,
  remaining: undefined
})

/** What is at work holds this much more than its row says. */
export const unsaved = (active: ReadonlyArray<Active>, known: Known): number =>
  active.reduce(
    (sum, { gauge, id }) => sum + Math.max(0, gauge.received - (known.get(id)?.checkpoint ?? gauge.received)),
    0
  )

const totalOf = (known: Known, active: ReadonlyArray<Active>, delayed: number, meter: Meter): Total => {
  const received = known.held + unsaved(active, known)
  // Sizes are known of what is at work. So only if nothing else is left, the sum is honest.
  const last = known.finished + active.length >= known.of
  let left: number | undefined = last ? 0 : undefined
  for (const { gauge } of active) {
    left =
      left === undefined || gauge.total === undefined
        ? undefined
        : left + Math.max(0, gauge.total - gauge.received)
  }
  const { speed } = meter.total
  const total = left === undefined ? undefined : received + left
  return {
    finished: known.finished,
    of: known.of,
    failed: known.failed,
    queued: Math.max(0, known.of - known.finished - active.length - delayed),
    received,
    total,
    speed: active.length === 0 ? undefined : speed,
    remaining: remaining(received, total, speed)
  }
}

/** So many of the delayed ones have a line. */
const maxDelayed = 3

/** How many lines those at work and the delayed ones get of `room`, one being left to say how many have none. */
const share = (room: number, active: number, delayed: number): readonly [active: number, delayed: number] => {
  const wanted = Math.min(delayed, maxDelayed)
  if (active + wanted <= room && wanted === delayed) return [active, wanted]
  const lines = Math.max(0, room - 1)
  const first = Math.min(active, Math.max(lines - wanted, Math.ceil(lines / 2)))
  return [first, Math.min(wanted, lines - first)]
}

function* but<A>(all: Iterable<A>, unless: (a: A) => boolean, count: number): Iterable<A> {
  let left = count
  for (const a of all) {
    if (left <= 0) return
    if (unless(a)) continue
    left--
    yield a
  }
}

const hostOf = ({ cooling }: Known, { status, url }: Download, now: number): CoolingHost | undefined =>
  status === "pending"
    ? cooling.find(({ origin, until }) => until > now && origin === originOf(url))
    : undefined

/** What waits for hosts that are left alone. */
const behindOf = ({ cooling, queuedAt }: Known, now: number): Behind | undefined => {
  const hosts = cooling.filter(({ origin, until }) => until > now && queuedAt.has(origin))
  const [first] = hosts
  return (
    first && {
      queued: hosts.reduce((sum, { origin }) => sum + (queuedAt.get(origin) ?? 0), 0),
      hosts: hosts.length,
      origin: Format.printable(first.origin),
      left: first.why === probeWhy ? undefined : first.until - now,
      why: Format.printable(first.why)
    }
  )
}

/** Below so many lines, downloads and the total come first. */
const minRoom = 4

/** What to show on `room` lines; undefined if there is nothing to show. */
export const view = (
  known: Known,
  active: ReadonlyArray<Active>,
  meter: Meter,
  now: number,
  room: number
): View | undefined => {
  if (known.of <= 1) {
    const [gauge] = active
    const [download] = gauge === undefined ? known.unfinished() : []
    const entry =
      gauge !== undefined
        ? atWork(gauge, known, meter)
        : download === undefined
          ? undefined
          : idle(download, now, hostOf(known, download, now))
    return entry && { entries: [entry], more: { active: 0, delayed: 0 }, behind: undefined, total: undefined }
  }
  if (known.finished >= known.of) return undefined
  // the row of one that has just begun again may say that it still waits
  const ids = new Set(active.map(({ id }) => id))
  const begun = active.reduce((count, { id }) => count + (known.delayed.has(id) ? 1 : 0), 0)
  const delayed = known.delayed.size - begun
  const behind = room < minRoom ? undefined : behindOf(known, now)
  const [lines, delayedLines] = share(
    Math.max(0, room - (behind === undefined ? 1 : 2)),
    active.length,
    delayed
  )
  return {
    entries: [
      ...active.slice(0, lines).map((one) => atWork(one, known, meter)),
      ...Array.from(
        but(known.delayed.values(), ({ id }) => ids.has(id), delayedLines),
        (download) => idle(download, now)
      )
    ],
    more: { active: active.length - lines, delayed: delayed - delayedLines },
    behind,
    total: totalOf(known, active, delayed, meter)
  }
}
