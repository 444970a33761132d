import { it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { describe, expect } from "vitest"
import * as HostEvent from "../../../src/domain/HostEvent.js"
import type { Download } from "../../../src/domain/Download.js"
import * as DownloadErrors from "../../../src/domain/DownloadError.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import { defaultOptions } from "../../../src/domain/DownloadOptions.js"
import * as Display from "../../../src/programs/cli/Display.js"
import { exitCode } from "../../../src/programs/cli/Failures.js"
import * as Get from "../../../src/programs/cli/Get.js"
import { none } from "../../../src/programs/cli/Network.js"
import * as Requests from "../../../src/programs/cli/Requests.js"
import * as Session from "../../../src/programs/cli/Session.js"
import { boardLoaded, eventsOf, fakeEngine, row, secret, streams } from "./Fixtures.js"

const asked = (more: Partial<Requests.Asked> = {}): Requests.Asked => ({
  urls: ["http://example.org/file.bin"],
  input: undefined,
  metalinks: [],
  dir: undefined,
  output: undefined,
  mirrors: [],
  db: undefined,
  headers: [],
  priority: 0,
  tags: [],
  key: undefined,
  group: undefined,
  seal: false,
  options: defaultOptions,
  concurrency: undefined,
  durability: undefined,
  transport: undefined,
  limitRate: undefined,
  perHost: undefined,
  network: none,
  json: false,
  quiet: false,
  noProgress: false,
  ...more
})

/** Runs `get` over the engine; the command to go on is always the same. */
const start = (
  engine: Effect.Effect.Success<ReturnType<typeof fakeEngine>>,
  more: Partial<Requests.Asked> = {},
  to: Parameters<typeof streams>[0] = {}
) =>
  Effect.gen(function* () {
    const { output, stderr, stdout } = streams(to)
    const wanted = yield* Requests.requests(asked(more), { entries: [], problems: [] }, "/work")
    const display = Display.make(output, asked(more))
    const session = Session.make(display, "asked")
    const fiber = yield* Get.download(wanted, session, display, asked(more)).pipe(
      Effect.provide(engine.layer),
      Session.onInterrupt(session, display, { command: "sluice get again", hidden: false }),
      Effect.fork
    )
    // every fiber gets to where it waits
    yield* TestClock.adjust(0)
    return {
      fiber,
      stderr,
      stdout,
      events: () => stdout.lines.map((line) => JSON.parse(line) as { event: string })
    }
  })

const one = Ids.fromKey(1)
const two = Ids.fromKey(2)

const processing = (more: Partial<Download> = {}) =>
  row({ status: "processing", attempt: 1, epoch: 1, attemptStartedAt: 0, ...more })
const completed = (more: Partial<Download> = {}) =>
  processing({
    status: "completed",
    outcome: "fetched",
    filename: "file.bin",
    checkpoint: 1536,
    total: 1536,
    finishedAt: 0,
    ...more
  })
const failed = (more: Partial<Download> = {}) =>
  processing({
    status: "failed",
    failure: { reason: "NotFound", detail: "the server answered 404 (not found)", status: 404 },
    finishedAt: 0,
    ...more
  })

describe("get", () => {
  it.effect("prints the path of what completed, and nothing else on stdout", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr, stdout } = yield* start(engine)
      yield* engine.put(processing())
      yield* engine.put(completed())
      expect(yield* Fiber.join(fiber)).toBeUndefined()
      expect(stdout.text).toBe("/downloads/file.bin\n")
      expect(stderr.lines).toEqual([
        "started http://example.org/file.bin",
        "completed http://example.org/file.bin (1.5 KiB)"
      ])
    })
  )

  it.effect("says what failed, why, and what to do; the rest is not touched by it", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr, stdout } = yield* start(engine, {
        urls: ["http://example.org/gone.bin", "http://example.org/file.bin"],
        quiet: true
      })
      yield* engine.put(failed({ url: "http://example.org/gone.bin" }))
      yield* engine.put(completed({ id: two }))
      expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(1)
      expect(stdout.text).toBe("/downloads/file.bin\n")
      expect(stderr.text).toBe(
        "sluice: not done: http://example.org/gone.bin\n" +
          "        the server answered 404 (not found)\n" +
          "        check the URL\n"
      )
    })
  )

  it.effect("what contradicts an unfinished download is named; the rest is not touched by it", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine(undefined, ({ url }) =>
        url.endsWith("c")
          ? DownloadErrors.make("ChecksumContradiction", "it has another checksum")
          : undefined
      )
      const { fiber, stderr, stdout } = yield* start(engine, {
        urls: ["http://example.org/c", "http://example.org/file.bin"],
        quiet: true
      })
      yield* engine.put(completed({ id: two }))
      const exit = yield* Fiber.await(fiber)
      expect(exitCode(exit, undefined)).toBe(2)
      expect(stdout.text).toBe("/downloads/file.bin\n")
      expect(stderr.text).toBe("")
      expect(Option.map(Exit.causeOption(exit), Cause.pretty).pipe(Option.getOrElse(() => ""))).toContain(
        "http://example.org/c: it has another checksum"
      )
    })
  )

  it.effect("ends with 1 when somebody else paused or cancelled what was asked for", () =>
    Effect.gen(function* () {
      for (const status of ["paused", "cancelled"] as const) {
        const engine = yield* fakeEngine()
        const { fiber, stderr } = yield* start(engine)
        yield* engine.put(processing({ status, updatedAt: 1 }))
        expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(1)
        expect(stderr.text).toContain(`it was ${status} by another command`)
      }
    })
  )

  it.effect("the same URL twice is one download", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine((request) => Effect.succeed(row({ url: request.url })))
      const { events, fiber } = yield* start(engine, { urls: ["http://a/", "http://a/"], json: true })
      yield* engine.put(completed())
      yield* Fiber.join(fiber)
      expect(events()).toMatchObject([
        { event: "enqueued", attached: false },
        { event: "enqueued", attached: true },
        { event: "started" },
        { event: "completed" }
      ])
    })
  )

  it.effect("says that it goes on with what is here already", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1000)
      const engine = yield* fakeEngine(() =>
        Effect.succeed(row({ createdAt: 999, checkpoint: 512, total: 1536 }))
      )
      const { fiber, stderr } = yield* start(engine)
      yield* engine.put(completed({ updatedAt: 1000 }))
      yield* Fiber.join(fiber)
      expect(stderr.lines[0]).toBe("going on with http://example.org/file.bin: 512 B of 1.5 KiB already here")
    })
  )

  it.effect("passes a refusal of the engine on: nothing was started", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine(() =>
        Effect.fail(DownloadErrors.make("DestinationUnusable", "cannot make /x"))
      )
      const { fiber, stdout } = yield* start(engine)
      expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(2)
      expect(stdout.text).toBe("")
    })
  )

  it.effect("leaves a file alone when asked to, and says so", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr, stdout } = yield* start(engine)
      yield* engine.put(completed({ outcome: "skipped" }))
      yield* Fiber.join(fiber)
      expect(stdout.text).toBe("/downloads/file.bin\n")
      expect(stderr.text).toContain("left alone, it was there already: /downloads/file.bin")
    })
  )

  it.effect("on a terminal shows a board in place, and says the path when it is done", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr, stdout } = yield* start(engine, {}, { terminal: true, NO_COLOR: "1" })
      engine.active.push({ id: one, gauge: { received: 768, total: 1536, state: "downloading" } })
      yield* engine.put(processing())
      yield* TestClock.adjust(150)
      yield* boardLoaded
      yield* TestClock.adjust(50)
      expect(stderr.text).toContain("\rfile.bin")
      expect(stderr.text).toContain("50%")
      yield* engine.put(completed())
      yield* Fiber.join(fiber)
      // both are one terminal: what came last is the path, where the frame was, and the sum
      expect(stdout.text + stderr.text).toMatch(
        // eslint-disable-next-line no-control-regex
        /\/downloads\/file\.bin\n.*\r\u001b\[J1 completed \(1\.5 KiB\) in 0\.2 s\n$/s
      )
    })
  )

  it.effect("--no-progress and --quiet show no line", () =>
    Effect.gen(function* () {
      for (const more of [{ noProgress: true }, { quiet: true }]) {
        const engine = yield* fakeEngine()
        const { fiber, stderr } = yield* start(engine, more, { terminal: true })
        engine.active.push({ id: one, gauge: { received: 768, total: 1536, state: "downloading" } })
        yield* TestClock.adjust(5000)
        expect(stderr.text).toBe("")
        yield* Fiber.interrupt(fiber)
      }
    })
  )
})

