/**
 * A queue in numbers, in full: by status, by reason, by host, and over the last minutes.
 */
import { type Status, terminal } from "./Download.js"
import type { Reason } from "./DownloadError.js"
import type { Stats } from "./Stats.js"

export type UnfinishedStatus = Exclude<Status, "completed" | "failed" | "cancelled">
export type EndedStatus = Exclude<Status, UnfinishedStatus>

/** How many there are of each status. */
export interface Counts {
  readonly unfinished: Readonly<Record<UnfinishedStatus, number>>
  readonly ended: Readonly<Record<EndedStatus, number>>
  /** Bytes of the completed ones that are still listed. */
  readonly bytes: number
}

/** What has ended in a while. */
export interface Recent {
  /** How long it is, in milliseconds, until now. */
  readonly span: number
  readonly completed: number
  readonly failed: number
  /** Of those that were completed in it, wholly. */
  readonly bytes: number
}

/** Downloads that failed or wait, for one reason. */
export interface ReasonCount {
  readonly status: Extract<Status, "failed" | "retrying" | "waiting">
  readonly reason: Reason
  readonly downloads: number
}

/** The downloads of one host. */
export interface HostCount {
  /** Scheme, host and port. */
  readonly origin: string
  readonly unfinished: number
  readonly completed: number
  readonly failed: number
  /** Of the completed ones. */
  readonly bytes: number
}

/** @see the file's header */
export interface Report extends Omit<Stats, "hostStates"> {
  readonly recent: ReadonlyArray<Recent>
  /** Tries after the first, of all that are listed. */
  readonly retries: number
  /** The most frequent first. */
  readonly reasons: ReadonlyArray<ReasonCount>
  /** Those with most downloads. */
  readonly hosts: ReadonlyArray<HostCount>
  /** Hosts in all. */
  readonly hostCount: number
}

const nothing: Readonly<Record<Status, number>> = {
  pending: 0,
  processing: 0,
  retrying: 0,
  waiting: 0,
  paused: 0,
  completed: 0,
  failed: 0,
  cancelled: 0
}

/** Of a queue in which there has never been anything. */
export const empty: Report = {
  downloads: nothing,
  bytes: 0,
  cooling: [],
  engines: [],
  recent: [],
  retries: 0,
  reasons: [],
  hosts: [],
  hostCount: 0
}

/** So many of one status, host and reason. */
export interface Group {
  readonly status: Status
  readonly host: number
  /** Of those that failed, or wait. */
  readonly reason: Reason | null
  readonly rows: number
  /** Of the completed ones. */
  readonly bytes: number
  /** Tries after the first. */
  readonly retries: number
}

/** Groups, summed up each way. `names` are those of the hosts; `hosts`: so many are listed. */
export const summed = (
  groups: ReadonlyArray<Group>,
  names: ReadonlyArray<{ readonly id: number; readonly origin: string }>,
  hosts: number
): Omit<Report, "cooling" | "recent" | "engines"> => {
  const downloads = { ...nothing }
  const reasons = new Map<string, ReasonCount>()
  const byHost = new Map<number, HostCount>()
  const originOf = new Map(names.map(({ id, origin }) => [id, origin]))
  let bytes = 0
  let retries = 0
  for (const group of groups) {
    const { reason, rows, status } = group
    downloads[status] += rows
    bytes += group.bytes
    retries += group.retries
    if (reason !== null && (status === "failed" || status === "retrying" || status === "waiting")) {
      const key = `${status} ${reason}`
      reasons.set(key, { status, reason, downloads: (reasons.get(key)?.downloads ?? 0) + rows })
    }
    const host = byHost.get(group.host) ?? {
      origin: originOf.get(group.host) ?? "",
      unfinished: 0,
      completed: 0,
      failed: 0,
      bytes: 0
    }
    byHost.set(group.host, {
      origin: host.origin,
      unfinished: host.unfinished + (terminal.has(status) ? 0 : rows),
      completed: host.completed + (status === "completed" ? rows : 0),
      failed: host.failed + (status === "failed" ? rows : 0),
      bytes: host.bytes + group.bytes
    })
  }
  const weight = ({ completed, failed, unfinished }: HostCount) => completed + failed + unfinished
  return {
    downloads,
    bytes,
    retries,
    reasons: [...reasons.values()].sort((a, b) => b.downloads - a.downloads),
    hosts: [...byHost.values()]
      .sort((a, b) => weight(b) - weight(a) || (a.origin < b.origin ? -1 : 1))
      .slice(0, hosts),
    hostCount: byHost.size
  }
}
