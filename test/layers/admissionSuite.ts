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
import { none } from "../../src/domain/Validator.js"
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

const answered = Message.Identified({
  filename: "f",
  part: { name: "p", dev: "1", ino: "1" },
  total: 1,
  validator: none
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
          expect(yield* store.nextDue({ adopt: false, since: 0 })).toEqual(Option.some(30_000))
          expect((yield* store.stats).cooling).toEqual([{ origin: "http://a", until: 30_000, why: "no" }])
          yield* TestClock.adjust("29 seconds")
          expect(yield* claim(9)).toEqual([])
          yield* TestClock.adjust("1 seconds")
          // also if it has cooled down between the last look and now, which would be slept through for ever
          expect(yield* store.nextDue({ adopt: false, since: 29_999 })).toEqual(Option.some(30_000))
          // one asks for all
          const [probe, ...rest] = yield* claim(9)
          expect([names([probe!]), rest]).toEqual([["a/1"], []])
          expect((yield* store.stats).cooling).toEqual([])
          expect(yield* claim(9)).toEqual([])
          yield* store.tell(probe!.id, answered)
          expect(names(yield* claim(9))).toEqual(["a/2"])
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
            expect(names(yield* claim(9))).toEqual(["a/1"])
          })
        )
    )

    const refused = (at: number) =>
      Message.Failed({ failure: failure("ConnectionRefused"), verdict: { _tag: "RetryAt", at } })

    it.effect(
      "a probe that fails leaves its host alone for twice as long, and one that says nothing is followed by another",
      () =>
        run(
          Effect.gen(function* () {
            const store = yield* Store
            yield* enqueue("a/1", "a/2", "a/3")
            const coolingUntil = Effect.map(store.cooling, (hosts) => hosts.map(({ until }) => until))
            yield* store.tell((yield* claim(1))[0]!.id, refused(500))
            expect(yield* coolingUntil).toEqual([2000])
            yield* TestClock.adjust("2 seconds")
            yield* store.tell((yield* claim(9))[0]!.id, refused(2500))
            expect(yield* coolingUntil).toEqual([6000])
            yield* TestClock.adjust("4 seconds")
            const [third] = yield* claim(9)
            // stopped before it could tell
            yield* store.tell(third!.id, Message.Released())
            expect(names(yield* claim(9))).toEqual(names([third!]))
          })
        )
    )

    it.effect("a probe whose engine dies costs its window", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          yield* enqueue("a/1", "a/2")
          yield* store.tell((yield* claim(1))[0]!.id, refused(500))
          yield* TestClock.adjust("2 seconds")
          expect(yield* claim(9)).toHaveLength(1)
          yield* TestClock.adjust("89 seconds")
          expect(yield* claim(9)).toEqual([])
          yield* TestClock.adjust("1 seconds")
          expect(yield* claim(9)).toHaveLength(1)
        })
      )
    )

    it.effect("what an answer to a probe has said stands, however the probe ends", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          yield* enqueue("a/1", "a/2", "a/3")
          yield* store.tell((yield* claim(1))[0]!.id, refused(500))
          let now = 0
          for (const ending of [refused, () => Message.Released()]) {
            now += 60_000
            yield* TestClock.setTime(now)
            const [probe] = yield* claim(9)
            yield* store.cool("http://a", { until: now + 30_000, why: "it asked to wait" })
            yield* store.tell(probe!.id, ending(now + 500))
            yield* TestClock.adjust("29 seconds")
            expect(yield* claim(9)).toEqual([])
          }
        })
      )
    )

    it.effect("a download that had begun before does not end what its host has asked for since", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          yield* enqueue("a/1", "a/2", "a/3")
          const [first, second] = yield* claim(2)
          const verdict = { _tag: "WaitUntil", at: 30_000 } as const
          yield* store.tell(first!.id, Message.Failed({ failure: failure("HostCooling", 30_000), verdict }))
          yield* store.tell(second!.id, answered)
          expect(yield* claim(9)).toEqual([])
        })
      )
    )

    it.effect(
      "resets and server errors leave a host alone after five in a row; an answer in between begins anew",
      () =>
        run(
          Effect.gen(function* () {
            const store = yield* Store
            yield* enqueue(...Array.from({ length: 20 }, (_, i) => `a/${i}`))
            const fail = Effect.flatMap(claim(1), ([row]) =>
              store.tell(
                row!.id,
                Message.Failed({
                  failure: { reason: "ServerError", detail: "500" },
                  verdict: { _tag: "Final" }
                })
              )
            )
            yield* Effect.repeatN(fail, 3)
            yield* store.tell((yield* claim(1))[0]!.id, answered)
            yield* Effect.repeatN(fail, 3)
            expect(yield* store.cooling).toEqual([])
            yield* fail
            expect(yield* store.cooling).toEqual([{ origin: "http://a", until: 2000, why: "500" }])
          })
        )
    )

    it.effect("waiting for a host that is left alone ends by each download's own limit", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const within = (giveUp: number) => ({ options: { giveUp } })
          yield* store.enqueue(
            [
              accepted("http://a/first"),
              accepted("http://a/short", within(1000)),
              accepted("http://a/middle", within(60_000)),
              accepted("http://a/long")
            ],
            { own: true }
          )
          const [first] = yield* claim(1)
          expect(yield* store.expire(undefined, { adopt: false })).toEqual({
            ended: 0,
            next: undefined,
            soonest: undefined
          })
          const verdict = { _tag: "WaitUntil", at: 30_000 } as const
          yield* store.tell(first!.id, Message.Failed({ failure: failure("HostCooling", 30_000), verdict }))
          // its limit would be over before the host's time
          expect(yield* store.expire(undefined, { adopt: false })).toMatchObject({
            ended: 1,
            soonest: 60_000
          })
          yield* TestClock.adjust("30 seconds")
          const [probe] = yield* claim(1)
          yield* store.tell(
            probe!.id,
            Message.Failed({
              failure: failure("HostCooling", 40_000),
              verdict: { _tag: "WaitUntil", at: 70_000 }
            })
          )
          expect(yield* store.expire(undefined, { adopt: false })).toMatchObject({ ended: 1 })
          const ended = (yield* store.list({ status: ["failed"] })).map(({ failure, url }) => [
            url,
            failure?.reason
          ])
          expect(ended).toEqual([
            ["http://a/short", "GaveUp"],
            ["http://a/middle", "GaveUp"]
          ])
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
