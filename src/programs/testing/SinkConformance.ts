/**
 * The rules of a sink (`Destination.Sink`), tried: a program's own store passes these before an engine hands downloads to it. The
 * rules stand at `services/Destination`; here each is a case that a store which breaks it does not pass.
 *
 * @example
 * ```ts
 * import { it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import type { Destination } from "sluice"
 * import { SinkConformance } from "sluice/testing"
 *
 * declare const open: (file: string) => Destination.Sink
 * declare const read: (file: string, key: string) => Uint8Array | undefined
 *
 * const cases = SinkConformance.cases({
 *   make: Effect.sync(() => ({
 *     sink: open("test.db"),
 *     reopen: Effect.sync(() => open("test.db")),
 *     read: (key) => Effect.sync(() => read("test.db", key))
 *   }))
 * })
 * for (const { name, run } of cases) it.live(name, () => run)
 * ```
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { SinkError } from "../../domain/SinkError.js"
import type { Item, Sink } from "../../services/Destination.js"
import { bytesOf, type Case, caseOf, expect, isSame } from "./Conformance.js"
import { rowOf } from "./Row.js"

/** A store to be tried, empty. */
export interface Store {
  /** What is tried. */
  readonly sink: Sink
  /**
   * The same store as a process finds it that starts after this one was killed: nothing is closed or flushed before. For a store in memory,
   * the same sink.
   */
  readonly reopen: Effect.Effect<Sink, never, Scope.Scope>
  /** The bytes of a key, read past the sink; undefined where there are none. */
  readonly read: (key: string) => Effect.Effect<Uint8Array | undefined>
  /**
   * From when it is run until its scope closes, writes of more than one item fail, if possible after some of their items were written: a
   * full disk, a lost connection. Without it, what a failed write leaves is not tried.
   */
  readonly failing?: Effect.Effect<void, never, Scope.Scope>
}

/** @see {@link cases} */
export interface Options<R = never> {
  /** Makes an empty store, for each case anew; what it needs ends with the scope. */
  readonly make: Effect.Effect<Store, never, R | Scope.Scope>
  /** The n-th key (from 0), for stores that take no others; all different. @default URLs, two and two of which differ by case alone */
  readonly key?: (n: number) => string
}

/** Two keys that a careless store takes for one. */
const usualKey = (n: number): string => `https://store.test/${n % 2 === 0 ? "a" : "A"}${n >> 1}?q=%2F&r='`

/** Items of one batch, more than fit into one statement of most databases. */
const many = 1200

