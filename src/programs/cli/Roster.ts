/**
 * The downloads of a command that have not ended, with what the board needs to know of all of them kept as they change:
 * there may be 100,000, and a frame can't look at each.
 */
import type { Download } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import { originOf } from "../../domain/Host.js"

const isDelayed = ({ status }: Download): boolean => status === "retrying" || status === "waiting"

export class Roster extends Map<DownloadId, Download> {
  /** Those that wait for a retry, a host or the disk. */
  readonly delayed = new Map<DownloadId, Download>()
  /** How many wait for their turn, by the origin of their host. */
  readonly queuedAt = new Map<string, number>()
  /** Bytes on stable storage, of all of them. */
  held = 0
  /** Bytes that have arrived while they were followed, ended ones included. Never falls. */
  arrived = 0

  override set(id: DownloadId, download: Download): this {
    const previous = this.get(id)
    this.held += download.checkpoint - (previous?.checkpoint ?? 0)
    if (previous !== undefined) this.arrived += Math.max(0, download.checkpoint - previous.checkpoint)
    if (previous?.status !== download.status) {
      this.count(previous, -1)
      this.count(download, 1)
    }
    // changed in place, one that stays delayed keeps its place
    if (isDelayed(download)) this.delayed.set(id, download)
    else this.delayed.delete(id)
    return super.set(id, download)
  }

  override delete(id: DownloadId): boolean {
    const previous = this.get(id)
    this.held -= previous?.checkpoint ?? 0
    this.count(previous, -1)
    this.delayed.delete(id)
    return super.delete(id)
  }

  private count(download: Download | undefined, by: 1 | -1): void {
    if (download?.status !== "pending") return
    const origin = originOf(download.url)
    const count = (this.queuedAt.get(origin) ?? 0) + by
    if (count === 0) this.queuedAt.delete(origin)
    else this.queuedAt.set(origin, count)
  }

  /** Takes a download out that has ended, with what came of it last. */
  end(download: Download): void {
    const previous = this.get(download.id)
    if (previous !== undefined && (download.outcome === null || download.outcome === "fetched")) {
      const size = download.status === "completed" ? download.total : null
      this.arrived += Math.max(0, (size ?? download.checkpoint) - previous.checkpoint)
    }
    this.delete(download.id)
  }
}
