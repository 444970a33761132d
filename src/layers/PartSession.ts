/**
 * The part file of one transfer, kept in step with its row: whatever the row claims, the file can honour at any instant.
 *
 * | step | durable after it | a restart |
 * |---|---|---|
 * | part created | nothing names it | makes another part (`NAME.ID.sluice-part`); the orphan stays, named for what it is |
 * | Identified committed (checkpoint 0) | name, inode, validator | reopens the part if the inode is ours, starts at 0 |
 * | bytes written | nothing new | ignores bytes beyond the checkpoint |
 * | part synced, directory synced (first time) | the bytes, under the part's name | the same: the row does not claim them yet |
 * | Checkpointed committed | the claim, which the file can honour | asks for the rest |
 * | version lost: Identified committed again | checkpoint 0 | starts at 0 |
 * | part cut to 0 | the same | the same: the row had given the bytes up before |
 *
 * Tricky interleavings: checkpoints are made by another fiber than the one that receives; a checkpoint and a new
 * beginning exclude each other (`stepping`), or a checkpoint of the old version could be committed after the beginning of
 * the new one. A sync covers what `written` said before it, so later writes are not claimed. After a failed sync nothing
 * more is claimed in this try: the kernel may have dropped the pages and will not say so twice.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as path from "node:path"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import type { FileError } from "../domain/FileError.js"
import { sameFile } from "../domain/FileFacts.js"
import * as FileName from "../domain/FileName.js"
import * as Identity from "../domain/Identity.js"
import { Checkpointed, Identified } from "../domain/Message.js"
import { usable } from "../domain/Publication.js"
import type { StoreError } from "../domain/StoreError.js"
import * as Validators from "../domain/Validator.js"
import type { Handle, Shape as Disk } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"
import * as PartWriter from "./PartWriter.js"

type Failures = DownloadError.DownloadError | StoreError

interface Part {
  readonly handle: Handle
  readonly name: string
}

/** What is known of the version that a new beginning fetches. */
interface Beginning {
  /** What the server proposes; used where neither the caller nor an earlier try has named the download. */
  readonly proposedName: () => string
  readonly total: number | undefined
  readonly validator: Validators.Validator
}

export interface PartSession {
  readonly part: Part | undefined
  readonly filename: string | undefined
  /** The bytes in the file that may be built upon, and what is known of their version. */
  readonly held: Identity.Held
  /** Gives up what is held and starts at 0. The name of the file in the way, where the policy is to skip then. */
  readonly begin: (beginning: Beginning) => Effect.Effect<Option.Option<string>, Failures>
  /** Gives up what is held, where the last body has proved to be another than it said. */
  readonly renounce: Effect.Effect<void, Failures>
  /** Starts writing at the end of what is held. To be called after `begin`, or where something is held. */
  readonly write: (total: number | undefined) => PartWriter.PartWriter
  /** Waits for what was written, and takes it as held. */
  readonly settle: Effect.Effect<number, Failures>
  /** Makes a checkpoint if there is anything new. */
  readonly record: Effect.Effect<void, Failures>
  /** Records that this is all, also where its length was not announced: a later try then has nothing to ask for. */
  readonly complete: Effect.Effect<void, Failures>
  /** Fails if a sync has failed, even if nobody was left to hear of it: the file may have lost pages, and a later sync won't say so. */
  readonly sound: Effect.Effect<void, DownloadError.DownloadError>
  /** Ends writing and makes a last checkpoint, whatever went wrong before. */
  readonly keep: Effect.Effect<void>
}

const fileFailure = <A, R>(effect: Effect.Effect<A, FileError, R>) =>
  Effect.mapError(effect, DownloadError.fromFile)

