/**
 * Completions for consumers (PROMISES Q6): every terminal outcome at least once, acknowledged one by one, at the consumer's
 * own pace.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { type CompletionsOptions, type Delivery, Downloads } from "sluice"
import { inTime, layer, World } from "sluice/testing"

const url = (name: string | number) => `http://h/${name}`
const names = (found: Iterable<Pick<Delivery, "url">>) => Array.from(found, (one) => one.url.slice(9))
/** Everything is there but what is called none. */
const routes = Object.fromEntries(
  Array.from({ length: 200 }, (_, i) => [url(i), { body: `body ${i}` }] as const)
)

const downloadAll = (all: Iterable<string | number>) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    for (const name of all) yield* inTime(Effect.exit(downloads.download({ url: url(name) })))
  })

/** What is there for the consumer now, and what `each` makes of it. */
const read = (
  name: string,
  each: (delivery: Delivery) => Effect.Effect<unknown, unknown> = () => Effect.void,
  options: CompletionsOptions = {}
) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads
      .completions(name, { until: Effect.void, ...options })
      .pipe(Stream.tap(each), Stream.runCollect, Effect.map(Chunk.toReadonlyArray), Effect.orDie)
  )
const acknowledge = ({ acknowledge }: Delivery) => acknowledge

describe("a consumer", () => {
  it.effect("gets every terminal outcome in the order of endings, with what the caller said of it", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloads.registerConsumer("c")
      const group = yield* downloads.group("tiles")
      yield* (yield* downloads.group()).enqueue({ url: url("none"), meta: { x: 1 } })
      yield* group.enqueue({ url: url("none") })
      yield* TestClock.adjust("1 seconds")
      yield* downloadAll([1])
      yield* downloads.stop
      const { id } = yield* downloads.enqueue({ url: url(2), directory: "/d", output: "two" })
      yield* downloads.pause(id)
      yield* downloads.cancel(id)
      const found = yield* read("c", acknowledge)
      expect(found).toMatchObject([
        { status: "failed", meta: { x: 1 }, groups: ["tiles"], redelivered: false },
        { status: "completed", path: "/downloads/1", groups: [], meta: null },
        { status: "cancelled", id, path: "/d/two" }
      ])
      expect(found.map(({ completion }) => Either.isRight(completion))).toEqual([false, true, false])
      expect(Either.getOrThrow(found[1]!.completion)).toMatchObject({ size: 6, path: "/downloads/1" })
      expect(Either.flip(found[2]!.completion)).toMatchObject({ right: { reason: "Cancelled" } })
      expect(yield* read("c")).toEqual([])
      expect(yield* downloads.consumers).toMatchObject([{ name: "c", behind: 0, reader: null }])
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("begins now or at the start, and goes on where it is, whatever is said later", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloadAll([1, 2])
      yield* downloads.registerConsumer("now")
      yield* downloads.registerConsumer("now", { from: "start" })
      yield* downloads.registerConsumer("start", { from: "start" })
      yield* downloadAll([3])
      expect(names(yield* read("now", acknowledge, { from: "start" }))).toEqual(["3"])
      expect(names(yield* read("start", acknowledge))).toEqual(["1", "2", "3"])
      expect(names(yield* read("late", acknowledge, { from: "start" }))).toEqual(["1", "2", "3"])
      expect(names(yield* read("later", acknowledge))).toEqual([])
      yield* downloadAll([4])
      for (const name of ["now", "start", "late", "later"]) expect(names(yield* read(name))).toEqual(["4"])
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("gets again what it has not acknowledged, and only that, in whatever order it does", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloads.registerConsumer("c")
      yield* downloadAll([0, 1, 2, 3, 4, 5])
      yield* read("c", (delivery) =>
        ["1", "4"].includes(names([delivery])[0]!) ? delivery.acknowledge : Effect.void
      )
      const [waiting] = yield* downloads.consumers
      expect(waiting).toMatchObject({ behind: 4 })
      yield* downloadAll([6])
      const again = yield* read("c")
      expect(names(again)).toEqual(["0", "2", "3", "5", "6"])
      expect(again.map(({ redelivered }) => redelivered)).toEqual([true, true, true, true, false])
      // backwards, at once, each twice, after the stream has ended
      yield* Effect.forEach([...again.slice(1), ...again.slice(1)].reverse(), acknowledge, {
        concurrency: "unbounded"
      })
      expect(names(yield* read("c", acknowledge))).toEqual(["0"])
      expect(yield* downloads.consumers).toMatchObject([{ behind: 0 }])
      expect((yield* downloads.consumers)[0]!.position).toBeGreaterThan(waiting!.position)
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("hears of an ending when it is committed, without being asked", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const seen: Array<string> = []
      const reading = yield* Effect.fork(
        downloads.consume("c", (delivery) => Effect.sync(() => seen.push(...names([delivery]))))
      )
      yield* TestClock.adjust("1 minutes")
      expect(seen).toEqual([])
      yield* downloadAll([1])
      expect(seen).toEqual(["1"])
      yield* downloadAll(["none", 2])
      expect(seen).toEqual(["1", "none", "2"])
      expect(yield* downloads.consumers).toMatchObject([{ name: "c", behind: 0 }])
      yield* Fiber.interrupt(reading)
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("has one reader at a time, and is not removed under it", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const reading = yield* Scope.make()
      const pull = yield* Scope.extend(Stream.toPull(downloads.completions("c")), reading)
      yield* downloads.registerConsumer("c")
      const first = yield* Effect.fork(pull)
      yield* downloadAll([1])
      expect(names(yield* Fiber.join(first))).toEqual(["1"])
      const busy = yield* Effect.flip(Stream.runDrain(downloads.completions("c")))
      expect(busy).toMatchObject({ _tag: "ConsumerBusy", name: "c", here: true })
      expect(busy.message).toBe('the consumer "c" is being read by another reader of this engine')
      expect(yield* Effect.flip(downloads.removeConsumer("c"))).toMatchObject({ _tag: "ConsumerBusy" })
      expect((yield* downloads.consumers)[0]!.reader).not.toBeNull()
      // other names are other consumers
      expect(yield* read("d", acknowledge, { from: "start" })).toHaveLength(1)
      yield* Scope.close(reading, Exit.void)
      expect(names(yield* read("c"))).toEqual(["1"])
      yield* downloads.removeConsumer("c")
      expect(yield* Effect.flip(downloads.removeConsumer("c"))).toMatchObject({
        _tag: "ConsumerUnknown",
        message: 'there is no consumer "c"'
      })
      // forgotten is forgotten: the name is a new consumer's
      expect(yield* read("c")).toEqual([])
      expect(
        names(
          yield* downloads.consumers.pipe(Effect.map((all) => all.map(({ name }) => ({ url: url(name) }))))
        )
      ).toEqual(["c", "d"])
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("that pulls nothing holds no more than its window, and slows nobody down", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const stuck = yield* Deferred.make<void>()
      const seen: Array<string> = []
      const handler = (delivery: Delivery) =>
        Effect.zipRight(
          Effect.sync(() => seen.push(...names([delivery]))),
          Deferred.await(stuck)
        )
      const reading = yield* Effect.fork(downloads.consume("c", handler, { window: 5, concurrency: 5 }))
      yield* downloads.registerConsumer("dead")
      const all = Array.from({ length: 100 }, (_, i) => i)
      const enqueued = yield* downloads.enqueueAll(all.map((i) => ({ url: url(i) })))
      const exits = yield* inTime(downloads.awaitAll(enqueued.map(({ id }) => id)))
      expect(exits.every(Exit.isSuccess)).toBe(true)
      expect(seen).toHaveLength(5)
      expect(yield* downloads.consumers).toMatchObject([
        { name: "c", behind: 100 },
        { name: "dead", behind: 100, reader: null }
      ])
      yield* Deferred.succeed(stuck, undefined)
      yield* TestClock.adjust("1 seconds")
      expect(new Set(seen).size).toBe(100)
      expect(seen).toHaveLength(100)
      expect(yield* downloads.consumers).toMatchObject([{ behind: 0 }, { behind: 100 }])
      yield* Fiber.interrupt(reading)
    }).pipe(Effect.provide(layer({ routes, concurrency: 8 })))
  )

  it.effect("waits for an acknowledgement where its window is full, and for no more than one", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloads.registerConsumer("c")
      yield* downloadAll([1, 2, 3, 4])
      const pull = yield* Stream.toPull(downloads.completions("c", { window: 2 }))
      const held = [...(yield* pull)]
      expect(names(held)).toEqual(["1", "2"])
      const next = yield* Effect.fork(pull)
      yield* TestClock.adjust("1 minutes")
      expect(yield* Fiber.poll(next)).toMatchObject({ _tag: "None" })
      yield* held[1]!.acknowledge
      expect(names(yield* Fiber.join(next))).toEqual(["3"])
    }).pipe(Effect.scoped, Effect.provide(layer({ routes })))
  )

  it.effect("ends after what has ended by then, where it is told until when", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const group = yield* downloads.group("g")
      yield* downloads.registerConsumer("c")
      yield* group.enqueueAll([1, 2, "none", 3].map((name) => ({ url: url(name) })))
      const seen: Array<string> = []
      const slow = (delivery: Delivery) =>
        Effect.delay(
          Effect.sync(() => seen.push(...names([delivery]))),
          "1 hours"
        )
      const reading = yield* Effect.fork(downloads.consume("c", slow, { until: group.await }))
      yield* group.seal
      yield* TestClock.adjust("210 minutes")
      expect(seen).toHaveLength(3)
      yield* inTime(Fiber.join(reading))
      expect(seen.slice().sort()).toEqual(["1", "2", "3", "none"])
      const failing = downloads.consume("c", () => Effect.void, { until: downloads.pause("x" as never) })
      expect(yield* Effect.flip(failing)).toMatchObject({ _tag: "StoreError" })
    }).pipe(Effect.provide(layer({ routes })))
  )
})

