/**
 * A sink for the suite of networks: keeps what it gets, counts it, and can ask to be spared.
 */
import * as Effect from "effect/Effect"
import { Buffer } from "node:buffer"
import type { ByteSink } from "../../services/Wire.js"

/** Keeps what it is given; after `full` bytes it asks to be spared. */
export const collector = (full = Infinity) => {
  const chunks: Array<Uint8Array> = []
  const begun = Effect.unsafeMakeLatch(false)
  let limit = full
  let count = 0
  const sink: ByteSink = {
    write: (chunk) => {
      // its memory is the sink's from now on: a Wire that uses it again is found out
      chunks.push(chunk)
      count += chunk.length
      begun.unsafeOpen()
      return count < limit
    },
    onDrain: () => {},
    onFailure: () => {}
  }
  return {
    sink,
    /** It has had a byte. */
    begun: begun.await,
    count: () => count,
    writes: () => chunks.length,
    bytes: () => new Uint8Array(Buffer.concat(chunks)),
    drain: () => {
      limit = Infinity
      sink.onDrain()
    }
  }
}
