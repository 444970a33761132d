/**
 * What the disk's combined operations are made of, step by step. The live disk does the same in fewer turns; every other
 * one (in memory, simulated) is built with this, so that a crash can come between any two steps.
 */
import * as Effect from "effect/Effect"
import { dirname } from "node:path"
import type { FileError } from "../domain/FileError.js"
import type { Handle, Shape, Steps } from "../services/PartFile.js"

const write = (handle: Handle, buffers: ReadonlyArray<Uint8Array>) =>
  Effect.async<void, FileError>((resume) =>
    handle.writeAt(buffers, 0, (error) => resume(error === undefined ? Effect.void : Effect.fail(error)))
  )

export const inSteps = (disk: Steps): Shape => ({
  ...disk,
  writeNew: (path, buffers) =>
    Effect.scoped(
      Effect.flatMap(disk.create(path), (handle) =>
        Effect.zipRight(Effect.zipRight(write(handle, buffers), handle.sync), handle.facts).pipe(
          Effect.tapError(() => Effect.ignore(disk.remove(path)))
        )
      )
    ).pipe(Effect.uninterruptible),
  moveNew: (from, to) =>
    Effect.zipRight(
      Effect.zipRight(disk.link(from, to), disk.remove(from)),
      disk.syncDirectory(dirname(to))
    ).pipe(Effect.uninterruptible)
})
