/**
 * What `sluice watch` knows of a queue that others work on: the last glance, counts that are kept up to date by what has ended
 * since, and how much has arrived. Changed in place by what is read; asked by the views.
 */
import type { Download } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import type { ListedEngine } from "../../domain/Stats.js"
import type { Counts } from "../../domain/Survey.js"
import type { Glance } from "../../services/Survey.js"
import type { Active } from "../../services/Supervisor.js"
import type { Known } from "./View.js"

const none: Glance = { engines: [], working: [], delayed: [], cooling: [], ended: [], position: 0 }

/** A row that is worked on, as its engine's gauge would show it: as of the last checkpoint. */
const gaugeOf = (download: Download): Active => ({
  id: download.id,
  gauge: {
    received: download.checkpoint,
    total: download.total ?? undefined,
    state: download.publishing !== null ? "publishing" : download.part === null ? "connecting" : "downloading"
  }
})

/** @see the file's header */
export class Watched implements Known {
  glance: Glance = none
  /** Undefined until all was counted once. */
  counts: Counts | undefined
  /** Never falls. */
  arrived = 0
  delayed: ReadonlyMap<DownloadId, Download> = new Map()
  active: ReadonlyArray<Active> = []
  /** The page tells of hosts by itself. */
  readonly cooling = []
  readonly queuedAt: ReadonlyMap<string, number> = new Map()
  private readonly seen = new Map<DownloadId, number>()

  /** Takes a look in. */
  look(glance: Glance): void {
    for (const { checkpoint, id } of glance.working) {
      const before = this.seen.get(id)
      // what it held when it was first seen did not arrive now
      if (before !== undefined) this.arrived += Math.max(0, checkpoint - before)
      this.seen.set(id, checkpoint)
    }
    for (const { bytes, id } of glance.ended) {
      this.arrived += Math.max(0, bytes - (this.seen.get(id) ?? 0))
      this.seen.delete(id)
    }
    const ids = new Set(glance.working.map(({ id }) => id))
    for (const id of this.seen.keys()) if (!ids.has(id)) this.seen.delete(id)
    this.glance = glance
    this.active = glance.working.map(gaugeOf)
    this.delayed = new Map(glance.delayed.map((download) => [download.id, download]))
    if (this.counts === undefined) return
    const ended = { ...this.counts.ended }
    let { bytes } = this.counts
    for (const row of glance.ended) {
      ended[row.status]++
      bytes += row.bytes
    }
    this.counts = { ...this.counts, ended, bytes }
  }

  /** Takes in how many are unfinished. */
  unfinishedCounted(unfinished: Counts["unfinished"]): void {
    if (this.counts !== undefined) this.counts = { ...this.counts, unfinished }
  }

  /** The engines that live. */
  get engines(): ReadonlyArray<ListedEngine> {
    return this.glance.engines.filter(({ alive }) => alive)
  }

  get(id: DownloadId): Download | undefined {
    return this.glance.working.find((download) => download.id === id)
  }
  unfinished(): Iterable<Download> {
    return [...this.glance.working, ...this.glance.delayed]
  }
  get failed(): number {
    return this.counts?.ended.failed ?? 0
  }
  /** What was cancelled, or is paused, is not on its way. */
  get finished(): number {
    return this.counts === undefined ? 0 : this.counts.ended.completed + this.counts.ended.failed
  }
  get of(): number {
    if (this.counts === undefined) return this.active.length + this.delayed.size
    const { pending, processing, retrying, waiting } = this.counts.unfinished
    return this.finished + Math.max(pending + processing + retrying + waiting, this.active.length)
  }
  get held(): number {
    return (this.counts?.bytes ?? 0) + this.active.reduce((sum, { gauge }) => sum + gauge.received, 0)
  }
}
