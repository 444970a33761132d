import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect } from "vitest"
import * as Columns from "../../../src/programs/cli/Columns.js"
import * as Output from "../../../src/programs/cli/Output.js"
import { none } from "../../../src/programs/cli/Screen.js"
import { FakeStream, streams } from "./Fixtures.js"
import { terminal } from "./VirtualTerminal.js"

const frame = (...lines: ReadonlyArray<string>) => ({ lines, rows: Columns.rows })

describe("a frame on a terminal", () => {
  it.effect("is replaced in one write, whether the next is longer or shorter", () =>
    Effect.gen(function* () {
      const { output, terminal: screen } = terminal(40, 10)
      yield* output.err("$ sluice get\n")
      yield* output.frame(frame("one 10%", "two 10%"))
      expect(yield* screen.lines).toEqual(["$ sluice get", "one 10%", "two 10%"])
      yield* output.frame(frame("one", "two 20%", "three 1%"))
      expect(yield* screen.lines).toEqual(["$ sluice get", "one", "two 20%", "three 1%"])
      yield* output.frame(frame("three 90%"))
      expect(yield* screen.lines).toEqual(["$ sluice get", "three 90%"])
      expect(screen.writes).toHaveLength(4)
      yield* output.frame(none)
      expect(yield* screen.lines).toEqual(["$ sluice get"])
      expect(yield* screen.cursor).toEqual([0, 1])
      expect(screen.wasCursorHidden).toBe(false)
    })
  )

  it.effect("stays below messages and results, each of them one write", () =>
    Effect.gen(function* () {
      const { output, terminal: screen } = terminal(20, 6)
      yield* output.frame(frame("one", "two"))
      yield* output.err("a message that is broken into two rows\n")
      yield* output.out("/downloads/a\n/downloads/b\n")
      output.unsafeErr("sluice: warning\n")
      expect(screen.writes).toHaveLength(4)
      // six rows: what came first has been scrolled up
      expect(yield* screen.lines).toEqual([
        "a message that is br",
        "oken into two rows",
        "/downloads/a",
        "/downloads/b",
        "sluice: warning",
        "one",
        "two"
      ])
      yield* output.frame(none)
      expect((yield* screen.lines).slice(-1)).toEqual(["sluice: warning"])
    })
  )

  it.effect("leaves nothing behind when the terminal becomes narrower, wider, lower or higher", () =>
    Effect.gen(function* () {
      const { output, terminal: screen } = terminal(80, 24)
      const lines = (columns: number) =>
        ["日本語".repeat(20), "b".repeat(79), "c".repeat(30)].map((line) =>
          Columns.truncate(line, columns - 1)
        )
      yield* output.err("before\n")
      for (const [columns, rows] of [
        [80, 24],
        [33, 24],
        [20, 24],
        [120, 24],
        [41, 12],
        [41, 40],
        [40, 40],
        [79, 10]
      ] as const) {
        yield* screen.resize(columns, rows)
        yield* output.frame(frame(...lines(columns)))
        expect(yield* screen.lines).toEqual(["before", ...lines(columns)])
      }
    })
  )

  it.effect(
    "makes room for a message that comes right after a resize, and is drawn anew by the next frame",
    () =>
      Effect.gen(function* () {
        const { output, terminal: screen } = terminal(80, 24)
        for (const [columns, rows] of [
          [30, 24],
          [80, 24],
          [80, 10]
        ] as const) {
          yield* output.frame(frame("a".repeat(screen.columns - 1), "b".repeat(screen.columns - 1)))
          yield* screen.resize(columns, rows)
          yield* output.err(`a message at ${columns}\n`)
          yield* output.out("a result\n")
        }
        yield* output.frame(frame("a", "b"))
        expect(yield* screen.lines).toEqual([
          "a message at 30",
          "a result",
          "a message at 80",
          "a result",
          "a message at 80",
          "a result",
          "a",
          "b"
        ])
      })
  )

  it.effect("that is the same is not drawn again, unless the size has changed", () =>
    Effect.gen(function* () {
      const { output, terminal: screen } = terminal(80, 24)
      yield* output.frame(frame("one"))
      yield* output.frame(frame("one"))
      expect(screen.writes).toHaveLength(1)
      yield* screen.resize(70, 24)
      yield* output.frame(frame("one"))
      yield* output.frame(frame("one"))
      expect(screen.writes).toHaveLength(2)
    })
  )

  it.effect("is left out while the terminal is behind", () =>
    Effect.gen(function* () {
      const { output, terminal: screen } = terminal(80, 24)
      yield* output.frame(frame("1%", "x"))
      screen.writableLength = 1
      for (let i = 2; i < 50; i++) yield* output.frame(frame(`${i}%`))
      expect(screen.writes).toHaveLength(1)
      screen.writableLength = 0
      yield* output.frame(frame("50%"))
      expect(yield* screen.lines).toEqual(["50%"])
    })
  )

  it.effect("whatever is written and drawn, the screen shows all text, then the last frame", () =>
    Effect.promise(() => {
      const line = fc.string({ unit: fc.constantFrom("a", "日", "b"), minLength: 1, maxLength: 9 })
      const step = fc.oneof(
        fc.record({ text: line }),
        fc.record({ frame: fc.array(line, { maxLength: 6 }) }),
        fc.record({ result: line })
      )
      return fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), (steps) =>
          Effect.runPromise(
            Effect.gen(function* () {
              const { output, terminal: screen } = terminal(20, 8)
              const written: Array<string> = []
              let last: ReadonlyArray<string> = []
              for (const step of steps) {
                if ("frame" in step) yield* output.frame(frame(...(last = step.frame)))
                else {
                  const text = "text" in step ? step.text : step.result
                  written.push(text)
                  yield* "text" in step ? output.err(`${text}\n`) : output.out(`${text}\n`)
                }
              }
              expect(yield* screen.lines).toEqual([...written, ...last])
            })
          )
        ),
        { numRuns: 60 }
      )
    })
  )
})

