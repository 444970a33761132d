/**
 * Destinations: batches, bounds, what is there already, what goes wrong, and what a crash leaves at each step of Delivery's table.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Destinations from "../../src/layers/Destinations.js"
import { inTime, layer, type Options, type Route, World } from "../../src/programs/testing.js"
import { Downloads } from "../../src/services/Downloads.js"
import { Destination } from "../../src/services/Destination.js"
import { machine } from "./Machine.js"

const url = (n: number | string) => `https://tiles.test/${n}`
const routes = (count: number): Record<string, Route> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [url(n), { body: `tile ${n}` }]))
const requests = (count: number) => Array.from({ length: count }, (_, n) => ({ url: url(n) }))
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** A sink that keeps what it gets, and fails or waits as it is told. */
const store = () => {
  const held = new Map<string, string>()
  const batches: Array<ReadonlyArray<string>> = []
  const questions: Array<number> = []
  const control = {
    before: (_: ReadonlyArray<Destinations.Item>): Effect.Effect<void, Destinations.SinkError> => Effect.void
  }
  const sink: Destinations.Sink = {
    write: (batch) =>
      Effect.zipRight(
        Effect.suspend(() => control.before(batch)),
        Effect.sync(() => {
          batches.push(batch.map(({ key }) => key))
          for (const { bytes, key } of batch) held.set(key, text(bytes))
        })
      ),
    missing: (keys) =>
      Effect.sync(() => {
        questions.push(keys.length)
        return keys.filter((key) => !held.has(key))
      })
  }
  return { held, batches, questions, control, sink }
}

const engine = (sink: Destinations.Sink, world: Options, options: Partial<Destinations.Options> = {}) =>
  layer(world).pipe(Layer.provide(Destinations.batched({ name: "tiles", sink, ...options })))

const seed = (count: number) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const enqueued = yield* downloads.enqueueAll(requests(count))
    return yield* inTime(downloads.awaitAll(enqueued.map(({ id }) => id)))
  })

