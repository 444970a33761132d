/**
 * How fast downloads are, from what was held at two instants. Pure.
 */
import type { DownloadId } from "./DownloadId.js"

/** A download that is being worked on, as it is at one instant. Volatile: not all of it is on stable storage. */
export interface Progress {
  /** The download's. */
  readonly id: DownloadId
  /** Bytes held, from the start of the file. */
  readonly received: number
  /** Bytes in all; undefined while the server has not said. */
  readonly total: number | undefined
  /** What it is doing, in a word or two. */
  readonly state: string
  /** Bytes per second, smoothed over some seconds; 0 for one that has just begun. */
  readonly speed: number
}

/** What was seen last: when, and of which downloads. */
export interface Seen {
  readonly at: number
  readonly progress: ReadonlyMap<DownloadId, Progress>
}

export const nothingSeen: Seen = { at: 0, progress: new Map() }

/** After so many milliseconds an old speed counts for a third. */
const memory = 3000

/** The next look; `at` in milliseconds. */
export const look = (
  seen: Seen,
  active: Iterable<{ readonly id: DownloadId; readonly gauge: Omit<Progress, "id" | "speed"> }>,
  at: number
): Seen => {
  const elapsed = at - seen.at
  const progress = new Map<DownloadId, Progress>()
  for (const { gauge, id } of active) {
    const { received, state, total } = gauge
    const before = seen.progress.get(id)
    progress.set(id, { id, received, total, state, speed: speedOf(before, received, elapsed) })
  }
  return { at, progress }
}

const speedOf = (before: Progress | undefined, received: number, elapsed: number): number => {
  if (before === undefined) return 0
  if (elapsed <= 0) return before.speed
  // what begins anew at 0 has no negative speed
  const current = (Math.max(0, received - before.received) * 1000) / elapsed
  // its first figure stands for itself; after that, the past has its weight
  if (before.speed === 0) return current
  const weight = Math.exp(-elapsed / memory)
  return before.speed * weight + current * (1 - weight)
}
