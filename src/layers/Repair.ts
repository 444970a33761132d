/**
 * What becomes of a whole part that is wrong, where the digests of its pieces are known: only the wrong ones are given up, and whoever has
 * sent them is set aside while another source is left (PROMISES B4). Whether the part has to be looked at is the Verifier's
 * business, fetching what is missing then the next try's, like any other gaps.
 *
 * | step | durable after it | a restart |
 * |---|---|---|
 * | all bytes in the part, the whole wrong | the last checkpoint | fetches the rest, if any, and verifies |
 * | pieces read and compared | the same | verifies again: what was found is in no row |
 * | part and directory synced | all bytes, though no row claims them | the same |
 * | Spoiled committed | the good pieces alone are claimed; who is not asked any more | fetches what is missing, from others |
 * | no piece is good: Renounced committed, part cut to 0 | nothing counts | starts at 0 |
 * | Failed committed, its strike with it | the mismatch counts, whatever progress follows | fetches what is missing when due |
 * | what was missing has come | as of any checkpoint | verifies all of it again |
 *
 * Tricky interleavings: a small part may never have been checkpointed, so it is synced before any of it is claimed. The bytes that are
 * given up stay in the file until others are written over them; no row claims them. After a mismatch one source alone is
 * asked, so that a piece which is wrong again has come from one that is known, also where several had brought a part of it.
 */
import * as Effect from "effect/Effect"
import * as Coverage from "../domain/Coverage.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { Spoiled } from "../domain/Message.js"
import * as Pieces from "../domain/Pieces.js"
import * as Sources from "../domain/Source.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Hasher } from "../services/Hasher.js"
import type { Handle, Shape as Disk } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"

type Failures = DownloadError.DownloadError | StoreError

/** A whole part. */
export interface Part {
  readonly handle: Handle
  readonly path: string
  readonly size: number
}

const plural = (count: number, one: string, many: string): string => (count === 1 ? one : many)

export const make = ({ disk, hasher }: { readonly disk: Disk; readonly hasher: Hasher }) => {
  /** Where the wrong pieces of a file lie. */
  const look = (
    { handle, path, size }: Part,
    pieces: Pieces.Pieces
  ): Effect.Effect<ReadonlyArray<Coverage.Span>, DownloadError.DownloadError> =>
    Effect.map(hasher.pieces({ path, size, handle, identity: handle.identity }, pieces), (found) =>
      Pieces.wrong(pieces, size, found)
    )

  /** Gives up these pieces, durably; what is left, and the failure that this is. */
  const giveUp = (
    download: Download,
    { handle, size }: Part,
    { hashes, length }: Pieces.Pieces,
    wrong: ReadonlyArray<Coverage.Span>,
    brought: Pieces.Brought,
    reporter: Reporter
  ): Effect.Effect<{ readonly left: number; readonly error: DownloadError.DownloadError }, Failures> =>
    Effect.gen(function* () {
      const kept = Pieces.without(size, wrong)
      const left = Coverage.count(kept)
      const error = DownloadError.make(
        "ChecksumMismatch",
        `${wrong.length} of ${hashes.length} pieces of ${length} bytes ${plural(wrong.length, "is", "are")} wrong`
      )
      yield* Effect.mapError(
        Effect.zipRight(handle.sync, disk.syncDirectory(download.directory)),
        DownloadError.fromFile
      )
      const { detail, reason } = error
      const senders = Pieces.senders(wrong, brought)
      const row = yield* reporter.tell(Spoiled({ kept, senders, failure: { reason, detail } }))
      for (const { aside, url } of Sources.all(row)) {
        if (aside !== null && senders.includes(url))
          yield* Effect.logWarning(`the source ${url} has sent wrong pieces, and is set aside`)
      }
      return { left, error }
    })

  return { look, giveUp }
}

export type Repair = ReturnType<typeof make>
