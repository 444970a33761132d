/**
 * What the origin serves: bytes that are a cheap function of name, version and offset, so that a test can tell what a
 * file of any size must be without keeping it.
 */
import { createHash } from "node:crypto"

/** Prime, so that bytes shifted by any round number are other bytes. */
const period = 65_521

export interface Content {
  /** The bytes from `start` up to, not including, `end`. */
  readonly slice: (start: number, end: number) => Buffer
  /** Hexadecimal, of the first `size` bytes. */
  readonly sha256: (size: number) => string
}

/** Noise that all contents share; each begins somewhere else in it. */
const noise = Buffer.alloc(2 * period)
for (let at = 0, state = 0x9e3779b9; at < period; at++) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  noise[at] = noise[period + at] = state & 0xff
}

/** The endless content of one version of a resource. */
export const contentOf = (name: string, version: number): Content => {
  const seed = createHash("sha256").update(`${name} ${version}`).digest()
  const shift = seed.readUInt32LE(0) % period
  const mark = Buffer.alloc(8)
  seed.copy(mark, 4, 4, 8)
  const slice = (start: number, end: number): Buffer => {
    const bytes = Buffer.allocUnsafe(end - start)
    for (let at = start; at < end;) {
      const index = Math.floor(at / period)
      const from = at - index * period
      const to = Math.min(period, from + end - at)
      noise.copy(bytes, at - start, shift + from, shift + to)
      // each block begins with its number and a trace of its seed: one in the wrong place does not go unnoticed
      mark.writeUInt32LE(index)
      if (from < 8) mark.copy(bytes, at - start, from, Math.min(8, to))
      at += to - from
    }
    return bytes
  }
  const sha256 = (size: number): string => {
    const hash = createHash("sha256")
    for (let at = 0; at < size; at += 1 << 20) hash.update(slice(at, Math.min(size, at + (1 << 20))))
    return hash.digest("hex")
  }
  return { slice, sha256 }
}