describe("a batched sink", () => {
  it.effect("writes so many at a time, and the rest after a while; no file is made", () => {
    const { batches, held, sink } = store()
    return Effect.gen(function* () {
      const exits = yield* seed(25)
      expect(exits.every(Exit.isSuccess)).toBe(true)
      expect(batches.map((batch) => batch.length)).toEqual([10, 10, 5])
      expect([...held].sort()).toEqual(
        requests(25)
          .map(({ url }, n) => [url, `tile ${n}`] as [string, string])
          .sort()
      )
      const world = yield* World
      expect(yield* world.paths).toEqual([])
      const downloads = yield* Downloads
      const [row] = yield* downloads.list({ limit: 1 })
      expect(row).toMatchObject({ status: "completed", outcome: "fetched", publishing: null, part: null })
      // there is no file to look at
      expect(yield* Stream.runCount(downloads.verify())).toBe(0)
    }).pipe(
      Effect.provide(engine(sink, { routes: routes(25), concurrency: 2 }, { size: 10, linger: "1 hour" }))
    )
  })

  it.effect("completes nothing before its batch is durable", () => {
    const { control, sink } = store()
    return Effect.gen(function* () {
      const durable = yield* Deferred.make<void>()
      control.before = () => Deferred.await(durable)
      const downloads = yield* Downloads
      yield* downloads.enqueueAll(requests(3))
      yield* TestClock.adjust("10 seconds")
      expect((yield* downloads.list()).map(({ status }) => status)).toEqual(Array(3).fill("processing"))
      yield* Deferred.succeed(durable, undefined)
      yield* inTime(downloads.drained)
      expect((yield* downloads.list()).map(({ status }) => status)).toEqual(Array(3).fill("completed"))
    }).pipe(Effect.provide(engine(sink, { routes: routes(3) })))
  })

  it.effect("does not ask the network for what is there; keys are asked for together", () => {
    const { held, questions, sink } = store()
    for (let n = 0; n < 30; n += 2) held.set(url(n), "from before")
    return Effect.gen(function* () {
      const exits = yield* seed(30)
      const outcomes = exits.map((exit) => (Exit.isSuccess(exit) ? exit.value.outcome : "failed"))
      expect(outcomes).toEqual(Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? "skipped" : "fetched")))
      const world = yield* World
      expect((yield* world.requests).length).toBe(15)
      expect(questions.length).toBeLessThan(30)
      expect(held.get(url(0))).toBe("from before")
    }).pipe(Effect.provide(engine(sink, { routes: routes(30), concurrency: 8 })))
  })

  it.effect("fetches what is there all the same where that is asked for, and replaces it", () => {
    const { held, sink } = store()
    held.set(url(0), "old")
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* inTime(downloads.download({ url: url(0), options: { refetch: "always" } }))
      expect(held.get(url(0))).toBe("tile 0")
    }).pipe(Effect.provide(engine(sink, { routes: routes(1) })))
  })

  it.effect("`missing` leaves out what is there, before anything is recorded", () => {
    const { held, sink } = store()
    held.set(url(1), "there")
    return Effect.gen(function* () {
      let cached = 0
      const left = yield* Stream.fromIterable(requests(3)).pipe(
        Destinations.missing(sink, () => Effect.sync(() => cached++)),
        Stream.runCollect
      )
      expect(Array.from(left, ({ url }) => url)).toEqual([url(0), url(2)])
      expect(cached).toBe(1)
    })
  })

  it.effect(
    "a larger one comes by its part, which is gone afterwards; one that is too large fails before it comes",
    () => {
      const { held, sink } = store()
      const large = { body: "x".repeat(200_000) }
      const world = { routes: { [url(0)]: large, [url(1)]: { body: "x".repeat(400_000) } } }
      return Effect.gen(function* () {
        const [one, other] = yield* seed(2)
        expect(Exit.isSuccess(one!)).toBe(true)
        expect(held.get(url(0))).toBe(large.body)
        expect(String(other)).toContain("TooLarge")
        expect(yield* (yield* World).paths).toEqual([])
      }).pipe(Effect.provide(engine(sink, world, { maxItem: 300_000 })))
    }
  )

  it.effect("a checksum is verified before anything is handed over", () => {
    const { batches, sink } = store()
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const checksum = { algorithm: "sha-256", hex: "0".repeat(64) } as const
      const wrong = yield* inTime(
        Effect.flip(downloads.download({ url: url(0), options: { checksum, maxRetries: 1 } }))
      )
      expect(wrong).toMatchObject({ reason: "ChecksumMismatch" })
      expect(batches).toEqual([])
    }).pipe(Effect.provide(engine(sink, { routes: routes(1) })))
  })

  it.effect("two downloads of one key are in two batches, in their order", () => {
    const { batches, sink } = store()
    const world = { routes: { [url("a")]: { body: "a", delay: 10 }, [url("b")]: { body: "b", delay: 20 } } }
    return Effect.gen(function* () {
      const destination = yield* Destination
      if (destination._tag !== "Sink") return yield* Effect.dieMessage("a sink was provided")
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: url("a") })
      const download = Option.getOrThrow(yield* downloads.get(id))
      const deliver = (content: string) =>
        destination.deliver(
          { key: "k", download, size: 1, read: Effect.succeed(new TextEncoder().encode(content)) },
          Effect.succeed("withdraw" as const)
        )
      yield* inTime(Effect.all([deliver("1"), deliver("2")], { concurrency: 2 }))
      const own = batches.map((keys) => keys.filter((key) => key === "k"))
      expect(own.filter((keys) => keys.length > 0)).toEqual([["k"], ["k"]])
    }).pipe(
      Effect.provide(layer(world).pipe(Layer.provideMerge(Destinations.batched({ name: "tiles", sink }))))
    )
  })
})

