import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import type { Download } from "../../../src/domain/Download.js"
import { probeWhy } from "../../../src/domain/Host.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import type { Counts } from "../../../src/domain/Survey.js"
import { Output } from "../../../src/programs/cli/Output.js"
import { watch } from "../../../src/programs/cli/Watch.js"
import { type Glance, type Shape, Survey } from "../../../src/services/Survey.js"
import { living } from "./FakeQueue.js"
import { boardLoaded, eventsOf, row, streams } from "./Fixtures.js"
import { terminal } from "./VirtualTerminal.js"

const counts: Counts = {
  unfinished: { pending: 5, processing: 1, retrying: 0, waiting: 1, paused: 2 },
  ended: { completed: 10, failed: 1, cancelled: 0 },
  bytes: 1024
}

const working = (checkpoint: number): Download =>
  row({
    id: Ids.fromKey(1),
    status: "processing",
    filename: "a.iso",
    part: { name: "a.iso.sluice-part", dev: "1", ino: "2" },
    checkpoint,
    total: 10_000
  })

const waiting = row({
  id: Ids.fromKey(2),
  url: "https://busy.test/b.iso",
  status: "waiting",
  nextAttemptAt: 12_000,
  failure: { reason: "HostCooling", detail: "the server answered 503" }
})

/** A database that a test changes. */
const changing = () => {
  let version = 1
  let glance: Glance = {
    engines: [living],
    working: [working(1000)],
    delayed: [waiting],
    cooling: [{ origin: "https://busy.test", until: 12_000, why: "the server answered 503" }],
    ended: [],
    position: 7
  }
  const asked = { glances: 0, counts: 0, unfinished: 0, versions: 0 }
  const survey: Shape = {
    version: Effect.sync(() => (asked.versions++, version)),
    position: Effect.succeed(7),
    glance: () =>
      Effect.sync(() => {
        asked.glances++
        const seen = glance
        // what has ended is told once
        glance = { ...glance, ended: [] }
        return seen
      }),
    unfinished: Effect.sync(() => (asked.unfinished++, counts.unfinished)),
    counts: Effect.sync(() => (asked.counts++, counts)),
    report: () => Effect.die("not asked for")
  }
  const change = (more: Partial<Glance>): void => {
    version++
    glance = { ...glance, ...more }
  }
  return { asked, change, survey }
}

const path = "/state/sluice.db"

