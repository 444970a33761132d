/**
 * How fast bytes arrive, of each download being worked on and of all together. Pure: a look at the gauges makes the next
 * meter from the last. Speeds follow changes with a time constant of 2 s, so that the figures can be read.
 */
import type { DownloadId } from "../../domain/DownloadId.js"
import type { Active } from "../../services/Supervisor.js"

/** What was seen of one download, or of all. */
export interface Reading {
  readonly bytes: number
  /** Bytes per second; undefined until two looks lie apart. */
  readonly speed: number | undefined
  /** When it was first looked at. */
  readonly since: number
}

export interface Meter {
  /** When it was looked, in milliseconds. */
  readonly at: number
  readonly downloads: ReadonlyMap<DownloadId, Reading>
  readonly total: Reading
}

const timeConstant = 2000

const follow = (last: Reading | undefined, bytes: number, at: number, elapsed: number): Reading => {
  // what a download held when first seen did not arrive now
  if (last === undefined) return { bytes, speed: undefined, since: at }
  const current = (Math.max(0, bytes - last.bytes) * 1000) / elapsed
  // at first the mean of all looks: a download that begins with a burst would else seem fast for seconds
  const weight = Math.max(1 - Math.exp(-elapsed / timeConstant), elapsed / (at - last.since))
  const speed = last.speed === undefined ? current : last.speed + weight * (current - last.speed)
  return { bytes, speed, since: last.since }
}

/**
 * A look at time `at`. `arrived` is what has come of all downloads, so that those count that came and went between two
 * looks. Of a download that ends, the gauge may go before its row is known: the sum falls for an instant, and what
 * was counted is not counted again.
 */
export const measure = (
  meter: Meter | undefined,
  active: ReadonlyArray<Active>,
  arrived: number,
  at: number
): Meter => {
  const elapsed = meter === undefined ? 0 : at - meter.at
  if (meter !== undefined && elapsed <= 0) return meter
  return {
    at,
    downloads: new Map(
      active.map(({ gauge, id }) => [id, follow(meter?.downloads.get(id), gauge.received, at, elapsed)])
    ),
    total: follow(meter?.total, Math.max(arrived, meter?.total.bytes ?? 0), at, elapsed)
  }
}
