/**
 * Starting and stopping an engine, several engines at once, and what is left of them: nothing.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { Downloads } from "sluice"
import { inTime, layer, World } from "sluice/testing"
import { bytes, world } from "../layers/fakes.js"
import { Fibers } from "../sim/Fibers.js"

const url = (name: string) => `http://h/${name}`
const routes = { [url("a")]: { body: "aaaa" }, [url("slow")]: { body: "0123456789", duration: 10_000 } }

describe("start and stop", () => {
  it.effect("stop keeps what has arrived, enqueue works meanwhile, and start goes on from there", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { paths, requests } = yield* World
      const { id } = yield* downloads.enqueue({ url: url("slow") })
      const waiting = yield* Effect.fork(downloads.await(id))
      yield* TestClock.adjust("5500 millis")
      expect(yield* downloads.isRunning).toBe(true)
      yield* downloads.stop
      expect(yield* downloads.isRunning).toBe(false)
      expect(yield* downloads.activeIds).toEqual([])
      expect((yield* downloads.list())[0]).toMatchObject({ status: "pending", checkpoint: 5 })
      expect(yield* paths).toEqual(["/downloads/slow.sluice-part"])
      const later = yield* downloads.enqueue({ url: url("a") })
      yield* TestClock.adjust("1 hours")
      expect(yield* downloads.status(later.id)).toBe("pending")
      expect(yield* requests).toHaveLength(1)
      yield* downloads.start
      yield* downloads.start
      const completed = yield* inTime(Fiber.join(waiting))
      expect(completed.size).toBe(10)
      expect((yield* requests).map(({ headers }) => headers.get("range"))).toContain("bytes=5-")
      expect(yield* inTime(downloads.await(later.id))).toMatchObject({ size: 4 })
      yield* downloads.stop
      yield* downloads.stop
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("what was claimed and has not begun is put back", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const all = Array.from({ length: 20 }, (_, i) => ({ url: url(`none${i}`) }))
      const enqueued = yield* downloads.enqueueAll(all)
      // in the middle of whatever the feeder and the dispatcher are doing
      for (let i = 0; i < 30; i++) {
        yield* downloads.start
        for (let k = 0; k < i; k++) yield* Effect.yieldNow()
        yield* downloads.stop
        const left = yield* downloads.list({ status: ["processing"] })
        expect(left).toEqual([])
      }
      yield* downloads.start
      const exits = yield* inTime(downloads.awaitAll(enqueued.map(({ id }) => id)))
      expect(exits.every(Exit.isFailure)).toBe(true)
    }).pipe(Effect.provide(layer({ autoStart: false, concurrency: 8 })))
  )

  it.effect("what does not stop in time is named, and a start does not touch it", () => {
    const { engine, hang } = world(
      (n) => ({
        status: 200,
        headers: { "content-length": "10", etag: '"v"' },
        body: n === 0 ? [bytes(3), "forever"] : [bytes(10)]
      }),
      { shutdownTimeout: 3000 }
    )
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: url("x"), directory: "/d" })
      yield* TestClock.adjust("100 millis")
      hang()
      const stopping = yield* Effect.fork(Effect.flip(downloads.stop))
      yield* TestClock.adjust("3 seconds")
      const error = yield* Fiber.join(stopping)
      expect(error).toMatchObject({ _tag: "StopTimeout", downloads: [id], timeout: 3000 })
      expect(error.message).toContain(id)
      yield* downloads.start
      yield* TestClock.adjust("1 minutes")
      expect(yield* downloads.status(id)).toBe("processing")
      expect(yield* downloads.activeIds).toEqual([id])
    }).pipe(Effect.provide(engine))
  })

  it.effect("a program that starts inside something else's fiber is not tied to it", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* Effect.scoped(Effect.fork(downloads.start).pipe(Effect.flatMap(Fiber.join)))
      expect(yield* inTime(downloads.download({ url: url("a") }))).toMatchObject({ size: 4 })
    }).pipe(Effect.provide(layer({ routes, autoStart: false })))
  )
})

describe("nothing is left", () => {
  it.effect("of an engine that was closed, started and stopped: no fiber", () => {
    const fibers = new Fibers()
    return Effect.gen(function* () {
      const before = fibers.count
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(layer({ routes }), scope)
      yield* Effect.gen(function* () {
        const downloads = yield* Downloads
        const group = yield* downloads.group()
        yield* group.enqueue({ url: url("slow") })
        yield* TestClock.adjust("1 seconds")
        for (let i = 0; i < 3; i++) {
          yield* downloads.stop
          yield* downloads.start
        }
        yield* Effect.fork(downloads.drained).pipe(Effect.flatMap(Fiber.interrupt))
        yield* Effect.fork(group.await).pipe(Effect.flatMap(Fiber.interrupt))
      }).pipe(Effect.provide(context))
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 minutes")
      expect(fibers.count).toBe(before)
    }).pipe(Effect.supervised(fibers))
  })

  it.effect("two engines in one process know nothing of each other", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([Layer.build(layer({ routes })), Layer.build(layer({ routes }))])
      yield* Effect.flatMap(Downloads, (downloads) => inTime(downloads.download({ url: url("a") }))).pipe(
        Effect.provide(one)
      )
      const listed = yield* Effect.flatMap(Downloads, (downloads) => downloads.list()).pipe(
        Effect.provide(two)
      )
      expect(listed).toEqual([])
    }).pipe(Effect.scoped)
  )
})
