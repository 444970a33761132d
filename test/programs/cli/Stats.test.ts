import { it } from "@effect/vitest"
import { probeWhy } from "../../../src/domain/Host.js"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import * as Format from "../../../src/programs/cli/Format.js"
import { Output } from "../../../src/programs/cli/Output.js"
import * as Stats from "../../../src/programs/cli/Stats.js"
import { page } from "../../../src/programs/cli/StatsPage.js"
import { Surroundings } from "../../../src/programs/cli/Surroundings.js"
import type { Report } from "../../../src/domain/Survey.js"
import { empty } from "../../../src/domain/Survey.js"
import { type Shape, Survey } from "../../../src/services/Survey.js"
import { living } from "./FakeQueue.js"
import { eventsOf, streams, surroundings } from "./Fixtures.js"

const report: Report = { ...empty, downloads: { ...empty.downloads, completed: 2, failed: 1 }, bytes: 1536 }

const survey = (report: Report): Shape => ({
  version: Effect.succeed(1),
  position: Effect.succeed(0),
  glance: () => Effect.die("not asked for"),
  unfinished: Effect.die("not asked for"),
  counts: Effect.die("not asked for"),
  report: () => Effect.succeed(report)
})

const cooling = [
  { origin: "https://example.org", until: 12_000, why: "the server answered 429 and asked to wait 12 s" }
]

const stats = (options: Partial<Report>, json = false) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(500)
    const { output, stdout } = streams()
    yield* Stats.stats({ json, hosts: 10 }).pipe(
      Effect.provideService(Survey, survey({ ...report, ...options })),
      Effect.provideService(Output, output),
      Effect.provideService(Surroundings, surroundings("stats"))
    )
    return stdout
  })

describe("stats", () => {
  it.effect("are tables, aligned", () =>
    Effect.gen(function* () {
      const engines = [
        living,
        { ...living, id: "e" as typeof living.id, pid: null, adopts: false, alive: false }
      ]
      expect((yield* stats({ cooling, engines })).text).toBe(
        [
          "STATUS      DOWNLOADS    BYTES",
          "pending             0",
          "processing          0",
          "retrying            0",
          "waiting             0",
          "paused              0",
          "completed           2  1.5 KiB",
          "failed              1",
          "cancelled           0",
          "all                 3",
          "",
          "COOLING HOST         TIME LEFT  WHY",
          "https://example.org       12 s  the server answered 429 and asked to wait 12 s",
          "",
          "ENGINE     PID  LIVES  WORKS ON   SINCE",
          `engine-1  4711  yes    the queue  ${Format.time(0)}`,
          `e            -  no     its own    ${Format.time(0)}`,
          ""
        ].join("\n")
      )
    })
  )

  it.effect("have no time left for a host that one download asks", () =>
    Effect.gen(function* () {
      const probed = { origin: "https://example.org", until: 90_000, why: probeWhy }
      expect((yield* stats({ cooling: [probed] })).text).toContain(
        "https://example.org          -  one download asks whether it is well again\n"
      )
    })
  )

  it.effect("say when nobody is at work", () =>
    Effect.gen(function* () {
      expect((yield* stats({})).lines.at(-1)).toBe("no engine is running")
    })
  )

  it.effect("--json is one object", () =>
    Effect.gen(function* () {
      expect(eventsOf(yield* stats({ cooling, engines: [living] }, true))).toEqual([
        {
          v: 1,
          event: "stats",
          at: "1970-01-01T00:00:00.500Z",
          downloads: {
            pending: 0,
            processing: 0,
            retrying: 0,
            waiting: 0,
            paused: 0,
            completed: 2,
            failed: 1,
            cancelled: 0
          },
          bytes: 1536,
          retries: 0,
          recent: [],
          reasons: [],
          hosts: [],
          hostCount: 0,
          cooling: [
            { origin: "https://example.org", until: "1970-01-01T00:00:12.000Z", why: cooling[0]!.why }
          ],
          engines: [
            { id: "engine-1", pid: 4711, startedAt: "1970-01-01T00:00:00.000Z", adopts: true, alive: true }
          ]
        }
      ])
    })
  )

  it.effect("tell the last minutes, why downloads failed or wait, and the hosts", () =>
    Effect.gen(function* () {
      const { text } = yield* stats({
        retries: 4,
        recent: [
          { span: 60_000, completed: 0, failed: 0, bytes: 0 },
          { span: 3_600_000, completed: 2, failed: 1, bytes: 3600 * 1024 }
        ],
        reasons: [{ status: "failed", reason: "NotFound", downloads: 1 }],
        hosts: [{ origin: "https://a.test", unfinished: 0, completed: 2, failed: 1, bytes: 1536 }],
        hostCount: 3
      })
      expect(text.split("\n").slice(9)).toEqual([
        "all                 3",
        "4 retries of what is listed",
        "",
        "IN THE LAST  COMPLETED  FAILED     BYTES    SPEED",
        "1 h                  2       1  3.52 MiB  1 KiB/s",
        "",
        "STATUS  WHY       DOWNLOADS",
        "failed  NotFound          1",
        "",
        "HOST            UNFINISHED  COMPLETED  FAILED    BYTES",
        "https://a.test           0          2       1  1.5 KiB",
        "and 2 more hosts",
        "",
        "no engine is running",
        ""
      ])
    })
  )

  it("fit the terminal", () => {
    const text = page(
      { ...report, bytes: 2 ** 50, cooling, engines: [living], retries: 12 },
      { columns: 30, now: 0 }
    )
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(30)
  })
})
