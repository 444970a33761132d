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
 * | `keep`: Checkpointed committed with size and time | how the part was left | builds upon it only if it is still so |
 * | reopened, size and time given up; bytes written | nothing new | a row whose engine has died has none (Abandoned): asks for the rest |
 *
 * Tricky interleavings: several connections write at once, each through a writer of its own at its place in the file. What
 * the row claims is where their writes have come back, and what earlier ones have left. Checkpoints are made by another
 * fiber than those that receive; a checkpoint and a new beginning exclude each other (`stepping`), or a checkpoint of the
 * old version could be committed after the beginning of the new one. A sync covers what `written` said before it, so later writes are not claimed. After a failed sync nothing
 * more is claimed in this try: the kernel may have dropped the pages and will not say so twice.
 *
 * Somebody else may change the part. While it is written, it is found out by its length (Extent) and condemned. Between two tries
 * it is by its length and time, which are recorded when a try ends (`keep`), and given up by the first message of the next one.
 * After a kill they are not known: then only a part that is shorter than the claim, or another file, is noticed.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as path from "node:path"
import * as Coverage from "../domain/Coverage.js"
import type { Download, PartState } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import type { FileError } from "../domain/FileError.js"
import type * as Identity from "../domain/Identity.js"
import { Checkpointed, Identified, Renounced } from "../domain/Message.js"
import * as Sources from "../domain/Source.js"
import type { StoreError } from "../domain/StoreError.js"
import * as Validators from "../domain/Validator.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Reporter, Transferred } from "../services/Transport.js"
import { Extent } from "./Extent.js"
import * as Metrics from "./Metrics.js"
import { monotonicOf } from "./Monotonic.js"
import * as PartNode from "./PartNode.js"
import * as PartWriter from "./PartWriter.js"
import { PartWriters } from "./PartWriters.js"

type Failures = DownloadError.DownloadError | StoreError

/** What is known of the version that is fetched. */
interface Version {
  readonly total: number | undefined
  readonly validator: Validators.Validator
}

interface Beginning extends Version {
  /** What the server proposes; used where neither the caller nor an earlier try has named the download. */
  readonly proposedName: () => string
}

/** `fresh`: it is this try that began what is wrong; else what an earlier one has left may be. */
interface Condemned {
  readonly fault: DownloadError.DownloadError
  readonly fresh: boolean
}

export interface PartSession {
  readonly part: PartNode.Part | undefined
  readonly filename: string | undefined
  /** The bytes that may be built upon, with those that are on their way into the file, and what is known of their version. */
  readonly held: Identity.Held
  /** Where they are. */
  readonly coverage: Coverage.Coverage
  /** Gives up what is held and starts at 0. The name of the file in the way, where the policy is to skip then. */
  readonly begin: (beginning: Beginning) => Effect.Effect<Option.Option<string>, Failures>
  /** From now on nothing of what is held is claimed: it has proved to be other than it said. To be followed by `renounce`. */
  readonly condemn: (fault: DownloadError.DownloadError, how: { readonly fresh: boolean }) => void
  /** Why nothing of what is held counts, until that has been given up. */
  readonly condemned: Condemned | undefined
  /** Gives up what is held. */
  readonly renounce: Effect.Effect<void, Failures>
  /** Starts writing from an offset on what a source sends (by its URL; the download's own unless told). To be called after `begin`, or where something is held. */
  readonly write: (start: number, version: Version, source?: string) => PartWriter.PartWriter
  /** Ends a writer, waits for what was written, and takes it as held: so many bytes. */
  readonly settle: (writer: PartWriter.PartWriter) => Effect.Effect<number, DownloadError.DownloadError>
  /** Makes a checkpoint if there is anything new, and another if that took long. */
  readonly record: Effect.Effect<void, Failures>
  /** Records that this is all, also where its length was not announced: a later try then has nothing to ask for. */
  readonly complete: Effect.Effect<void, Failures>
  /**
   * Fails if a sync has failed, even if nobody was left to hear of it (the file may have lost pages, and a later sync won't say so),
   * and if somebody else has cut the file.
   */
  readonly sound: Effect.Effect<void, DownloadError.DownloadError>
  /** What is held, as all there is. */
  readonly fetched: Extract<Transferred, { readonly _tag: "Fetched" }>
  /** Ends writing and makes a last checkpoint, with how the part is left, whatever went wrong before. */
  readonly keep: Effect.Effect<void>
}

/** Bytes older than this that no checkpoint covers are too many, in milliseconds. */
const maxAge = 1000

