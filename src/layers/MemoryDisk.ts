/**
 * A disk in memory, for programs that test what they build on downloads: files with inodes, under the programs that decide
 * about real ones. Every operation succeeds at once unless it is told otherwise; nothing survives the process.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as FileErrors from "../domain/FileError.js"
import type { FileFacts } from "../domain/FileFacts.js"
import type { Handle, Shape, Steps } from "../services/PartFile.js"
import { inSteps } from "./DiskSteps.js"

/** A file, by whichever names. */
export interface MemoryFile {
  readonly ino: number
  data: Uint8Array
  /** Nanoseconds since the epoch. */
  mtime: string
}

export interface MemoryDisk {
  readonly disk: Shape
  /** By full path; unfinished ones included. */
  readonly files: Map<string, MemoryFile>
  /** When files were synced, in milliseconds. */
  readonly syncs: Array<number>
  /** From now on, no sync ends. */
  readonly hang: () => void
  /** The next sync fails. */
  readonly failSync: () => void
  /** What happens before every read. */
  readonly beforeReads: (effect: Effect.Effect<void>) => void
}

const fail = (code: string, operation: string, path: string) =>
  Effect.fail(FileErrors.fromCode(code, operation, path))

export const make = (): MemoryDisk => {
  const files = new Map<string, MemoryFile>()
  const syncs: Array<number> = []
  let hanging = false
  let failing = false
  let reading: Effect.Effect<void> = Effect.void
  let inodes = 0

  const factsOf = ({ data, ino, mtime }: MemoryFile): FileFacts => ({
    kind: "file",
    dev: "1",
    ino: String(ino),
    size: data.length,
    mtime
  })

  const handleOf = (file: MemoryFile): Handle => ({
    identity: { dev: "1", ino: String(file.ino) },
    writeAt: (buffers, position, done) => {
      const bytes = Buffer.concat(buffers)
      const end = position + bytes.length
      if (end > file.data.length) {
        // room for as much again, so that many small writes don't copy the file each time
        const room = end <= file.data.buffer.byteLength ? file.data.buffer : new ArrayBuffer(end * 2)
        const grown = new Uint8Array(room, 0, end)
        if (room !== file.data.buffer) grown.set(file.data)
        else grown.fill(0, file.data.length)
        file.data = grown
      }
      file.data.set(bytes, position)
      done(undefined)
    },
    readAt: (buffer, position) =>
      Effect.flatMap(reading, () =>
        Effect.sync(() => {
          const bytes = file.data.subarray(position, position + buffer.length)
          buffer.set(bytes)
          return bytes.length
        })
      ),
    sync: Effect.flatMap(Clock.currentTimeMillis, (at) => {
      syncs.push(at)
      file.mtime = String(at * 1_000_000)
      if (failing) {
        failing = false
        // a while after it began, as disks do
        return Effect.zipRight(Effect.sleep(20), fail("EIO", "sync", "the part"))
      }
      return hanging ? Effect.never : Effect.void
    }),
    truncate: (length) =>
      Effect.sync(() => {
        const cut = new Uint8Array(length)
        cut.set(file.data.subarray(0, length))
        file.data = cut
      }),
    size: (done) => done(file.data.length),
    facts: Effect.sync(() => factsOf(file))
  })

  const found = (path: string) => Option.fromNullable(files.get(path))
  /** Gives a file one more name. */
  const name = (operation: string, from: string, to: string) =>
    Effect.suspend(() => {
      const file = files.get(from)
      if (file === undefined) return fail("ENOENT", operation, from)
      files.set(to, file)
      return Effect.void
    })

  const steps: Steps = {
    create: (path) =>
      Effect.suspend(() => {
        if (files.has(path)) return fail("EEXIST", "create", path)
        const file = { ino: ++inodes, data: new Uint8Array(), mtime: "0" }
        files.set(path, file)
        return Effect.succeed(handleOf(file))
      }),
    open: (path) => Effect.sync(() => Option.map(found(path), handleOf)),
    facts: (path) => Effect.sync(() => Option.map(found(path), factsOf)),
    link: (from, to) =>
      Effect.suspend(() => (files.has(to) ? fail("EEXIST", "link", to) : name("link", from, to))),
    rename: (from, to) => Effect.tap(name("rename", from, to), () => Effect.sync(() => files.delete(from))),
    remove: (path) => Effect.sync(() => void files.delete(path)),
    syncDirectory: () => Effect.void,
    ensureDirectory: () => Effect.void,
    space: () => Effect.succeedNone,
    ensureBelow: () => Effect.void
  }
  return {
    disk: inSteps(steps),
    files,
    syncs,
    hang: () => (hanging = true),
    failSync: () => (failing = true),
    beforeReads: (effect) => {
      reading = effect
    }
  }
}
