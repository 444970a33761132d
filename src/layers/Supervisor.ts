/**
 * Who downloads, how many, and how they stop.
 *
 * Two fibers: the feeder takes permits and claims exactly as many rows in SQL; the dispatcher takes claimed rows from the
 * bounded queue and runs one fiber each in a FiberMap. The row is the truth, the queue is only the hand-over: whatever is
 * lost with it is still claimed by this engine, and given back when it stops or dies.
 *
 * Tricky interleavings: a permit is taken before the claim and released by the worker's own finaliser, so none is lost or
 * doubled; a claim is known here before anyone is answered who asked about the same row after it; the feeder is the only taker and the dispatcher the only caller of `run`; a download that is interrupted
 * while it still sits in the queue is remembered and never starts; intent is committed before the interruption,
 * so the worker's ending finds it in the row. A defect in a worker is its download's failure; a failure of the store is the
 * engine's.
 *
 * Stopping: feeder and dispatcher first, then all workers at once within a bound (what is left then is named); what was
 * claimed and never started is put back. The workers live in a scope of their own, so that one that does not end can't hold
 * up the rest. When this happens, and what outlives it, is the business of EngineSwitch.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberMap from "effect/FiberMap"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { Download } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { Released } from "../domain/Message.js"
import type { StoreError } from "../domain/StoreError.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { PartFile } from "../services/PartFile.js"
import { Revalidation } from "../services/Revalidation.js"
import { Store } from "../services/Store.js"
import { type Gauge, Transport } from "../services/Transport.js"
import * as ChecksumLists from "./ChecksumLists.js"
import * as Discarding from "./Discarding.js"
import * as Inheritance from "./Inheritance.js"
import * as InlineHasher from "./InlineHasher.js"
import * as Retention from "./Retention.js"
import * as Worker from "./Worker.js"

/** A claimed download: queued or running. */
export interface Claim {
  readonly gauge: Gauge
  /** Interrupts its fiber, if it has one yet. */
  readonly interrupt: Effect.Effect<void>
  readonly ended: Deferred.Deferred<void>
  /** The end of an earlier claim of the same row, whose fiber has sent its last message and is still letting go. */
  readonly before: Effect.Effect<void> | undefined
  halted: boolean
  started: boolean
  /** Whether it still holds its permit. */
  permitted: boolean
}

/** What outlives one run of the engine. */
export interface Shared {
  readonly claims: Map<DownloadId, Claim>
  readonly doorbell: Queue.Queue<void>
  /** Fails when the engine can't go on. */
  failure: Deferred.Deferred<never, StoreError>
}

/** An engine at work. */
export interface Run {
  /** Stops within its bound, and succeeds with what has not stopped by then. */
  readonly stop: Effect.Effect<ReadonlyArray<DownloadId>>
}

/**
 * Downloads that are worked on, for each that may transfer: what is being published needs no permit any more, so that the next
 * transfer does not wait for syncs and commits.
 */
const claimsPerPermit = 4

/** The longest sleep until a row is due, in milliseconds. */
const maxSleep = 60_000

/** How often a queue runner looks for rows of engines that died meanwhile, in milliseconds. */
const sweepInterval = 2000

/** What the store says to a worker whose row is not its own any more: another's, or ended by another and forgotten since. */
const lost: ReadonlySet<StoreError["reason"]> = new Set<StoreError["reason"]>([
  "Fenced",
  "NotFound",
  "Stopped"
])