describe("a sink in trouble", () => {
  it.effect("is tried again with the bytes at hand: nothing is fetched twice", () => {
    const { batches, control, sink } = store()
    let failures = 3
    control.before = () => (failures-- > 0 ? Destinations.sinkError("the disk is busy") : Effect.void)
    return Effect.gen(function* () {
      expect((yield* seed(5)).every(Exit.isSuccess)).toBe(true)
      expect((yield* (yield* World).requests).length).toBe(5)
      expect(batches.map((batch) => batch.length)).toEqual([5])
    }).pipe(Effect.provide(engine(sink, { routes: routes(5), concurrency: 5 })))
  })

  it.effect("one that it refuses fails alone", () => {
    const { control, held, sink } = store()
    control.before = (batch) =>
      batch.some(({ key }) => key === url(2)) ? Destinations.sinkError("no tile", true) : Effect.void
    return Effect.gen(function* () {
      const exits = yield* seed(5)
      expect(exits.map(Exit.isSuccess)).toEqual([true, true, false, true, true])
      expect(String(exits[2])).toContain("SinkRefused")
      expect(held.size).toBe(4)
    }).pipe(Effect.provide(engine(sink, { routes: routes(5), concurrency: 5 })))
  })

  it.effect("that goes on failing, its downloads fail as their retry policy says, typed", () => {
    const { control, sink } = store()
    control.before = () => Destinations.sinkError("the disk is gone")
    return Effect.gen(function* () {
      const exits = yield* seed(2)
      for (const exit of exits) expect(String(exit)).toContain("tiles: the disk is gone")
      const [row] = yield* (yield* Downloads).list()
      expect(row).toMatchObject({ status: "failed", failure: { reason: "SinkFailed" } })
    }).pipe(
      Effect.provide(engine(sink, { routes: routes(2), concurrency: 2 }, { retry: Schedule.recurs(1) }))
    )
  })

  it.effect("that does not answer, or dies, is a typed failure within its bound", () => {
    const { control, sink } = store()
    let called = 0
    control.before = () => (called++ === 0 ? Effect.never : Effect.dieMessage("a bug"))
    return Effect.gen(function* () {
      const [exit] = yield* seed(1)
      expect(called).toBe(2)
      expect(String(exit)).toContain("SinkRefused")
    }).pipe(Effect.provide(engine(sink, { routes: routes(1) }, { timeout: "5 seconds" })))
  })

  it.effect("holds the downloads back when its bytes fill the bound", () => {
    const { control, sink } = store()
    return Effect.gen(function* () {
      const durable = yield* Deferred.make<void>()
      let most = 0
      control.before = (batch) => {
        most = Math.max(
          most,
          batch.reduce((sum, { bytes }) => sum + bytes.length, 0)
        )
        return Deferred.await(durable)
      }
      const downloads = yield* Downloads
      yield* downloads.enqueueAll(requests(20))
      yield* TestClock.adjust("5 seconds")
      yield* Deferred.succeed(durable, undefined)
      yield* inTime(downloads.drained)
      // seven bytes and fewer each
      expect(most).toBeLessThanOrEqual(20)
      expect((yield* downloads.list({ status: ["completed"] })).length).toBe(20)
    }).pipe(
      Effect.provide(engine(sink, { routes: routes(20), concurrency: 8 }, { maxBytes: 20, maxItem: 10 }))
    )
  })
})

describe("control", () => {
  it.effect("a cancelled member leaves its batch; one whose batch is being written is completed", () => {
    const { batches, control, sink } = store()
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const enqueued = yield* downloads.enqueueAll(requests(3))
      // they wait for their batch
      yield* TestClock.adjust("1 seconds")
      yield* downloads.cancel(enqueued[1]!.id)
      const durable = yield* Deferred.make<void>()
      control.before = () => Deferred.await(durable)
      yield* TestClock.adjust("1 minute")
      const cancel = yield* Effect.fork(Effect.either(downloads.cancel(enqueued[2]!.id)))
      yield* TestClock.adjust("1 seconds")
      yield* Deferred.succeed(durable, undefined)
      yield* inTime(downloads.drained)
      yield* Fiber.join(cancel)
      expect(batches).toEqual([[url(0), url(2)]])
      expect((yield* downloads.list()).map(({ status }) => status)).toEqual([
        "completed",
        "cancelled",
        "completed"
      ])
    }).pipe(Effect.provide(engine(sink, { routes: routes(3) }, { linger: "1 minute" })))
  })

  it.effect("a stop in order writes what is there, and a start goes on", () => {
    const { batches, sink } = store()
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloads.enqueueAll(requests(3))
      yield* TestClock.adjust("1 seconds")
      expect(batches).toEqual([])
      yield* downloads.stop
      expect(batches.map((batch) => batch.length)).toEqual([3])
      expect((yield* downloads.list()).map(({ status }) => status)).toEqual(Array(3).fill("completed"))
    }).pipe(Effect.provide(engine(sink, { routes: routes(3) }, { linger: "1 hour" })))
  })

  it.effect("an engine without the sink leaves its downloads alone; a request may ask for a file", () => {
    const { batches, sink } = store()
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: url(0), options: { destination: "elsewhere" } })
      const { path } = yield* inTime(
        downloads.download({ url: url(1), options: { destination: null } }),
        "5 seconds"
      )
      const world = yield* World
      expect(yield* world.text(path)).toBe("tile 1")
      expect(Option.getOrThrow(yield* downloads.get(id))).toMatchObject({
        status: "waiting",
        failure: { reason: "SinkMissing" }
      })
      expect(batches).toEqual([])
      expect(yield* world.paths).toEqual([path])
    }).pipe(Effect.provide(engine(sink, { routes: routes(2) })))
  })
})

