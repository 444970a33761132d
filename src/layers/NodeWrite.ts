/**
 * A whole small file over node:fs: created, written, synced, looked at and closed, one callback after the other. It
 * does what `DiskSteps` says of `writeNew`; for a file of a few KiB, a turn through the interpreter at each of these would
 * cost more than the system calls.
 *
 * Tricky interleavings: nothing here can be interrupted; whoever waits is answered once the descriptor is closed. The
 * file is removed after a failure only if it was made here.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import type { Durability } from "../domain/Durability.js"
import type { FileError } from "../domain/FileError.js"
import type { FileFacts } from "../domain/FileFacts.js"
import { type Failure, openFlags, toFacts, toFileError, writeAll } from "./NodeHandle.js"

const { O_CREAT, O_EXCL } = fs.constants

/** At once: what was just written is known to the system. */
const look = (fd: number): FileFacts | NodeJS.ErrnoException => {
  try {
    return toFacts(fs.fstatSync(fd, { bigint: true }))
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
}

export const writeNew = (
  path: string,
  buffers: ReadonlyArray<Uint8Array>,
  durability: Durability
): Effect.Effect<FileFacts, FileError> =>
  // without a canceller, what waits can't be cut off from what is under way
  Effect.uninterruptible(
    Effect.async<FileFacts, FileError>((resume) =>
      fs.open(path, openFlags | O_CREAT | O_EXCL, 0o666, (error, fd) => {
        if (error !== null) return resume(Effect.fail(toFileError(error, "create", path)))
        const fail = (error: NodeJS.ErrnoException, operation: string): void => {
          const failure = Effect.fail(toFileError(error, operation, path))
          fs.close(fd, () => fs.unlink(path, () => resume(failure)))
        }
        const close = (error: Failure): void => {
          if (error !== null) return fail(error, "sync")
          const facts = look(fd)
          if (facts instanceof Error) return fail(facts, "look at")
          // what close could still report was reported by the sync
          fs.close(fd, () => resume(Effect.succeed(facts)))
        }
        const sync = (error: Failure): void => {
          if (error !== null) return fail(error, "write")
          if (durability === "crash") close(null)
          else fs.fdatasync(fd, close)
        }
        const bytes = buffers.filter((buffer) => buffer.length > 0)
        if (bytes.length === 0) sync(null)
        else writeAll(fd, bytes, 0, sync)
      })
    )
  )
