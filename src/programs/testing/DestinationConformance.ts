/**
 * The rules of what an engine hands bytes to (`SinkDestination` of `services/Destination`), tried: what it says is durable is, what it
 * reads has room, and its answer to an interruption is the truth. Programs write a `Sink` and need none of this; it is for
 * whoever replaces the batching itself.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import { type DownloadError, make as makeError } from "../../domain/DownloadError.js"
import type { Interrupted, SinkDestination } from "../../services/Destination.js"
import { bytesOf, type Case, caseOf, expect, isSame } from "./Conformance.js"
import { rowOf } from "./Row.js"

/** A destination to be tried, empty. */
export interface Place {
  /** What is tried. */
  readonly destination: SinkDestination
  /** The bytes of a key that are there, read past the destination; undefined where there are none. */
  readonly read: (key: string) => Effect.Effect<Uint8Array | undefined>
  /** Bytes that it may have in memory before they are handed over; at least twice its `maxItem`. */
  readonly maxBytes: number
}

/** @see {@link cases} */
export interface Options<R = never> {
  /** Makes an empty destination, for each case anew; what it needs ends with the scope. */
  readonly make: Effect.Effect<Place, never, R | Scope.Scope>
}

/** So many deliveries are interrupted, each after one step more. */
const steps = 20

/** Lets all fibers go as far as they can without time. */
const meanwhile = Effect.repeatN(Effect.yieldNow(), 50)

/** The cases, in an order that makes sense to read. */
export const cases = <R = never>({ make }: Options<R>): ReadonlyArray<Case<Exclude<R, Scope.Scope>>> => {
  const rule = caseOf(make)

  const deliver = <E = never>(
    { destination }: Place,
    key: string,
    bytes: Uint8Array,
    read: Effect.Effect<Uint8Array, E> = Effect.succeed(bytes),
    wish: Interrupted = "withdraw"
  ) => destination.deliver({ key, size: bytes.length, download: rowOf(key), read }, Effect.succeed(wish))

  const tellsTheTruth = (wish: Interrupted) =>
    rule(
      `interrupted, with the wish to ${wish} what waits, its end says whether the item is there`,
      (place) =>
        Effect.gen(function* () {
          const size = Math.min(100, place.destination.maxItem)
          const exits: Array<Exit.Exit<void, DownloadError>> = []
          for (let n = 0; n < steps; n++) {
            const bytes = bytesOf(size, n + 1)
            const delivery = deliver(place, `k${n}`, bytes, Effect.succeed(bytes), wish)
            // uninterruptible as in the engine: else an end that has come would be told as an interruption
            const fiber = yield* Effect.fork(
              Effect.uninterruptible(
                Effect.flatMap(Effect.exit(delivery), (exit) => Effect.sync(() => void (exits[n] = exit)))
              )
            )
            // each a little further than the one before
            yield* Effect.repeatN(Effect.yieldNow(), n)
            yield* Fiber.interrupt(fiber)
          }
          // what was handed over before this one has been written by then, also what should not have been
          yield* deliver(place, "last", bytesOf(size))
          for (let n = 0; n < steps; n++) {
            // none: interrupted before it began
            const exit = exits[n] ?? Exit.interrupt(FiberId.none)
            const held = yield* place.read(`k${n}`)
            yield* expect(
              (held !== undefined) === Exit.isSuccess(exit),
              `k${n} ${held === undefined ? "is not" : "is"} there, and its delivery ${Exit.isSuccess(exit) ? "succeeded" : "did not"}`
            )
            yield* expect(held === undefined || isSame(held, bytesOf(size, n + 1)), `k${n} has other bytes`)
          }
        })
    )

  return [
    rule("a delivery that succeeds is there, and known to be", (place) =>
      Effect.gen(function* () {
        const bytes = bytesOf(Math.min(1000, place.destination.maxItem))
        yield* expect(!(yield* place.destination.has("one")), "it has what was never handed over")
        yield* deliver(place, "one", bytes)
        yield* expect(isSame(yield* place.read("one"), bytes), "the bytes are not there")
        yield* expect(yield* place.destination.has("one"), "it does not know what it has")
        yield* expect(!(yield* place.destination.has("two")), "it has another key too")
      })
    ),
    rule("the later bytes of a key replace the earlier", (place) =>
      Effect.gen(function* () {
        const size = Math.min(100, place.destination.maxItem)
        yield* deliver(place, "one", bytesOf(size))
        yield* deliver(place, "one", bytesOf(size, 2))
        yield* expect(isSame(yield* place.read("one"), bytesOf(size, 2)), "the earlier bytes stayed")
      })
    ),
    rule("no more is read into memory than there is room for", (place) =>
      Effect.gen(function* () {
        const { maxBytes } = place
        const { maxItem } = place.destination
        let inHand = 0
        let most = 0
        const bytes = bytesOf(maxItem)
        const count = 2 * Math.ceil(maxBytes / maxItem)
        const fibers = yield* Effect.forEach(Array.from({ length: count }), (_, n) => {
          let isRead = false
          const read = Effect.sync(() => {
            isRead = true
            inHand += maxItem
            most = Math.max(most, inHand)
            return bytes
          })
          return Effect.fork(
            Effect.ensuring(
              deliver(place, `k${n}`, bytes, read),
              Effect.sync(() => void (isRead && (inHand -= maxItem)))
            )
          )
        })
        yield* meanwhile
        yield* Fiber.interruptAll(fibers)
        yield* expect(most > 0, "nothing was read at all")
        yield* expect(most <= maxBytes, `${most} bytes were in memory, where ${maxBytes} are allowed`)
      })
    ),
    rule("what can't be read fails alone, and leaves its room to others", (place) =>
      Effect.gen(function* () {
        const { maxItem } = place.destination
        const bytes = bytesOf(maxItem)
        for (let n = 0; n * maxItem <= place.maxBytes; n++) {
          const exit = yield* Effect.exit(
            deliver(place, `k${n}`, bytes, makeError("DiskFailed", "unreadable"))
          )
          yield* expect(
            Exit.isFailure(exit) && String(exit).includes("unreadable"),
            `a read that failed ended so: ${String(exit)}`
          )
        }
        yield* deliver(place, "last", bytes)
        yield* expect(isSame(yield* place.read("last"), bytes), "what came after it is not there")
      })
    ),
    tellsTheTruth("withdraw"),
    tellsTheTruth("finish")
  ]
}
