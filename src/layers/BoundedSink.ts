/**
 * A sink that takes exactly what was announced and not a byte more: what comes beyond is a protocol violation and is
 * not written (PROMISES B3), whatever the framing below thought of it.
 */
import type { DownloadError } from "../domain/DownloadError.js"
import { make } from "../domain/DownloadError.js"
import type { ByteSink } from "../services/Wire.js"

export interface BoundedSink extends ByteSink {
  /** Set once more has come than was announced. */
  readonly excess: DownloadError | undefined
}

/** `limit` is the announced length of this body in bytes; undefined where none was announced. */
export const boundedSink = (sink: ByteSink, limit: number | undefined): BoundedSink => {
  let left = limit ?? Infinity
  let excess: DownloadError | undefined
  const bounded: BoundedSink = {
    write: (chunk) => {
      left -= chunk.length
      if (left >= 0) return sink.write(chunk)
      excess = make("ProtocolViolation", `the server sent more than the ${limit} bytes it announced`)
      bounded.onFailure(excess)
      return false
    },
    onDrain: () => {},
    onFailure: () => {},
    get excess() {
      return excess
    }
  }
  sink.onDrain = () => bounded.onDrain()
  sink.onFailure = (error) => bounded.onFailure(error)
  return bounded
}