/** Begins to work. Not to be interrupted. */
export const make = Effect.fnUntraced(function* (shared: Shared) {
  const store = yield* Store
  const disk = yield* PartFile
  const transport = yield* Transport
  const revalidation = yield* Revalidation
  const life = yield* EngineLife
  const options = yield* EngineOptions
  const { adopt, concurrency, pollInterval, shutdownTimeout } = options
  const discarding = Discarding.make(disk, store)
  const inheritance = Inheritance.make({ store, life, discarding })

  const permits = yield* Effect.makeSemaphore(concurrency)
  const queue = yield* Queue.bounded<Download>(concurrency)
  const { claims, doorbell } = shared
  const hands = yield* Scope.make()
  /** Claims of an earlier run that have not ended. */
  const leftOver = claims.size
  /** Claims that hold a permit. */
  let transferring = 0
  const scope = yield* Scope.make()
  const hasher = yield* InlineHasher.hasherFor(disk)
  const lists = yield* Scope.extend(ChecksumLists.make, scope)
  const worker = Worker.make({ store, disk, transport, revalidation, hasher, lists, options })
  const fibers = yield* Scope.extend(FiberMap.make<DownloadId, void>(), scope)

  const ring = Queue.offer(doorbell, undefined)

  const interrupt = (id: DownloadId) =>
    Effect.suspend(() => {
      const claim = claims.get(id)
      if (claim === undefined) return Effect.void
      claim.halted = true
      return Effect.zipRight(claim.interrupt, Deferred.await(claim.ended))
    })

  /** Does what other processes have asked for; whoever is at work on it lets go. */
  const obey = Effect.gen(function* () {
    for (;;) {
      const rows = yield* store.obey
      if (rows.length === 0) return
      for (const row of rows) {
        if (row.status === "processing" && row.desired !== "run")
          yield* Effect.forkIn(Effect.interruptible(interrupt(row.id)), scope)
        else yield* discarding.one(row)
      }
      yield* ring
    }
  }).pipe(Effect.uninterruptible)

  /** Hears of what other processes do: wishes for rows of ours, and rows that a queue runner may take up. */
  const watch = Effect.gen(function* () {
    let version = yield* store.externalVersion
    yield* obey
    for (;;) {
      yield* Effect.sleep(pollInterval)
      const current = yield* store.externalVersion
      if (current === version) continue
      version = current
      yield* obey
      if (adopt) yield* ring
    }
  })

  const stopEngine = (cause: Cause.Cause<StoreError>) =>
    Cause.isInterruptedOnly(cause) ? Effect.void : Effect.asVoid(Deferred.failCause(shared.failure, cause))

  const releasePermit = (claim: Claim) =>
    // in the worker's fiber, which can't be interrupted here
    Effect.suspend(() => {
      if (!claim.permitted) return Effect.void
      claim.permitted = false
      transferring--
      return permits.release(1)
    })

  const ended = (download: Download, claim: Claim): Effect.Effect<void> =>
    Effect.map(releasePermit(claim), () => {
      if (claims.get(download.id) === claim) claims.delete(download.id)
      Deferred.unsafeDone(claim.ended, Effect.void)
      Queue.unsafeOffer(doorbell, undefined)
    })

  // FiberMap starts its fibers interruptible, whoever forks them
  const run = (download: Download, claim: Claim): Effect.Effect<void> =>
    Effect.uninterruptible(
      Effect.matchCauseEffect(
        worker.run(download, claim.gauge, () => claim.halted, releasePermit(claim)),
        {
          onSuccess: () => ended(download, claim),
          onFailure: (cause) => Effect.zipRight(failed(download, cause), ended(download, claim))
        }
      )
    )

  const failed = (download: Download, cause: Cause.Cause<StoreError>) =>
    Option.match(
      Option.filter(Cause.failureOption(cause), ({ reason }) => lost.has(reason)),
      {
        onNone: () => stopEngine(cause),
        onSome: ({ message }) => Effect.logInfo(`${download.id} is left to another engine: ${message}`)
      }
    )

  // what was taken is started, whatever interrupts the dispatcher meanwhile
  const dispatch = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(Queue.take(queue)), (download) => {
      const claim = claims.get(download.id)
      if (claim === undefined) return Effect.void
      const start = Effect.suspend(() => {
        claim.started = true
        return FiberMap.run(fibers, download.id, run(download, claim))
      })
      // an earlier run's worker may never end
      return claim.before === undefined ? start : Effect.zipRight(restore(claim.before), start)
    })
  ).pipe(Effect.forever)

  const onClaimed = (rows: ReadonlyArray<Download>): void => {
    for (const { checkpoint, id, total } of rows) {
      const earlier = claims.get(id)
      claims.set(id, {
        gauge: { received: checkpoint, total: total ?? undefined, state: "connecting" },
        interrupt: FiberMap.remove(fibers, id),
        ended: Deferred.unsafeMake<void>(FiberId.none),
        before: earlier === undefined ? undefined : Deferred.await(earlier.ended),
        halted: false,
        started: false,
        permitted: true
      })
      transferring++
    }
  }

  /** Claims as many rows as there are permits; false if there was nothing to claim. */
  const feed = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      while (claims.size - leftOver >= claimsPerPermit * concurrency) yield* restore(Queue.take(doorbell))
      yield* restore(permits.take(1))
      // nobody else takes permits, so all that no claim holds are free, or will be in an instant
      const limit = Math.max(1, concurrency - transferring)
      yield* restore(permits.take(limit - 1)).pipe(Effect.onInterrupt(() => permits.release(1)))
      const { more, rows } = yield* store
        .claim({ limit, adopt, onClaimed })
        .pipe(Effect.onError(() => permits.release(limit)))
      yield* permits.release(limit - rows.length)
      yield* Queue.offerAll(queue, rows)
      return more || rows.length > 0
    })
  )

  /** Waits until there may be something to claim. */
  const idle = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = yield* store.nextDue({ adopt })
    const wakes: Array<Effect.Effect<void, StoreError>> = [Queue.take(doorbell)]
    // not for long at once: the clock may be set while we sleep
    if (Option.isSome(due)) wakes.push(Effect.sleep(Math.min(Math.max(0, due.value - now), maxSleep)))
    yield* Effect.raceAll(wakes)
  })

  const feeder = Effect.forever(Effect.flatMap(feed, (fed) => (fed ? Effect.void : idle))).pipe(
    Effect.catchAllCause(stopEngine)
  )

  // what has been taken over is there for us to claim
  const sweep = inheritance.until(Effect.as(ring, false))
  const sweeper = Effect.zipRight(
    discarding.all,
    adopt ? Effect.repeat(sweep, Schedule.spaced(sweepInterval)) : sweep
  )
  const retention = adopt ? [Retention.make({ store, options, discarding })] : []
  const others = [...(store.isAlone ? [] : [watch, sweeper]), ...retention]

  // a queue runner's queue is not empty just because its rows are still a dead engine's
  if (adopt) yield* inheritance.until(store.anyLeft({ adopt }))

  for (const fiber of [dispatch, feeder, ...others.map(Effect.catchAllCause(stopEngine))]) {
    yield* Effect.annotateLogs(fiber, "module", "sluice/Supervisor").pipe(
      Effect.forkIn(hands),
      Effect.interruptible
    )
  }

  const stop = Effect.gen(function* () {
    yield* Scope.close(hands, Exit.void)
    // The fiber that closes a layer may itself be interrupted, so it can't race anything here: two fibers of their own
    // do, and the first to end ends the wait.
    const stopped = yield* Deferred.make<boolean>()
    yield* Effect.forkDaemon(Effect.zipRight(Scope.close(scope, Exit.void), Deferred.succeed(stopped, true)))
    const bound = yield* Effect.sleep(Duration.millis(shutdownTimeout)).pipe(
      Effect.zipRight(Deferred.succeed(stopped, false)),
      Effect.interruptible,
      Effect.forkDaemon
    )
    yield* Deferred.await(stopped)
    yield* Fiber.interrupt(bound)
    const left: Array<DownloadId> = []
    for (const [id, claim] of claims) {
      if (claim.started) {
        left.push(id)
        continue
      }
      // claimed and never started: it is put back, and whoever waits for its end has it
      yield* Effect.ignore(store.tell(id, Released()))
      claims.delete(id)
      yield* Deferred.succeed(claim.ended, undefined)
    }
    return left
  })

  return { stop } satisfies Run
})
