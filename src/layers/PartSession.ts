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
 * Tricky interleavings: several connections write at once, each through a writer of its own at its place in the file. What
 * the row claims is where their writes have come back, and what earlier ones have left. Checkpoints are made by another
 * fiber than those that receive; a checkpoint and a new
 * beginning exclude each other (`stepping`), or a checkpoint of the old version could be committed after the beginning of
 * the new one. A sync covers what `written` said before it, so later writes are not claimed. After a failed sync nothing
 * more is claimed in this try: the kernel may have dropped the pages and will not say so twice.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as path from "node:path"
import * as Coverage from "../domain/Coverage.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import type { FileError } from "../domain/FileError.js"
import { sameFile } from "../domain/FileFacts.js"
import * as FileName from "../domain/FileName.js"
import type * as Identity from "../domain/Identity.js"
import { Checkpointed, Identified } from "../domain/Message.js"
import { usable } from "../domain/Publication.js"
import type { StoreError } from "../domain/StoreError.js"
import * as Validators from "../domain/Validator.js"
import type { Handle, Shape as Disk } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"
import * as PartWriter from "./PartWriter.js"
import { PartWriters } from "./PartWriters.js"

type Failures = DownloadError.DownloadError | StoreError

interface Part {
  readonly handle: Handle
  readonly name: string
}

/** What is known of the version that is fetched. */
interface Version {
  readonly total: number | undefined
  readonly validator: Validators.Validator
}

interface Beginning extends Version {
  /** What the server proposes; used where neither the caller nor an earlier try has named the download. */
  readonly proposedName: () => string
}

export interface PartSession {
  readonly part: Part | undefined
  readonly filename: string | undefined
  /** The bytes that may be built upon, with those that are on their way into the file, and what is known of their version. */
  readonly held: Identity.Held
  /** Where they are. */
  readonly coverage: Coverage.Coverage
  /** Gives up what is held and starts at 0. The name of the file in the way, where the policy is to skip then. */
  readonly begin: (beginning: Beginning) => Effect.Effect<Option.Option<string>, Failures>
  /** From now on nothing of what is held is claimed: it has proved to be other than it said. To be followed by `renounce`. */
  readonly condemn: (fault: DownloadError.DownloadError) => void
  /** Why nothing of what is held counts, until that has been given up. */
  readonly condemned: DownloadError.DownloadError | undefined
  /** Gives up what is held. */
  readonly renounce: Effect.Effect<void, Failures>
  /** Starts writing from an offset on. To be called after `begin`, or where something is held. */
  readonly write: (start: number, version: Version) => PartWriter.PartWriter
  /** Ends a writer, waits for what was written, and takes it as held: so many bytes. */
  readonly settle: (writer: PartWriter.PartWriter) => Effect.Effect<number, DownloadError.DownloadError>
  /** Makes a checkpoint if there is anything new, and another if that took long. */
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

/** Bytes older than this that no checkpoint covers are too many, in milliseconds. */
const maxAge = 1000

const monotonicOf = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

/** Opens the part that the row names, if it is still the one we made. The part stays open until the scope closes. */
export const open = (
  disk: Disk,
  download: Download,
  reporter: Reporter
): Effect.Effect<PartSession, DownloadError.DownloadError, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const clock = yield* Effect.clock
    const stepping = yield* Effect.makeSemaphore(1)
    const { directory } = download
    const found = yield* reopen(disk, download)
    let part = found?.part
    const writers = new PartWriters(found?.coverage ?? Coverage.empty)
    let total = found === undefined ? undefined : (download.total ?? undefined)
    let validator = (found === undefined ? undefined : download.validator) ?? Validators.none
    let filename = download.filename ?? download.output ?? undefined
    /** What the row claims. */
    let recorded = download.checkpoint
    let directorySynced = download.checkpoint > 0
    let syncFailure: FileError | undefined
    let condemned: DownloadError.DownloadError | undefined
    /** Everything that had come by then is recorded. */
    let recordedAt = monotonicOf(clock)
    reporter.gauge.received = Coverage.count(writers.accepted)
    reporter.gauge.total = total

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
    const restart = (to: Part, name: string, version: Version) =>
      Effect.gen(function* () {
        const reused = part !== undefined
        const message = Identified({
          filename: name,
          part: { name: to.name, ...to.handle.identity },
          total: version.total ?? null,
          validator: version.validator
        })
        // before the row gives up what was written: an interruption must not claim it again
        writers.clear()
        // a row that claims nothing yet needs no waiting: nothing is given up, and later messages come after this one
        if (download.part === null && !reused) yield* reporter.note(message)
        else yield* reporter.tell(message)
        part = to
        condemned = undefined
        recorded = 0
        total = version.total
        validator = version.validator
        reporter.gauge.received = 0
        reporter.gauge.total = total
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
      if (part === undefined || condemned !== undefined || syncFailure !== undefined) return
      const now = monotonicOf(clock)
      const coverage = writers.written
      const recordedNow = writers.mark()
      const bytes = Coverage.count(coverage)
      if (bytes <= recorded) return
      yield* Effect.zipRight(
        part.handle.sync,
        directorySynced ? Effect.void : disk.syncDirectory(directory)
      ).pipe(
        Effect.tapError((error) => Effect.sync(() => (syncFailure = error))),
        fileFailure
      )
      const segments = Coverage.isPrefix(coverage) ? null : coverage
      yield* reporter.tell(Checkpointed({ bytes, segments, total: total ?? null }))
      directorySynced = true
      recorded = bytes
      recordedAt = now
      recordedNow()
    })

