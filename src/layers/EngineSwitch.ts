/**
 * Starting and stopping the work of an engine, as often as wanted, while its store stays open: what is enqueued while it is
 * stopped waits in the database. How the work is done is the Supervisor's business.
 *
 * Tricky interleavings: one switch at a time, and none half-way (both ways are uninterruptible; stopping has a bound). A
 * worker that does not stop in time keeps its claim on record here, so that a later start neither takes its row up again
 * (the row stays `processing` until the worker ends) nor lets anybody believe that it has ended. A run's fibers see the
 * context that the layer was built in, not that of whoever called `start` (who might be inside a transaction).
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { Released } from "../domain/Message.js"
import { StopTimeout, type StoreError } from "../domain/StoreError.js"
import type { Bandwidth } from "../services/Bandwidth.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import type { HostGates } from "../services/HostGates.js"
import { PartFile } from "../services/PartFile.js"
import type { Revalidation } from "../services/Revalidation.js"
import { Store } from "../services/Store.js"
import { Supervisor } from "../services/Supervisor.js"
import type { Transport } from "../services/Transport.js"
import * as Discarding from "./Discarding.js"
import * as Run from "./Supervisor.js"

type Needs = Store | PartFile | Transport | Revalidation | Bandwidth | HostGates | EngineLife

const make = Effect.gen(function* () {
  const store = yield* Store
  const life = yield* EngineLife
  const discarding = Discarding.make(yield* PartFile, store)
  const { autoStart, shutdownTimeout } = yield* EngineOptions
  const context = yield* Effect.context<Needs>()
  const oneAtATime = Effect.unsafeMakeSemaphore(1).withPermits(1)
  const shared: Run.Shared = {
    claims: new Map(),
    doorbell: yield* Queue.sliding<void>(1),
    failure: yield* Deferred.make<never, StoreError>()
  }
  let current: Run.Run | undefined

  const halt = Effect.suspend(() => {
    const run = current
    current = undefined
    return run === undefined ? Effect.succeed([]) : run.stop
  })

  const hasFailed = Effect.suspend(() => Deferred.isDone(shared.failure))

  /** A store that has failed could not record how claims ended: nobody works on those rows, and nobody would take them up. */
  const recover = Effect.gen(function* () {
    const rows = yield* store.list({ status: ["processing"], limit: Number.MAX_SAFE_INTEGER })
    const orphans = rows.filter(({ id, owner }) => owner === life.id && !shared.claims.has(id))
    for (const { id } of orphans) yield* Effect.flatMap(store.tell(id, Released()), discarding.one)
  })

  const start = Effect.gen(function* () {
    if (yield* hasFailed) {
      // who waited has been told; a new start is a new chance
      yield* halt
      yield* recover
      shared.failure = yield* Deferred.make<never, StoreError>()
    }
    if (current === undefined) current = yield* Run.make(shared)
  }).pipe(
    Effect.mapInputContext((_: Context.Context<never>) => context),
    Effect.uninterruptible,
    oneAtATime
  )

  const stop = Effect.flatMap(oneAtATime(Effect.uninterruptible(halt)), (left) =>
    left.length === 0
      ? Effect.void
      : Effect.fail(new StopTimeout({ downloads: left, timeout: shutdownTimeout }))
  )

  // before the start: an interruption right after that must find it
  yield* Effect.addFinalizer(() =>
    stop.pipe(
      Effect.catchAll((error) => Effect.logError(error.message)),
      Effect.zipRight(store.release),
      // what was cancelled with the last wishes of other processes
      Effect.flatMap(Effect.forEach(discarding.one, { discard: true })),
      Effect.catchAll((error) => Effect.logWarning(error.message))
    )
  )
  if (autoStart) yield* start

  return Supervisor.of({
    ring: Effect.asVoid(Queue.offer(shared.doorbell, undefined)),
    interrupt: (id) =>
      Effect.suspend(() => {
        const claim = shared.claims.get(id)
        if (claim === undefined) return Effect.void
        claim.halted = true
        return Effect.zipRight(claim.interrupt, Deferred.await(claim.ended))
      }),
    active: Effect.sync(() => Array.from(shared.claims, ([id, { gauge }]) => ({ id, gauge }))),
    failure: Effect.suspend(() => Deferred.await(shared.failure)),
    start,
    stop,
    isRunning: Effect.map(hasFailed, (failed) => current !== undefined && !failed)
  })
})

/** Starts working at once, unless the options say otherwise; closing it stops the work and gives up all rows. */
export const layer: Layer.Layer<Supervisor, StoreError, Needs> = Layer.scoped(Supervisor, make)