describe("watch", () => {
  const start = (columns: number, rows: number) =>
    Effect.gen(function* () {
      const world = changing()
      const { output, terminal: screen } = terminal(columns, rows)
      const fiber = yield* watch({ json: false, path }).pipe(
        Effect.provideService(Survey, world.survey),
        Effect.provideService(Output, output),
        Effect.fork
      )
      yield* TestClock.adjust(0)
      yield* boardLoaded
      yield* TestClock.adjust(250)
      return { ...world, fiber, screen }
    })

  it.effect("shows engines, cooling hosts, what is at work and what waits, and counts", () =>
    Effect.gen(function* () {
      const { change, fiber, screen } = yield* start(100, 24)
      // 500 bytes each 250 ms
      for (let i = 1; i <= 8; i++) {
        change({ working: [working(1000 + i * 500)] })
        yield* TestClock.adjust(250)
      }
      expect(yield* screen.screen).toEqual([
        expect.stringMatching(/^engine 4711 on \/state\/sluice\.db, for 2\.\d s$/),
        "https://busy.test is left alone for 10 s: the server answered 503",
        expect.stringMatching(/^a\.iso .* 50% .*4\.88 KiB\/9\.77 KiB +1\.\d+ KiB\/s +ETA 0:0\d$/),
        expect.stringMatching(/^b\.iso .* host cooling down 10 s/),
        expect.stringMatching(/^10 of 18 done, 1 failed, 5 queued/),
        "5 pending, 1 processing, 1 waiting, 2 paused, 10 completed, 1 failed"
      ])
      change({
        working: [],
        ended: [{ id: Ids.fromKey(1), status: "completed", bytes: 10_000 }],
        position: 8
      })
      yield* TestClock.adjust(250)
      expect((yield* screen.screen).at(-1)).toContain("11 completed")
      yield* Fiber.interrupt(fiber)
      expect(yield* screen.lines).toEqual([])
    })
  )

  it.effect("says of a host that is asked by one download no time: its answer ends it", () =>
    Effect.gen(function* () {
      const { change, fiber, screen } = yield* start(100, 24)
      change({ cooling: [{ origin: "https://busy.test", until: 90_000, why: probeWhy }] })
      yield* TestClock.adjust(1000)
      expect((yield* screen.screen)[1]).toBe("https://busy.test: one download asks whether it is well again")
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("says when no engine runs, also when one dies without a word, and goes on looking", () =>
    Effect.gen(function* () {
      const { asked, screen, survey: _, ...world } = yield* start(60, 24)
      world.change({ engines: [{ ...living, alive: false }], working: [], delayed: [], cooling: [] })
      yield* TestClock.adjust(1000)
      expect((yield* screen.screen)[0]).toBe("no engine is running on /state/sluice.db; looking on")
      const before = asked.glances
      yield* TestClock.adjust(10_000)
      expect(asked.glances - before).toBe(10)
      world.change({ engines: [living] })
      yield* TestClock.adjust(250)
      expect((yield* screen.screen)[0]).toMatch(/^engine 4711/)
    })
  )

  it.effect("looks four times a second at most, and counts far more seldom", () =>
    Effect.gen(function* () {
      const { asked, change } = yield* start(80, 24)
      const before = { ...asked }
      for (let i = 0; i < 400; i++) {
        change({ working: [working(1000 + i)] })
        yield* TestClock.adjust(100)
      }
      expect(asked.versions - before.versions).toBe(160)
      expect(asked.glances - before.glances).toBeLessThanOrEqual(160)
      expect(asked.unfinished - before.unfinished).toBeLessThanOrEqual(40)
      expect(asked.counts).toBe(1)
    })
  )

  it.effect("fits the terminal, whatever its size becomes", () =>
    Effect.gen(function* () {
      const { change, screen } = yield* start(100, 24)
      change({
        working: Array.from({ length: 30 }, (_, i) => ({ ...working(10), id: Ids.fromKey(100 + i) }))
      })
      for (const [columns, rows] of [
        [100, 24],
        [40, 10],
        [20, 4],
        [120, 8]
      ] as const) {
        yield* screen.resize(columns, rows)
        yield* TestClock.adjust(1000)
        const lines = yield* screen.screen
        expect(lines.length).toBeLessThanOrEqual(rows)
        expect(lines.join("\n")).toContain("5 pending")
      }
    })
  )

  it.effect("without a terminal: a line when an engine comes or goes, else every ten seconds", () =>
    Effect.gen(function* () {
      const world = changing()
      const { output, stdout } = streams()
      yield* watch({ json: false, path }).pipe(
        Effect.provideService(Survey, world.survey),
        Effect.provideService(Output, output),
        Effect.fork
      )
      yield* TestClock.adjust(0)
      yield* boardLoaded
      yield* TestClock.adjust(1000)
      expect(stdout.lines).toEqual([
        "1 engine; 1 at work; 5 pending, 1 processing, 1 waiting, 2 paused, 10 completed, 1 failed".replace(
          "1 at work",
          stdout.text.includes("(0 B/s)") ? "1 at work (0 B/s)" : "1 at work"
        )
      ])
      world.change({ working: [working(5000)] })
      yield* TestClock.adjust(5000)
      expect(stdout.lines).toHaveLength(1)
      world.change({ engines: [], working: [] })
      yield* TestClock.adjust(250)
      expect(stdout.lines.at(-1)).toMatch(/^no engine; /)
    })
  )

  it.effect("--json: an object for each change, one a second at most", () =>
    Effect.gen(function* () {
      const world = changing()
      const { output, stdout } = streams()
      yield* watch({ json: true, path }).pipe(
        Effect.provideService(Survey, world.survey),
        Effect.provideService(Output, output),
        Effect.fork
      )
      yield* TestClock.adjust(30_000)
      expect(eventsOf(stdout)).toHaveLength(1)
      for (let i = 0; i < 20; i++) {
        world.change({ working: [working(1000 + i)] })
        yield* TestClock.adjust(250)
      }
      const events = eventsOf(stdout)
      expect(events).toHaveLength(6)
      expect(events[0]).toMatchObject({
        event: "watch",
        downloads: { pending: 5, completed: 10 },
        active: [{ url: "http://example.org/file.bin", bytes: 1000, total: 10_000 }],
        delayed: [{ status: "waiting", reason: "HostCooling", nextAttemptAt: "1970-01-01T00:00:12.000Z" }],
        engines: [{ pid: 4711, alive: true }]
      })
    })
  )
})
