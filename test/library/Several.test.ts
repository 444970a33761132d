/**
 * Engines that share a database: what one asks of another's downloads, and what becomes of them when one dies.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { machine } from "./Machine.js"

const looking = { autoStart: false, adopt: false } as const
const url = (name: string) => `http://h/${name}`
const request = (name: string) => ({ url: url(name), directory: "/d", options: { stallTimeout: 1e9 } })

/** Lets time pass until it is done. */
const within = <A, E, R>(duration: "250 millis" | "20 seconds", effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(duration)
    const exit = yield* Fiber.poll(fiber)
    expect(exit._tag).toBe("Some")
    return yield* Fiber.join(fiber)
  })

describe("what one engine asks of another's download", () => {
  it.scoped("pause and resume and cancel are followed within 250 ms, wherever the row stands", () =>
    Effect.gen(function* () {
      const { engine, paths, served } = machine()
      const owner = yield* engine("owner", { concurrency: 1 })
      const other = yield* engine("other", looking)
      const atWork = yield* owner.downloads.enqueue(request("never"))
      const pending = yield* owner.downloads.enqueue(request("b"))
      yield* TestClock.adjust("1 seconds")
      const paused = yield* within("250 millis", other.downloads.pause(atWork.id))
      expect(paused).toMatchObject({ status: "paused", checkpoint: 10 })
      expect(yield* owner.downloads.activeIds).toEqual([pending.id])
      expect(yield* paths).toContain("/d/never.sluice-part")
      const resumed = yield* within("250 millis", other.downloads.resume(atWork.id))
      expect(resumed.status).toBe("pending")
      yield* within("20 seconds", owner.downloads.await(pending.id))
      expect(served.map((one) => one.headers.get("range"))).toContain("bytes=10-")
      const cancelled = yield* within("250 millis", other.downloads.cancel(atWork.id))
      expect(cancelled.status).toBe("cancelled")
      expect(yield* paths).toEqual(["/d/b"])
      expect(yield* owner.downloads.activeIds).toEqual([])
    })
  )

  it.scoped("many at once, and priorities", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const owner = yield* engine("owner", { concurrency: 2 })
      const other = yield* engine("other", looking)
      const all = yield* owner.downloads.enqueueAll(
        Array.from({ length: 300 }, (_, i) => ({
          ...request(`${i}-never`),
          tags: [i % 2 === 0 ? "even" : "odd"]
        }))
      )
      yield* TestClock.adjust("1 seconds")
      expect(yield* other.downloads.move({ tag: "odd" }, 3)).toEqual({ changed: 150, asked: 0 })
      expect(yield* other.downloads.pauseAll({ tag: "even" })).toEqual({ changed: 0, asked: 150 })
      yield* TestClock.adjust("250 millis")
      const even = yield* owner.downloads.list({ tag: "even" })
      expect(new Set(even.map(({ status }) => status))).toEqual(new Set(["paused"]))
      const active = yield* owner.downloads.activeIds
      expect((yield* owner.downloads.list({ ids: active })).map(({ tags }) => tags)).toEqual([
        ["odd"],
        ["odd"]
      ])
      expect(yield* other.downloads.cancelAll({})).toEqual({ changed: 0, asked: 300 })
      yield* TestClock.adjust("250 millis")
      expect((yield* other.downloads.stats).downloads).toMatchObject({ cancelled: all.length })
      expect(yield* owner.downloads.activeIds).toEqual([])
    })
  )

  it.scoped("an engine that does not answer is named after the bound; what was asked stays on record", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const owner = yield* engine("owner", { pollInterval: 30_000 })
      const other = yield* engine("other", { ...looking, shutdownTimeout: 5000 })
      const { id } = yield* owner.downloads.enqueue(request("never"))
      yield* TestClock.adjust("1 seconds")
      const error = yield* within("20 seconds", Effect.flip(other.downloads.pause(id)))
      expect(error).toMatchObject({ _tag: "StoreError", reason: "Unanswered", detail: id })
      yield* TestClock.adjust("15 seconds")
      expect(yield* other.downloads.status(id)).toBe("paused")
    })
  )

  it.scoped("what a later command replaces before the owner has heard of it is not waited for", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const owner = yield* engine("owner", { pollInterval: 30_000 })
      const one = yield* engine("one", looking)
      const another = yield* engine("another", looking)
      const { id } = yield* owner.downloads.enqueue(request("never"))
      yield* TestClock.adjust("1 seconds")
      for (const [first, then] of [
        ["pause", "resume"],
        ["cancel", "pause"]
      ] as const) {
        const asking = yield* Effect.fork(Effect.flip(one.downloads[first](id)))
        yield* TestClock.adjust("100 millis")
        expect(yield* another.downloads[`${then}All`]({})).toEqual({ changed: 0, asked: 1 })
        const error = yield* within("250 millis", Fiber.join(asking))
        expect(error).toMatchObject({ reason: "Refused", detail: expect.stringContaining("since") })
      }
      yield* TestClock.adjust("30 seconds")
      expect(yield* one.downloads.status(id)).toBe("paused")
    })
  )

  it.scoped("if the owner dies instead of answering, it is done all the same", () =>
    Effect.gen(function* () {
      const { engine, paths } = machine()
      const owner = yield* engine("owner", { pollInterval: 3_600_000 })
      const other = yield* engine("other", looking)
      const { id } = yield* owner.downloads.enqueue(request("never"))
      yield* TestClock.adjust("1 seconds")
      const asking = yield* Effect.fork(other.downloads.cancel(id))
      yield* TestClock.adjust("1 seconds")
      yield* owner.die
      const row = yield* within("250 millis", Fiber.join(asking))
      expect(row.status).toBe("cancelled")
      expect(yield* paths).toEqual([])
    })
  )

  it.scoped("cancel returns when the part has gone, also where the owner leaves just then", () =>
    Effect.gen(function* () {
      const { engine, paths } = machine()
      // it hears of wishes only when it leaves
      const owner = yield* engine("owner", { pollInterval: 3_600_000 })
      const other = yield* engine("other", looking)
      const first = yield* owner.downloads.enqueue(request("never"))
      const second = yield* owner.downloads.enqueue(request("never-either"))
      yield* TestClock.adjust("1 seconds")
      const asking = yield* Effect.fork(other.downloads.cancel(first.id))
      expect(yield* other.downloads.cancelAll({ ids: [second.id] })).toEqual({ changed: 0, asked: 1 })
      yield* owner.close
      expect(yield* paths).toEqual([])
      const row = yield* within("250 millis", Fiber.join(asking))
      expect(row).toMatchObject({ status: "cancelled", part: null })
    })
  )

  it.scoped("what the status does not allow is refused, by whoever is asked", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const owner = yield* engine("owner")
      const other = yield* engine("other", looking)
      const { id } = yield* owner.downloads.enqueue(request("b"))
      yield* within("20 seconds", owner.downloads.await(id))
      for (const ask of [other.downloads.pause, other.downloads.cancel, other.downloads.resume]) {
        expect(yield* Effect.flip(ask(id))).toMatchObject({ reason: "Refused" })
      }
      expect(yield* other.downloads.pauseAll({})).toEqual({ changed: 0, asked: 0 })
    })
  )
})

