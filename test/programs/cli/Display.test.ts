import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import * as Ids from "../../../src/domain/DownloadId.js"
import * as Display from "../../../src/programs/cli/Display.js"
import * as Events from "../../../src/programs/cli/Events.js"
import { maxNotDone } from "../../../src/programs/cli/Tally.js"
import { active, boardLoaded, knownOf, row } from "./Fixtures.js"
import { terminal } from "./VirtualTerminal.js"

const failed = (key: number) =>
  Events.between(
    undefined,
    row({
      id: Ids.fromKey(key),
      url: `http://example.org/${key}`,
      status: "failed",
      failure: { reason: "NotFound", detail: "the server answered 404 (not found)\u202e" }
    })
  )
const completed = Events.between(
  undefined,
  row({ status: "completed", filename: "a\u001b[2J.bin", total: 10 })
)

/** A board of so many downloads, the first of which is at work. */
const start = (count: number, alreadyFailed: number) =>
  Effect.gen(function* () {
    const { output, terminal: screen } = terminal(80, 24)
    const display = Display.make(output, { json: false, quiet: false, noProgress: false })
    const rows = Array.from({ length: count }, (_, i) => row({ id: Ids.fromKey(i + 1) }))
    const known = knownOf(rows, { failed: alreadyFailed, finished: alreadyFailed })
    const fiber = yield* Effect.fork(display.progress(known, Effect.succeed([active(1, 1, 2)])))
    yield* TestClock.adjust(150)
    yield* boardLoaded
    yield* TestClock.adjust(200)
    return { display, fiber, screen }
  })

describe("on a terminal", () => {
  it.effect("failures and results stand above the board as they come, unable to drive the terminal", () =>
    Effect.gen(function* () {
      const { display, fiber, screen } = yield* start(3, 1)
      yield* display.tell(failed(2))
      yield* display.tell(completed)
      expect(yield* screen.lines).toEqual([
        "failed http://example.org/2: the server answered 404 (not found)\ufffd",
        "/downloads/a\ufffd[2J.bin",
        expect.stringMatching(/^file\.bin/),
        expect.stringMatching(/^0 of 4 done, 1 failed, 2 queued/)
      ])
      yield* Fiber.interrupt(fiber)
      expect(yield* screen.lines).toHaveLength(2)
    })
  )

  it.effect("of very many failures the first are told at once, the others counted", () =>
    Effect.gen(function* () {
      const { display, fiber, screen } = yield* start(3, maxNotDone + 1)
      yield* display.tell(failed(2))
      expect((yield* screen.lines)[0]).toMatch(/^file\.bin/)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("of a single download its end says it all", () =>
    Effect.gen(function* () {
      const { display, fiber, screen } = yield* start(1, 0)
      yield* display.tell(failed(1))
      expect(yield* screen.lines).toEqual([expect.stringMatching(/^file\.bin .* 50% +1 B\/2 B/)])
      yield* Fiber.interrupt(fiber)
    })
  )
})
