/**
 * Waiting for groups, and following them. Their rows and counters are the store's business (StoreGroups).
 *
 * Tricky interleavings: it listens before it looks, so nothing between the two is missed. Members may be worked on by other
 * processes, whose commits are noticed by the database's version, and whose deaths by looking at their locks now and then.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { DownloadRequest } from "../domain/DownloadRequest.js"
import { type GroupId, type GroupProgress, type GroupSealed, progressOf } from "../domain/Group.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Enqueued, Group } from "../services/Downloads.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Store, Standing } from "../services/Store.js"
import * as CommitBell from "./CommitBell.js"
import { firstToEnd } from "./Race.js"

interface Dependencies {
  readonly store: Store
  readonly options: EngineOptionsShape
  /** Makes rows this engine's where their owner is gone; false while another engine lives for any of them. */
  readonly inherit: (rows: ReadonlyArray<Standing>) => Effect.Effect<boolean, StoreError>
  readonly enqueueInto: (
    group: GroupId,
    requests: Iterable<DownloadRequest>
  ) => Effect.Effect<ReadonlyArray<Enqueued>, DownloadError | StoreError | GroupSealed>
  readonly orRefused: (enqueued: ReadonlyArray<Enqueued>) => Effect.Effect<Enqueued, DownloadError>
  readonly orFailure: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | StoreError>
}

/** Members looked at by one query. */
const lookSize = 1000

/** How often the owners of other engines' members are looked at, in milliseconds. */
const inheritInterval = 2000

export const make = ({ enqueueInto, inherit, options, orFailure, orRefused, store }: Dependencies) => {
  const { adopt, pollInterval, progressInterval } = options

  const progress = (id: GroupId): Effect.Effect<GroupProgress, StoreError> =>
    Effect.map(store.group(id), progressOf)

  /** Takes over what dead engines have left of the group; true while a part of it is another engine's. */
  const inheritMembers = (id: GroupId) =>
    Effect.gen(function* () {
      let foreign = false
      let after: DownloadId | undefined
      for (;;) {
        const members = yield* store.strangers(id, after, lookSize)
        // a queue runner takes up what is nobody's, and looks after the dead, by itself
        if (members.length > 0 && !adopt) foreign = !(yield* inherit(members)) || foreign
        if (members.length < lookSize) return foreign
        after = members.at(-1)!.id
      }
    })

  const listen = (id: GroupId) => CommitBell.listen(store, pollInterval, ({ groups }) => groups.has(id))

  const done = (id: GroupId): Effect.Effect<GroupProgress, StoreError> =>
    Effect.gen(function* () {
      const { changed } = yield* listen(id)
      let foreign = yield* inheritMembers(id)
      let lookedAt = yield* Clock.currentTimeMillis
      for (;;) {
        const current = yield* progress(id)
        if (current.done) return current
        yield* foreign ? firstToEnd(changed, Effect.sleep(inheritInterval)) : changed
        const now = yield* Clock.currentTimeMillis
        if (store.isAlone || now - lookedAt < inheritInterval) continue
        lookedAt = now
        foreign = yield* inheritMembers(id)
      }
    }).pipe(Effect.scoped)

  const changes = (id: GroupId): Stream.Stream<GroupProgress, StoreError> =>
    Stream.unwrapScoped(
      Effect.map(listen(id), ({ changed }) => {
        let last: GroupProgress | undefined
        const next = Effect.gen(function* () {
          for (;;) {
            const current = yield* progress(id)
            if (last === undefined || differs(last, current)) return (last = current)
            yield* changed
            // what happens meanwhile is in the next picture, the end included
            yield* Effect.sleep(progressInterval)
          }
        })
        return Stream.repeatEffectOption(
          Effect.suspend(() =>
            last?.done === true ? Effect.fail(Option.none()) : Effect.mapError(next, Option.some)
          )
        )
      })
    )

  return Effect.fn("Downloads.group")(function* (name?: string) {
    const { id, name: known } = yield* store.openGroup(name ?? null)
    return {
      id,
      name: known,
      enqueue: (request) => Effect.flatMap(enqueueInto(id, [request]), orRefused),
      enqueueAll: (requests) => enqueueInto(id, requests),
      seal: Effect.map(store.sealGroup(id), progressOf),
      progress: progress(id),
      changes: changes(id),
      await: orFailure(done(id))
    } satisfies Group as Group
  })
}

const differs = (a: GroupProgress, b: GroupProgress): boolean =>
  a.sealed !== b.sealed || a.enqueued !== b.enqueued || a.ended !== b.ended || a.bytes !== b.bytes
