import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import * as Ids from "../../../src/domain/DownloadId.js"
import * as Progress from "../../../src/programs/cli/Progress.js"
import type { Known } from "../../../src/programs/cli/View.js"
import type { Active } from "../../../src/services/Supervisor.js"
import { active, boardLoaded, knownOf, row, streams } from "./Fixtures.js"
import { terminal } from "./VirtualTerminal.js"

const several = knownOf([1, 2, 3].map((key) => row({ id: Ids.fromKey(key), filename: `${key}.bin` })))

/** Draws on a terminal; what it draws with is there, and the first frame is drawn. */
const start = (columns: number, rows: number, known: Known, gauges: Effect.Effect<ReadonlyArray<Active>>) =>
  Effect.gen(function* () {
    const world = terminal(columns, rows)
    const fiber = yield* Effect.fork(Progress.draw(world.output, known, gauges))
    yield* TestClock.adjust(150)
    yield* boardLoaded
    yield* TestClock.adjust(0)
    return { ...world, fiber }
  })

describe("progress", () => {
  it.effect("draws at most ten frames a second, one write each, and leaves nothing behind", () =>
    Effect.gen(function* () {
      let received = 0
      const gauges = Effect.sync(() => [active(1, received++, 1_000_000), active(2, 5, 10, "connecting")])
      const { fiber, terminal: screen } = yield* start(80, 24, several, gauges)
      yield* TestClock.adjust(1000)
      expect(screen.writes).toHaveLength(11)
      expect(yield* screen.lines).toEqual([
        expect.stringMatching(/^1\.bin .* 10 B\/977 KiB +10 B\/s/),
        expect.stringMatching(/^2\.bin .* 50% .* connecting$/),
        expect.stringMatching(/^0 of 3 done, 1 queued +15 B +10 B\/s$/)
      ])
      yield* Fiber.interrupt(fiber)
      expect(yield* screen.lines).toEqual([])
      expect(screen.wasCursorHidden).toBe(false)
    })
  )

  it.effect("shows nothing of what is over at once", () =>
    Effect.gen(function* () {
      const { output, stderr } = streams({ terminal: true })
      const fiber = yield* Effect.fork(Progress.draw(output, several, Effect.succeed([active(1, 1, 2)])))
      yield* TestClock.adjust(149)
      yield* Fiber.interrupt(fiber)
      expect(stderr.text).toBe("")
    })
  )

  it.effect("does not draw the same frame twice", () =>
    Effect.gen(function* () {
      const { fiber, terminal: screen } = yield* start(
        80,
        24,
        several,
        Effect.succeed([active(1, 0, 100, "connecting")])
      )
      yield* TestClock.adjust(300)
      const settled = screen.writes.length
      yield* TestClock.adjust(5000)
      expect(screen.writes).toHaveLength(settled)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("follows the size of the terminal within a frame, messages in between", () =>
    Effect.gen(function* () {
      let received = 0
      const rows = Array.from({ length: 1000 }, (_, i) =>
        row({ id: Ids.fromKey(i + 1), filename: `${i + 1}.bin` })
      )
      const gauges = Effect.sync(() => rows.map((_, i) => active(i + 1, received++, 1_000_000_000)))
      const { fiber, output, terminal: screen } = yield* start(120, 24, knownOf(rows), gauges)
      for (const [columns, height] of [
        [120, 24],
        [80, 30],
        [20, 10],
        [20, 3],
        [80, 24],
        [10, 1],
        [200, 50]
      ] as const) {
        yield* screen.resize(columns, height)
        yield* output.err("a message\n")
        yield* TestClock.adjust(100)
        const seen = yield* screen.screen
        const frame = seen.slice(seen.lastIndexOf("a message") + 1)
        expect(frame).toHaveLength(Math.max(1, height - 1))
        expect(frame.at(-1)).toMatch(/^0 of 10/)
        expect(frame.every((line) => line.length < columns)).toBe(true)
        if (height > 2) expect(frame.at(-2)).toMatch(/^(and )?\d+/)
      }
      yield* Fiber.interrupt(fiber)
      expect((yield* screen.screen).every((line) => !line.includes("of 1000"))).toBe(true)
    })
  )

  it.effect("looks at no more than what is at work, however long the queue is", () =>
    Effect.gen(function* () {
      let lookedUp = 0
      const known: Known = {
        ...several,
        of: 100_000,
        unfinished: () => expect.unreachable("it looked at all"),
        get: (id) => {
          lookedUp++
          return several.get(id)
        }
      }
      const { fiber, terminal: screen } = yield* start(80, 24, known, Effect.succeed([active(1, 1, 2)]))
      yield* TestClock.adjust(1000)
      expect(lookedUp).toBeLessThan(11 * 5)
      expect((yield* screen.lines).at(-1)).toMatch(/^0 of 100000 done, 99999 queued/)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("listens to the process only while it draws", () =>
    Effect.gen(function* () {
      const before = [process.listenerCount("SIGTSTP"), process.listenerCount("exit")]
      const { fiber, terminal: screen } = yield* start(80, 24, several, Effect.succeed([active(1, 1, 2)]))
      expect([process.listenerCount("SIGTSTP"), process.listenerCount("exit")]).toEqual(
        before.map((count) => count + 1)
      )
      // as if it ended at once
      ;(process.listeners("exit").at(-1) as () => void)()
      expect(yield* screen.lines).toEqual([])
      yield* Fiber.interrupt(fiber)
      expect([process.listenerCount("SIGTSTP"), process.listenerCount("exit")]).toEqual(before)
    })
  )
})
