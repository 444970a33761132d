/**
 * From the bytes of a small file in memory to its final name, in as few steps as its promises leave: it is verified before
 * it is written, written and synced in one go, and recorded once before it gets its name. What can go differently from
 * then on (the name is taken, there are no hard links) is the Publisher's, as is a restart after a crash.
 *
 * | step | durable after it | a restart |
 * |---|---|---|
 * | body in memory | nothing | asks for all of it again: it is small |
 * | part created, written, synced | the bytes, under a name with the download's id in it that no row knows | the next claim removes the part, by that name, and starts at 0 |
 * | Identified committed without Publishing (seldom) | name, inode, validator | reopens the part as any other, starts at 0 |
 * | Identified and Publishing committed | the intent | Publisher: goes on with link, or fetches again if the power cut took the part's name |
 * | link, unlink, fsync(directory), `completed` | | as in Publisher |
 *
 * Tricky interleavings: a checksum may be added to the row while its file is written; then `Publishing` records nothing, and
 * the bytes, still in memory, are verified anew. From the creation of the part on nothing can be interrupted, and what
 * fails before the row knows the part takes the part with it: no way but a crash leaves one behind.
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import type { Checksum, Expected } from "../domain/Checksum.js"
import type { Download, FinalRecord, PartRecord } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import type { FileFacts } from "../domain/FileFacts.js"
import * as FileName from "../domain/FileName.js"
import { Identified, Publishing, Renounced, Succeeded } from "../domain/Message.js"
import { unrecordedPart } from "../domain/Publication.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Reporter, Whole } from "../services/Transport.js"
import type { Publisher } from "./Publisher.js"
import type { ChecksumLists } from "./ChecksumLists.js"
import { faultOf } from "./Verifier.js"

type Failures = DownloadError.DownloadError | StoreError

export const make = (disk: Disk, publisher: Publisher, lists: ChecksumLists) => {
  /** A part of that name is ours, from a try that ended between the file and its row. */
  const write = (file: string, { chunks }: Whole): Effect.Effect<FileFacts, DownloadError.DownloadError> =>
    disk
      .writeNew(file, chunks)
      .pipe(
        Effect.catchAll((error) =>
          error.reason === "Exists"
            ? Effect.mapError(
                Effect.zipRight(disk.remove(file), disk.writeNew(file, chunks)),
                DownloadError.fromFile
              )
            : DownloadError.fromFile(error)
        )
      )

  const verified = (whole: Whole, checksum: Checksum | null, reporter: Reporter) => {
    const { digest } = whole.validator
    if (checksum === null && digest === undefined) return Effect.void
    reporter.gauge.state = "verifying"
    return Effect.flatMap(faultOf(whole.chunks, { checksum, digest }), (fault) => fault ?? Effect.void)
  }

  /** Brings the row to `completed`. To be run where it can't be interrupted. */
  const publish = (
    download: Download,
    whole: Whole,
    reporter: Reporter
  ): Effect.Effect<Download, Failures> => {
    const { checksum } = download.options
    const writing = Effect.suspend(() => {
      reporter.gauge.state = "publishing"
      const name = FileName.ownPartName(download.id)
      return Effect.flatMap(write(join(download.directory, name), whole), (facts) =>
        recorded(download, whole, name, facts, reporter)
      )
    })
    if (checksum === null && whole.validator.digest === undefined) return writing
    const expected = Effect.interruptible(lists.settle(checksum, download, whole.filename))
    return Effect.zipRight(
      Effect.flatMap(expected, (found) => verified(whole, found, reporter)),
      writing
    )
  }

  const recorded = (
    download: Download,
    whole: Whole,
    name: string,
    { kind: _file, mtime, size: length, ...identity }: FileFacts,
    reporter: Reporter
  ): Effect.Effect<Download, Failures> => {
    const { filename, size, validator } = whole
    const part: PartRecord = { name, ...identity }
    const record: FinalRecord = { name: filename, size, mtime, ...identity }
    // as if it had been recorded: removed if it is still the one we made
    const unrecorded = publisher.discard({ ...download, part })
    if (length !== size) {
      const error = DownloadError.make("DiskFailed", `the part file has ${length} bytes instead of ${size}`)
      return Effect.zipRight(unrecorded, error)
    }
    const { checksum } = download.options
    return reporter
      .tellBoth(
        Identified({ filename, part, total: size, validator }),
        Publishing({ record, verified: checksum })
      )
      .pipe(
        Effect.tapErrorCause(() => unrecorded),
        Effect.flatMap((row) =>
          row.publishing === null
            ? again(row, whole, record, reporter)
            : named(download, part, record, checksum, reporter)
        )
      )
  }

  /** A checksum was added meanwhile; once `publishing` is recorded, none can be. */
  const again = (
    row: Download,
    whole: Whole,
    record: FinalRecord,
    reporter: Reporter
  ): Effect.Effect<Download, Failures> =>
    Effect.gen(function* () {
      const checksum = yield* Effect.interruptible(lists.settle(row.options.checksum, row, whole.filename))
      yield* verified(whole, checksum, reporter).pipe(Effect.tapError(() => reporter.tell(Renounced())))
      const next = yield* reporter.tell(Publishing({ record, verified: checksum }))
      return yield* next.publishing === null
        ? again(next, whole, record, reporter)
        : named(row, row.part!, record, checksum, reporter)
    })

  const named = (
    download: Download,
    part: PartRecord,
    record: FinalRecord,
    checksum: Expected | null,
    reporter: Reporter
  ): Effect.Effect<Download, Failures> => {
    const { directory, options } = download
    const classic = () => publisher.name(download, part.name, record, checksum, reporter)
    if (options.onConflict === "overwrite") return classic()
    return Effect.matchEffect(disk.moveNew(join(directory, part.name), join(directory, record.name)), {
      // which step it was, and what it means, is found out by doing them one by one
      onFailure: (error) => (error.operation === "link" ? classic() : DownloadError.fromFile(error)),
      onSuccess: () => reporter.tell(Succeeded({ outcome: "fetched", record }))
    })
  }

  /** Removes what a crash has left of a try whose part no row knows. */
  const clear = (download: Download): Effect.Effect<void, DownloadError.DownloadError> => {
    const name = unrecordedPart(download)
    return name === undefined
      ? Effect.void
      : Effect.mapError(disk.remove(join(download.directory, name)), DownloadError.fromFile)
  }

  return { clear, publish }
}