/** Opens the part that the row names, if it is still the one we made. The part stays open until the scope closes. */
export const open = (
  disk: Disk,
  download: Download,
  reporter: Reporter
): Effect.Effect<PartSession, DownloadError.DownloadError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const stepping = yield* Effect.makeSemaphore(1)
    const { directory } = download
    const found = yield* reopen(disk, download)
    let part = found?.part
    let held = found?.held ?? Identity.nothing
    let filename = download.filename ?? download.output ?? undefined
    let writer: PartWriter.PartWriter | undefined
    /** What the row claims. */
    let recorded = download.checkpoint
    let directorySynced = download.checkpoint > 0
    let syncFailure: FileError | undefined
    reporter.gauge.received = held.bytes
    reporter.gauge.total = held.total

    const create = (name: string) =>
      Effect.map(disk.create(path.join(directory, name)), (handle): Part => ({ handle, name }))

    const createPart = (name: string) => {
      // the plain name is another download's, or an orphan of a crash: with the id in it, the name can only be ours
      const own = FileName.partName(name, download.id)
      return create(FileName.partName(name)).pipe(
        Effect.catchIf(
          (error) => error.reason === "Exists",
          () => Effect.zipRight(disk.remove(path.join(directory, own)), create(own))
        ),
        fileFailure,
        Scope.extend(scope)
      )
    }

    const nameTaken = (name: string) =>
      Effect.map(fileFailure(disk.facts(path.join(directory, name))), Option.isSome)

    /** Nothing of what is held counts any more: neither in the row nor, after that, in the file. */
    const restart = (to: Part, name: string, { total, validator }: Omit<Beginning, "proposedName">) =>
      Effect.gen(function* () {
        const reused = part !== undefined
        const message = Identified({
          filename: name,
          part: { name: to.name, ...to.handle.identity },
          total: total ?? null,
          validator
        })
        // before the row gives up what was written: an interruption must not claim it again
        writer = undefined
        // a row that claims nothing yet needs no waiting: nothing is given up, and later messages come after this one
        if (download.part === null && !reused) yield* reporter.note(message)
        else yield* reporter.tell(message)
        part = to
        recorded = 0
        held = { bytes: 0, total, validator }
        if (reused) yield* fileFailure(to.handle.truncate(0))
        else directorySynced = false
      })

    // not to be interrupted either: a part that was made and is in no row would be left behind
    const stepwise = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.uninterruptible(stepping.withPermits(1)(effect))

    const begin = (beginning: Beginning) =>
      Effect.gen(function* () {
        const name = filename ?? beginning.proposedName()
        filename = name
        const { onConflict } = download.options
        if ((onConflict === "skip" || onConflict === "fail") && (yield* nameTaken(name))) {
          if (onConflict === "skip") return Option.some(name)
          return yield* DownloadError.make(
            "DestinationExists",
            `${path.join(directory, name)} is already there`
          )
        }
        yield* restart(part ?? (yield* createPart(name)), name, beginning)
        return Option.none<string>()
      }).pipe(stepwise)

    /** Syncs and claims what is written. */
    const claim = Effect.gen(function* () {
      if (part === undefined || writer === undefined || syncFailure !== undefined) return
      const bytes = writer.written
      if (bytes <= recorded) return
      yield* Effect.zipRight(
        part.handle.sync,
        directorySynced ? Effect.void : disk.syncDirectory(directory)
      ).pipe(
        Effect.tapError((error) => Effect.sync(() => (syncFailure = error))),
        fileFailure
      )
      yield* reporter.tell(Checkpointed({ bytes, total: held.total ?? null }))
      directorySynced = true
      recorded = bytes
    })

    return {
      get part() {
        return part
      },
      get filename() {
        return filename
      },
      get held() {
        return held
      },
      begin,
      renounce: stepwise(
        Effect.suspend(() => writer?.finish ?? Effect.void).pipe(
          Effect.ignore,
          Effect.zipRight(
            Effect.suspend(() => restart(part!, filename!, { total: undefined, validator: Validators.none }))
          )
        )
      ),
      write: (total) => {
        held = { ...held, total }
        reporter.gauge.total = total
        writer = PartWriter.make(part!.handle, held.bytes, reporter.gauge)
        return writer
      },
      settle: Effect.suspend(() => fileFailure(writer!.finish)).pipe(
        Effect.map(() => {
          const received = writer!.written - held.bytes
          held = { ...held, bytes: writer!.written }
          return received
        })
      ),
      record: stepwise(
        Effect.suspend(() =>
          writer === undefined || writer.position <= recorded
            ? Effect.void
            : Effect.zipRight(fileFailure(writer.flush), claim)
        )
      ),
      complete: stepwise(
        Effect.suspend(() => {
          if (held.total === undefined) {
            held = { ...held, total: held.bytes }
            // the length is news, though no byte may be
            recorded = -1
          }
          return claim
        })
      ),
      sound: Effect.suspend(() =>
        syncFailure === undefined ? Effect.void : DownloadError.fromFile(syncFailure)
      ),
      keep: stepwise(
        Effect.suspend(() => writer?.finish ?? Effect.void).pipe(
          Effect.ignore,
          Effect.zipRight(Effect.ignore(claim))
        )
      )
    } satisfies PartSession
  })

const reopen = (disk: Disk, download: Download) =>
  Effect.gen(function* () {
    if (download.part === null) return undefined
    const { name } = download.part
    // anything but a file under that name (a directory, a link) is as good as none
    const found = yield* disk.open(path.join(download.directory, name)).pipe(
      Effect.catchIf(
        (error) => error.reason === "NotAFile" || error.reason === "IsDirectory",
        () => Effect.succeedNone
      ),
      fileFailure
    )
    if (Option.isNone(found)) return undefined
    const handle = found.value
    const facts = yield* fileFailure(handle.facts)
    if (!sameFile(facts, download.part)) return undefined
    const held: Identity.Held = {
      bytes: usable(download, download.part, facts),
      total: download.total ?? undefined,
      validator: download.validator ?? Validators.none
    }
    return { part: { handle, name } satisfies Part, held }
  })
