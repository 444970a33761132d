/**
 * Waiting for the next commit that concerns somebody, by this process or by another: this one's are told by the store, others' are
 * noticed by the database's version, which is looked at only while somebody waits.
 *
 * Tricky interleavings: it listens from before the first look, and the version is known from then on, so what is committed
 * between a look and the wait ends the wait at once. A wait may end for nothing; whoever waits looks again.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { StoreError } from "../domain/StoreError.js"
import type { Commit, Shape as Store } from "../services/Store.js"
import { firstToEnd } from "./Race.js"

/** @see {@link listen} */
export interface CommitBell {
  /** Ends after the next commit that concerns somebody, since `listen` or since it last ended. */
  readonly changed: Effect.Effect<void, StoreError>
  /** Ends the wait. */
  readonly ring: Effect.Effect<void>
}

/** Listens until the scope closes. */
export const listen = (
  store: Pick<Store, "onCommit" | "isAlone" | "externalVersion">,
  pollInterval: number,
  concerns: (commit: Commit) => boolean
): Effect.Effect<CommitBell, StoreError, Scope.Scope> =>
  Effect.gen(function* () {
    const bell = yield* Effect.makeLatch(false)
    yield* store.onCommit((commit) => {
      if (concerns(commit)) bell.unsafeOpen()
    })
    const ring = Effect.asVoid(bell.open)
    const rung = Effect.zipRight(bell.await, bell.close)
    if (store.isAlone) return { changed: Effect.asVoid(rung), ring }
    let known = yield* store.externalVersion
    const elsewhere = Effect.gen(function* () {
      for (;;) {
        const version = yield* store.externalVersion
        if (version !== known) {
          known = version
          return
        }
        yield* Effect.sleep(pollInterval)
      }
    })
    return { changed: Effect.asVoid(firstToEnd(rung, elsewhere)), ring }
  })