    const record: Effect.Effect<void, Failures> = Effect.suspend(() => {
      if (Coverage.count(writers.accepted) > recorded)
        return Effect.zipRight(fileFailure(writers.flush), claim)
      recordedAt = monotonicOf(clock)
      return Effect.void
    })

    const renounce = Effect.suspend(() =>
      restart(part!, filename!, { total: undefined, validator: Validators.none })
    )

    return {
      get part() {
        return part
      },
      get filename() {
        return filename
      },
      get held() {
        return { bytes: Coverage.count(writers.accepted), total, validator }
      },
      get coverage() {
        return writers.accepted
      },
      begin,
      condemn: (fault) => {
        condemned ??= fault
      },
      get condemned() {
        return condemned
      },
      renounce: stepwise(Effect.zipRight(writers.finish, renounce)),
      write: (start, version) => {
        total = version.total
        // another connection's answer may have told of a digest meanwhile
        validator = Validators.joined(validator, version.validator)
        reporter.gauge.total = total
        const writer = PartWriter.make(
          part!.handle,
          start,
          reporter.gauge,
          () => monotonicOf(clock) - recordedAt > maxAge
        )
        writers.add(start, writer)
        return writer
      },
      settle: (writer) => fileFailure(writers.settle(writer)),
      record: stepwise(
        Effect.suspend(() => {
          const since = monotonicOf(clock)
          return Effect.zipRight(
            record,
            Effect.suspend(() => (monotonicOf(clock) - since > maxAge / 2 ? record : Effect.void))
          )
        })
      ),
      complete: stepwise(
        Effect.suspend(() => {
          if (total === undefined) {
            total = Coverage.count(writers.accepted)
            // the length is news, though no byte may be
            recorded = -1
          }
          return claim
        })
      ),
      sound: Effect.suspend(
        () => condemned ?? (syncFailure === undefined ? Effect.void : DownloadError.fromFile(syncFailure))
      ),
      keep: stepwise(
        Effect.zipRight(
          writers.finish,
          Effect.suspend(() => Effect.ignore(condemned === undefined ? claim : renounce))
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
    return { part: { handle, name } satisfies Part, coverage: usable(download, download.part, facts) }
  })
