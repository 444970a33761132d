/**
 * A sink that takes what was announced, or as much as is wanted, and not a byte more: what comes beyond is an error and is
 * not written (PROMISES B3, H2), whatever the framing below thought of it.
 */
import type { DownloadError } from "../domain/DownloadError.js"
import type { ByteSink } from "../services/Wire.js"

export interface BoundedSink extends ByteSink {
  /** Set once more has come. */
  readonly excess: DownloadError | undefined
}

/** How many bytes it takes, and what it means if there are more; undefined where there is no bound. */
export interface Bound {
  readonly bytes: number
  readonly excess: () => DownloadError
}

export const boundedSink = (sink: ByteSink, bound: Bound | undefined): BoundedSink => {
  let left = bound?.bytes ?? Infinity
  let excess: DownloadError | undefined
  const bounded: BoundedSink = {
    write: (chunk) => {
      left -= chunk.length
      if (bound === undefined || left >= 0) return sink.write(chunk)
      excess = bound.excess()
      bounded.onFailure(excess)
      return false
    },
    onDrain: () => {},
    onFailure: () => {},
    onExcess: () => {
      if (bound === undefined || excess !== undefined) return
      excess = bound.excess()
      bounded.onFailure(excess)
    },
    get excess() {
      return excess
    }
  }
  sink.onDrain = () => bounded.onDrain()
  sink.onFailure = (error) => bounded.onFailure(error)
  return bounded
}
