/**
 * The pool: places, back-pressure, results and errors as values, cancelling, and what an interruption leaves.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import * as Pool from "../../src/layers/Pool.js"
import { inTime, layer, type Route, World } from "../../src/programs/testing.js"
import { Downloads } from "../../src/services/Downloads.js"

const url = (name: string | number) => `https://tiles.test/${name}`
const request = (name: string | number): DownloadRequest => ({ url: url(name) })
/** Tile n comes n seconds after it was asked for. */
const timed = (count: number): Record<string, Route> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [url(n + 1), { body: `tile ${n + 1}`, delay: (n + 1) * 1000 }])
  )
const names = (results: ReadonlyArray<Pool.Result>) =>
  results.map((result) => `${result._tag} ${result.request.url.split("/").at(-1)!}`)
const reasons = (results: ReadonlyArray<Pool.Result>) =>
  results.map((result) => (result._tag === "Failed" ? result.error.reason : result._tag))

describe("pool", () => {
  it.effect("submit waits while all places are taken; its patience ends as a value", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 2 })
      expect(yield* pool.submit(request(1))).toBe(true)
      expect(yield* pool.submit(request(2))).toBe(true)
      const third = yield* Effect.fork(pool.submit(request(3), { timeout: "500 millis" }))
      yield* TestClock.adjust("500 millis")
      expect(yield* Fiber.join(third)).toBe(false)
      const fourth = yield* Effect.fork(pool.submit(request(4)))
      // the first is there, but nobody has taken it: what is in hand stays bounded
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.poll(fourth)).toEqual(Option.none())
      expect(yield* pool.size).toEqual({ unfinished: 0, results: 2 })
      expect(names(Option.toArray(yield* pool.take()))).toEqual(["Completed 1"])
      expect(yield* Fiber.join(fourth)).toBe(true)
      yield* TestClock.adjust("10 seconds")
      expect(names(Option.toArray(yield* pool.take()))).toEqual(["Completed 2"])
      expect(names(Option.toArray(yield* pool.take()))).toEqual(["Completed 4"])
      // nothing was recorded of the one that had no place
      const downloads = yield* Downloads
      expect((yield* downloads.list()).map(({ url }) => url)).toEqual([url(1), url(2), url(4)])
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(4) })))
  )

  it.effect("take waits so long and no longer, and what comes in that very instant is not lost", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 4 })
      yield* pool.submit(request(2))
      const early = yield* Effect.fork(pool.take({ timeout: "1 seconds" }))
      yield* TestClock.adjust("1 seconds")
      expect(yield* Fiber.join(early)).toEqual(Option.none())
      const now = yield* Effect.fork(pool.take({ timeout: "1 seconds" }))
      yield* TestClock.adjust("1 seconds")
      const later = yield* pool.take({ timeout: 0 }).pipe(Effect.fork)
      yield* TestClock.adjust("1 seconds")
      const both = [yield* Fiber.join(now), yield* Fiber.join(later)].flatMap(Option.toArray)
      expect(names(both)).toEqual(["Completed 2"])
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(2) })))
  )

  it.effect("an interrupted submit or take holds no place and loses no result", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 1 })
      const take = yield* Effect.fork(pool.take())
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.interrupt(take)
      yield* pool.submit(request(1))
      const submit = yield* Effect.fork(pool.submit(request(2)))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(submit)
      expect(names(Option.toArray(yield* pool.take()))).toEqual(["Completed 1"])
      expect(yield* pool.submit(request(2))).toBe(true)
      yield* pool.end
      yield* TestClock.adjust("2 seconds")
      expect(names(Option.toArray(yield* pool.take()))).toEqual(["Completed 2"])
      expect(yield* pool.take()).toEqual(Option.none())
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(2) })))
  )

  it.effect("results are a stream that ends behind the last one", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 3 })
      const reader = yield* Effect.fork(Stream.runCollect(pool.results))
      const writer = yield* Effect.fork(
        Effect.zipRight(
          Effect.forEach([5, 4, 3, 2, 1], (n) => pool.submit(request(n)), { discard: true }),
          pool.end
        )
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(writer)
      const results = Array.from(yield* Fiber.join(reader))
      expect(names(results).sort()).toEqual([1, 2, 3, 4, 5].map((n) => `Completed ${n}`))
      expect(Exit.isFailure(yield* Effect.exit(pool.submit(request(1))))).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(5), concurrency: 8 })))
  )

  it.effect(
    "runAll: results and errors in the order of the requests, progress in that of their coming",
    () => {
      const seen: Array<string> = []
      return Effect.gen(function* () {
        const pool = yield* Pool.make({
          capacity: 3,
          skip: ({ url: asked }) => Effect.succeed(asked === url("here"))
        })
        const results = yield* inTime(
          pool.runAll([request(3), request("here"), request("missing"), { url: "ftp://x/y" }, request(1)], {
            onProgress: ({ done, failed, of, result, skipped }) =>
              Effect.sync(() => {
                seen.push(`${done}/${of} ${failed} ${skipped} ${names([result])[0]}`)
              })
          })
        )
        expect(reasons(results)).toEqual([
          "Completed",
          "Skipped",
          "NotFound",
          "UnsupportedScheme",
          "Completed"
        ])
        expect(seen.map((line) => line.split(" ")[0])).toEqual(["1/5", "2/5", "3/5", "4/5", "5/5"])
        expect(seen.at(-1)).toBe("5/5 2 1 Completed 3")
        const { requests } = yield* World
        expect((yield* requests).map((asked) => asked.url)).not.toContain(url("here"))
      }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(3), concurrency: 8 })))
    }
  )

  it.effect("a stream is read no further than there are places", () => {
    let read = 0
    const endless = Stream.iterate(1, (n) => n + 1).pipe(
      Stream.rechunk(1),
      Stream.tap(() => Effect.sync(() => read++)),
      Stream.map((n) => request(((n - 1) % 50) + 1))
    )
    return Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 4 })
      const fiber = yield* Effect.fork(pool.runAll(endless))
      yield* TestClock.adjust("900 millis")
      expect(read).toBeLessThanOrEqual(12)
      expect((yield* pool.size).unfinished).toBe(4)
      yield* Fiber.interrupt(fiber)
      expect(yield* pool.size).toEqual({ unfinished: 0, results: 0 })
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(50), concurrency: 8 })))
  })

  it.effect("maxTime of the pool is that of each download, unless its request says another", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 8, maxTime: "2500 millis" })
      const results = yield* inTime(
        pool.runAll([request(1), request(3), { ...request(4), options: { maxTime: 10_000 } }])
      )
      expect(reasons(results)).toEqual(["Completed", "TimedOut", "Completed"])
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(4), concurrency: 8 })))
  )

  it.effect("cancel ends one, cancelAll what is in hand and what has not been submitted", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 2 })
      const downloads = yield* Downloads
      const fiber = yield* Effect.fork(pool.runAll([1, 5, 6, 7].map(request)))
      yield* TestClock.adjust("1500 millis")
      const [five] = (yield* downloads.list()).filter((row) => row.url === url(5))
      yield* pool.cancel(five!.id)
      yield* TestClock.adjust("500 millis")
      yield* pool.cancelAll
      const results = yield* Fiber.join(fiber)
      expect(reasons(results)).toEqual(["Completed", "Cancelled", "Cancelled", "Cancelled"])
      expect(yield* (yield* World).paths).toEqual(["/downloads/1"])
      // the pool is as good as new
      expect(reasons(yield* inTime(pool.runAll([request(2)])))).toEqual(["Completed"])
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(7), concurrency: 8 })))
  )

  it.effect.each([
    ["leave", "completed"],
    ["cancel", "cancelled"]
  ] as const)("a scope that closes: %s", ([onInterrupt, status]) =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const scope = yield* Scope.make()
      const pool = yield* Scope.extend(Pool.make({ capacity: 2, onInterrupt }), scope)
      yield* pool.submit(request(1))
      yield* TestClock.adjust("500 millis")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 seconds")
      expect((yield* downloads.list()).map((row) => row.status)).toEqual([status])
    }).pipe(Effect.provide(layer({ routes: timed(1) })))
  )

  it.effect("two requests for one download are two results", () =>
    Effect.gen(function* () {
      const pool = yield* Pool.make({ capacity: 4 })
      expect(reasons(yield* inTime(pool.runAll([request(1), request(1)])))).toEqual([
        "Completed",
        "Completed"
      ])
      expect(yield* (yield* Downloads).list()).toHaveLength(1)
    }).pipe(Effect.scoped, Effect.provide(layer({ routes: timed(1) })))
  )

  it.effect("a capacity that is no whole number above 0 is a mistake in the program", () =>
    Effect.gen(function* () {
      for (const capacity of [0, 1.5, Number.NaN])
        expect(Exit.isFailure(yield* Effect.exit(Pool.make({ capacity })))).toBe(true)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})
