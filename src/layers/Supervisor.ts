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
import { hasNew } from "../domain/Source.js"
import type { StoreError } from "../domain/StoreError.js"
import { Bandwidth } from "../services/Bandwidth.js"
import { Destination } from "../services/Destination.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { HostGates } from "../services/HostGates.js"
import { PartFile } from "../services/PartFile.js"
import { Revalidation } from "../services/Revalidation.js"
import { Store } from "../services/Store.js"
import { type Gauge, Transport } from "../services/Transport.js"
import * as ChecksumLists from "./ChecksumLists.js"
import * as Discarding from "./Discarding.js"
import * as Erasure from "./Erasure.js"
import * as HostPolicies from "./HostPolicies.js"
import * as Impatience from "./Impatience.js"
import * as Inheritance from "./Inheritance.js"
import * as InlineHasher from "./InlineHasher.js"
import * as Metrics from "./Metrics.js"
import { monotonicOf } from "./Monotonic.js"
import { Places } from "./Places.js"
import { Reachability } from "./Reachability.js"
import * as Retention from "./Retention.js"
import * as Tracing from "./Tracing.js"
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
  /** As it was claimed. */
  readonly row: Download
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

/** How long until the admission policy is asked again about what it has passed over, in milliseconds. */
const askAgain = 10_000

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
  const bandwidth = yield* Bandwidth
  const life = yield* EngineLife
  const options = yield* EngineOptions
  const { adopt, concurrency, pollInterval, shutdownTimeout } = options
  const discarding = Discarding.make(disk, store)
  const destination = yield* Destination
  /** What waits for its batch needs no permit, and must not keep the batch from getting full. */
  const waitingRoom = destination._tag === "Sink" ? destination.waiting : 0

  const gates = yield* HostGates
  const patience = yield* Impatience.make(store, adopt)
  const permits = yield* Effect.makeSemaphore(concurrency)
  const queue = yield* Queue.bounded<Download>(concurrency)
  const { claims, doorbell } = shared
  const hands = yield* Scope.make()
  /** Claims of an earlier run that have not ended. */
  const leftOver = claims.size
  const clock = yield* Effect.clock
  /** Of claims that hold a permit. */
  const places = new Places(yield* HostPolicies.make, gates, () => monotonicOf(clock))
  const reach = new Reachability()
  const scope = yield* Scope.make()
  const hasher = yield* InlineHasher.hasherFor(disk)
  const lists = yield* Scope.extend(ChecksumLists.make, scope)
  const listeners = yield* Tracing.listeners
  const worker = Worker.make({
    store,
    disk,
    transport: yield* Transport,
    revalidation: yield* Revalidation,
    hasher,
    lists,
    options,
    listeners,
    destination
  })
  const fibers = yield* Scope.extend(FiberMap.make<DownloadId, void>(), scope)

  const ring = Queue.offer(doorbell, undefined)
  const inheritance = Inheritance.make({ store, life, discarding, ring })

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
        // a try asks the sources that it has begun with; what is held is kept, and the next one goes on with it
        if (row.status === "processing" && (row.desired !== "run" || hasNew(row, claims.get(row.id)?.row)))
          yield* Effect.forkIn(Effect.interruptible(interrupt(row.id)), scope)
        else yield* discarding.one(row)
      }
      yield* ring
    }
  }).pipe(Effect.uninterruptible)

  const govern = Effect.flatMap(store.limits, bandwidth.govern)
  /** What other engines have found out about hosts. */
  const learn = Effect.map(store.cooling, (hosts) => {
    for (const { origin, until, why } of hosts) gates.learn(origin, { until, why })
  })

  /** What answers have said of their hosts is for all engines to know, and outlives this one. */
  const tell = Effect.forever(
    Effect.flatMap(Queue.take(gates.told), ([origin, cooling]) => store.cool(origin, cooling))
  )

  /** Hears of what other processes do: wishes for rows of ours, and rows that a queue runner may take up. */
  const watch = Effect.gen(function* () {
    let version = yield* store.externalVersion
    // what was set between the first look and this one
    yield* govern
    yield* obey
    yield* learn
    for (;;) {
      yield* Effect.sleep(pollInterval)
      const current = yield* store.externalVersion
      if (current === version) continue
      version = current
      // first, as it is waited for by somebody who looks at a speed
      yield* govern
      yield* obey
      yield* learn
      // there may be something to adopt, or a host may be well again
      yield* ring
    }
  })

  const stopEngine = (cause: Cause.Cause<StoreError>) =>
    Cause.isInterruptedOnly(cause) ? Effect.void : Effect.asVoid(Deferred.failCause(shared.failure, cause))

  const releasePermit = (claim: Claim) =>
    // in the worker's fiber, which can't be interrupted here
    Effect.suspend(() => {
      if (!claim.permitted) return Effect.void
      claim.permitted = false
      // another may have been kept back for it
      if (places.give(claim.row)) Queue.unsafeOffer(doorbell, undefined)
      return permits.release(1)
    })

  const ended = (download: Download, claim: Claim): Effect.Effect<void> =>
    Effect.map(releasePermit(claim), () => {
      Metrics.active(-1)
      if (claims.get(download.id) === claim) claims.delete(download.id)
      places.end(claim.row)
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
        Metrics.active(1)
        return FiberMap.run(fibers, download.id, run(download, claim))
      })
      // an earlier run's worker may never end
      return claim.before === undefined ? start : Effect.zipRight(restore(claim.before), start)
    })
  ).pipe(Effect.forever)

  const onClaimed = (rows: ReadonlyArray<Download>): void => {
    for (const row of rows) {
      const { checkpoint, id, total } = row
      places.take(row)
      const earlier = claims.get(id)
      claims.set(id, {
        gauge: { received: checkpoint, total: total ?? undefined, state: "connecting" },
        interrupt: FiberMap.remove(fibers, id),
        ended: Deferred.unsafeMake<void>(FiberId.none),
        before: earlier === undefined ? undefined : Deferred.await(earlier.ended),
        halted: false,
        started: false,
        permitted: true,
        row
      })
    }
  }

  /** When rows were looked for last: what has become due since then must not be slept through. */
  let lookedAt = 0
  /** The policy has passed over some: what it goes by may change without a sign. */
  let refused = false

  /** Claims as many rows as there are permits; false if there was nothing to claim. */
  const feed = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      while (claims.size - leftOver >= claimsPerPermit * concurrency + waitingRoom)
        yield* restore(Queue.take(doorbell))
      yield* restore(permits.take(1))
      // one at a time asks whether the network is there again
      if (reach.isLost)
        yield* restore(Effect.sleep(reach.pause)).pipe(Effect.onInterrupt(() => permits.release(1)))
      // nobody else takes permits, so all that no claim holds are free, or will be in an instant
      const limit = reach.isLost ? 1 : Math.max(1, concurrency - places.size)
      yield* restore(permits.take(limit - 1)).pipe(Effect.onInterrupt(() => permits.release(1)))
      lookedAt = yield* Clock.currentTimeMillis
      const found = yield* store
        .claim({ limit, adopt, places, onClaimed })
        .pipe(Effect.onError(() => permits.release(limit)))
      const { more, rows } = found
      refused = found.refused === true
      yield* permits.release(limit - rows.length)
      yield* Queue.offerAll(queue, rows)
      return more || rows.length > 0
    })
  )

  /** Waits until there may be something to claim. */
  const idle = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const due = yield* store.nextDue({ adopt, since: lookedAt })
    const wakes: Array<Effect.Effect<void, StoreError>> = [Queue.take(doorbell)]
    // not for long at once: the clock may be set while we sleep
    const soonest = Math.min(
      Option.getOrElse(due, () => Infinity),
      now + places.pause,
      refused || places.keepsBack ? now + askAgain : Infinity
    )
    if (soonest < Infinity) wakes.push(Effect.sleep(Math.min(Math.max(0, soonest - now), maxSleep)))
    yield* Effect.raceAll(wakes)
  })

  const feeder = Effect.forever(Effect.flatMap(feed, (fed) => (fed ? Effect.void : idle))).pipe(
    Effect.catchAllCause(stopEngine)
  )

  const sweep = inheritance.until(Effect.succeed(false))
  const sweeper = Effect.zipRight(
    discarding.all,
    adopt ? Effect.repeat(sweep, Schedule.spaced(sweepInterval)) : sweep
  )
  const retention = adopt ? [Retention.make({ store, options, discarding })] : []
  const erasure = Erasure.make(store, () => claims.size === 0)
  const others = [tell, patience.watch, ...(store.isAlone ? [] : [watch, sweeper, erasure]), ...retention]

  yield* Scope.extend(
    store.onCommit(({ changed, hosts }) => {
      reach.observe(changed.values())
      if (hosts.size === 0) return
      for (const [origin, { cooling }] of hosts) gates.learn(origin, cooling)
      patience.look()
      // who waited for a probe's answer
      Queue.unsafeOffer(doorbell, undefined)
    }),
    hands
  )

  // a queue runner's queue is not empty just because its rows are still a dead engine's
  if (adopt) yield* inheritance.until(store.anyLeft({ adopt }))

  // nothing comes before it is known how fast it may
  yield* govern

  for (const fiber of [dispatch, feeder, ...others.map(Effect.catchAllCause(stopEngine))]) {
    // the fibers can be interrupted, their start can't: one that has begun is found by whoever stops this run
    yield* Effect.annotateLogs(fiber, "module", "sluice/Supervisor").pipe(
      Effect.interruptible,
      Effect.forkIn(hands)
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