describe("consume", () => {
  it.effect("tries again as it is told, then fails with the handler's error and acknowledges nothing", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloads.registerConsumer("c")
      yield* downloadAll([1, 2, 3])
      const tries: Array<string> = []
      const handler = (delivery: Delivery) =>
        Effect.suspend(() => {
          tries.push(...names([delivery]))
          return delivery.url === url(2) ? Effect.fail("broken" as const) : Effect.void
        })
      const twice = Schedule.intersect(Schedule.spaced("1 minutes"), Schedule.recurs(2))
      const failing = downloads.consume("c", handler, { retry: twice })
      expect(yield* inTime(Effect.flip(failing))).toBe("broken")
      expect(tries).toEqual(["1", "2", "2", "2"])
      expect(names(yield* read("c"))).toEqual(["2", "3"])
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("acknowledges what a handler has done, also when it is interrupted just then", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloads.registerConsumer("c")
      yield* downloadAll([1, 2])
      const done: Array<string> = []
      const reading = yield* Effect.fork(
        downloads.consume("c", (delivery) =>
          Effect.flatMap(Effect.fiberId, (self) =>
            Effect.sync(() => {
              done.push(...names([delivery]))
              reading.unsafeInterruptAsFork(self)
            })
          )
        )
      )
      yield* Fiber.await(reading)
      expect(done).toEqual(["1"])
      expect(names(yield* read("c"))).toEqual(["2"])
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("mistakes of the program die", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      for (const wrong of [
        downloads.registerConsumer(" "),
        downloads.consume("", () => Effect.void),
        downloads.consume("c", () => Effect.void, { concurrency: 0 }),
        Stream.runDrain(downloads.completions("c", { window: 1.5 }))
      ]) {
        const died = yield* Effect.flip(Effect.sandbox(wrong))
        expect(died.toString()).toMatch(/needs a name|must be a whole number above 0/)
      }
      expect(yield* downloads.consumers).toEqual([])
    }).pipe(Effect.provide(layer()))
  )
})

