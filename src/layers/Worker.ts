/**
 * One claim of one download, from the claimed row to the message that ends the claim.
 *
 * It puts the parts together (resume a publication, transfer, verify, publish) and turns every way this can end into a message:
 * success, a typed failure with what the retry policy makes of it, an interruption (the row's `desired` says what
 * was meant), a defect (which fails this download and no other).
 *
 * Tricky interleavings: the ending itself is uninterruptible, so a claim never ends without its message; it is decided
 * from the row as committed, after everything the claim has sent.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { join } from "node:path"
import type { Download } from "../domain/Download.js"
import { DownloadError, fromFile, make as makeError, type Reason } from "../domain/DownloadError.js"
import { Failed, Released, Renounced, SourceSetAside, type Verdict } from "../domain/Message.js"
import * as MaxTime from "../domain/MaxTime.js"
import type { Pieces } from "../domain/Pieces.js"
import { credited } from "../domain/Strikes.js"
import * as RetryPolicy from "../domain/RetryPolicy.js"
import * as Sources from "../domain/Source.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Destination } from "../services/Destination.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Hasher } from "../services/Hasher.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Shape as Revalidation } from "../services/Revalidation.js"
import type { Shape as StoreShape } from "../services/Store.js"
import * as TimeLimit from "./TimeLimit.js"
import type { Gauge, Reporter, Shape as TransportShape, Transferred } from "../services/Transport.js"
import type { ChecksumLists } from "./ChecksumLists.js"
import * as Delivery from "./Delivery.js"
import * as Discarding from "./Discarding.js"
import * as Publisher from "./Publisher.js"
import * as Refetch from "./Refetch.js"
import { refreshed } from "./Refreshing.js"
import * as Repair from "./Repair.js"
import * as SmallFile from "./SmallFile.js"
import * as Tracing from "./Tracing.js"
import * as Verifier from "./Verifier.js"

/** Failures after which the part, its bytes given up, is of no use to anyone: it goes with the last try. */
const spoils: ReadonlySet<Reason> = new Set<Reason>(["ChecksumMismatch", "TooLarge"])

type Failures = DownloadError | StoreError

/** Whether an earlier try may have left anything behind. */
const hasPast = ({ crashes, part, publishing }: Download): boolean =>
  part !== null || publishing !== null || crashes > 0

interface Dependencies {
  readonly store: StoreShape
  readonly disk: Disk
  readonly transport: TransportShape
  readonly hasher: Hasher
  readonly lists: ChecksumLists
  readonly revalidation: Revalidation
  readonly options: EngineOptionsShape
  readonly listeners: Tracing.Listeners
  readonly destination: Destination
}

