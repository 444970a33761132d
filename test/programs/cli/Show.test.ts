import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import type { Attempt } from "../../../src/domain/Attempt.js"
import type { Download } from "../../../src/domain/Download.js"
import { defaultOptions } from "../../../src/domain/DownloadOptions.js"
import { page } from "../../../src/programs/cli/DetailPage.js"
import { exitCode } from "../../../src/programs/cli/Failures.js"
import * as Format from "../../../src/programs/cli/Format.js"
import { Output } from "../../../src/programs/cli/Output.js"
import * as Show from "../../../src/programs/cli/Show.js"
import { fakeQueue, living } from "./FakeQueue.js"
import { eventsOf, row, secret, streams } from "./Fixtures.js"

const began = Date.UTC(2026, 10, 22, 12)
const failure = {
  reason: "ServerError",
  detail: "the server answered 503 (service unavailable)",
  status: 503
} as const

const attempt = (more: Partial<Attempt> = {}): Attempt => ({
  number: 1,
  source: "http://example.org/file.bin",
  engine: living.id,
  pid: null,
  startedAt: began,
  endedAt: began + 12_000,
  status: "retrying",
  fromBytes: 0,
  toBytes: 1536,
  failure,
  nextAttemptAt: began + 14_000,
  ...more
})

const attempts: ReadonlyArray<Attempt> = [
  attempt(),
  attempt({
    number: 2,
    source: "http://user:hunter2@mirror.example.org/file.bin",
    pid: 4712,
    startedAt: began + 14_000,
    endedAt: null,
    status: "processing",
    fromBytes: 1536,
    toBytes: 1_048_576,
    failure: null,
    nextAttemptAt: null
  })
]

const download: Download = row({
  status: "processing",
  desired: "paused",
  output: "b.bin",
  tags: ["photos", "2026"],
  meta: { x: 1 },
  options: {
    ...defaultOptions,
    maxRetries: 9,
    checksum: { algorithm: "md5", hex: "0".repeat(32) }
  },
  priority: 5,
  checkpoint: 1_048_576,
  total: 2_097_152,
  attempt: 2,
  owner: living.id,
  failure,
  createdAt: began - 60_000,
  updatedAt: began + 15_000
})

const manner = { columns: undefined, color: false, now: began + 20_000 }

describe("a host that is left alone", () => {
  const cooling = { origin: "http://example.org", until: began + 12_000, why: "it answered 429" }

  it("is why a download is pending, and said for how long", () => {
    const lines = page(row(), [], { columns: undefined, color: false, now: began, cooling }).split("\n")
    expect(lines).toContain("status      pending (host cooling down 12 s)")
    expect(lines).toContain("host        http://example.org is left alone for 12 s: it answered 429")
  })

  it.effect("is in --json", () =>
    Effect.gen(function* () {
      const { output, stdout } = streams()
      yield* TestClock.setTime(began)
      const { layer } = fakeQueue([row()], { cooling: [cooling] })
      yield* Show.show({ ids: [row().id], json: true }).pipe(
        Effect.provide(layer),
        Effect.provideService(Output, output)
      )
      expect(eventsOf(stdout)).toMatchObject([
        { event: "details", cooling: { origin: "http://example.org", why: "it answered 429" } }
      ])
    })
  )
})

