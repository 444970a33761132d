/**
 * The disk seam: the few file operations a download is made of, each one system call or close to it.
 *
 * Their order, which is what durability hangs on, is decided above (transfer and publishing programs), so that the
 * simulated disk of the tests, with its unsynced pages, runs under the same programs as node:fs.
 *
 * Tricky interleavings: every operation is uninterruptible once it has started; a `Handle` is closed only after
 * the write in flight has come back (closing a descriptor that libuv still writes to could hit a reused number).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { FileError } from "../domain/FileError.js"
import type { FileFacts, FileIdentity } from "../domain/FileFacts.js"

/** An open part file. */
export interface Handle {
  readonly identity: FileIdentity
  /**
   * Writes all buffers, in order, at a byte position, then calls back once. One call may be in flight at a time.
   */
  readonly writeAt: (
    buffers: ReadonlyArray<Uint8Array>,
    position: number,
    done: (error: FileError | undefined) => void
  ) => void
  /** Reads into the buffer from a byte position; succeeds with how many bytes it got, 0 only at the end of the file. */
  readonly readAt: (buffer: Uint8Array, position: number) => Effect.Effect<number, FileError>
  /** fdatasync: when it succeeds, every byte whose `writeAt` had called back before is on stable storage. */
  readonly sync: Effect.Effect<void, FileError>
  /** Cuts (or extends with zeros) the file to this length in bytes. */
  readonly truncate: (length: number) => Effect.Effect<void, FileError>
  /** Calls back once with the size in bytes, as a call before each write is to cost next to nothing. */
  readonly size: (done: (size: number | FileError) => void) => void
  /** Size and modification time as they are now. */
  readonly facts: Effect.Effect<FileFacts, FileError>
}

/** The operations one by one. */
export interface Steps {
  /** Creates a new file for writing (and reading), O_EXCL | O_NOFOLLOW, mode 0666 less the umask. Reason `Exists` if the name is taken. */
  readonly create: (path: string) => Effect.Effect<Handle, FileError, Scope.Scope>
  /**
   * Opens an existing regular file for writing (and reading), O_NOFOLLOW; with `read`, for reading only, which a finished file
   * may permit that can't be written to. None if there is no such file.
   */
  readonly open: (
    path: string,
    access?: "read"
  ) => Effect.Effect<Option.Option<Handle>, FileError, Scope.Scope>
  /** lstat. None if nothing has that name. */
  readonly facts: (path: string) => Effect.Effect<Option.Option<FileFacts>, FileError>
  /** Gives an existing file a second name, atomically. Reasons: `Exists`, `NoHardLinks`. */
  readonly link: (from: string, to: string) => Effect.Effect<void, FileError>
  /** Renames, atomically, replacing what has the name `to`. */
  readonly rename: (from: string, to: string) => Effect.Effect<void, FileError>
  /** Removes a name; succeeds if it is already gone. */
  readonly remove: (path: string) => Effect.Effect<void, FileError>
  /** fsync of the directory: names made, changed and removed in it before are on stable storage afterwards. */
  readonly syncDirectory: (path: string) => Effect.Effect<void, FileError>
  /** Makes sure that `path` is a directory in which files can be made; makes the last component if it is missing. */
  readonly ensureDirectory: (path: string) => Effect.Effect<void, FileError>
  /** Bytes that files in this directory may still grow by, all together. None where the file system does not tell. */
  readonly space: (directory: string) => Effect.Effect<Option.Option<number>, FileError>
  /**
   * Makes sure that `path`, which is below `root`, is a directory in which files can be made, and that no symbolic link between
   * the two leads out of `root`; makes what is missing. Reason: `Outside`.
   */
  readonly ensureBelow: (root: string, path: string) => Effect.Effect<void, FileError>
}

/**
 * Operations that follow one another whatever happens, asked for at once: a small file is mostly made of the way from one
 * to the next. What they are made of, and in which order, is `layers/DiskSteps`, which other disks use as it stands.
 *
 * @see {@link PartFile}
 */
export interface Shape extends Steps {
  /**
   * `create`, `writeAt` 0, `sync`, `facts`, and closed again: succeeds with the file as it is on stable storage. Where a
   * later step fails, the file is removed.
   */
  readonly writeNew: (path: string, buffers: ReadonlyArray<Uint8Array>) => Effect.Effect<FileFacts, FileError>
  /** `link`, `remove` the old name, `syncDirectory` of the new one: fails with the step that failed, those before it done. */
  readonly moveNew: (from: string, to: string) => Effect.Effect<void, FileError>
}

/** The disk, as the transfer and publishing programs see it. Layers: node:fs (live), memory with unsynced pages (tests). */
export class PartFile extends Context.Tag("sluice/PartFile")<PartFile, Shape>() {}
