/**
 * The disk seam over node:fs. Each operation is one system call or close to it (creating a file is open and fstat),
 * runs on libuv's threads, and reports every error as a `FileError`. The order of operations is decided above.
 *
 * Tricky interleavings: every operation is uninterruptible (see NodeHandle). Concurrent syncs of one directory share a
 * system call, but never one that had already begun when the caller came: it need not cover what the caller did before.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import { dirname } from "node:path"
import type { Durability } from "../domain/Durability.js"
import { FileError, fromCode } from "../domain/FileError.js"
import type { Handle, Shape } from "../services/PartFile.js"
import { PartFile } from "../services/PartFile.js"
import { ensureBelow, outside, Unusable } from "./NodeBelow.js"
import {
  type Callback,
  call,
  type Failure,
  open,
  openFlags,
  readFlags,
  toFacts,
  toFileError
} from "./NodeHandle.js"
import { writeNew } from "./NodeWrite.js"

const { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, W_OK, X_OK } = fs.constants

/** Says what a system code means where that depends on the operation. */
const meaning = (reason: FileError["reason"], ...codes: ReadonlyArray<string>) =>
  Effect.mapError((error: FileError) =>
    hasCode(...codes)(error)
      ? new FileError({ reason, operation: error.operation, path: error.path, code: error.code })
      : error
  )

const hasCode =
  (...codes: ReadonlyArray<string>) =>
  (error: FileError): boolean =>
    error.code !== undefined && codes.includes(error.code)

/** fsync of a directory. Some file systems have no such operation: then there is nothing more that could be done. */
const fsyncDirectory = (path: string, done: (error: Failure) => void): void =>
  fs.open(path, O_RDONLY | O_DIRECTORY, (error, fd) => {
    if (error) return done(error)
    fs.fsync(fd, (error) =>
      fs.close(fd, () => done(error?.code === "EINVAL" || error?.code === "ENOTSUP" ? null : error))
    )
  })

/** Rounds of syncs, by directory: see the header. */
class DirectorySyncs {
  private readonly nextRound = new Map<string, Array<(error: Failure) => void>>()

  readonly run = (path: string, done: (error: Failure) => void): void => {
    const waiting = this.nextRound.get(path)
    if (waiting === undefined) this.round(path, [done])
    else waiting.push(done)
  }

  private round(path: string, callers: ReadonlyArray<(error: Failure) => void>): void {
    const next: Array<(error: Failure) => void> = []
    this.nextRound.set(path, next)
    fsyncDirectory(path, (error) => {
      if (next.length === 0) this.nextRound.delete(path)
      else this.round(path, next)
      for (const done of callers) done(error)
    })
  }
}

const stat = (path: string) => call("use", path, (done: Callback<fs.Stats>) => fs.stat(path, done))

/** The handle, for those who leave syncing to the system. */
const unsynced = ({ facts, identity, readAt, size, truncate, writeAt }: Handle): Handle => ({
  identity,
  writeAt,
  readAt,
  truncate,
  size,
  facts,
  sync: Effect.void
})