describe("the page", () => {
  it("says everything, aligned", () => {
    expect(page(download, attempts, manner)).toBe(
      [
        "id          10000000000",
        "url         http://example.org/file.bin",
        "status      processing (to be paused)",
        "why         the server answered 503 (service unavailable)",
        "file        /downloads/b.bin",
        "received    1 MiB of 2 MiB (50%)",
        `checksum    md5:${"0".repeat(32)}`,
        "priority    5",
        "tags        photos, 2026",
        "headers     Authorization: ...",
        "options     max-retries 9",
        'meta        {"x":1}',
        "engine      engine-1",
        `added       ${Format.time(began - 60_000)}, 2 min ago`,
        `changed     ${Format.time(began + 15_000)}, 5 s ago`,
        "",
        "TRY  BEGAN                TOOK     FROM       TO  NEXT AFTER   PID  ENGINE",
        `  1  ${Format.time(began)}  12 s      0 B  1.5 KiB         2 s     -  engine-1`,
        "     retrying: the server answered 503 (service unavailable)",
        `  2  ${Format.time(began + 14_000)}   6 s  1.5 KiB    1 MiB           -  4712  engine-1`,
        "     goes on",
        "     from http://mirror.example.org/file.bin",
        ""
      ].join("\n")
    )
  })

  it("says what to do about a failure, and when the next try is due", () => {
    const failed = page({ ...download, status: "failed", finishedAt: began }, [], manner)
    expect(failed).toContain("what to do  the server is in trouble; try again later")
    expect(failed).not.toContain("TRY")
    const retrying = page(
      { ...download, desired: "run", status: "retrying", nextAttemptAt: began + 32_000 },
      [],
      manner
    )
    expect(retrying).toContain("status      retrying (retrying in 12 s)")
  })

  it("fits the terminal", () => {
    for (const columns of [40, 60, 80]) {
      const text = page(
        { ...download, failure: { ...failure, detail: "word ".repeat(40).trim() } },
        attempts.map((one) => ({ ...one, failure: { ...failure, detail: "word ".repeat(40).trim() } })),
        { ...manner, columns }
      )
      const lines = text.split("\n").filter((line) => !/checksum|from http/.test(line))
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(columns)
    }
  })

  it("shows no secret, and can't be made to drive the terminal", () => {
    const text = page(
      { ...download, output: "\u001b[2Jx", tags: ["\u001b[2J"], meta: "\u001b[2J" },
      attempts,
      manner
    )
    expect(text).not.toContain("\u001b")
    expect(text).not.toContain(secret)
    expect(text).not.toContain("hunter2")
    expect(page(download, attempts, { ...manner, color: true })).toContain("\u001b[1m")
  })
})

const show = (ids: ReadonlyArray<string>, json = false, stored: ReadonlyArray<Download> = [download]) =>
  Effect.gen(function* () {
    yield* TestClock.setTime(manner.now)
    const { output, stdout } = streams()
    const exit = yield* Show.show({ ids, json }).pipe(
      Effect.provide(fakeQueue(stored, { attempts }).layer),
      Effect.provideService(Output, output),
      Effect.exit
    )
    return { code: exitCode(exit, undefined), stdout }
  })

describe("show", () => {
  it.effect("is the page of what was meant", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* show(["1oo"])
      expect([code, stdout.text]).toEqual([0, page(download, attempts, manner)])
      expect((yield* show(["zzz"])).code).toBe(2)
    })
  )

  it.effect("--json is one object, without secrets", () =>
    Effect.gen(function* () {
      const { stdout } = yield* show(["100"], true)
      expect(eventsOf(stdout)).toMatchObject([
        {
          v: 1,
          event: "details",
          status: "processing",
          desired: "paused",
          percent: 50,
          tags: ["photos", "2026"],
          headers: ["Authorization"],
          reason: "ServerError",
          httpStatus: 503,
          options: { maxRetries: 9 },
          meta: { x: 1 },
          attempts: [
            {
              number: 1,
              engine: "engine-1",
              pid: null,
              startedAt: "2026-11-22T12:00:00.000Z",
              endedAt: "2026-11-22T12:00:12.000Z",
              status: "retrying",
              fromBytes: 0,
              toBytes: 1536,
              reason: "ServerError",
              httpStatus: 503,
              nextAttemptAt: "2026-11-22T12:00:14.000Z",
              delay: 2000
            },
            { number: 2, pid: 4712, endedAt: null, reason: null, delay: null }
          ]
        }
      ])
      expect(stdout.text).not.toContain(secret)
      expect(stdout.text).not.toContain("hunter2")
    })
  )
})
