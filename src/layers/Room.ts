/**
 * Looks whether a body fits on the disk before it fills it. What else is written there meanwhile nobody can know, so a write
 * may still find the disk full; that is the writer's to tell. A directory that says nothing of its space has room.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DownloadError } from "../domain/DownloadError.js"
import * as Identity from "../domain/Identity.js"
import type { Shape as Disk } from "../services/PartFile.js"

/** Where and how far the body goes, as it was announced. */
export interface Announced {
  readonly start: number
  readonly bodyLength: number | undefined
  readonly total: number | undefined
}

/** Fails with `DiskFull` where what is missing does not fit. To be asked when what is given up has been given back. */
export const ensureRoom = (
  disk: Disk,
  directory: string,
  { bodyLength, start, total }: Announced
): Effect.Effect<void, DownloadError> => {
  const missing = total === undefined ? bodyLength : total - start
  if (missing === undefined || missing === 0) return Effect.void
  return disk.space(directory).pipe(
    // whatever is wrong with the directory, the next operation on it will say
    Effect.orElseSucceed(Option.none<number>),
    Effect.flatMap(
      Option.match({
        onNone: () => Effect.void,
        onSome: (free) => Identity.roomFault(directory, missing, free) ?? Effect.void
      })
    )
  )
}
