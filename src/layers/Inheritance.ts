/**
 * Taking over what dead engines have left behind, a portion of rows at a time.
 *
 * Tricky interleavings: a portion is not to be cut in half, as what it cancelled still has its part; several heirs may
 * take over from the same engine at once, each then gets some of its rows. Whatever takes over tells this engine's feeder, as
 * nobody else will: the dead engine is off the list then, and what this process commits is not news from others.
 */
import * as Effect from "effect/Effect"
import type { EngineId } from "../domain/Download.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as EngineLife } from "../services/EngineLife.js"
import type { Shape as Store } from "../services/Store.js"
import type * as Discarding from "./Discarding.js"

interface Dependencies {
  readonly store: Store
  readonly life: EngineLife
  readonly discarding: ReturnType<typeof Discarding.make>
  /** There may be something to claim. */
  readonly ring: Effect.Effect<unknown>
}

export const make = ({ discarding, life, ring, store }: Dependencies) => {
  /** True while there is more. */
  const portion = (owner: EngineId): Effect.Effect<boolean, StoreError> =>
    store.disown(owner).pipe(
      Effect.zipLeft(ring),
      Effect.tap(({ cancelled }) => Effect.forEach(cancelled, discarding.one, { discard: true })),
      Effect.map(({ more }) => more),
      Effect.uninterruptible
    )

  /** Takes over everything of an engine, unless it lives: then false. */
  const from = (owner: EngineId): Effect.Effect<boolean, StoreError> =>
    Effect.flatMap(life.isAlive(owner), (alive) =>
      alive
        ? Effect.succeed(false)
        : Effect.as(Effect.repeat(portion(owner), { while: (more) => more }), true)
    )

  /** Takes over from all that have died, until there is `enough`; looks after each portion. */
  const until = (enough: Effect.Effect<boolean, StoreError>): Effect.Effect<void, StoreError> =>
    Effect.gen(function* () {
      for (const owner of yield* store.otherOwners) {
        if (yield* life.isAlive(owner)) continue
        for (let more = true; more;) {
          more = yield* portion(owner)
          if (yield* enough) return
        }
      }
    })

  return { from, until }
}
