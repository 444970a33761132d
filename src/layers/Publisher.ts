/**
 * Giving a finished file its final name, by one atomic step, durably, without ever replacing a file that is not ours
 * (PROMISES B1, B5, B6); and cleaning up parts.
 *
 * | step | durable after it | a restart concludes (Publication.conclude) |
 * |---|---|---|
 * | all bytes verified | the last checkpoint | resumes from the checkpoint |
 * | fdatasync(part) | all bytes | the same: the row does not know yet |
 * | commit `publishing` (name, inode, size, mtime) | the intent | Publish: the part is whole and ours, goes on with link |
 * | link(part, final) | both names, or only the part's (directory not synced) | Published with a leftover, or Publish |
 * | unlink(part) | any of the names, at least one of them | Published, or Publish |
 * | fsync(directory) | the final name | Published |
 * | commit `completed` | everything | nothing to do |
 *
 * `link` fails where the name is taken; `rename` would silently replace it and is used for `overwrite` only. Where
 * the file system has no hard links (FAT, some network mounts), the name is kept by an empty file until the part takes its
 * place: a reader may see that for an instant, but nothing of anyone's is overwritten. Instead of link and unlink:
 *
 * | step | durable after it | a restart |
 * |---|---|---|
 * | final created, exclusively and empty | perhaps an empty file | Publish; the empty file counts as a stranger's: another name, or as the policy says |
 * | commit `publishing` with `reserved` | whose the empty file is | Publish: goes on with rename |
 * | rename(part, final) | one of the two names | Published, or Publish |
 *
 * `overwrite` replaces a file, or a symbolic link as a name (what it leads to is not touched); anything else is in the way.
 *
 * Tricky interleavings: someone may create the final name between any two steps; then `link` says so and the next
 * candidate is committed before it is tried, so that a restart always knows which name may be ours.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import type { Expected } from "../domain/Checksum.js"
import type { Download, FinalRecord } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { sameFile } from "../domain/FileFacts.js"
import type { FileError } from "../domain/FileError.js"
import * as FileName from "../domain/FileName.js"
import { Publishing, Succeeded } from "../domain/Message.js"
import { conclude, type Conclusion, unrecordedPart } from "../domain/Publication.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Disk, Handle } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"
import * as FinalName from "./FinalName.js"

/** Numbered names beyond this are not looked for. */
const maxNumber = 2 ** 24

type Failures = DownloadError.DownloadError | StoreError

/** A whole, verified part. */
export interface Finished {
  readonly part: Handle
  readonly partName: string
  readonly filename: string
  readonly size: number
  /** The checksum its bytes have been found to have. */
  readonly verified: Expected | null
}

const fileFailure = <A, R>(effect: Effect.Effect<A, FileError, R>) =>
  Effect.mapError(effect, DownloadError.fromFile)