describe("output", () => {
  it.effect("where only stderr is a terminal, results don't touch the frame", () =>
    Effect.gen(function* () {
      const [stdout, stderr] = [new FakeStream(), new FakeStream(true)]
      const output = Output.make(stdout, stderr, {})
      yield* output.frame(frame("50%"))
      const before = stderr.text
      yield* output.out("/downloads/a\n")
      expect(stdout.text).toBe("/downloads/a\n")
      expect(stderr.text).toBe(before)
    })
  )

  it.effect("a reader that went away is a typed error", () =>
    Effect.gen(function* () {
      const { output, stdout } = streams()
      stdout.closed = true
      expect(yield* Effect.either(output.out("x\n"))).toEqual(Either.left(new Output.OutputClosed()))
    })
  )

  it.effect("a stuck reader of stderr costs no memory", () =>
    Effect.gen(function* () {
      const { output, stderr } = streams()
      Object.defineProperty(stderr, "writableLength", { value: 2 * 1024 * 1024 })
      yield* output.err("dropped\n")
      expect(stderr.text).toBe("")
    })
  )

  it.each([
    [{}, true, true, true],
    [{ NO_COLOR: "1" }, true, true, false],
    [{ NO_COLOR: "" }, true, true, true],
    [{ TERM: "dumb" }, true, false, false],
    [{ FORCE_COLOR: "0" }, true, true, false],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, true, true],
    [{}, false, false, false],
    [{ FORCE_COLOR: "1" }, false, false, true]
  ])("with %j, terminal %s: frames %s, colours %s", (environment, isTerminal, frames, color) => {
    const { output } = streams({ ...environment, terminal: isTerminal })
    expect(output).toMatchObject({ errIsTerminal: frames, color, outColor: color })
  })

  it("a terminal is not waited for, and is left as it was found", () => {
    const calls: Array<boolean> = []
    const handle = { setBlocking: (blocking: boolean) => calls.push(blocking) }
    const before = process.listeners("exit")
    Output.unblock({ isTTY: true, _handle: handle })
    const added = process.listeners("exit").filter((listener) => !before.includes(listener))
    expect(calls).toEqual([false])
    for (const listener of added) {
      ;(listener as () => void)()
      process.removeListener("exit", listener)
    }
    expect(calls).toEqual([false, true])
    Output.unblock({ isTTY: false, _handle: handle })
    Output.unblock({ isTTY: true })
    expect(calls).toHaveLength(2)
  })
})