describe("get --json", () => {
  it.effect("tells every change once, with progress at most every 500 ms", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { events, fiber, stderr, stdout } = yield* start(engine, { json: true })
      yield* engine.put(processing())
      const gauge = { received: 0, total: 1536, state: "downloading" }
      engine.active.push({ id: one, gauge })
      for (let i = 0; i < 20; i++) {
        gauge.received += 10
        yield* TestClock.adjust(100)
      }
      // nothing arrives for a while
      yield* TestClock.adjust(3000)
      yield* engine.put(completed({ updatedAt: 5000 }))
      yield* Fiber.join(fiber)
      expect(events().map(({ event }) => event)).toEqual([
        "enqueued",
        "started",
        ...Array.from({ length: 4 }, () => "progress"),
        "completed"
      ])
      expect(events()[2]).toMatchObject({ at: "1970-01-01T00:00:00.500Z", bytes: 50, total: 1536 })
      expect(stdout.text).not.toContain(secret)
      expect(stderr.text).toBe("")
    })
  )

  it.effect("loses no ending, though changes were lost or come late", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { events, fiber } = yield* start(engine, { json: true, urls: ["http://a/", "http://b/"] })
      yield* engine.put(completed({ updatedAt: 7 }), "quietly")
      yield* TestClock.adjust(0)
      // an older row of the same download arrives after its end
      yield* engine.put(processing({ updatedAt: 3 }))
      yield* engine.put(failed({ id: two, updatedAt: 9 }))
      expect(Exit.isFailure(yield* Fiber.await(fiber))).toBe(true)
      expect(events()).toMatchObject([
        { event: "enqueued", id: one },
        { event: "enqueued", id: two },
        { event: "started", id: one },
        { event: "completed", id: one },
        { event: "started", id: two },
        { event: "failed", id: two, reason: "NotFound", advice: "check the URL" }
      ])
    })
  )

  it.effect("is silent about downloads it did not ask for", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { events, fiber } = yield* start(engine, { json: true })
      yield* engine.put(failed({ id: two }))
      yield* engine.put(completed())
      yield* Fiber.join(fiber)
      expect(events().every((event) => "id" in event && event.id === one)).toBe(true)
    })
  )

  it.effect("an ending counts even if the clock went backwards", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { events, fiber } = yield* start(engine, { json: true })
      yield* engine.put(processing({ updatedAt: 1_000_000 }))
      yield* engine.put(completed({ updatedAt: 5 }))
      yield* Fiber.join(fiber)
      expect(events().at(-1)).toMatchObject({ event: "completed" })
    })
  )
})