export const make = (disk: Disk) => {
  const { take } = FinalName.make(disk)

  /**
   * Brings a whole part under its final name and the row to `completed`. Does nothing and succeeds with the row, still
   * `processing`, where that asks for a checksum by now which was not verified.
   */
  const publish = (
    download: Download,
    finished: Finished,
    reporter: Reporter
  ): Effect.Effect<Download, Failures> =>
    Effect.gen(function* () {
      reporter.gauge.state = "publishing"
      const { part, size } = finished
      const file = path.join(download.directory, finished.partName)
      yield* fileFailure(part.sync)
      // by its name, as that is what gets linked: it may have been removed or replaced behind our back
      let facts = yield* fileFailure(disk.facts(file))
      if (Option.exists(facts, (found) => found.size > size)) {
        // bytes beyond the end are there from an earlier, longer try
        yield* fileFailure(Effect.zipRight(part.truncate(size), part.sync))
        facts = yield* fileFailure(disk.facts(file))
      }
      if (Option.isNone(facts) || !sameFile(facts.value, part.identity))
        return yield* FinalName.vanished(file)
      const { kind: _file, size: length, ...rest } = facts.value
      if (length !== size) {
        return yield* DownloadError.make("DiskFailed", `the part file has ${length} bytes instead of ${size}`)
      }
      const record: FinalRecord = { name: finished.filename, size, ...rest }
      const { verified } = finished
      const row = yield* reporter.tell(Publishing({ record, verified }))
      if (row.publishing === null) return row
      return yield* name(download, finished.partName, record, verified, reporter)
    })

  /** From the committed intent on. */
  const name = (
    download: Download,
    partName: string,
    intended: FinalRecord,
    verified: Expected | null,
    reporter: Reporter
  ): Effect.Effect<Download, Failures> =>
    Effect.gen(function* () {
      const { directory, options } = download
      const part = path.join(directory, partName)
      let record = intended
      const tell = (claimed: FinalRecord) => reporter.tell(Publishing({ record: claimed, verified }))
      for (let n = 0; !(yield* take(download, part, record, tell));) {
        const final = path.join(directory, record.name)
        if (options.onConflict === "fail" || options.onConflict === "overwrite") {
          return yield* DownloadError.make("DestinationExists", `${final} is already there`)
        }
        if (options.onConflict === "skip") return yield* skip(download, partName, record.name, reporter)
        if (download.output !== null && (yield* isDirectory(final))) {
          return yield* DownloadError.make("DestinationUnusable", `${final} is a directory`)
        }
        ;[record, n] = yield* freeName(directory, intended, n + 1)
        yield* tell(record)
      }
      const { reserved: _, ...published } = record
      yield* fileFailure(disk.remove(part))
      yield* fileFailure(disk.syncDirectory(directory))
      return yield* reporter.tell(Succeeded({ outcome: "fetched", record: published }))
    }).pipe(Effect.uninterruptible)

  const isDirectory = (file: string) =>
    fileFailure(disk.facts(file)).pipe(Effect.map(Option.exists((facts) => facts.kind === "directory")))

  /**
   * A free `name (n).ext`, from n on, whose predecessor is taken: found by doubling and then halving, so that a thousand files
   * of one name don't cost a thousand looks each.
   */
  const freeName = (directory: string, intended: FinalRecord, from: number) =>
    Effect.gen(function* () {
      const isFree = (n: number) =>
        Effect.map(
          fileFailure(disk.facts(path.join(directory, FileName.numbered(intended.name, n)))),
          Option.isNone
        )
      let taken = from - 1
      let free = from
      while (!(yield* isFree(free))) {
        taken = free
        free *= 2
        if (free > maxNumber) {
          return yield* DownloadError.make(
            "DestinationExists",
            `${intended.name} and its numbered names are taken`
          )
        }
      }
      while (free - taken > 1) {
        const middle = Math.floor((free + taken) / 2)
        if (yield* isFree(middle)) free = middle
        else taken = middle
      }
      const { reserved: _, ...record } = intended
      return [{ ...record, name: FileName.numbered(intended.name, free) }, free] as const
    })

  /** The name appeared while the bytes came; the policy is to leave it alone. */
  const skip = (download: Download, partName: string, filename: string, reporter: Reporter) =>
    Effect.zipRight(
      fileFailure(disk.remove(path.join(download.directory, partName))),
      skipped(download, filename, reporter)
    )

  /** Completes a download whose name is taken, with the file that is there. */
  const skipped = (
    download: Download,
    filename: string,
    reporter: Reporter
  ): Effect.Effect<Download, Failures> =>
    Effect.gen(function* () {
      const file = path.join(download.directory, filename)
      const facts = yield* fileFailure(disk.facts(file))
      if (Option.isNone(facts))
        return yield* DownloadError.make("DiskFailed", `${file} was there, and is not there any more`)
      const { dev, ino, kind, mtime, size } = facts.value
      if (kind === "directory")
        return yield* DownloadError.make("DestinationUnusable", `${file} is a directory`)
      return yield* reporter.tell(
        Succeeded({ outcome: "skipped", record: { name: filename, dev, ino, size, mtime } })
      )
    })

  /** After a restart with a committed intent: what the disk says has happened. */
  const recall = (download: Download, record: FinalRecord): Effect.Effect<Conclusion, Failures> =>
    Effect.gen(function* () {
      const at = (file: string) =>
        Effect.map(fileFailure(disk.facts(path.join(download.directory, file))), Option.getOrUndefined)
      const part = download.part === null ? undefined : yield* at(download.part.name)
      return conclude(record, part, yield* at(record.name))
    })

  /** Goes on from where a crash left a publication; undefined if the file has to be fetched again. */
  const resume = (download: Download, reporter: Reporter): Effect.Effect<Download | undefined, Failures> =>
    Effect.gen(function* () {
      if (download.publishing === null || download.part === null) return undefined
      const conclusion = yield* recall(download, download.publishing)
      if (conclusion._tag === "Lost") return undefined
      if (conclusion._tag === "Publish")
        // none can have been added since this one was verified
        return yield* name(
          download,
          download.part.name,
          conclusion.record,
          download.options.checksum,
          reporter
        )
      if (conclusion.leftover)
        yield* fileFailure(disk.remove(path.join(download.directory, download.part.name)))
      yield* fileFailure(disk.syncDirectory(download.directory))
      return yield* reporter.tell(Succeeded({ outcome: "fetched", record: conclusion.record }))
    })

  /** Removes the part file of a download that will not go on, if it is the one we made. False if it could not be removed. */
  const discard = (download: Download): Effect.Effect<boolean> =>
    Effect.gen(function* () {
      const { part } = download
      const unrecorded = unrecordedPart(download)
      if (unrecorded !== undefined) {
        yield* disk.remove(path.join(download.directory, unrecorded))
        yield* disk.syncDirectory(download.directory)
      }
      if (part === null) return true
      const file = path.join(download.directory, part.name)
      const facts = yield* disk.facts(file)
      if (Option.isNone(facts) || !sameFile(facts.value, part)) return true
      yield* disk.remove(file)
      yield* disk.syncDirectory(download.directory)
      return true
    }).pipe(
      Effect.catchAll((error) =>
        Effect.as(Effect.logWarning(`a part file is left behind: ${error.message}`), false)
      )
    )

  return { discard, name, publish, resume, skipped }
}

export type Publisher = ReturnType<typeof make>
