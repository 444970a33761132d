/**
 * Removing what cancelled downloads have left on disk.
 *
 * | step | durable after it | after a crash here |
 * |---|---|---|
 * | commit `cancelled`, the part still on record | that the part is to go | the row is found as spoiled by the next engine that starts, which goes on here |
 * | unlink(part), fsync(directory) | the part is gone | the same: there is nothing left to remove |
 * | commit `Discarded` | that nothing is left | nothing to do |
 *
 * A file that has got its final name stays, also where a kill came between the name and `completed` and the cancel found nobody at
 * work: it is whole and verified, and whoever sees it may have begun to use it. The row then names it in `publishing`.
 *
 * Two engines may do it at once: a part is removed only where it is the file that the row names, and saying so twice changes nothing.
 * The row may be gone by then, as what is cancelled may be forgotten by anybody at any time: then there is nobody left to tell.
 */
import * as Effect from "effect/Effect"
import type { Download } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { Discarded } from "../domain/Message.js"
import { isSpoiled } from "../domain/Publication.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Shape as Store } from "../services/Store.js"
import * as Publisher from "./Publisher.js"

/** Rows looked at by one query. */
const lookSize = 100

export const make = (disk: Disk, store: Store) => {
  const { discard } = Publisher.make(disk)

  const discarded = (row: Download) =>
    Effect.catchIf(
      store.tell(row.id, Discarded()),
      ({ reason }) => reason === "NotFound",
      () => Effect.succeed({ ...row, part: null, crashes: 0 })
    )

  /** Removes the part of a row, if it is cancelled and has one. What can't be removed is told to the log, and stays on record. */
  const one = (row: Download): Effect.Effect<Download, StoreError> =>
    isSpoiled(row)
      ? Effect.flatMap(discard(row), (gone) => (gone ? discarded(row) : Effect.succeed(row)))
      : Effect.succeed(row)

  /** Everything that was still to be removed. */
  const all: Effect.Effect<void, StoreError> = Effect.gen(function* () {
    let after: DownloadId | undefined
    for (;;) {
      const rows = yield* store.spoiled(after, lookSize)
      yield* Effect.forEach(rows, one, { discard: true })
      if (rows.length < lookSize) return
      after = rows.at(-1)!.id
    }
  })

  return { all, one, part: discard }
}