describe("get, interrupted", () => {
  it.effect("says what is saved and how to go on", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr, stdout } = yield* start(engine)
      yield* engine.put(processing({ checkpoint: 512, total: 1536, updatedAt: 1 }))
      yield* TestClock.adjust(0)
      expect(exitCode(yield* Fiber.interrupt(fiber), "SIGINT")).toBe(130)
      expect(stderr.text).toContain(
        "sluice: interrupted; 512 B of 1.5 KiB saved. To go on:\n        sluice get again\n"
      )
      expect(stdout.text).toBe("")
    })
  )

  it.effect("tells programs about each download that has not ended", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { events, fiber } = yield* start(engine, { json: true, urls: ["http://a/", "http://b/"] })
      yield* engine.put(completed())
      yield* engine.put(processing({ id: two, checkpoint: 512, updatedAt: 1 }))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(fiber)
      expect(events().at(-1)).toMatchObject({ event: "interrupted", id: two, bytes: 512 })
      expect(events().filter(({ event }) => event === "interrupted")).toHaveLength(1)
    })
  )

  it.effect("a reader that goes away ends it quietly", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr, stdout } = yield* start(engine, { json: true })
      stdout.closed = true
      yield* engine.put(processing())
      expect(exitCode(yield* Fiber.await(fiber), undefined)).toBe(141)
      expect(stderr.text).toBe("")
    })
  )
})

describe("a host that is left alone", () => {
  const host = { origin: "http://example.org", until: 12_000, why: "it answered 429" }

  it.effect("is told of once, whoever has found out, where downloads wait for it", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stderr } = yield* start(engine)
      engine.hosts.push({ origin: "http://nobody", until: 99_000, why: "busy" }, host)
      yield* TestClock.adjust(3000)
      const event = HostEvent.changes(new Map(), [[host.origin, { ...host, until: 12_001 }]], 3000)
      for (const one of event.events) yield* engine.hear(one)
      yield* TestClock.adjust(0)
      const closed = HostEvent.changes(new Map([[host.origin, 1]]), [[host.origin, null]], 4000)
      for (const one of closed.events) yield* engine.hear(one)
      yield* TestClock.adjust(0)
      expect(stderr.lines).toEqual([
        "http://example.org is left alone for 12 s: it answered 429",
        "http://example.org answers again"
      ])
      yield* engine.put(completed())
      yield* Fiber.join(fiber)
    })
  )

  it.effect("is a line of --json", () =>
    Effect.gen(function* () {
      const engine = yield* fakeEngine()
      const { fiber, stdout } = yield* start(engine, { json: true })
      engine.hosts.push(host)
      yield* TestClock.adjust(3000)
      yield* engine.put(completed())
      yield* Fiber.join(fiber)
      expect(eventsOf(stdout).filter(({ event }) => event === "host")).toMatchObject([
        { origin: host.origin, state: "open", until: "1970-01-01T00:00:12.000Z", why: host.why }
      ])
    })
  )
})