/** The cases, in an order that makes sense to read. */
export const cases = <R = never>({
  key = usualKey,
  make
}: Options<R>): ReadonlyArray<Case<Exclude<R, Scope.Scope>>> => {
  const rule = caseOf(make)
  const item = (n: number, bytes: Uint8Array): Item => ({ key: key(n), bytes, download: rowOf(key(n)) })
  const some = (from: number, to: number, version = 1) =>
    Array.from({ length: to - from }, (_, i) => item(from + i, bytesOf(40 + i, version)))
  const keysOf = (items: ReadonlyArray<Item>) => items.map(({ key }) => key)

  /** All of it is in the store, and the sink says so. */
  const holds = (store: Store, sink: Sink, items: ReadonlyArray<Item>) =>
    Effect.gen(function* () {
      const absent = yield* sink.missing(keysOf(items))
      yield* expect(absent.length === 0, `missing names what was written: ${absent.slice(0, 3).join(", ")}`)
      for (const { bytes, key } of items) {
        const held = yield* store.read(key)
        yield* expect(isSame(held, bytes), `${key} holds ${lengthOf(held)}, not the ${bytes.length} written`)
      }
    })

  const ruleOfFailure = rule(
    "a write that fails says so as a SinkError, and what it leaves is told truly and written again",
    (store) =>
      Effect.gen(function* () {
        const { failing, sink } = store
        if (failing === undefined) return
        const batch = some(0, 4)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* failing
            const result = yield* Effect.either(sink.write(batch))
            yield* expect(Either.isLeft(result), "a write that failed succeeds")
            const error = Either.isLeft(result) ? result.left : undefined
            yield* expect(error instanceof SinkError, `it failed with something else: ${String(error)}`)
          })
        )
        const absent = new Set(yield* sink.missing(keysOf(batch)))
        yield* holds(
          store,
          sink,
          batch.filter(({ key }) => !absent.has(key))
        )
        yield* sink.write(batch)
        yield* holds(store, sink, batch)
      })
  )

  return [
    rule("of an empty store, all keys are missing", ({ sink }) =>
      Effect.gen(function* () {
        const keys = keysOf(some(0, 5))
        const absent = yield* sink.missing(keys)
        yield* expect(
          [...absent].sort().join() === [...keys].sort().join(),
          `missing names ${absent.length} of ${keys.length}`
        )
      })
    ),
    rule("what is written is there, and nothing else is", (store) =>
      Effect.gen(function* () {
        const [first, second, third, fourth] = some(0, 4) as [Item, Item, Item, Item]
        yield* store.sink.write([first, third])
        yield* holds(store, store.sink, [first, third])
        const absent = yield* store.sink.missing([fourth.key, third.key, second.key, first.key])
        yield* expect(
          absent.length === 2 && absent.includes(second.key) && absent.includes(fourth.key),
          `missing names ${absent.join(", ")} where the second and fourth of four were not written`
        )
      })
    ),
    rule("what is written is durable when the write succeeds", (store) =>
      Effect.gen(function* () {
        const batch = some(0, 3)
        yield* store.sink.write(batch)
        yield* holds(store, yield* store.reopen, batch)
      })
    ),
    rule("bytes are kept as they are, whatever they are and also where there are none", (store) =>
      Effect.gen(function* () {
        const all = Uint8Array.from({ length: 256 }, (_, i) => i)
        const batch = [item(0, all), item(1, new Uint8Array(0)), item(2, bytesOf(300_000))]
        yield* store.sink.write(batch)
        yield* holds(store, store.sink, batch)
      })
    ),
    rule("a batch may be large, and so may a question", (store) =>
      Effect.gen(function* () {
        const batch = Array.from({ length: many }, (_, n) => item(n, Uint8Array.of(n & 255, n >> 8)))
        yield* store.sink.write(batch)
        yield* holds(store, store.sink, batch)
      })
    ),
    rule("a batch that is written again changes nothing", (store) =>
      Effect.gen(function* () {
        const batch = some(0, 3)
        yield* store.sink.write(batch)
        yield* store.sink.write(batch)
        yield* holds(store, store.sink, batch)
      })
    ),
    rule("after a crash, another batch has some of the same items: the later bytes count", (store) =>
      Effect.gen(function* () {
        const before = some(0, 3)
        yield* store.sink.write(before)
        const sink = yield* store.reopen
        const after = some(2, 5, 2)
        yield* sink.write(after)
        yield* holds(store, sink, [...before.slice(0, 2), ...after])
      })
    ),
    ruleOfFailure,
    rule("a write that is interrupted ends, and the next one goes on", (store) =>
      Effect.gen(function* () {
        const { sink } = store
        const batch = some(0, 50)
        const writing = yield* Effect.fork(sink.write(batch))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(writing)
        const absent = new Set(yield* sink.missing(keysOf(batch)))
        yield* holds(
          store,
          sink,
          batch.filter(({ key }) => !absent.has(key))
        )
        yield* sink.write(batch)
        yield* holds(store, sink, batch)
      })
    ),
    rule("it answers what is missing while it writes", (store) =>
      Effect.gen(function* () {
        const { sink } = store
        const before = some(0, 3)
        yield* sink.write(before)
        const writing = yield* Effect.fork(sink.write(some(3, 100)))
        for (let i = 0; i < 5; i++) {
          yield* Effect.yieldNow()
          const absent = yield* sink.missing(keysOf(before))
          yield* expect(absent.length === 0, `it names ${absent.length} of 3 that were written before`)
        }
        yield* Fiber.join(writing)
      })
    )
  ]
}

const lengthOf = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? "nothing" : `${bytes.length} bytes`