describe("what a crash leaves", () => {
  const dying = (when: "before" | "after") => {
    const { batches, control, held, sink } = store()
    return Effect.gen(function* () {
      const { engine: start, served } = machine()
      const started = yield* Deferred.make<void>()
      const over = yield* Deferred.make<void>()
      // the first engine is killed in the middle of its write: what it does from then on counts for nothing
      const first: Destinations.Sink = {
        ...sink,
        write: (batch) =>
          (when === "after" ? sink.write(batch) : Effect.void).pipe(
            Effect.zipRight(Deferred.succeed(started, undefined)),
            Effect.zipRight(Deferred.await(over))
          )
      }
      const one = yield* start("one").pipe(
        Effect.provide(
          yield* Layer.build(Destinations.batched({ name: "tiles", sink: first, timeout: "1 hour" }))
        )
      )
      const { id } = yield* one.downloads.enqueue({ url: "http://h/a", directory: "/d" })
      yield* TestClock.adjust("20 seconds")
      yield* Deferred.await(started)
      yield* one.die
      const two = yield* start("two", { adopt: true }).pipe(
        Effect.provide(yield* Layer.build(Destinations.batched({ name: "tiles", sink })))
      )
      const fiber = yield* Effect.fork(two.downloads.await(id))
      yield* TestClock.adjust("30 seconds")
      const completed = yield* Fiber.join(fiber)
      yield* Deferred.succeed(over, undefined)
      return { completed, held, batches, served, control }
    }).pipe(Effect.scoped)
  }

  it.effect("the batch was not written: it is fetched and written again", () =>
    Effect.gen(function* () {
      const { batches, completed, served } = yield* dying("before")
      expect(completed.outcome).toBe("fetched")
      expect(batches).toEqual([["http://h/a"]])
      expect(served.length).toBeGreaterThanOrEqual(1)
    })
  )

  it.effect("the batch was durable and its rows were not: completed without a byte", () =>
    Effect.gen(function* () {
      const { batches, completed, served } = yield* dying("after")
      expect(completed.outcome).toBe("skipped")
      expect(batches).toEqual([["http://h/a"]])
      expect(served.length).toBe(1)
    })
  )
})

describe("memory", () => {
  it.effect("holds results as bytes by key, until they are taken, in bounded room", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const results = yield* Destinations.Results
      yield* downloads.enqueueAll(requests(4).map((request, n) => ({ ...request, key: `t${n}` })))
      yield* TestClock.adjust("10 seconds")
      // three of six bytes fill the room
      expect((yield* results.keys).length).toBe(3)
      const [first] = yield* results.keys
      expect(text(Option.getOrThrow(yield* results.take(first!)).bytes)).toMatch(/^tile \d$/)
      yield* inTime(downloads.drained)
      expect((yield* results.keys).length).toBe(3)
      expect(yield* results.get(first!)).toEqual(Option.none())
    }).pipe(
      Effect.provide(
        layer({ routes: routes(4) }).pipe(
          Layer.provideMerge(Destinations.memory({ maxBytes: 18, maxItem: 10 }))
        )
      )
    )
  )
})
