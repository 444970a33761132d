/**
 * An open file over node:fs: positional writes, sync, truncate, facts, and a close that waits for them. Names, directories and
 * the order of operations are left to others.
 *
 * Tricky interleavings: interrupting a fiber does not stop a system call that a thread of libuv is already in. So every
 * operation is uninterruptible, and the descriptor is closed only when no operation on it is under way, however the
 * scope came to close. An operation that comes after the close is refused with EBADF, as its number may be another
 * file's by then.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { FileError, fromCode } from "../domain/FileError.js"
import type { FileFacts, FileIdentity } from "../domain/FileFacts.js"
import type { Handle } from "../services/PartFile.js"

/** What node:fs calls back with when something went wrong. */
export type Failure = NodeJS.ErrnoException | null
export type Callback<A> = (error: Failure, value: A) => void

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants

// O_NONBLOCK means nothing to a regular file, and keeps a FIFO of that name from blocking the thread (Linux opens
// one for both directions without waiting, POSIX leaves that open)
const careful = O_NOFOLLOW | O_NONBLOCK

export const openFlags = O_RDWR | careful
export const readFlags = O_RDONLY | careful

/** One operation, from its call to its callback. */
export const call = <A>(
  operation: string,
  path: string,
  start: (done: Callback<A>) => void
): Effect.Effect<A, FileError> =>
  Effect.uninterruptible(
    Effect.async<A, FileError>((resume) =>
      start((error, value) =>
        resume(error ? Effect.fail(toFileError(error, operation, path)) : Effect.succeed(value))
      )
    )
  )

export const toFileError = (error: NodeJS.ErrnoException, operation: string, path: string): FileError =>
  fromCode(error.code, operation, path)

const toIdentity = (stats: fs.BigIntStats): FileIdentity => ({
  dev: String(stats.dev),
  ino: String(stats.ino),
  // 0 where the file system does not tell
  ...(stats.birthtimeNs > 0n ? { birth: String(stats.birthtimeNs) } : {})
})

const kindOf = (stats: fs.BigIntStats): FileFacts["kind"] => {
  if (stats.isFile()) return "file"
  if (stats.isDirectory()) return "directory"
  return stats.isSymbolicLink() ? "symlink" : "other"
}

export const toFacts = (stats: fs.BigIntStats): FileFacts => ({
  ...toIdentity(stats),
  kind: kindOf(stats),
  size: Number(stats.size),
  mtime: String(stats.mtimeNs)
})

/** What is left of `buffers` after so many bytes; never an empty buffer first. */
const rest = (buffers: ReadonlyArray<Uint8Array>, written: number): ReadonlyArray<Uint8Array> => {
  let skip = written
  for (const [index, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(index + 1)]
    skip -= buffer.length
  }
  return []
}

/** A system call may write less than it was given; the rest then goes by further calls, the last of which tells why. */
export const writeAll = (
  fd: number,
  buffers: ReadonlyArray<Uint8Array>,
  position: number,
  done: (error: Failure) => void
): void => {
  const went = (error: Failure, written: number): void => {
    if (error) return done(error)
    const left = rest(buffers, written)
    if (left.length === 0) return done(null)
    if (written === 0) return done(Object.assign(new Error("nothing was written"), { code: "EIO" }))
    writeAll(fd, left, position + written, done)
  }
  const [only] = buffers
  // node makes a list of its own for the other one
  if (buffers.length === 1 && only !== undefined) fs.write(fd, only, 0, only.length, position, went)
  else fs.writev(fd, buffers, position, went)
}

/** At once: what was just opened is known to the system. Undefined if it is no regular file. */
const identify = (fd: number): FileIdentity | NodeJS.ErrnoException | undefined => {
  try {
    const stats = fs.fstatSync(fd, { bigint: true })
    return stats.isFile() ? toIdentity(stats) : undefined
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}

class NodeHandle implements Handle {
  private underWay = 0
  private closing = false
  private onIdle: (() => void) | undefined = undefined

  constructor(
    private readonly fd: number,
    private readonly path: string,
    readonly identity: FileIdentity
  ) {}

  /** False once the descriptor is being closed. Whoever got true calls `leave` when its operation is over. */
  private enter(): boolean {
    if (this.closing) return false
    this.underWay++
    return true
  }

  private leave(): void {
    this.underWay--
    if (this.underWay === 0) this.onIdle?.()
  }

  private use<A>(operation: string, start: (fd: number, done: Callback<A>) => void) {
    return Effect.suspend(() => {
      if (!this.enter()) return Effect.fail(fromCode("EBADF", operation, this.path))
      return call<A>(operation, this.path, (done) =>
        start(this.fd, (error, value) => {
          this.leave()
          done(error, value)
        })
      )
    }).pipe(Effect.uninterruptible)
  }

  readonly writeAt: Handle["writeAt"] = (buffers, position, done) => {
    if (!this.enter()) return done(fromCode("EBADF", "write", this.path))
    const end = (error: Failure): void => {
      this.leave()
      done(error ? toFileError(error, "write", this.path) : undefined)
    }
    if (buffers.every((buffer) => buffer.length === 0)) end(null)
    else writeAll(this.fd, buffers, position, end)
  }

  readonly size: Handle["size"] = (done) => {
    if (!this.enter()) return done(fromCode("EBADF", "look at", this.path))
    fs.fstat(this.fd, (error, stats) => {
      this.leave()
      done(error ? toFileError(error, "look at", this.path) : stats.size)
    })
  }

  readonly readAt: Handle["readAt"] = (buffer, position) =>
    this.use("read", (fd, done: Callback<number>) =>
      fs.read(fd, buffer, 0, buffer.length, position, (error, read) => done(error, read))
    )

  readonly sync: Handle["sync"] = this.use("sync", (fd, done: Callback<void>) => fs.fdatasync(fd, done))

  readonly truncate: Handle["truncate"] = (length) =>
    this.use("truncate", (fd, done: Callback<void>) => fs.ftruncate(fd, length, done))

  readonly facts: Handle["facts"] = this.use("look at", (fd, done: Callback<fs.BigIntStats>) =>
    fs.fstat(fd, { bigint: true }, done)
  ).pipe(Effect.map(toFacts))

  /** What close could still report was reported by `sync`, if anyone asked. */
  readonly close: Effect.Effect<void> = Effect.uninterruptible(
    Effect.async<void>((resume) => {
      this.closing = true
      const close = (): void => fs.close(this.fd, () => resume(Effect.void))
      if (this.underWay === 0) close()
      else this.onIdle = close
    })
  )
}

/** Opens with these flags, if it is a regular file and no symbolic link; the scope closes it. */
export const open = (
  operation: "create" | "open",
  path: string,
  flags: number
): Effect.Effect<Handle, FileError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<NodeHandle, FileError>((resume) =>
      fs.open(path, flags, 0o666, (error, fd) => {
        if (error) return resume(Effect.fail(toFileError(error, operation, path)))
        const identity = identify(fd)
        if (identity !== undefined && !(identity instanceof Error)) {
          return resume(Effect.succeed(new NodeHandle(fd, path, identity)))
        }
        const failure = identity
          ? toFileError(identity, operation, path)
          : new FileError({ reason: "NotAFile", operation, path })
        fs.close(fd, () => resume(Effect.fail(failure)))
      })
    ),
    (handle) => handle.close
  )
