/**
 * Groups (PROMISES Q5): counters that only grow, a percentage only when sealed, 100 % exactly at the end.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import { Downloads, type GroupProgress, layer as layerFile } from "sluice"
import { inTime, layer, reset, type Route } from "sluice/testing"

const url = (name: string | number) => `http://h/${name}`
const routes = { [url("a")]: { body: "aaaa" }, [url("b")]: { body: "bb", duration: 40_000 } }

describe("a group", () => {
  it.effect("has no percentage while open, and 100 exactly when sealed and all have ended", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const group = yield* downloads.group("tiles")
      yield* group.enqueueAll([{ url: url("a") }, { url: url("none") }])
      yield* group.enqueue({ url: url("b") })
      yield* TestClock.adjust("1 seconds")
      expect(yield* group.progress).toMatchObject({
        name: "tiles",
        sealed: false,
        enqueued: 3,
        completed: 1,
        failed: 1,
        ended: 2,
        bytes: 4,
        percent: undefined,
        done: false
      })
      const waiting = yield* Effect.fork(group.await)
      expect(yield* group.seal).toMatchObject({ percent: 66, done: false })
      yield* TestClock.adjust("1 minutes")
      expect(yield* Fiber.join(waiting)).toMatchObject({ completed: 2, failed: 1, percent: 100, bytes: 6 })
      const late = yield* Effect.flip(group.enqueue({ url: url("c") }))
      expect(late).toMatchObject({ _tag: "GroupSealed", name: "tiles" })
      // nothing was recorded
      expect(yield* downloads.list()).toHaveLength(3)
      expect(yield* downloads.list({ group: group.id, status: ["failed"] })).toHaveLength(1)
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("is found by its name, counts a member once, and keeps what was counted", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const group = yield* downloads.group("g")
      const other = yield* downloads.group()
      const { id } = yield* group.enqueue({ url: url("b") })
      expect((yield* downloads.group("g")).id).toBe(group.id)
      expect((yield* downloads.group()).id).not.toBe(other.id)
      expect(yield* group.enqueue({ url: url("b") })).toMatchObject({ id, attached: true })
      expect(yield* other.enqueue({ url: url("b") })).toMatchObject({ id, attached: true })
      yield* downloads.cancel(id)
      yield* downloads.remove(id)
      for (const one of [group, other]) {
        expect(yield* one.progress).toMatchObject({ enqueued: 1, cancelled: 1, bytes: 0 })
        expect(yield* one.seal).toMatchObject({ done: true, percent: 100 })
        expect(yield* one.await).toMatchObject({ percent: 100 })
      }
    }).pipe(Effect.provide(layer({ routes })))
  )

  it.effect("an empty one is done when it is sealed", () =>
    Effect.gen(function* () {
      const group = yield* (yield* Downloads).group()
      const waiting = yield* Effect.fork(group.await)
      expect(yield* group.seal).toMatchObject({ percent: 100 })
      expect(yield* Fiber.join(waiting)).toMatchObject({ enqueued: 0, done: true })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("whatever its members do, its figures only grow", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.constantFrom<Route>({ body: "x" }, { body: "yy", duration: 3000 }, reset, { status: 404 }, [
              reset,
              { body: "zzz" }
            ]),
            { maxLength: 12 }
          ),
          fc.integer({ min: 0, max: 12 }),
          fc.integer({ min: 1, max: 4 }),
          fc.array(fc.nat(11), { maxLength: 4 }),
          (members, sealAt, concurrency, cancelled) => {
            const all = Object.fromEntries(members.map((route, i) => [url(i), route]))
            const program = Effect.gen(function* () {
              const downloads = yield* Downloads
              const group = yield* downloads.group()
              const watch = yield* Effect.fork(Stream.runCollect(group.changes))
              const rows = yield* Effect.forEach(members, (_, i) =>
                Effect.zipLeft(
                  group.enqueue({ url: url(i), options: { maxRetries: 1 } }),
                  TestClock.adjust(i < sealAt ? "700 millis" : 0)
                )
              )
              yield* group.seal
              for (const i of cancelled) {
                const row = rows[i]
                if (row !== undefined) yield* Effect.ignore(downloads.cancel(row.id))
              }
              const end = yield* inTime(group.await, "1 hours")
              yield* TestClock.adjust("1 hours")
              return [...Chunk.toReadonlyArray(yield* Fiber.join(watch)), end]
            }).pipe(Effect.provide(layer({ routes: all, concurrency })))
            return Effect.runPromise(program.pipe(Effect.provide(TestContext.TestContext))).then((seen) => {
              for (const [i, now] of seen.entries()) check(seen[i - 1], now)
              expect(seen.at(-1)).toMatchObject({ done: true, percent: 100, enqueued: members.length })
            })
          }
        ),
        { numRuns: 40 }
      )
    )
  )
})

const check = (before: GroupProgress | undefined, now: GroupProgress): void => {
  if (before !== undefined) {
    for (const figure of ["enqueued", "completed", "failed", "cancelled", "ended", "bytes"] as const) {
      expect(now[figure]).toBeGreaterThanOrEqual(before[figure])
    }
    expect(now.percent ?? 0).toBeGreaterThanOrEqual(before.percent ?? 0)
    expect(now.sealed || !before.sealed).toBe(true)
  }
  expect(now.percent === undefined).toBe(!now.sealed)
  expect(now.percent === 100).toBe(now.sealed && now.ended === now.enqueued)
}

describe("a group in a file", () => {
  it.live("outlives the engine that filled it, and its members are taken over by who awaits it", () => {
    const directory = FileSystem.mkdtempSync(path.join(os.tmpdir(), "sluice-group-"))
    const engine = (adopt: boolean) =>
      layerFile({ database: path.join(directory, "q.db"), directory, adopt, autoStart: adopt })
    return Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const group = yield* (yield* Downloads).group("g")
        // nobody listens there: it fails at once, once somebody tries
        yield* group.enqueue({ url: "http://127.0.0.1:1/a", options: { maxRetries: 0 } })
        yield* group.seal
      }).pipe(Effect.provide(engine(false)))
      const end = yield* Effect.gen(function* () {
        const downloads = yield* Downloads
        yield* downloads.start
        return yield* (yield* downloads.group("g")).await
      }).pipe(Effect.provide(engine(false)))
      expect(end).toMatchObject({ enqueued: 1, failed: 1, percent: 100 })
    }).pipe(Effect.ensuring(Effect.sync(() => FileSystem.rmSync(directory, { recursive: true }))))
  })
})