/** Opens the part that the row names, if it is still the one we made. The part stays open until the scope closes. */
export const open = (
  disk: Disk,
  download: Download,
  reporter: Reporter
): Effect.Effect<PartSession, Failures, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const clock = yield* Effect.clock
    const stepping = yield* Effect.makeSemaphore(1)
    const { directory } = download
    const found = yield* PartNode.reopen(disk, download)
    let part = found?.part
    const writers = new PartWriters(found?.coverage ?? Coverage.empty, Sources.onlyUsed(download))
    let total = found === undefined ? undefined : (download.total ?? undefined)
    let validator = (found === undefined ? undefined : download.validator) ?? Validators.none
    let filename = download.filename ?? download.output ?? undefined
    /** What the row claims. */
    let recorded = download.checkpoint
    let directorySynced = download.checkpoint > 0
    let syncFailure: FileError | undefined
    let condemned: Condemned | undefined
    const condemn = (fault: DownloadError.DownloadError, fresh: boolean): void => {
      condemned ??= { fault, fresh }
    }
    const extent = new Extent(
      Coverage.endOf(found?.coverage ?? Coverage.empty),
      () => path.join(directory, part!.name),
      // also where an earlier try began it: it may happen again, and each time is to count as a failure
      (error) => condemn(DownloadError.fromFile(error), true)
    )
    /** Everything that had come by then is recorded. */
    let recordedAt = monotonicOf(clock)
    reporter.gauge.received = Coverage.count(writers.accepted)
    reporter.gauge.total = total
    if (found !== undefined && recorded > 0) {
      const { checkpoint, segments } = download
      if (Coverage.count(found.coverage) === 0) {
        // before it can be lost again that something is wrong with it
        yield* reporter.tell(Renounced())
        recorded = 0
      } else if (download.part?.mtime !== undefined)
        // ahead of the first write; nothing is lost if this is not recorded and nothing is written
        yield* reporter.note(Checkpointed({ bytes: checkpoint, segments, total: download.total }))
    }

    const nameTaken = (name: string) =>
      Effect.map(PartNode.fileFailure(disk.facts(path.join(directory, name))), Option.isSome)

    /** Nothing of what is held counts any more: neither in the row nor, after that, in the file. */
    const restart = (to: PartNode.Part, name: string, version: Version) =>
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
        extent.end = 0
        condemned = undefined
        recorded = 0
        total = version.total
        validator = version.validator
        reporter.gauge.received = 0
        reporter.gauge.total = total
        if (reused) yield* PartNode.fileFailure(to.handle.truncate(0))
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
        yield* restart(
          part ?? (yield* Scope.extend(PartNode.create(disk, download, name), scope)),
          name,
          beginning
        )
        return Option.none<string>()
      }).pipe(stepwise)

    /** Size and time of the part, which nobody else has cut. */
    const intact = ({ handle }: PartNode.Part) =>
      Effect.suspend(() => {
        const reached = extent.end
        return PartNode.fileFailure(
          Effect.flatMap(
            handle.facts,
            ({ mtime, size }): Effect.Effect<PartState, FileError> =>
              extent.faultIn(size, reached) ?? Effect.succeed({ mtime, size })
          )
        )
      })

    /** Syncs and claims what is written. `ended`: nothing more will be in this try, so that it can be told how the part is left. */
    const claim = ({ ended }: { readonly ended: boolean }) =>
      Effect.gen(function* () {
        if (part === undefined || condemned !== undefined || syncFailure !== undefined) return
        const now = monotonicOf(clock)
        const coverage = writers.written
        const recordedNow = writers.mark()
        const bytes = Coverage.count(coverage)
        if (bytes > recorded) {
          yield* Effect.zipRight(
            Metrics.timed(clock, Metrics.syncDuration, part.handle.sync),
            directorySynced ? Effect.void : disk.syncDirectory(directory)
          ).pipe(
            Effect.tapError((error) => Effect.sync(() => (syncFailure = error))),
            PartNode.fileFailure
          )
        } else if (!ended || bytes === 0) return
        const segments = Coverage.isPrefix(coverage) ? null : coverage
        const left = ended ? { left: yield* intact(part) } : {}
        yield* reporter.tell(Checkpointed({ bytes, segments, total: total ?? null, ...left }))
        directorySynced = true
        recorded = bytes
        recordedAt = now
        recordedNow()
      })

    const record: Effect.Effect<void, Failures> = Effect.suspend(() => {
      if (Coverage.count(writers.accepted) > recorded)
        return Effect.zipRight(PartNode.fileFailure(writers.flush), claim({ ended: false }))
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
      condemn: (fault, { fresh }) => condemn(fault, fresh),
      get condemned() {
        return condemned
      },
      renounce: stepwise(Effect.zipRight(writers.finish, renounce)),
      write: (start, version, source = download.url) => {
        total = version.total
        // another connection's answer may have told of a digest meanwhile
        validator = Validators.joined(validator, version.validator)
        reporter.gauge.total = total
        const writer = PartWriter.make(
          part!.handle,
          start,
          reporter.gauge,
          () => monotonicOf(clock) - recordedAt > maxAge,
          extent
        )
        writers.add(start, writer, source)
        return writer
      },
      settle: (writer) => PartNode.fileFailure(writers.settle(writer)),
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
          return claim({ ended: true })
        })
      ),
      sound: Effect.suspend(() => {
        if (condemned !== undefined) return condemned.fault
        if (syncFailure !== undefined) return DownloadError.fromFile(syncFailure)
        return part === undefined ? Effect.void : Effect.asVoid(intact(part))
      }),
      get fetched() {
        const { handle, name } = part!
        return {
          _tag: "Fetched" as const,
          part: handle,
          partName: name,
          filename: filename!,
          size: Coverage.count(writers.accepted),
          digest: validator.digest,
          brought: writers.brought
        }
      },
      keep: stepwise(
        Effect.zipRight(
          writers.finish,
          Effect.suspend(() => (condemned === undefined ? claim({ ended: true }) : Effect.void)).pipe(
            Effect.ignore,
            // it may have turned out only now
            Effect.zipRight(Effect.suspend(() => (condemned === undefined ? Effect.void : renounce))),
            Effect.ignore
          )
        )
      )
    } satisfies PartSession
  })
