import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { describe, expect } from "vitest"
import type { Download } from "../../../src/domain/Download.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import * as Display from "../../../src/programs/cli/Display.js"
import { exitCode } from "../../../src/programs/cli/Failures.js"
import * as Run from "../../../src/programs/cli/Run.js"
import * as Session from "../../../src/programs/cli/Session.js"
import { Downloads } from "../../../src/services/Downloads.js"
import { storeError } from "./FakeQueue.js"
import { fakeEngine, row, streams } from "./Fixtures.js"

const ended = (key: number, status: "completed" | "failed" | "cancelled", finishedAt: number): Download =>
  row({
    id: Ids.fromKey(key),
    status,
    filename: `${key}.bin`,
    total: 1,
    attempt: 1,
    updatedAt: finishedAt,
    finishedAt
  })

const start = (engine: Effect.Effect.Success<ReturnType<typeof fakeEngine>>, json = false) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(1000)
    const { output, stderr, stdout } = streams()
    const display = Display.make(output, { json, quiet: false, noProgress: false })
    const session = Session.make(display, "everything")
    const fiber = yield* Effect.fork(Effect.provide(Run.drain(session, display, 1000), engine.layer))
    yield* TestClock.adjust(0)
    return { fiber, stderr, stdout }
  })

describe("run --watch", () => {
  it.effect("stays when nothing is left, and tells what comes", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { output, stdout } = streams()
      const display = Display.make(output, { json: false, quiet: false, noProgress: false })
      const session = Session.make(display, "whatever comes")
      const fiber = yield* Effect.fork(Effect.provide(Run.watch(session, display), engine.layer))
      yield* engine.drain
      yield* TestClock.adjust("1 minute")
      yield* engine.put(ended(7, "completed", 1002))
      yield* TestClock.adjust("1 minute")
      expect(stdout.lines).toEqual(["/downloads/7.bin"])
      expect(fiber.unsafePoll()).toBe(null)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("ends with the engine, whose database can't be used any more", () =>
    Effect.gen(function* () {
      const { output } = streams()
      const display = Display.make(output, { json: false, quiet: true, noProgress: true })
      let looks = 0
      const layer = Layer.mock(Downloads, {
        drained: Effect.suspend(() => (looks++ < 3 ? Effect.void : Effect.fail(storeError("Full")))),
        changes: Stream.never,
        active: Effect.succeed([])
      })
      const fiber = yield* Effect.fork(
        Effect.provide(Run.watch(Session.make(display, "whatever comes"), display), layer)
      )
      yield* TestClock.adjust("10 seconds")
      expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(3)
    })
  )

  it.effect("counts all that has ended, and remembers some of it", () =>
    Effect.gen(function* () {
      const { output, stdout } = streams()
      const display = Display.make(output, { json: false, quiet: false, noProgress: true })
      const session = Session.make(display, "whatever comes")
      for (let key = 1; key <= 10_001; key++) yield* session.observe([ended(key, "completed", key)])
      // as old as can be, it is news again
      yield* session.observe([ended(10_001, "completed", 10_001), ended(1, "completed", 1)])
      expect([session.finished, stdout.lines.length]).toEqual([10_002, 10_002])
    })
  )
})

describe("run", () => {
  it.effect("tells whatever the engine takes up, and ends when nothing is left", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr, stdout } = yield* start(engine)
      yield* engine.put(
        row({ id: Ids.fromKey(7), status: "processing", attempt: 3, epoch: 3, updatedAt: 1001 })
      )
      yield* engine.put(ended(7, "completed", 1002))
      yield* engine.put(ended(8, "completed", 1002))
      yield* TestClock.adjust(0)
      yield* engine.drain
      yield* Fiber.join(fiber)
      expect(stdout.lines).toEqual(["/downloads/7.bin", "/downloads/8.bin"])
      expect(stderr.lines.at(-1)).toContain("2 completed (2 B)")
    })
  )

  it.effect("finds what ended unseen; what ended before is not its business", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      yield* engine.put(ended(1, "failed", 999), "quietly")
      const { fiber, stderr, stdout } = yield* start(engine)
      yield* engine.put(ended(2, "failed", 1001), "quietly")
      yield* engine.put(ended(3, "completed", 1001), "quietly")
      yield* engine.drain
      expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(1)
      expect(stdout.lines).toEqual(["/downloads/3.bin"])
      expect(stderr.text).toContain("1 completed (1 B), 1 failed")
    })
  )

  it.effect("an empty queue is done at once", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      yield* engine.drain
      const { fiber, stderr, stdout } = yield* start(engine)
      expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(0)
      expect(stdout.text).toBe("")
      expect(stderr.text).toBe("nothing to do\n")
    })
  )

  it.effect("what somebody cancelled is no failure of the run", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber } = yield* start(engine)
      yield* engine.put(ended(1, "cancelled", 1001))
      yield* engine.drain
      expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(0)
    })
  )
})
