import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import type { Download } from "../../../src/domain/Download.js"
import * as HostEvent from "../../../src/domain/HostEvent.js"
import { reasons } from "../../../src/domain/DownloadError.js"
import * as Events from "../../../src/programs/cli/Events.js"
import { Change, Event } from "../../../src/programs/cli/EventSchema.js"
import { row, secret } from "./Fixtures.js"

const names = (events: ReadonlyArray<Events.Change>) => events.map(({ event }) => event)

const processing = (more: Partial<Download> = {}) =>
  row({ status: "processing", attempt: 1, epoch: 1, attemptStartedAt: 5, updatedAt: 5, ...more })
const failure = { reason: "ConnectionReset", detail: "the connection was reset" } as const

const stages: Record<string, Download> = {
  pending: row(),
  processing: processing(),
  retrying: processing({ status: "retrying", failure, nextAttemptAt: 2010, updatedAt: 10 }),
  waiting: processing({
    status: "waiting",
    failure: { reason: "HostCooling", detail: "the server asked to wait", status: 429, retryAfter: 1000 },
    nextAttemptAt: 1010,
    updatedAt: 10
  }),
  paused: processing({ status: "paused", checkpoint: 7, total: 10, updatedAt: 10 }),
  completed: processing({
    status: "completed",
    outcome: "fetched",
    filename: "file.bin",
    checkpoint: 10,
    total: 10,
    updatedAt: 20,
    finishedAt: 20
  }),
  failed: processing({ status: "failed", failure, updatedAt: 20, finishedAt: 20 }),
  cancelled: processing({ status: "cancelled", updatedAt: 20, finishedAt: 20 })
}

describe("between two rows", () => {
  it.each([
    ["pending", "processing", ["started"]],
    ["processing", "processing", []],
    ["processing", "retrying", ["retrying"]],
    ["processing", "waiting", ["waiting"]],
    ["processing", "completed", ["completed"]],
    ["processing", "failed", ["failed"]],
    ["processing", "cancelled", ["cancelled"]],
    ["processing", "paused", ["paused"]],
    ["processing", "pending", []],
    ["completed", "completed", []],
    // the row in between was missed
    ["pending", "completed", ["started", "completed"]],
    ["pending", "retrying", ["started", "retrying"]]
  ])("%s -> %s", (before, after, expected) => {
    expect(names(Events.between(stages[before], stages[after]!))).toEqual(expected)
  })

  it("a first look tells what is", () => {
    expect(names(Events.between(undefined, stages["pending"]!))).toEqual([])
    expect(names(Events.between(undefined, stages["processing"]!))).toEqual(["started"])
  })

  it("a second failure in a row is told, the same one is not", () => {
    const first = stages["retrying"]!
    const again = processing({ ...first, attempt: 2, epoch: 2, nextAttemptAt: 9000, updatedAt: 5000 })
    expect(names(Events.between(first, { ...again, status: "retrying" }))).toEqual(["started", "retrying"])
    expect(names(Events.between(first, { ...first, updatedAt: 11 }))).toEqual([])
  })

  it("says when, where and why", () => {
    expect(Events.between(stages["processing"], stages["retrying"]!)).toEqual([
      {
        v: 1,
        event: "retrying",
        at: "1970-01-01T00:00:00.010Z",
        id: stages["pending"]!.id,
        url: "http://example.org/file.bin",
        attempt: 1,
        delay: 2000,
        reason: "ConnectionReset",
        detail: "the connection was reset"
      }
    ])
    expect(Events.between(stages["processing"], stages["completed"]!)[0]).toMatchObject({
      path: "/downloads/file.bin",
      bytes: 10,
      outcome: "fetched"
    })
    expect(Events.between(stages["processing"], stages["waiting"]!)[0]).toMatchObject({
      delay: 1000,
      status: 429
    })
  })
})

describe("the shape", () => {
  const decode = Schema.decodeUnknownSync(Event, { onExcessProperty: "error" })
  const all: ReadonlyArray<Events.Event> = [
    ...Object.values(stages).flatMap((before) =>
      Object.values(stages).flatMap((after) => Events.between(before, after))
    ),
    ...Object.values(stages).map((download) => Events.listed(download)),
    Events.listed(stages["pending"]!, { origin: "http://h", until: 5, why: "busy" }),
    ...HostEvent.changes(new Map(), [["http://h", { until: 5, why: "busy" }]], 0).events,
    ...HostEvent.changes(new Map([["http://h", 5]]), [["http://h", null]], 6).events,
    Events.enqueued(stages["pending"]!, false, 0),
    Events.progress(stages["processing"]!, { received: 3, total: undefined }, 6),
    Events.interrupted(stages["processing"]!, 7),
    { v: 1, event: "error", at: "1970-01-01T00:00:00.000Z", reason: "X", message: "x", advice: "y", exit: 2 }
  ]

  it("of every event is the documented one, on one line of JSON", () => {
    for (const event of all) {
      const line = Events.encode(event)
      expect(line.indexOf("\n")).toBe(line.length - 1)
      expect(decode(JSON.parse(line))).toEqual(event)
    }
    // and errors, listed rows and hosts
    const documented = Change.members.length + 3
    expect(new Set(all.map(({ event }) => event)).size).toBe(documented)
  })

  it("is refused where something is missing or too much", () => {
    const good = JSON.parse(Events.encode(all[0]!)) as Record<string, unknown>
    expect(() => decode({ ...good, v: 2 })).toThrow()
    expect(() => decode({ ...good, extra: 1 })).toThrow()
  })

  it("holds for every reason a download can fail for", () => {
    for (const reason of reasons) {
      const failed = { ...stages["failed"]!, failure: { reason, detail: "x" } }
      const [event] = Events.between(stages["processing"], failed)
      expect(decode(event)).toMatchObject({ event: "failed", reason })
      expect(event).toHaveProperty("advice")
    }
  })

  it("never holds a secret", () => {
    for (const event of all) expect(Events.encode(event)).not.toContain(secret)
  })

  it("line ends in names and messages stay inside the line", () => {
    const line = Events.encode(
      Events.between(stages["processing"], { ...stages["completed"]!, filename: "a\nb\u2028.bin" })[0]!
    )
    expect(line.split("\n")).toHaveLength(2)
  })
})
