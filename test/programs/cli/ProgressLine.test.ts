import { it as effect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as fc from "fast-check"
import { stripVTControlCharacters } from "node:util"
import { describe, expect, it } from "vitest"
import * as Ids from "../../../src/domain/DownloadId.js"
import * as Format from "../../../src/programs/cli/Format.js"
import type { View } from "../../../src/programs/cli/ProgressLine.js"
import * as ProgressLine from "../../../src/programs/cli/ProgressLine.js"
import type { Active } from "../../../src/services/Supervisor.js"
import { row, streams } from "./Fixtures.js"

const MiB = 1024 * 1024
const full: View = {
  name: "ubuntu-24.04-desktop-amd64.iso",
  state: "downloading",
  received: 450 * MiB,
  total: 900 * MiB,
  speed: 85.3 * MiB,
  remaining: 6448,
  finished: undefined
}

describe("a frame", () => {
  it("shows everything where there is room", () => {
    expect(ProgressLine.render(full, 200, false)).toBe(
      "ubuntu-24.04-desktop-amd64.iso  [==========          ]   50%  450 MiB/900 MiB  85.3 MiB/s  ETA 0:07  downloading"
    )
  })

  it("leaves out what does not fit, least important first", () => {
    expect(ProgressLine.render(full, 80, false)).toBe(
      "ubuntu-24.04-desktop…   50%  450 MiB/900 MiB  85.3 MiB/s  ETA 0:07  downloading"
    )
    expect(ProgressLine.render(full, 64, false)).toBe(
      "ubuntu-24.04-desk…   50%  450 MiB/900 MiB  85.3 MiB/s  ETA 0:07"
    )
    expect(ProgressLine.render({ ...full, state: "publishing" }, 64, false)).toBe(
      "ubuntu-24.04-de…   50%  450 MiB/900 MiB  85.3 MiB/s  publishing"
    )
    expect(ProgressLine.render(full, 20, false)).toBe("ubuntu-24.04…   50%")
    expect(ProgressLine.render(full, 5, false)).toBe("ubu…")
    expect(ProgressLine.render(full, 1, false)).toBe("")
  })

  it("measures wide characters", () => {
    const wide = { ...full, name: "日本語のとても長いファイル名.iso" }
    expect(ProgressLine.render(wide, 20, false)).toBe("日本語のとて…   50%")
    expect(Format.width(ProgressLine.render(wide, 80, false))).toBeLessThanOrEqual(79)
    expect(ProgressLine.render(wide, 200, false)).toContain("日本語のとても長いファイル名.iso  [")
  })

  it("does without what is not known", () => {
    const start: View = {
      ...full,
      received: 0,
      total: undefined,
      speed: undefined,
      remaining: undefined,
      state: "connecting"
    }
    expect(ProgressLine.render(start, 80, false)).toBe("ubuntu-24.04-desktop-amd64.iso  connecting")
    expect(ProgressLine.render({ ...start, received: 5 * MiB, state: "" }, 80, false)).toBe(
      "ubuntu-24.04-desktop-amd64.iso  5.0 MiB"
    )
  })

  it("counts several downloads instead of giving a percentage", () => {
    const several = { ...full, finished: { count: 2, of: 5 }, state: "" }
    const line = ProgressLine.render(several, 120, false)
    expect(line).toContain("  2/5  ")
    expect(line).not.toMatch(/%|\[/)
  })

  it("is coloured only where that is wanted, without changing its text", () => {
    expect(ProgressLine.render(full, 80, false)).not.toContain("\u001b")
    expect(ProgressLine.render(full, 80, true)).toContain("\u001b[1m")
    expect(stripVTControlCharacters(ProgressLine.render(full, 80, true))).toBe(
      ProgressLine.render(full, 80, false)
    )
  })

  it("never fills the line, whatever is shown", () => {
    const amount = fc.nat({ max: Number.MAX_SAFE_INTEGER })
    const view = fc.record({
      name: fc.string({ unit: fc.constantFrom("a", "日", "😀", "e\u0301", ".") }),
      state: fc.constantFrom("", "downloading", "host cooling down 12 s", "日本"),
      received: amount,
      total: fc.option(amount, { nil: undefined }),
      speed: fc.option(fc.double({ min: 0, max: 1e12, noNaN: true }), { nil: undefined }),
      remaining: fc.option(fc.double({ min: 0, max: 1e12, noNaN: true }), { nil: undefined }),
      finished: fc.option(fc.record({ count: fc.nat(), of: fc.nat() }), { nil: undefined })
    })
    fc.assert(
      fc.property(view, fc.constantFrom(1, 5, 20, 40, 80, 200), (view, columns) => {
        const line = ProgressLine.render(view, columns, false)
        expect(Format.width(line)).toBeLessThan(Math.max(columns, 1))
        expect(line).not.toContain("\n")
      })
    )
  })
})

const active = (key: number, received: number, total?: number, state = "downloading"): Active => ({
  id: Ids.fromKey(key),
  gauge: { received, total, state }
})

describe("the speed", () => {
  it("is unknown at first, and does not count what was there already", () => {
    const first = ProgressLine.measure(undefined, [active(1, 500 * MiB)], 0)
    expect(first.speed).toBeUndefined()
    expect(ProgressLine.measure(first, [active(1, 501 * MiB)], 100).speed).toBeCloseTo(10 * MiB)
  })

  it("is smoothed", () => {
    let meter = ProgressLine.measure(undefined, [active(1, 0)], 0)
    for (let i = 1; i <= 100; i++) meter = ProgressLine.measure(meter, [active(1, i * MiB)], i * 100)
    expect(meter.speed).toBeCloseTo(10 * MiB)
    const paused = ProgressLine.measure(meter, [active(1, 100 * MiB)], 10_100)
    expect(paused.speed).toBeGreaterThan(9 * MiB)
    expect(ProgressLine.measure(paused, [active(1, 100 * MiB)], 20_100).speed).toBeLessThan(0.1 * MiB)
  })

  it("survives a restart from 0 and other downloads coming and going", () => {
    const first = ProgressLine.measure(undefined, [active(1, 10 * MiB)], 0)
    const restarted = ProgressLine.measure(first, [active(1, 0), active(2, 90 * MiB)], 100)
    expect(restarted.speed).toBe(0)
    expect(ProgressLine.measure(restarted, [active(2, 91 * MiB)], 200).speed).toBeGreaterThan(0)
  })

  it("ignores a clock that goes backwards", () => {
    const first = ProgressLine.measure(undefined, [active(1, 0)], 1000)
    expect(ProgressLine.measure(first, [active(1, MiB)], 900)).toBe(first)
  })
})

describe("the view", () => {
  const known = (rows: ReadonlyArray<ReturnType<typeof row>>, finished = 0): ProgressLine.Known => ({
    get: (id) => rows.find((row) => row.id === id),
    unfinished: () => rows,
    finished,
    of: rows.length + finished
  })
  const meter = { at: 0, received: new Map(), speed: MiB }

  it("of one download has its name, its figures and the time left", () => {
    const seen = ProgressLine.view(known([row()]), [active(1, MiB, 3 * MiB)], meter, 0)
    expect(seen).toEqual({
      name: "file.bin",
      state: "downloading",
      received: MiB,
      total: 3 * MiB,
      speed: MiB,
      remaining: 2000,
      finished: undefined
    })
  })

  it("of several adds up those being worked on", () => {
    const rows = [row(), row({ id: Ids.fromKey(2), filename: "b.iso" }), row({ id: Ids.fromKey(3) })]
    const seen = ProgressLine.view(known(rows, 1), [active(1, 1, 10), active(2, 2, 20)], meter, 0)
    expect(seen).toMatchObject({
      name: "file.bin, b.iso",
      received: 3,
      total: 30,
      finished: { count: 1, of: 4 }
    })
    // the third is still to come: no honest guess
    expect(seen?.remaining).toBeUndefined()
  })

  it.each([
    [row({ status: "retrying", nextAttemptAt: 4000 }), "retrying in 4 s"],
    [
      row({ status: "waiting", nextAttemptAt: 12_000, failure: { reason: "HostCooling", detail: "x" } }),
      "host cooling down 12 s"
    ],
    [
      row({ status: "waiting", nextAttemptAt: 10_000, failure: { reason: "DiskFull", detail: "x" } }),
      "disk full, looking again in 10 s"
    ],
    [row(), "queued"]
  ])("says in words what nobody works on (%#)", (download, words) => {
    expect(ProgressLine.view(known([download]), [], meter, 0)?.state).toBe(words)
  })

  it("is nothing when there is nothing", () => {
    expect(ProgressLine.view(known([]), [], meter, 0)).toBeUndefined()
  })

  it("names are freed of what could drive the terminal", () => {
    expect(ProgressLine.nameOf(row({ output: "a\u001b[2J" }))).toBe("a\ufffd[2J")
    expect(ProgressLine.nameOf(row({ url: "http://example.org/" }))).toBe("download")
  })
})

describe("the loop", () => {
  const known: ProgressLine.Known = { get: () => row(), unfinished: () => [row()], finished: 0, of: 1 }

  effect.effect("draws at most ten frames a second, one write each, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const { output, stderr } = streams({ terminal: true, NO_COLOR: "1" })
      let received = 0
      const gauges = Effect.sync(() => [active(1, received++, 1_000_000)])
      const fiber = yield* Effect.fork(ProgressLine.draw(output, known, gauges))
      yield* TestClock.adjust(100)
      expect(stderr.text).toBe("")
      yield* TestClock.adjust(1050)
      const frames = stderr.text.split("\r").slice(1)
      expect(frames).toHaveLength(11)
      expect(frames.every((frame) => frame.startsWith("file.bin") && frame.endsWith("\u001b[K"))).toBe(true)
      stderr.columns = 20
      yield* TestClock.adjust(100)
      const last = stripVTControlCharacters(stderr.text.split("\r").at(-1)!)
      expect(Format.width(last)).toBeLessThan(20)
      yield* Fiber.interrupt(fiber)
      expect(stderr.text.endsWith("\r\u001b[K")).toBe(true)
    })
  )

  effect.effect("does not draw the same frame twice", () =>
    Effect.gen(function* () {
      const { output, stderr } = streams({ terminal: true, NO_COLOR: "1" })
      const fiber = yield* Effect.fork(
        ProgressLine.draw(output, known, Effect.succeed([active(1, 0, 100, "connecting")]))
      )
      yield* TestClock.adjust(150)
      const once = stderr.text
      yield* TestClock.adjust(300)
      // from the second look on a speed of 0 is shown; after that nothing changes
      const settled = stderr.text
      yield* TestClock.adjust(5000)
      expect(once).not.toBe("")
      expect(stderr.text).toBe(settled)
      yield* Fiber.interrupt(fiber)
    })
  )
})
