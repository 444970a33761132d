/**
 * When to look for downloads that have stood in line for too long (`Patience`): when a host has begun to be left alone, and
 * when the next one's limit is reached. Not often where there is much to look at.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DownloadId } from "../domain/DownloadId.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Shape as Store } from "../services/Store.js"
import { firstToEnd } from "./Race.js"

/** Between two looks at least, in milliseconds, and for each portion that a look takes. */
const spacing = 1000

/** The longest sleep: clocks may be set while we sleep. */
const maxSleep = 60_000

export const make = (store: Store, adopt: boolean) =>
  Effect.map(Effect.makeLatch(true), (bell) => ({
    look: (): void => void bell.unsafeOpen(),
    watch: Effect.gen(function* (): Effect.fn.Return<never, StoreError> {
      for (;;) {
        yield* bell.await
        yield* bell.close
        let after: DownloadId | undefined
        let soonest: number | undefined
        let portions = 0
        do {
          portions++
          const found = yield* store.expire(after, { adopt })
          after = found.next
          if (found.soonest !== undefined) soonest = Math.min(found.soonest, soonest ?? Infinity)
        } while (after !== undefined)
        yield* Effect.sleep(spacing * portions)
        if (soonest === undefined) continue
        const now = yield* Clock.currentTimeMillis
        yield* firstToEnd(bell.await, Effect.sleep(Math.min(maxSleep, Math.max(0, soonest - now))))
        yield* bell.open
      }
    })
  }))