describe("an engine that died", () => {
  it.scoped("leaves its downloads to a queue runner, which goes on from the checkpoint", () =>
    Effect.gen(function* () {
      const { engine, served } = machine()
      const first = yield* engine("first", { concurrency: 1 })
      const { id } = yield* first.downloads.enqueue(request("never"))
      yield* first.downloads.enqueueAll([request("b"), request("c")])
      yield* TestClock.adjust("1 seconds")
      const heir = yield* engine("heir", { adopt: true, concurrency: 5 })
      yield* TestClock.adjust("5 seconds")
      expect((yield* heir.downloads.stats).engines).toMatchObject([
        { id: "first", alive: true },
        { id: "heir", alive: true }
      ])
      yield* first.die
      yield* TestClock.adjust("20 seconds")
      expect(yield* heir.downloads.activeIds).toEqual([id])
      expect(served.at(-1)!.headers.get("range") ?? served.map((one) => one.headers.get("range"))).toContain(
        "bytes=10-"
      )
      expect((yield* heir.downloads.stats).downloads).toMatchObject({ processing: 1, completed: 2 })
      expect(yield* heir.downloads.attempts(id)).toMatchObject([
        { number: 1, engine: "first", status: "pending", toBytes: 10 },
        { number: 2, engine: "heir", status: "processing", endedAt: null, fromBytes: 10 }
      ])
    })
  )

  it.scoped("leaves them also to a queue runner that looks whether anything is left", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const heir = yield* engine("heir", { adopt: true })
      const first = yield* engine("first", { concurrency: 1 })
      yield* first.downloads.enqueueAll([request("never"), request("b")])
      // between two looks of its own
      yield* TestClock.adjust("3 seconds")
      yield* first.die
      const { drained } = heir.downloads
      yield* Effect.forkScoped(drained)
      yield* TestClock.adjust("20 seconds")
      expect((yield* heir.downloads.stats).downloads).toMatchObject({ processing: 1, completed: 1 })
    })
  )

  it.scoped("while it removed what was cancelled: the next one removes it", () =>
    Effect.gen(function* () {
      const { engine, paths } = machine()
      const first = yield* engine("first", { pollInterval: 3_600_000 })
      const { id } = yield* first.downloads.enqueue(request("never"))
      yield* TestClock.adjust("1 seconds")
      const other = yield* engine("other", looking)
      const asking = yield* Effect.fork(Effect.ignore(other.downloads.cancel(id)))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(asking)
      yield* first.die
      expect(yield* paths).toEqual(["/d/never.sluice-part"])
      const next = yield* engine("next", { adopt: true })
      yield* TestClock.adjust("1 seconds")
      expect(yield* next.downloads.status(id)).toBe("cancelled")
      expect(yield* paths).toEqual([])
    })
  )
})

describe("one more try", () => {
  it.scoped("of all that failed is made once, however often it is asked for", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const { downloads } = yield* engine("one", { autoStart: false })
      const enqueued = yield* downloads.enqueueAll(["a", "b", "c"].map(request))
      yield* downloads.cancelAll({ ids: enqueued.slice(0, 2).map(({ id }) => id) })
      expect(yield* downloads.retryAll({})).toEqual({ changed: 2, asked: 0 })
      expect(yield* downloads.retryAll({})).toEqual({ changed: 0, asked: 0 })
      const rows = yield* downloads.list()
      expect(rows.map(({ retriedAs, status }) => [status, retriedAs])).toEqual([
        ["cancelled", rows[3]!.id],
        ["cancelled", rows[4]!.id],
        ["pending", null],
        ["pending", null],
        ["pending", null]
      ])
      expect(yield* downloads.removeAll({ status: ["cancelled"] })).toEqual({ changed: 2, asked: 0 })
      expect(yield* downloads.list()).toHaveLength(3)
    })
  )
})
