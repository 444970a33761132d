/**
 * What stands between a body and the writer of one segment: compares bytes that are held already and were asked for once
 * more, and ends a body that would go on beyond its segment, because another connection fetches that.
 *
 * Tricky interleavings: the segment's end moves while bytes come: nearer, where another connection takes its second half, and
 * further, where that has given up. It is looked at with each chunk, within one network event.
 */
import { Buffer } from "node:buffer"
import * as DownloadError from "../domain/DownloadError.js"
import type { ByteSink } from "../services/Wire.js"
import type { PartWriter } from "./PartWriter.js"

/** Where a segment ends at this moment. */
export interface Segment {
  end: number
}

interface Options {
  /** What the body has to begin with; it is not written again. */
  readonly expected: Uint8Array
  /** Where the body ends by itself, as an offset of the resource. */
  readonly bodyEnd: number
  /** Called at the end of the segment: it may be moved, if nobody else fetches what follows. */
  readonly extend: () => void
}

/** Ends an exchange that has done its part. Whoever ends it knows why, and shows this to nobody. */
const enough = DownloadError.make("Network", "what follows is fetched by another connection")

export class SpanSink implements ByteSink {
  onDrain: () => void = () => {}
  onFailure: (error: DownloadError.DownloadError) => void = () => {}
  /** It came to the end of its segment, and more would have come. */
  satisfied = false
  /** It began with other bytes than are held. */
  different = false
  /** Bytes that were as expected. */
  compared = 0

  constructor(
    private readonly writer: PartWriter,
    private readonly segment: Segment,
    private readonly options: Options
  ) {
    writer.onDrain = () => this.onDrain()
    writer.onFailure = (error) => this.onFailure(error)
  }

  readonly write = (chunk: Uint8Array): boolean => {
    let rest = chunk
    const { bodyEnd, expected, extend } = this.options
    if (this.compared < expected.length) {
      const length = Math.min(rest.length, expected.length - this.compared)
      const held = expected.subarray(this.compared, this.compared + length)
      if (Buffer.compare(rest.subarray(0, length), held) !== 0) {
        this.different = true
        return this.end()
      }
      this.compared += length
      if (length === rest.length) return true
      rest = rest.subarray(length)
    }
    for (;;) {
      if (this.segment.end >= bodyEnd) return this.writer.write(rest)
      const room = this.segment.end - this.writer.position
      if (rest.length < room) return this.writer.write(rest)
      const more = this.writer.write(rest.subarray(0, room))
      extend()
      if (this.segment.end <= this.writer.position) {
        this.satisfied = true
        return this.end()
      }
      rest = rest.subarray(room)
      if (rest.length === 0) return more
    }
  }

  private end(): false {
    this.onFailure(enough)
    return false
  }
}
