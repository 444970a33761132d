import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import type { Download } from "../../../src/domain/Download.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import * as Display from "../../../src/programs/cli/Display.js"
import { exitCode } from "../../../src/programs/cli/Failures.js"
import * as Run from "../../../src/programs/cli/Run.js"
import * as Session from "../../../src/programs/cli/Session.js"
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