export const make = ({
  destination,
  disk,
  hasher,
  listeners,
  lists,
  options,
  revalidation,
  store,
  ...given
}: Dependencies) => {
  const transport = listeners.spans ? Tracing.attempts(given.transport) : given.transport
  const publisher = Publisher.make(disk)
  const discarding = Discarding.make(disk, store)
  const verifier = Verifier.make(hasher, Repair.make({ disk, hasher }))
  const smallFile = SmallFile.make(disk, publisher, lists)
  const refetch = Refetch.make({ store, disk, revalidation, lists, verifier })

  /**
   * That the directory is still where it was chosen to be, before anything is made in it: days may have passed. Most files go into
   * the very directory that was chosen.
   */
  const guarded = ({ directory, root }: Download): Effect.Effect<void, DownloadError> =>
    root === null ? Effect.void : Effect.mapError(disk.ensureBelow(root, directory), fromFile)

  const piecesOf = (download: Download): Effect.Effect<Pieces, Failures> =>
    Effect.flatMap(store.pieces(download), (pieces): Effect.Effect<Pieces, DownloadError> =>
      pieces === undefined
        ? makeError("ChecksumUnavailable", "the digests of its pieces are gone; ask for it anew")
        : Effect.succeed(pieces)
    )

  const delivery = Delivery.make({ store, transport, publisher, verifier, lists, destination, piecesOf })

  /** What has a part, or is neither small nor simple: step by step. */
  const work = (
    download: Download,
    reporter: Reporter,
    transfer: Effect.Effect<Transferred, Failures, Scope.Scope>,
    transferred: Effect.Effect<void>
  ) =>
    Effect.gen(function* () {
      const result = yield* transfer
      yield* Effect.uninterruptible(transferred)
      if (result._tag === "Fetched") {
        const { brought, digest, filename, part, partName, size } = result
        const piecewise = { download, brought, pieces: piecesOf(download) }
        const whole = { handle: part, path: join(download.directory, partName), size }
        let wanted = download.options.checksum
        for (;;) {
          const verified = yield* lists.settle(wanted, download, filename)
          yield* verifier.verify(whole, { checksum: verified, digest }, piecewise, reporter)
          yield* guarded(download)
          const row = yield* publisher.publish(download, { ...result, verified }, reporter)
          if (row.status !== "processing") return
          // a checksum was added while this went on
          wanted = row.options.checksum
        }
      }
      // the name may have been taken after a part was begun
      const row = Option.getOrElse(yield* store.get(download.id), () => download)
      // first the row: it must not claim what is about to go
      if (row.checkpoint > 0) yield* reporter.tell(Renounced())
      yield* publisher.discard(row)
      yield* publisher.skipped(download, result.filename, reporter)
    }).pipe(Effect.scoped, Effect.interruptible)

  /** In an uninterruptible region: what waits for long can be interrupted nevertheless. */
  const fetch = (
    download: Download,
    reporter: Reporter,
    transferred: Effect.Effect<void>
  ): Effect.Effect<unknown, Failures> => TimeLimit.within(download, fetched(download, reporter, transferred))

  const fetched = (
    download: Download,
    reporter: Reporter,
    transferred: Effect.Effect<void>
  ): Effect.Effect<unknown, Failures> =>
    download.options.destination !== null
      ? Tracing.annotated(
          download,
          delivery.deliver(download, download.options.destination, reporter, transferred)
        )
      : Refetch.mayBeUnchanged(download)
        ? Effect.flatMap(
            Tracing.annotated(download, refetch.settle(download, reporter, transferred)),
            (row): Effect.Effect<unknown, Failures> =>
              row === undefined ? bring(download, reporter, transferred) : Effect.void
          )
        : bring(download, reporter, transferred)

  const bring = (download: Download, reporter: Reporter, transferred: Effect.Effect<void>) =>
    Effect.flatMap(transport.begin(download, reporter), (begun): Effect.Effect<unknown, Failures> =>
      begun._tag === "Whole"
        ? Effect.zipRight(
            Effect.zipRight(transferred, guarded(download)),
            smallFile.publish(download, begun, reporter)
          )
        : Tracing.annotated(
            download,
            Effect.ensuring(work(download, reporter, begun.rest, transferred), begun.abandon)
          )
    )

  /** Where an earlier try has left something. */
  const resume = (download: Download, reporter: Reporter, transferred: Effect.Effect<void>) =>
    Effect.gen(function* () {
      yield* smallFile.clear(download)
      const published = yield* Effect.interruptible(
        Tracing.annotated(download, publisher.resume(download, reporter))
      )
      if (published !== undefined) return
      // a publication that can't be recalled means that someone has changed the part: nothing in it counts
      const held: Download =
        download.publishing === null
          ? download
          : { ...download, checkpoint: 0, segments: null, total: null, validator: null }
      yield* fetch(held, reporter, transferred)
    })

  const conclude = (download: Download, cause: Cause.Cause<Failures>) =>
    Effect.gen(function* () {
      const storeFailure = Option.filter(Cause.failureOption(cause), (error) => error._tag === "StoreError")
      if (Option.isSome(storeFailure)) return yield* storeFailure.value
      const row = Option.getOrElse(yield* store.get(download.id), () => download)
      // interrupted in the instant after its end was recorded
      if (row.status !== "processing") return row
      if (Cause.isInterruptedOnly(cause)) return yield* store.tell(download.id, Released())
      const failure = yield* failureOf(cause)
      const wrong = failure.reason === "ChecksumMismatch" ? Sources.culprit(row) : undefined
      if (wrong !== undefined) {
        yield* Effect.logWarning(`the source ${wrong.url} has other bytes, and is set aside`)
        const { detail, reason } = failure
        yield* store.tell(download.id, SourceSetAside({ url: wrong.url, failure: { reason, detail } }))
      }
      const now = yield* Clock.currentTimeMillis
      const decided = yield* Effect.suspend(() =>
        RetryPolicy.decide(options.retryPolicy(row.options, row), credited(row), failure, now)
      ).pipe(
        // a policy is the program's own code
        Effect.catchAllDefect((defect) =>
          Effect.as(Effect.logError("the retry policy died", defect), { _tag: "Final" } as const)
        )
      )
      const fresh =
        decided._tag === "Final" ? yield* Effect.exit(refreshed(options, store, row, failure)) : no
      // paused or stopped while it was asked for
      if (Exit.isInterrupted(fresh)) return yield* store.tell(download.id, Released())
      const renewed: Verdict = (yield* fresh) ? { _tag: "RetryAt", at: now } : decided
      const { error, verdict } = MaxTime.bounded(row, failure, renewed, now)
      if (verdict._tag === "Final" && spoils.has(error.reason) && row.checkpoint === 0) {
        yield* publisher.discard(row)
      }
      const { detail, origin, reason, retryAfter, status } = error
      yield* logged(error, verdict, now)
      return yield* store.tell(
        download.id,
        Failed({
          failure: {
            reason,
            detail,
            ...(status === undefined ? {} : { status }),
            ...(retryAfter === undefined ? {} : { retryAfter }),
            ...(origin === undefined ? {} : { origin })
          },
          verdict
        })
      )
    })

  /**
   * Fails only with what the store says; `Fenced` means that the download is someone else's now. `halted` tells whether it
   * was stopped before it began; `transferred` is run when the network is not needed any more. For a fiber of its own that
   * can't be interrupted: what waits for long can be, all the same.
   */
  const run = (
    download: Download,
    gauge: Gauge,
    halted: () => boolean,
    transferred: Effect.Effect<void>
  ): Effect.Effect<void, StoreError> => {
    let noted: Effect.Effect<unknown, StoreError> | undefined
    const reporter: Reporter = {
      gauge,
      // what was noted before has to stand before more is built upon it
      tell: (message) => {
        const telling = store.tell(download.id, message)
        return noted === undefined ? telling : Effect.zipRight(noted, telling)
      },
      note: (message) =>
        Effect.map(store.note(download.id, message), (committed) => {
          noted = committed
        }),
      tellBoth: (first, second) =>
        Effect.flatMap(store.note(download.id, first), (committed) =>
          Effect.zipLeft(store.tell(download.id, second), committed)
        )
    }
    return Effect.suspend(() =>
      halted()
        ? Effect.interrupt
        : Effect.zipRight(
            guarded(download),
            (hasPast(download) ? resume : fetch)(download, reporter, transferred)
          )
    ).pipe(
      Effect.matchCauseEffect({
        onSuccess: () => Effect.void,
        onFailure: (cause) =>
          Effect.ignore(noted ?? Effect.void).pipe(
            Effect.zipRight(Tracing.annotated(download, conclude(download, cause))),
            Effect.flatMap(discarding.one),
            Effect.asVoid
          )
      }),
      (effect) => Tracing.claim(listeners, store, download, effect)
    )
  }

  return { run }
}

/** Nobody was asked. */
const no = Exit.succeed(false)

/** How a log tells of a try that has failed. `reason` marks the line: a program that tells of failures itself can leave it out. */
const logged = ({ detail, reason }: DownloadError, verdict: Verdict, now: number) => {
  const next = verdict._tag === "Final" ? undefined : `${Math.max(0, verdict.at - now) / 1000} s`
  const line =
    verdict._tag === "Final"
      ? Effect.logWarning(`failed: ${detail}`)
      : Effect.logInfo(`${verdict._tag === "WaitUntil" ? "waits" : "tries again in"} ${next}: ${detail}`)
  return Effect.annotateLogs(line, "reason", reason)
}

const failureOf = (cause: Cause.Cause<Failures>): Effect.Effect<DownloadError> => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure) && failure.value instanceof DownloadError) return Effect.succeed(failure.value)
  const defect = Cause.squash(cause)
  return Effect.as(
    Effect.logError("a download died of a defect", cause),
    makeError("Defect", defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect))
  )
}
