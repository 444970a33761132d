/**
 * Forgetting what ended long ago, a portion at a time, so that the database of a queue that runs for years stays small.
 *
 * Rows go, files stay. A download that somebody still waits to hear the end of is kept, however old.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DownloadId } from "../domain/DownloadId.js"
import type { StoreError } from "../domain/StoreError.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Store } from "../services/Store.js"
import type * as Discarding from "./Discarding.js"

/** How often it is looked for what has become old, in milliseconds. */
const interval = 3_600_000

/** Rows forgotten by one transaction. */
const portionSize = 500

interface Dependencies {
  readonly store: Store
  readonly options: Pick<EngineOptionsShape, "retention">
  readonly discarding: ReturnType<typeof Discarding.make>
}

/** Forgets for as long as it runs. */
export const make = ({ discarding, options, store }: Dependencies): Effect.Effect<void, StoreError> => {
  const once = Effect.gen(function* () {
    const endedBefore = (yield* Clock.currentTimeMillis) - options.retention
    let after: DownloadId | undefined
    do {
      const { ids, next } = yield* store.page({ endedBefore }, after)
      for (let i = 0; i < ids.length; i += portionSize) {
        const { withPart } = yield* store.forget(ids.slice(i, i + portionSize))
        yield* Effect.forEach(withPart, discarding.part, { discard: true })
      }
      after = next
    } while (after !== undefined)
  })
  return options.retention === Infinity
    ? Effect.void
    : Effect.asVoid(Effect.repeat(Effect.delay(once, interval), Schedule.forever))
}
