/**
 * The open files of a simulated process: reads, writes, syncs, truncations, each taking virtual time and failing by chance, with
 * an eye on everything that a transfer must not do with a file.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Scope from "effect/Scope"
import type { FileError } from "../../src/domain/FileError.js"
import type { FileFacts } from "../../src/domain/FileFacts.js"
import type { Handle } from "../../src/services/PartFile.js"
import type { Inode } from "./Inode.js"
import { error, type Call, type SystemCalls } from "./SystemCalls.js"
import type { Watch } from "./Watch.js"

interface OpenFile {
  readonly process: number
  readonly inode: Inode
  readonly path: string
  open: boolean
  /** Writes in flight: where they begin and end. */
  readonly writing: Set<readonly [start: number, end: number]>
  /** Something was changed through it. */
  used: boolean
}

export interface FileOptions {
  /** Bytes per millisecond. */
  readonly speed: number
  /** For proving the oracles: syncs that answer and do nothing. */
  readonly lyingSync: boolean
}

type Result<A> = Either.Either<A, FileError>

const ok: Result<void> = Either.void

/** lstat. */
export const factsOf = (inode: Inode): FileFacts => ({
  ...inode.identity,
  kind: "file",
  size: inode.size,
  mtime: String(inode.mtime)
})

export class OpenFiles {
  /** The longest that a sync has taken, in milliseconds. */
  longestSync = 0
  private readonly open = new Set<OpenFile>()

  constructor(
    private readonly calls: SystemCalls,
    private readonly options: FileOptions,
    private readonly watch: Watch
  ) {}

  get inodes(): ReadonlyArray<Inode> {
    return [...this.open].map((file) => file.inode)
  }

  /** A process is gone, and its descriptors with it. */
  crash(process: number): void {
    for (const file of this.of(process)) this.open.delete(file)
  }

  private of(process: number): ReadonlyArray<OpenFile> {
    return [...this.open].filter((file) => file.process === process)
  }

  /** What a process holds open. */
  pathsOf(process: number): ReadonlyArray<string> {
    return this.of(process).map(({ path }) => path)
  }

  /** Opens the file that the effect finds or makes. */
  openIn(
    process: number,
    path: string,
    inode: Effect.Effect<Inode, FileError>
  ): Effect.Effect<Handle, FileError, Scope.Scope> {
    const acquire = Effect.map(inode, (inode): OpenFile => {
      const file: OpenFile = { process, inode, path, open: true, writing: new Set(), used: false }
      if (this.calls.lives(process)) this.open.add(file)
      return file
    })
    const release = (file: OpenFile) =>
      Effect.sync(() => {
        if (file.writing.size > 0 && this.calls.lives(process)) {
          this.watch.violation("C1", `${path} was closed while a write was in flight`)
        }
        file.open = false
        this.open.delete(file)
      })
    return Effect.map(Effect.acquireRelease(acquire, release), (file) => this.handle(process, file))
  }

  private handle(process: number, file: OpenFile): Handle {
    const { inode, path } = file
    return {
      identity: inode.identity,
      writeAt: (buffers, position, done) => this.write(process, file, buffers, position, done),
      readAt: (buffer, position) =>
        this.calls.run(process, () => {
          this.mayUse(process, file)
          return this.read(file, buffer, position)
        }),
      sync: this.calls.run(process, () => {
        this.mayUse(process, file)
        return this.sync(file)
      }),
      truncate: (length) =>
        this.calls.brief(process, `truncate to ${length}`, path, () => {
          this.mayChange(process, file)
          if (file.writing.size > 0)
            this.watch.violation("C1", `${path} is truncated while a write is in flight`)
          inode.truncate(length, this.calls.stamp)
          return ok
        }),
      size: (done) => {
        const { random } = this.calls
        const call: Call<number> = {
          label: "fstat",
          path,
          time: random.chance(0.5) ? 0 : random.log(0.01, 1),
          apply: () => {
            this.mayUse(process, file)
            return Either.right(inode.size)
          },
          torn: () => {}
        }
        this.calls.start(process, call, (result) => done(Either.merge(result)))
      },
      facts: this.calls.brief(process, "fstat", path, () => Either.right(factsOf(inode)))
    }
  }

