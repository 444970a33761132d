/**
 * Which host a download waits for that nobody may ask at the moment, if it is one that waits. Pure.
 */
import type { Download } from "../../domain/Download.js"
import { originOf } from "../../domain/Host.js"
import type { CoolingHost } from "../../domain/Stats.js"

/** What looks a host up. */
export type LeftAlone = (download: Download) => CoolingHost | undefined

export const nobody: LeftAlone = () => undefined

/** Whoever is at work, is paused or has ended waits for no host. */
const stands: ReadonlySet<Download["status"]> = new Set<Download["status"]>([
  "pending",
  "retrying",
  "waiting"
])

/** Of these hosts, at this time. */
export const among = (hosts: ReadonlyArray<CoolingHost>, now: number): LeftAlone => {
  const left = new Map(hosts.filter(({ until }) => until > now).map((host) => [host.origin, host]))
  return left.size === 0
    ? nobody
    : (download) => (stands.has(download.status) ? left.get(originOf(download.url)) : undefined)
}