const make = (durability: Durability): Shape => {
  const directories = new DirectorySyncs()
  const prepared = (handle: Handle): Handle => (durability === "crash" ? unsynced(handle) : handle)

  const syncDirectory: Shape["syncDirectory"] = (path) =>
    durability === "crash"
      ? Effect.void
      : call("sync", path, (done: Callback<void>) => directories.run(path, (error) => done(error)))

  const makeDirectory = (path: string) =>
    call("make", path, (done: Callback<void>) => fs.mkdir(path, done)).pipe(
      Effect.zipRight(syncDirectory(dirname(path))),
      // made by someone else meanwhile, or a symbolic link that leads nowhere: the next look tells
      Effect.catchIf(hasCode("EEXIST"), () => Effect.void)
    )

  return {
    create: (path) => Effect.map(open("create", path, openFlags | O_CREAT | O_EXCL), prepared),
    open: (path, access) =>
      open("open", path, access === "read" ? readFlags : openFlags).pipe(
        Effect.map(prepared),
        Effect.asSome,
        // a socket, or a device without a driver
        meaning("NotAFile", "ENXIO"),
        Effect.catchIf(hasCode("ENOENT"), () => Effect.succeedNone)
      ),
    facts: (path) =>
      call("look at", path, (done: Callback<fs.BigIntStats>) => fs.lstat(path, { bigint: true }, done)).pipe(
        Effect.map((stats) => Option.some(toFacts(stats))),
        Effect.catchIf(hasCode("ENOENT"), () => Effect.succeedNone)
      ),
    link: (from, to) =>
      call("link", to, (done: Callback<void>) => fs.link(from, to, done)).pipe(
        // what some file systems in user space answer; the usual codes are known to the domain
        meaning("NoHardLinks", "ENOSYS")
      ),
    rename: (from, to) => call("rename to", to, (done: Callback<void>) => fs.rename(from, to, done)),
    remove: (path) =>
      call("remove", path, (done: Callback<void>) => fs.unlink(path, done)).pipe(
        Effect.catchIf(hasCode("ENOENT"), () => Effect.void)
      ),
    syncDirectory,
    writeNew: (path, buffers) => writeNew(path, buffers, durability),
    moveNew: (from, to) =>
      Effect.async<void, FileError>((resume) => {
        const fail = (error: NodeJS.ErrnoException, operation: string, path: string): void =>
          resume(Effect.fail(toFileError(error, operation, path)))
        fs.link(from, to, (error) => {
          if (error !== null) return fail(error, "link", to)
          fs.unlink(from, (error) => {
            if (error !== null && error.code !== "ENOENT") return fail(error, "remove", from)
            const directory = dirname(to)
            if (durability === "crash") return resume(Effect.void)
            directories.run(directory, (error) =>
              error === null ? resume(Effect.void) : fail(error, "sync", directory)
            )
          })
        })
      }).pipe(Effect.uninterruptible),
    space: (directory) =>
      call("look at the free space of", directory, (done: Callback<fs.StatsFs>) =>
        fs.statfs(directory, done)
      ).pipe(
        Effect.map(({ bavail, bfree, blocks, bsize }) =>
          // some file systems in user space have no size at all; the reserve is for root
          blocks === 0 ? Option.none() : Option.some((process.getuid?.() === 0 ? bfree : bavail) * bsize)
        ),
        // not every file system has an answer
        Effect.catchIf(hasCode("ENOSYS", "ENOTSUP", "EOPNOTSUPP"), () => Effect.succeedNone)
      ),
    ensureBelow: (root, path) =>
      Effect.tryPromise({
        try: () => ensureBelow(root, path, durability === "power-loss"),
        catch: (error) => {
          const { code, directory } = error instanceof Unusable ? error : new Unusable(path, String(error))
          return code === outside
            ? new FileError({ reason: "Outside", operation: "use", path: directory })
            : fromCode(code, "use", directory)
        }
      }).pipe(Effect.uninterruptible),
    ensureDirectory: (path) =>
      Effect.gen(function* () {
        const found = yield* stat(path).pipe(
          Effect.catchIf(hasCode("ENOENT"), () => Effect.zipRight(makeDirectory(path), stat(path)))
        )
        if (!found.isDirectory())
          return yield* new FileError({ reason: "NotADirectory", operation: "use", path })
        return yield* call("write to", path, (done: Callback<void>) => fs.access(path, W_OK | X_OK, done))
      }).pipe(Effect.uninterruptible)
  }
}

/** node:fs. */
export const layer: Layer.Layer<PartFile> = Layer.sync(PartFile, () => make("power-loss"))

/** node:fs without a sync: for `durability: "crash"`. When data reaches the disk is up to the system. */
export const layerUnsynced: Layer.Layer<PartFile> = Layer.sync(PartFile, () => make("crash"))
