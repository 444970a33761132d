/**
 * A sink that takes exactly what was announced and not a byte more: what comes beyond is a protocol violation and is
 * not written (PROMISES B3), whatever the framing below thought of it.
 */
import { make } from "../domain/DownloadError.js"
import type { ByteSink } from "../services/Wire.js"

/** `limit` is the announced length of this body in bytes; undefined where none was announced. */
export const boundedSink = (sink: ByteSink, limit: number | undefined): ByteSink => {
  if (limit === undefined) return sink
  let left = limit
  const bounded: ByteSink = {
    write: (chunk) => {
      left -= chunk.length
      if (left >= 0) return sink.write(chunk)
      bounded.onFailure(
        make("ProtocolViolation", `the server sent more than the ${limit} bytes it announced`)
      )
      return false
    },
    onDrain: () => {},
    onFailure: () => {}
  }
  sink.onDrain = () => bounded.onDrain()
  sink.onFailure = (error) => bounded.onFailure(error)
  return bounded
}
