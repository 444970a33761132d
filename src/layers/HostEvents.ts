/**
 * The events of hosts, from what the store commits of their health. What was left alone before a stream began to run is known to it,
 * so that its end is told, but is not told itself.
 *
 * Tricky interleavings: a stream listens before it looks, so what is committed in between is told after all.
 */
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Health } from "../domain/Host.js"
import * as HostEvent from "../domain/HostEvent.js"
import type { Shape as Store } from "../services/Store.js"

interface Heard {
  readonly hosts: ReadonlyMap<string, Health>
  readonly at: number
}

/** Listens until the scope closes; then the streams end. */
export const make = (
  store: Pick<Store, "onCommit" | "cooling">
): Effect.Effect<Stream.Stream<HostEvent.HostEvent>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const heard = yield* Effect.acquireRelease(PubSub.sliding<Heard>(1024), PubSub.shutdown)
    yield* store.onCommit(({ hosts }) => {
      if (hosts.size > 0) heard.unsafeOffer({ hosts, at: clock.unsafeCurrentTimeMillis() })
    })
    return Stream.unwrapScoped(
      Effect.gen(function* () {
        const commits = yield* Stream.fromPubSub(heard, { scoped: true })
        // what can't be read now can't be worked on either: the engine says so
        const hosts = yield* Effect.orElseSucceed(store.cooling, () => [])
        const known: HostEvent.Told = new Map(hosts.map(({ origin, until }) => [origin, until]))
        return Stream.mapConcat(
          Stream.mapAccum(commits, known, (told, { at, hosts }) => {
            const next = HostEvent.changes(
              told,
              Array.from(hosts, ([origin, { cooling }]) => [origin, cooling] as const),
              at
            )
            return [next.told, next.events]
          }),
          (events) => events
        )
      })
    )
  })
