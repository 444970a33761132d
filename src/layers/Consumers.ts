/**
 * Consumers as streams: pages of the outbox, read when they are pulled, at most a window of deliveries unacknowledged and as many
 * read ahead. What is
 * durable, and what a crash leaves of it, stands at StoreOutbox.
 *
 * Tricky interleavings: a page is marked as handed out before any of it is, so what is not marked was seen by nobody. The bell is
 * listened to before the first look. An acknowledgement can't be interrupted once it is on its way, so what is believed here of the
 * window is what is committed. `until` is seen to have ended before the look that finds nothing more, so what it has
 * waited for is in that look.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConsumerBusy } from "../domain/Consumer.js"
import type { Ending } from "../domain/Ending.js"
import type { StoreError } from "../domain/StoreError.js"
import type { CompletionsOptions, Consumers, Delivery } from "../services/Consumers.js"
import type { Reader, Shape as Outbox } from "../services/Outbox.js"
import type { Shape as Store } from "../services/Store.js"
import * as CommitBell from "./CommitBell.js"

interface Dependencies {
  readonly store: Store
  readonly outbox: Outbox
  readonly pollInterval: number
  /** Fails where the engine can't go on, rather than waiting for what will not come. */
  readonly orFailure: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | StoreError>
}

const defaultWindow = 64

/** Rows held at a time, however large the window. */
const pageSize = 256

/** What is wrong in the program, not in the world, dies. */
const checked = <A, E, R>(
  problem: string | undefined,
  effect: () => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => (problem === undefined ? effect() : Effect.die(new RangeError(problem))))

const nameless = (name: string): string | undefined =>
  name.trim() === "" ? "a consumer needs a name" : undefined

const countless = (what: string, count: number): string | undefined =>
  Number.isInteger(count) && count > 0 ? undefined : `${what} must be a whole number above 0, not ${count}`

export const make = ({ orFailure, outbox, pollInterval, store }: Dependencies): Consumers => {
  /** `next` is pulled, chunk by chunk; it fails with nothing at the end. */
  const pull = (
    reader: Reader,
    window: number,
    until: CompletionsOptions["until"]
  ): Effect.Effect<
    { readonly next: Effect.Effect<Chunk.Chunk<Delivery>, Option.Option<StoreError>> },
    StoreError,
    Scope.Scope
  > =>
    Effect.gen(function* () {
      const { changed, ring } = yield* CommitBell.listen(store, pollInterval, ({ ended }) => ended > 0)
      /** What is handed out and not acknowledged. */
      const open = new Set<number>()
      const room = yield* Effect.makeLatch(true)
      let cursor = reader.position
      /** What is read and marked as handed out, and waits for room: a page is worth its query and its commit. */
      let ahead: ReadonlyArray<Ending> = []
      let over: Exit.Exit<unknown, StoreError> | undefined
      if (until !== undefined) {
        yield* Effect.exit(until).pipe(
          Effect.flatMap((exit) =>
            Effect.zipRight(
              Effect.sync(() => (over = exit)),
              ring
            )
          ),
          Effect.interruptible,
          Effect.forkScoped
        )
      }

      const delivery = (ending: Ending): Delivery => {
        const { seq } = ending
        let done = false
        open.add(seq)
        return {
          ...ending,
          redelivered: seq <= reader.delivered,
          acknowledge: Effect.suspend(() =>
            done
              ? Effect.void
              : Effect.zipRight(
                  outbox.acknowledge(reader, seq),
                  Effect.suspend(() => {
                    done = true
                    open.delete(seq)
                    return room.open
                  })
                )
          ).pipe(Effect.uninterruptible)
        }
      }

      /** Reads ahead. */
      const look = Effect.gen(function* () {
        for (;;) {
          const page = yield* outbox.read(reader, cursor, Math.min(window, pageSize))
          for (const seq of page.lost) {
            yield* Effect.logWarning(
              `the download behind the ending ${seq} is gone: somebody deleted its row`
            )
            yield* outbox.acknowledge(reader, seq)
          }
          if (page.upTo === undefined) return
          if (page.endings.length > 0 && page.upTo > reader.delivered)
            yield* outbox.handOut(reader, page.upTo)
          cursor = page.upTo
          ahead = page.endings
          if (ahead.length > 0) return
        }
      })

      /** Closed before it is looked at whether there is room, so that no acknowledgement is missed. */
      const untilRoom = Effect.gen(function* () {
        for (;;) {
          yield* room.close
          if (open.size < window) return
          yield* orFailure(room.await)
        }
      })

      const next: Effect.Effect<Chunk.Chunk<Delivery>, Option.Option<StoreError>> = Effect.gen(function* () {
        for (;;) {
          yield* untilRoom
          const ended = over
          if (ended !== undefined) yield* ended
          if (ahead.length === 0) yield* look
          if (ahead.length > 0) {
            const room = window - open.size
            const found = ahead.slice(0, room).map(delivery)
            ahead = ahead.slice(room)
            return Option.some(Chunk.unsafeFromArray(found))
          }
          if (ended !== undefined) return Option.none()
          yield* orFailure(changed)
        }
      }).pipe(
        Effect.mapError(Option.some),
        Effect.flatMap(Option.match({ onNone: () => Effect.fail(Option.none()), onSome: Effect.succeed }))
      )
      return { next }
    })

  const completions: Consumers["completions"] = (
    name,
    { from = "now", until, window = defaultWindow } = {}
  ) =>
    Stream.unwrapScoped(
      checked(nameless(name) ?? countless("the window", window), () =>
        Effect.acquireRelease(outbox.open(name, from), outbox.close).pipe(
          Effect.flatMap((reader) => pull(reader, window, until)),
          Effect.map(({ next }): Stream.Stream<Delivery, StoreError | ConsumerBusy> =>
            Stream.repeatEffectChunkOption(next)
          )
        )
      )
    )

  const consume: Consumers["consume"] = (name, handler, { concurrency = 1, retry, ...options } = {}) => {
    const handle = (delivery: Delivery) => {
      const once = Effect.suspend(() => handler(delivery))
      const work = retry === undefined ? once : Effect.retry(once, retry)
      // what the handler has done is acknowledged, also by one who is being interrupted
      return Effect.uninterruptibleMask((restore) => Effect.zipRight(restore(work), delivery.acknowledge))
    }
    return checked(countless("the concurrency", concurrency), () =>
      completions(name, { ...options, window: Math.max(options.window ?? defaultWindow, concurrency) }).pipe(
        concurrency === 1
          ? Stream.mapEffect(handle)
          : Stream.mapEffect(handle, { concurrency, unordered: true }),
        Stream.runDrain
      )
    )
  }

  return {
    completions,
    consume,
    registerConsumer: (name, { from = "now" } = {}) =>
      checked(nameless(name), () => outbox.register(name, from)),
    consumers: outbox.list,
    removeConsumer: outbox.remove
  }
}
