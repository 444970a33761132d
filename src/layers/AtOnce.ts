/**
 * Doing something for each at once, so that it can be interrupted at any instant. `Effect.forEach` with `concurrency` waits for
 * ever if it is interrupted in the moment between its start and that of the fiber that starts the others (effect 3.22: it then
 * has nothing to start, and nothing that could end); the same goes for layers that are merged. Where nobody can interrupt, it
 * is as good.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

/** For each item, `limit` at once at most: what came of them, in their order. What fails, or is interrupted, ends the others. */
export const atOnce = <A, B, E, R>(
  items: Iterable<A>,
  f: (item: A) => Effect.Effect<B, E, R>,
  limit = Infinity
): Effect.Effect<ReadonlyArray<B>, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const all = Array.from(items)
      if (all.length === 0) return []
      const places = yield* Effect.makeSemaphore(limit)
      const settled = yield* Deferred.make<void, E>()
      let unfinished = all.length
      const fibers = yield* Effect.forEach(all, (item) =>
        Effect.forkDaemon(
          Effect.onExit(restore(places.withPermits(1)(f(item))), (exit) => {
            if (Exit.isFailure(exit)) return Deferred.failCause(settled, exit.cause)
            return --unfinished === 0 ? Deferred.succeed(settled, undefined) : Effect.void
          })
        )
      )
      // not by `Fiber.joinAll`, which waits with `concurrency`
      yield* Effect.onError(restore(Deferred.await(settled)), () => Fiber.interruptAll(fibers))
      return yield* Effect.forEach(fibers, Fiber.join)
    })
  )
