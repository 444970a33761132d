/**
 * Who is next: priority, hosts in turn, age; hosts that cool down; what is due. For any store.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "effect/FastCheck"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { Download } from "../../src/domain/Download.js"
import * as Message from "../../src/domain/Message.js"
import { Store } from "../../src/services/Store.js"
import { accepted, claim, me, one, type StoreLayer } from "./storeFixtures.js"

const names = (rows: ReadonlyArray<Download>): ReadonlyArray<string> =>
  rows.map(({ url }) => url.replace("http://", ""))

const enqueue = (...urls: ReadonlyArray<string>) =>
  Effect.flatMap(Store, (store) =>
    store.enqueue(
      urls.map((url) => accepted(`http://${url}`)),
      { own: true }
    )
  )

const failure = (reason: "HostCooling" | "ConnectionRefused" | "NotFound", retryAfter?: number) => ({
  reason,
  detail: "no",
  ...(retryAfter === undefined ? {} : { retryAfter })
})

export const admissionSuite = (name: string, layer: StoreLayer): void => {
  const run = <A, E>(effect: Effect.Effect<A, E, Store>) => Effect.provide(effect, layer(me))

  describe(`admission on ${name}`, () => {
    it.effect("serves hosts in turn, and within a host the oldest", () =>
      run(
        Effect.gen(function* () {
          yield* enqueue("a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "c/1")
          expect(names(yield* claim(5))).toEqual(["a/1", "b/1", "c/1", "a/2", "b/2"])
          expect(names(yield* claim(5))).toEqual(["a/3", "a/4"])
        })
      )
    )

    it.effect("one at a time too: a host with thousands waiting delays another's one row by a turn", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const slow = Array.from({ length: 3000 }, (_, i) => accepted(`http://slow/${i}`))
          yield* store.enqueue(slow, { own: true })
          expect(names(yield* claim(1))).toEqual(["slow/0"])
          yield* enqueue("quick/1", "other/1")
          expect([yield* claim(1), yield* claim(1), yield* claim(1)].map(names)).toEqual([
            ["slow/1"],
            ["quick/1"],
            ["other/1"]
          ])
          expect(names(yield* claim(2))).toEqual(["slow/2", "slow/3"])
        })
      )
    )

    it.effect("prefers priority to turns also where more are claimed than it looks at of each host", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const of = (priority: number) =>
            ["a", "b"].flatMap((host) =>
              Array.from({ length: 40 }, (_, i) => accepted(`http://${host}/${priority}/${i}`, { priority }))
            )
          yield* store.enqueue([...of(0), ...of(5)], { own: true })
          const claimed: Array<Download> = []
          while (claimed.length < 80) {
            const { more, rows } = yield* store.claim({ limit: 80, adopt: false, onClaimed: () => {} })
            claimed.push(...rows)
            expect(more || claimed.length >= 80).toBe(true)
          }
          expect(new Set(claimed.slice(0, 80).map(({ priority }) => priority))).toEqual(new Set([5]))
        })
      )
    )

    it.effect("prefers priority to turns, and takes up changes of it", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          yield* enqueue("a/1", "b/1")
          const late = yield* one("http://a/2", { priority: 5 })
          expect(names(yield* claim(1))).toEqual(["a/2"])
          yield* store.tell(late.download.id, Message.Released())
          const low = yield* one("http://c/1", { priority: -1 })
          expect(yield* store.move([late.download.id], -2)).toBe(1)
          expect(yield* store.move([low.download.id], 9)).toBe(1)
          expect(names(yield* claim(9))).toEqual(["c/1", "a/1", "b/1", "a/2"])
        })
      )
    )

    it.effect("passes over a host that cools down, and tells when it has", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          yield* enqueue("a/1", "a/2", "b/1")
          const [first] = yield* claim(1)
          yield* store.tell(
            first!.id,
            Message.Failed({
              failure: failure("HostCooling", 30_000),
              verdict: { _tag: "WaitUntil", at: 30_000 }
            })
          )
          expect(names(yield* claim(9))).toEqual(["b/1"])
          expect(yield* store.nextDue({ adopt: false })).toEqual(Option.some(30_000))
          expect((yield* store.stats).cooling).toEqual([{ origin: "http://a", until: 30_000, why: "no" }])
          yield* TestClock.adjust("29 seconds")
          expect(yield* claim(9)).toEqual([])
          yield* TestClock.adjust("1 seconds")
          expect(names(yield* claim(9))).toEqual(["a/1", "a/2"])
          expect((yield* store.stats).cooling).toEqual([])
        })
      )
    )

    it.effect(
      "a refused connection cools the host for the backoff; what is wrong with one file does not",
      () =>
        run(
          Effect.gen(function* () {
            const store = yield* Store
            yield* enqueue("a/1", "a/2", "b/1", "b/2")
            const [a, b] = yield* claim(2)
            yield* store.tell(
              a!.id,
              Message.Failed({
                failure: failure("ConnectionRefused"),
                verdict: { _tag: "RetryAt", at: 2000 }
              })
            )
            yield* store.tell(
              b!.id,
              Message.Failed({ failure: failure("NotFound"), verdict: { _tag: "Final" } })
            )
            expect(names(yield* claim(9))).toEqual(["b/2"])
            yield* TestClock.adjust("2 seconds")
            expect(names(yield* claim(9))).toEqual(["a/1", "a/2"])
          })
        )
    )

    it.effect(
      "looks behind thousands of hosts that cool down, a bounded number at a time",
      () =>
        run(
          Effect.gen(function* () {
            const store = yield* Store
            const hosts = 9000
            yield* store.enqueue(
              Array.from({ length: hosts }, (_, i) => accepted(`http://h${i}/1`)),
              { own: true }
            )
            for (let claimed = yield* claim(500); claimed.length > 0; claimed = yield* claim(500)) {
              yield* Effect.forEach(
                claimed,
                ({ id }) =>
                  Effect.flatten(
                    store.note(
                      id,
                      Message.Failed({
                        failure: failure("HostCooling", 1e6),
                        verdict: { _tag: "WaitUntil", at: 1e6 }
                      })
                    )
                  ),
                { concurrency: "unbounded", discard: true }
              )
            }
            yield* store.enqueue(
              Array.from({ length: hosts }, (_, i) => accepted(`http://h${i}/2`)),
              { own: true }
            )
            yield* enqueue("free/1", "free/2")
            expect(names(yield* claim(1))).toEqual(["free/1"])
            // all others stand between it and its next turn
            const looks = []
            for (let more = true; more;) {
              const claims = yield* store.claim({ limit: 3, adopt: false, onClaimed: () => {} })
              more = claims.more && claims.rows.length === 0
              looks.push(names(claims.rows))
            }
            expect(looks).toEqual([[], ["free/2"]])
          })
        ),
      30_000
    )

    it.effect(
      "whatever waits, everything is served once, and no host twice before another waiting one once",
      () =>
        Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(
              fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2 })), {
                minLength: 1,
                maxLength: 40
              }),
              fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
              (rows, limits) =>
                Effect.runPromise(
                  Effect.gen(function* () {
                    const store = yield* Store
                    yield* store.enqueue(
                      rows.map(([host, priority], i) => accepted(`http://h${host}/${i}`, { priority })),
                      { own: true }
                    )
                    const left = [...rows.keys()]
                    for (let turn = 0; left.length > 0; turn++) {
                      const claimed = yield* claim(limits[turn % limits.length]!)
                      expect(claimed.length).toBeGreaterThan(0)
                      for (const { url } of claimed) {
                        const index = Number(url.split("/").at(-1))
                        const [host, priority] = rows[index]!
                        const waiting = left.map((i) => rows[i]!)
                        expect(priority).toBe(Math.max(...waiting.map(([, one]) => one)))
                        // the oldest of its host and priority
                        expect(left.find((i) => rows[i]![0] === host && rows[i]![1] === priority)).toBe(index)
                        left.splice(left.indexOf(index), 1)
                      }
                    }
                    expect(yield* claim(1)).toEqual([])
                  }).pipe(Effect.provide(layer(me)), Effect.scoped)
                )
            ),
            { numRuns: 30 }
          )
        )
    )
  })
}
