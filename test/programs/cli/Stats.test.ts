import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import * as Ids from "../../../src/domain/DownloadId.js"
import * as Format from "../../../src/programs/cli/Format.js"
import { Output } from "../../../src/programs/cli/Output.js"
import * as Stats from "../../../src/programs/cli/Stats.js"
import { page } from "../../../src/programs/cli/StatsPage.js"
import { Surroundings } from "../../../src/programs/cli/Surroundings.js"
import { fakeQueue, living, type Options } from "./FakeQueue.js"
import { eventsOf, row, streams, surroundings } from "./Fixtures.js"

const stored = [
  row({ status: "completed" }),
  row({ id: Ids.fromKey(2), status: "failed" }),
  row({ id: Ids.fromKey(3), status: "completed" })
]

const cooling = [
  { origin: "https://example.org", until: 12_000, why: "the server answered 429 and asked to wait 12 s" }
]

const stats = (options: Options, json = false) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(500)
    const { output, stdout } = streams()
    yield* Stats.stats({ json }).pipe(
      Effect.provide(fakeQueue(stored, options).layer),
      Effect.provideService(Output, output),
      Effect.provideService(Surroundings, surroundings("stats"))
    )
    return stdout
  })

describe("stats", () => {
  it.effect("are tables, aligned; this process does not count as an engine", () =>
    Effect.gen(function* () {
      const engines = [
        living,
        { ...living, pid: 1 },
        { ...living, id: "e" as typeof living.id, pid: null, alive: false }
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
          "ENGINE     PID  LIVES  SINCE",
          `engine-1  4711  yes    ${Format.time(0)}`,
          `e            -  no     ${Format.time(0)}`,
          ""
        ].join("\n")
      )
    })
  )

  it.effect("say when nobody is at work", () =>
    Effect.gen(function* () {
      expect((yield* stats({ engines: [{ ...living, pid: 1 }] })).lines.at(-1)).toBe("no engine is running")
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
          cooling: [
            { origin: "https://example.org", until: "1970-01-01T00:00:12.000Z", why: cooling[0]!.why }
          ],
          engines: [{ id: "engine-1", pid: 4711, startedAt: "1970-01-01T00:00:00.000Z", alive: true }]
        }
      ])
    })
  )

  it("fit the terminal", () => {
    const downloads = {
      pending: 0,
      processing: 0,
      retrying: 0,
      waiting: 0,
      paused: 0,
      completed: 1e6,
      failed: 0,
      cancelled: 0
    }
    const text = page({ downloads, bytes: 2 ** 50, cooling, engines: [living] }, { columns: 30, now: 0 })
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(30)
  })
})
