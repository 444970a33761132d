/**
 * What the simulated resources consist of: bytes that tell, each of them, their version, and by their run their resource and
 * offset. The upper three bits of a byte are the version (1 to 7, so a zero, as holes read, belongs to none);
 * the lower five come from a hash of resource and offset.
 */

/** Versions that can be told apart. */
export const maxVersions = 7

const word = (resource: number, index: number): number => {
  let h = Math.imul(index ^ Math.imul(resource + 1, 0x9e37_79b1), 0x85eb_ca6b)
  h = Math.imul(h ^ (h >>> 15), 0xc2b2_ae35)
  return (h ^ (h >>> 13)) & 0x1f1f_1f1f
}

/** The bytes from `start` of one version of a resource. */
export const content = (resource: number, version: number, start: number, length: number): Uint8Array => {
  const first = start >>> 2
  const words = new Uint32Array(((start + length + 3) >>> 2) - first)
  const mark = Math.imul(version, 0x2020_2020)
  for (let i = 0; i < words.length; i++) words[i] = word(resource, first + i) | mark
  return new Uint8Array(words.buffer, start - first * 4, length)
}

const step = 65_536

/** Blocks that were compared with lately: the same files are looked at again and again. */
const blocks = new Map<string, Uint8Array>()
const mostBlocks = 512

const blockOf = (resource: number, version: number, start: number): Uint8Array => {
  const key = `${resource}/${version}/${start}`
  let block = blocks.get(key)
  if (block === undefined) {
    if (blocks.size >= mostBlocks) blocks.clear()
    block = content(resource, version, start, step)
    blocks.set(key, block)
  }
  return block
}

/** The first of these bytes, which begin at an offset, that is not that version's; undefined if all are. */
export const mismatch = (
  bytes: Uint8Array,
  resource: number,
  version: number,
  offset = 0
): number | undefined => {
  for (let at = 0; at < bytes.length;) {
    const within = (offset + at) % step
    const actual = bytes.subarray(at, Math.min(bytes.length, at + step - within))
    const expected = blockOf(resource, version, offset + at - within).subarray(within, within + actual.length)
    if (Buffer.compare(actual, expected) !== 0) {
      return at + actual.findIndex((byte, i) => byte !== expected[i])
    }
    at += actual.length
  }
  return undefined
}

/** The version that a byte belongs to; 0 for a hole. */
export const versionOf = (byte: number): number => byte >>> 5
