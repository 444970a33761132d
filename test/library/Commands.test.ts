/**
 * Commands that meet: what one process asks for while another is still at what was asked before.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { machine } from "./Machine.js"

const looking = { autoStart: false, adopt: false } as const
const request = (name: string) => ({
  url: `http://h/${name}`,
  directory: "/d",
  options: { stallTimeout: 1e9 }
})

describe("a download that is removed while its part is still being removed", () => {
  it.scoped("does not bring down the engine that removes the part", () =>
    Effect.gen(function* () {
      const { engine, paths } = machine((disk) => ({
        ...disk,
        remove: (file) => Effect.delay(disk.remove(file), 2000)
      }))
      const owner = yield* engine("owner", { adopt: true })
      const other = yield* engine("other", looking)
      const { id } = yield* owner.downloads.enqueue(request("never"))
      yield* TestClock.adjust("1 seconds")
      const cancelling = yield* Effect.fork(other.downloads.cancel(id))
      yield* TestClock.adjust("500 millis")
      // it waits for the part, which still goes
      expect(yield* other.downloads.status(id)).toBe("cancelled")
      const removing = yield* Effect.fork(other.downloads.remove(id))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(removing)
      yield* Fiber.await(cancelling)
      expect(yield* paths).toEqual([])
      expect(yield* owner.downloads.isRunning).toBe(true)
      const next = yield* owner.downloads.enqueue(request("b"))
      yield* TestClock.adjust("20 seconds")
      expect(yield* owner.downloads.status(next.id)).toBe("completed")
    })
  )

  it.scoped("nor where nobody was at work on it", () =>
    Effect.gen(function* () {
      const { engine } = machine((disk) => ({
        ...disk,
        remove: (file) => Effect.delay(disk.remove(file), 2000)
      }))
      const owner = yield* engine("owner")
      const other = yield* engine("other", looking)
      const { id } = yield* owner.downloads.enqueue(request("never"))
      yield* TestClock.adjust("1 seconds")
      yield* owner.downloads.pause(id)
      const cancelling = yield* Effect.fork(other.downloads.cancel(id))
      yield* TestClock.adjust("500 millis")
      const removing = yield* Effect.fork(other.downloads.remove(id))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(removing)
      yield* Fiber.await(cancelling)
      expect(yield* owner.downloads.isRunning).toBe(true)
    })
  )
})

describe("a command", () => {
  it.scoped("reaches a download that a queue runner claims at the same instant", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const runner = yield* engine("runner", { adopt: true, concurrency: 50, autoStart: false })
      const other = yield* engine("other", { ...looking, adopt: true })
      const all = yield* other.downloads.enqueueAll(
        Array.from({ length: 50 }, (_, i) => request(`${i}-never`))
      )
      const starting = yield* Effect.fork(runner.downloads.start)
      const pausing = yield* Effect.fork(
        Effect.forEach(all, ({ id }) => other.downloads.pause(id), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(starting)
      const rows = yield* Fiber.join(pausing)
      expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(["paused"]))
    })
  )

  it.scoped("gives no priority that can't be read again", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const { downloads } = yield* engine("one", { autoStart: false })
      const { id } = yield* downloads.enqueue(request("a"))
      for (const priority of [0.5, NaN, 2 ** 53]) {
        expect(yield* Effect.flip(downloads.move({}, priority))).toMatchObject({ reason: "Refused" })
      }
      expect(yield* downloads.status(id)).toBe("pending")
    })
  )
})

describe("the same request once more, for a download of another engine", () => {
  for (const dies of [false, true]) {
    it.scoped(`lets a paused one go on${dies ? ", also if that engine has died" : ""}`, () =>
      Effect.gen(function* () {
        const { engine } = machine()
        const runner = yield* engine("runner")
        const { id } = yield* runner.downloads.enqueue(request("b"))
        yield* TestClock.adjust("1 seconds")
        yield* runner.downloads.pause(id)
        const getting = yield* engine("getting")
        if (dies) yield* runner.die
        const waiting = yield* Effect.fork(getting.downloads.download(request("b")))
        yield* TestClock.adjust("60 seconds")
        expect(yield* Fiber.join(waiting)).toMatchObject({ id })
      })
    )
  }

  it.scoped("is not lost to a cancellation that was asked for before it", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const runner = yield* engine("runner", { adopt: true })
      const other = yield* engine("other", { adopt: true, autoStart: false })
      yield* runner.downloads.enqueue(request("b"))
      yield* TestClock.adjust("1 seconds")
      expect(yield* other.downloads.cancelAll({})).toEqual({ changed: 0, asked: 1 })
      const again = yield* other.downloads.enqueue(request("b"))
      yield* TestClock.adjust("60 seconds")
      expect(yield* other.downloads.status(again.id)).toBe("completed")
    })
  )
})