describe("remove", () => {
  it.effect("takes the download, and leaves its end to those who have not acknowledged it", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const world = yield* World
      yield* downloads.registerConsumer("late")
      yield* downloads.registerConsumer("prompt")
      const group = yield* downloads.group("g")
      const { id } = yield* group.enqueue({ url: url(1), meta: "mine" })
      yield* inTime(downloads.await(id))
      yield* downloadAll([2, "none"])
      yield* read("prompt", acknowledge)
      for (const row of yield* downloads.list()) yield* downloads.remove(row.id)
      // one that is removed while it is unfinished has ended too
      yield* downloads.stop
      const unfinished = yield* downloads.enqueue({ url: url(3) })
      yield* downloads.remove(unfinished.id)
      expect(yield* downloads.list()).toEqual([])
      expect(yield* world.paths).toEqual(["/downloads/1", "/downloads/2"])
      expect(names(yield* read("prompt", acknowledge))).toEqual(["3"])
      const found = yield* read("late", acknowledge)
      expect(found).toMatchObject([
        { id, status: "completed", meta: "mine", groups: ["g"], path: "/downloads/1" },
        { status: "completed" },
        { status: "failed" },
        { status: "cancelled", id: unfinished.id }
      ])
      expect(Either.getOrThrow(found[0]!.completion)).toMatchObject({ id, size: 6, attempts: 1 })
      expect(Either.flip(found[2]!.completion)).toMatchObject({ right: { reason: "NotFound" } })
      expect(yield* read("late")).toEqual([])
      // what is gone is gone: nobody can begin with it
      expect(yield* read("new", acknowledge, { from: "start" })).toEqual([])
    }).pipe(Effect.provide(layer({ routes })))
  )
})