  private read({ inode, path }: OpenFile, buffer: Uint8Array, position: number): Call<number> {
    const apply = (): Result<number> => {
      if (this.calls.fails(0.002)) return error("EIO", "read", path)
      // a read may bring less than it was asked for
      const wanted = this.calls.random.chance(0.1) ? this.calls.random.int(1, buffer.length) : buffer.length
      const bytes = inode.bytes.subarray(position, position + wanted)
      buffer.set(bytes)
      return Either.right(bytes.length)
    }
    const time = this.calls.latency() + buffer.length / this.options.speed
    return { label: `read ${buffer.length} at ${position}`, path, time, apply, torn: () => {} }
  }

  private sync({ inode, path }: OpenFile): Call<void> {
    const covered = inode.unsynced
    const kind = this.calls.random.next()
    const time =
      kind < 0.05 ? 0 : kind < 0.98 ? this.calls.random.log(0.5, 20) : this.calls.random.log(20, 400)
    this.longestSync = Math.max(this.longestSync, time)
    const apply = (): Result<void> => {
      if (this.calls.fails(0.01)) {
        inode.lose(covered, this.calls.random)
        this.calls.mishaps.add(inode)
        return error("EIO", "sync", path)
      }
      if (!this.options.lyingSync) inode.flush(covered)
      return ok
    }
    return { label: `sync (${covered.size} pages)`, path, time, apply }
  }

  private write(
    process: number,
    file: OpenFile,
    buffers: ReadonlyArray<Uint8Array>,
    position: number,
    done: (error: FileError | undefined) => void
  ): void {
    const { inode, path } = file
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const span = [position, position + length] as const
    if (this.calls.lives(process)) {
      this.mayChange(process, file)
      if ([...file.writing].some(([start, end]) => start < span[1] && span[0] < end))
        this.watch.violation("C1", `two writes to the same bytes of ${path} are in flight`)
    }
    file.writing.add(span)
    const put = (limit: number): void => {
      let offset = 0
      for (const buffer of buffers) {
        const taken = buffer.subarray(0, Math.max(0, limit - offset))
        if (taken.length > 0) inode.write(taken, position + offset, this.calls.stamp)
        offset += buffer.length
      }
    }
    const code = this.calls.full ? "ENOSPC" : this.calls.fails(0.002) ? "EIO" : undefined
    const call: Call<void> = {
      label: `write ${length} at ${position}`,
      path,
      time: this.calls.random.chance(0.05) ? 0 : this.calls.latency() + length / this.options.speed,
      apply: () => {
        // a write that fails may have got some way
        put(code === undefined ? length : this.calls.random.int(0, length))
        if (code === undefined) return ok
        this.calls.mishaps.add(inode)
        return error(code, "write", path)
      },
      torn: (random) => put(random.int(0, length))
    }
    this.calls.start(process, call, (result) => {
      file.writing.delete(span)
      done(Either.isLeft(result) ? result.left : undefined)
    })
  }

  private mayUse(process: number, file: OpenFile): void {
    if (this.calls.lives(process) && !file.open) {
      this.watch.violation("C1", `${file.path} is used after it was closed`)
    }
  }

  private mayChange(process: number, file: OpenFile): void {
    this.mayUse(process, file)
    file.used = true
    for (const other of this.open) {
      if (other !== file && other.inode === file.inode && other.used) {
        this.watch.violation("Q2", `${file.path} is written to by two transfers at the same time`)
      }
    }
    if (file.inode.published)
      this.watch.violation("B1", `${file.path} is changed though it has its final name`)
    if (file.inode.maker === "user") this.watch.violation("B5", `the user's file ${file.path} is written to`)
  }
}
