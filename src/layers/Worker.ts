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
import * as FiberRef from "effect/FiberRef"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Download } from "../domain/Download.js"
import { DownloadError, make as makeError, type Reason } from "../domain/DownloadError.js"
import { Failed, Released } from "../domain/Message.js"
import * as RetryPolicy from "../domain/RetryPolicy.js"
import type { StoreError } from "../domain/StoreError.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Disk } from "../services/PartFile.js"
import type { Shape as StoreShape } from "../services/Store.js"
import type { Gauge, Reporter, Shape as TransportShape } from "../services/Transport.js"
import * as Discarding from "./Discarding.js"
import * as Publisher from "./Publisher.js"
import { verify } from "./Verifier.js"

/** Failures after which the part, its bytes given up, is of no use to anyone: it goes with the last try. */
const spoils: ReadonlySet<Reason> = new Set<Reason>(["ChecksumMismatch", "TooLarge"])

interface Dependencies {
  readonly store: StoreShape
  readonly disk: Disk
  readonly transport: TransportShape
  readonly options: EngineOptionsShape
}

export const make = ({ disk, options, store, transport }: Dependencies) => {
  const publisher = Publisher.make(disk)
  const discarding = Discarding.make(disk, store)

  const work = (download: Download, reporter: Reporter, transferred: Effect.Effect<void>) =>
    Effect.gen(function* () {
      const published = yield* publisher.resume(download, reporter)
      if (published !== undefined) return
      // a publication that can't be recalled means that someone has changed the part: nothing in it counts
      const held: Download =
        download.publishing === null ? download : { ...download, checkpoint: 0, total: null, validator: null }
      const result = yield* transport.transfer(held, reporter)
      yield* transferred
      if (result._tag === "Fetched") {
        let verified = download.options.checksum
        for (;;) {
          yield* verify(result.part, result.size, verified, reporter)
          const row = yield* publisher.publish(download, { ...result, verified }, reporter)
          if (row.status !== "processing") return
          // a checksum was added while this went on
          verified = row.options.checksum
        }
      }
      // the name may have been taken after a part was begun
      const row = Option.getOrElse(yield* store.get(download.id), () => download)
      yield* publisher.discard(row)
      yield* publisher.skipped(download, result.filename, reporter)
    }).pipe(Effect.scoped)

  const conclude = (download: Download, exit: Exit.Exit<void, DownloadError | StoreError>) =>
    Effect.gen(function* () {
      if (Exit.isSuccess(exit)) return undefined
      const storeFailure = Option.filter(
        Cause.failureOption(exit.cause),
        (error) => error._tag === "StoreError"
      )
      if (Option.isSome(storeFailure)) return yield* storeFailure.value
      const row = Option.getOrElse(yield* store.get(download.id), () => download)
      if (Cause.isInterruptedOnly(exit.cause)) return yield* store.tell(download.id, Released())
      const error = yield* failureOf(exit.cause)
      const now = yield* Clock.currentTimeMillis
      const verdict = yield* Effect.suspend(() =>
        RetryPolicy.decide(options.retryPolicy(row.options), row, error, now)
      ).pipe(
        // a policy is the program's own code
        Effect.catchAllDefect((defect) =>
          Effect.as(Effect.logError("the retry policy died", defect), { _tag: "Final" } as const)
        )
      )
      if (verdict._tag === "Final" && spoils.has(error.reason) && row.checkpoint === 0) {
        yield* publisher.discard(row)
      }
      const { detail, reason, retryAfter, status } = error
      return yield* store.tell(
        download.id,
        Failed({
          failure: {
            reason,
            detail,
            ...(status === undefined ? {} : { status }),
            ...(retryAfter === undefined ? {} : { retryAfter })
          },
          verdict
        })
      )
    })

  /**
   * Fails only with what the store says; `Fenced` means that the download is someone else's now. `halted` tells whether it
   * was stopped before it began; `transferred` is run when the network is not needed any more.
   */
  const run = (
    download: Download,
    gauge: Gauge,
    halted: () => boolean,
    transferred: Effect.Effect<void>
  ): Effect.Effect<void, StoreError> => {
    let noted: Effect.Effect<unknown, StoreError> = Effect.void
    const reporter: Reporter = {
      gauge,
      // what was noted before has to stand before more is built upon it
      tell: (message) =>
        Effect.zipRight(
          Effect.suspend(() => noted),
          store.tell(download.id, message)
        ),
      note: (message) =>
        Effect.map(store.note(download.id, message), (committed) => {
          noted = committed
        })
    }
    // the fiber is this claim's alone: it need not forget the annotation again
    const annotate = FiberRef.update(
      FiberRef.currentLogAnnotations,
      HashMap.set<string, unknown>("download", download.id)
    )
    return Effect.uninterruptibleMask((restore) =>
      restore(
        Effect.suspend(() =>
          halted() ? Effect.interrupt : Effect.zipRight(annotate, work(download, reporter, transferred))
        )
      ).pipe(
        Effect.exit,
        Effect.flatMap((exit) =>
          Exit.isSuccess(exit)
            ? Effect.void
            : Effect.ignore(noted).pipe(
                Effect.zipRight(conclude(download, exit)),
                Effect.flatMap((row) =>
                  row === undefined ? Effect.void : Effect.asVoid(discarding.one(row))
                )
              )
        )
      )
    )
  }

  return { run }
}

const failureOf = (cause: Cause.Cause<DownloadError | StoreError>): Effect.Effect<DownloadError> => {
  const failure = Cause.failureOption(cause)
  if (Option.isSome(failure) && failure.value instanceof DownloadError) return Effect.succeed(failure.value)
  const defect = Cause.squash(cause)
  return Effect.as(
    Effect.logError("a download died of a defect", cause),
    makeError("Defect", defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect))
  )
}
