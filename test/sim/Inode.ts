/**
 * A simulated file's bytes, twice: as the page cache has them (what every reader sees), and as stable storage has
 * them (what a power cut leaves at least). Pages in between are dirty; a sync moves them over, a power cut keeps
 * those that chance had written back already.
 */
import { sameFile, type FileIdentity } from "../../src/domain/FileFacts.js"
import type { Seeded } from "./Seeded.js"

export const pageSize = 4096

const grown = (bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> => {
  if (bytes.length >= length) return bytes
  const larger = new Uint8Array(Math.max(length, bytes.length * 2, pageSize))
  larger.set(bytes)
  return larger
}

/** Inode fields that reach the disk by other ways than the bytes. */
interface Facts {
  readonly size: number
  /** Nanoseconds since the epoch. */
  readonly mtime: bigint
}

export class Inode {
  private cache = new Uint8Array(0)
  private disk = new Uint8Array(0)
  private dirty = new Set<number>()
  /** Pages that have their block on the disk: writing them again changes nothing but their bytes. */
  private allocated = new Set<number>()
  /** The shortest length since the last sync: what lay beyond is given back to the file system. */
  private cut = Infinity
  private now: Facts
  private stable: Facts
  /** Ever named by anything but a part name: a reader may hold it, so it must not change any more. */
  published = false

  constructor(
    readonly ino: number,
    /** Who made it: the engine, or the user whose files are none of the engine's business. */
    readonly maker: "engine" | "user",
    /** When it was made, in nanoseconds since the epoch: numbers are given again, births are not. */
    readonly birth: bigint
  ) {
    this.now = { size: 0, mtime: birth }
    this.stable = this.now
  }

  get identity(): FileIdentity {
    return { dev: "1", ino: String(this.ino), birth: String(this.birth) }
  }

  /** Whether a record of an identity means this file. */
  is(identity: FileIdentity): boolean {
    return sameFile(identity, this.identity)
  }

  get size(): number {
    return this.now.size
  }
  get mtime(): bigint {
    return this.now.mtime
  }
  get durableSize(): number {
    return this.stable.size
  }

  /** The bytes that readers see. */
  get bytes(): Uint8Array {
    return this.cache.subarray(0, this.now.size)
  }

  /** The bytes that a power cut in this instant would leave for sure. */
  get durableBytes(): Uint8Array {
    this.disk = grown(this.disk, this.stable.size)
    return this.disk.subarray(0, this.stable.size)
  }

  write(bytes: Uint8Array, position: number, mtime: bigint): void {
    const end = position + bytes.length
    this.cache = grown(this.cache, end)
    this.cache.set(bytes, position)
    this.now = { size: Math.max(this.now.size, end), mtime }
    this.touch(position, end)
  }

  truncate(length: number, mtime: bigint): void {
    if (length === this.now.size) return
    this.cache = grown(this.cache, length)
    if (length < this.now.size) {
      this.cache.fill(0, length, this.now.size)
      for (const page of this.dirty) if (page * pageSize >= length) this.dirty.delete(page)
      // the last page's rest is zeroed as well
      if (length % pageSize !== 0) this.dirty.add(Math.floor(length / pageSize))
      this.cut = Math.min(this.cut, length)
    }
    this.now = { size: length, mtime }
  }

  /** What a sync that starts now will cover. */
  get unsynced(): ReadonlySet<number> {
    return new Set(this.dirty)
  }

  /** fdatasync: the pages, and the inode if size or blocks changed (a newer mtime alone is not worth a flush to it). */
  flush(pages: ReadonlySet<number>): void {
    let changed = this.now.size !== this.stable.size || this.cut < Infinity
    this.disk = grown(this.disk, this.now.size)
    this.giveBack()
    for (const page of pages) {
      if (!this.dirty.delete(page)) continue
      changed ||= !this.allocated.has(page)
      this.writeBack(page)
    }
    if (changed) this.stable = this.now
  }

  /** A sync that failed: its pages count as clean from now on, though they never reached the disk. */
  lose(pages: ReadonlySet<number>, random: Seeded): void {
    const evicted = random.chance(0.5)
    for (const page of pages) {
      this.dirty.delete(page)
      if (evicted) this.evict(page)
    }
  }

  private evict(page: number): void {
    const from = page * pageSize
    const to = Math.min(from + pageSize, this.now.size)
    if (from >= to) return
    this.disk = grown(this.disk, to)
    this.cache.set(this.disk.subarray(from, to), from)
  }

  /** After a power cut: stable storage, and of what was unsynced whatever had been written back by chance. */
  powerCut(random: Seeded): void {
    const kept = random.pick([0, 0.5, 1])
    const survived = this.survivingFacts(random, kept)
    this.disk = grown(this.disk, Math.max(this.now.size, survived.size))
    if (random.chance(0.5)) this.giveBack()
    for (const page of this.dirty) if (random.chance(kept)) this.writeBack(page)
    this.disk.fill(0, survived.size)
    this.cache = this.disk.slice()
    this.dirty = new Set()
    this.cut = Infinity
    this.now = survived
    this.stable = survived
  }

  private survivingFacts(random: Seeded, kept: number): Facts {
    if (this.now.size < this.stable.size) return random.pick([this.now, this.stable])
    if (!random.chance(kept)) return this.stable
    // an inode that was written back took its mtime along; its size may be ahead of its pages
    const size = random.pick([this.stable.size, this.now.size, random.int(this.stable.size, this.now.size)])
    return { size, mtime: this.now.mtime }
  }

  private giveBack(): void {
    if (this.cut === Infinity) return
    this.disk.fill(0, this.cut)
    for (const page of this.allocated) if (page * pageSize >= this.cut) this.allocated.delete(page)
    this.cut = Infinity
  }

  private touch(from: number, to: number): void {
    for (let page = Math.floor(from / pageSize); page * pageSize < to; page++) this.dirty.add(page)
  }

  private writeBack(page: number): void {
    const from = page * pageSize
    const to = Math.min(from + pageSize, this.now.size)
    if (from < to) this.disk.set(this.cache.subarray(from, to), from)
    this.allocated.add(page)
  }
}
