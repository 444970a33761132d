import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { Download } from "../../../src/domain/Download.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import { exitCode } from "../../../src/programs/cli/Failures.js"
import * as Ls from "../../../src/programs/cli/Ls.js"
import { probeWhy } from "../../../src/domain/Host.js"
import * as LeftAlone from "../../../src/programs/cli/LeftAlone.js"
import { Output } from "../../../src/programs/cli/Output.js"
import { table } from "../../../src/programs/cli/Listing.js"
import { fakeQueue } from "./FakeQueue.js"
import { row, secret, streams } from "./Fixtures.js"

const rows: ReadonlyArray<Download> = [
  row({ status: "completed", filename: "日本語.iso", checkpoint: 1536, total: 1536 }),
  row({ id: Ids.fromKey(2), status: "processing", output: "b.bin", checkpoint: 1, total: 3 }),
  row({ id: Ids.fromKey(3), url: "http://example.org/" })
]

/** No host is left alone. */
const calm = { leftAlone: LeftAlone.nobody, now: 0 }

const list = (asked: Partial<Ls.Asked>, stored = rows) =>
  Effect.gen(function* () {
    const { output, stderr, stdout } = streams()
    const { calls, layer } = fakeQueue(stored, {
      cooling: [{ origin: "http://example.org", until: 12_000, why: "busy" }]
    })
    const exit = yield* Ls.list(
      {
        db: undefined,
        status: [],
        tag: undefined,
        group: undefined,
        before: undefined,
        limit: 1000,
        json: false,
        ...asked
      },
      (id) => `sluice ls --before ${id}`
    ).pipe(Effect.provide(layer), Effect.provideService(Output, output), Effect.exit)
    const filters = calls.filter(([name]) => name === "list").map(([, filter]) => filter)
    return { exit, stderr, stdout, filters }
  })

describe("ls", () => {
  it("is a table, aligned also behind wide names", () => {
    expect(table(rows, undefined, calm)).toBe(
      [
        "ID           STATUS      DONE     SIZE  NAME        URL",
        "10000000000  completed   100%  1.5 KiB  日本語.iso  http://example.org/file.bin",
        "20000000000  processing   33%      3 B  b.bin       http://example.org/file.bin",
        "30000000000  pending        -        -  download    http://example.org/",
        ""
      ].join("\n")
    )
  })

  it("says of a host that one download asks that it does", () => {
    const host = { origin: "http://example.org", until: 90_000, why: probeWhy }
    const text = table(rows, undefined, { leftAlone: LeftAlone.among([host], 0), now: 0 })
    expect(text).toContain("pending: host is asked whether it is well  ")
  })

  it("says of a host that is left alone how long, to all that wait for it", () => {
    const host = { origin: "http://example.org", until: 12_000, why: "busy" }
    const lines = table([...rows, row({ status: "waiting", nextAttemptAt: 10 })], undefined, {
      leftAlone: LeftAlone.among([host], 0),
      now: 0
    }).split("\n")
    expect(lines.map((line) => line.slice(13, 44).trimEnd())).toEqual([
      "STATUS",
      "completed",
      "processing",
      "pending: host cooling down 12 s",
      "waiting: host cooling down 12 s",
      ""
    ])
  })

  it("fits the terminal", () => {
    const lines = table(rows, 40, calm).split("\n")
    expect(lines[1]).toBe("10000000000  completed   100%  1.5 KiB …")
  })

  it("can't be made to drive the terminal", () => {
    expect(table([row({ output: "\u001b[2Jx\ny" })], undefined, calm).split("\n")).toHaveLength(3)
    expect(table([row({ output: "\u001b[2Jx" })], undefined, calm)).not.toContain("\u001b")
  })

  it.effect("is nothing when there is nothing", () =>
    Effect.gen(function* () {
      const { stderr, stdout } = yield* list({}, [])
      expect(stdout.text + stderr.text).toBe("")
    })
  )

  it.effect("passes on what was asked for, and says when it is not all", () =>
    Effect.gen(function* () {
      const { filters, stderr, stdout } = yield* list({
        status: ["completed", "processing", "pending"],
        limit: 2
      })
      expect(filters).toEqual([{ status: ["completed", "processing", "pending"], limit: 3 }])
      expect(stdout.lines).toHaveLength(3)
      expect(stdout.text).not.toContain("10000000000")
      expect(stderr.text).toContain("only the newest 2 are shown; those before them:")
      expect(stderr.text).toContain("sluice ls --before 20000000000")
      expect((yield* list({ limit: 3 })).stderr.text).toBe("")
    })
  )

  it.effect("filters by tag and group, and begins before a download", () =>
    Effect.gen(function* () {
      const { filters, stderr } = yield* list({ tag: "a", before: "3OO", limit: 2 })
      expect(filters).toEqual([{ tag: "a", before: "30000000000", limit: 3 }])
      expect(stderr.text).toContain("there are more; those before them:")
      // it may be gone
      expect((yield* list({ before: "zzz00000000" })).filters).toEqual([
        { before: "zzz00000000", limit: 1001 }
      ])
      // a group without downloads
      const empty = yield* list({ group: "g" })
      expect([empty.filters, empty.stdout.text, empty.stderr.text]).toEqual([[], "", ""])
      const unknown = yield* list({ before: "zzz" })
      expect(exitCode(unknown.exit, undefined)).toBe(2)
    })
  )

  it.effect("--json is one object a line, without secrets", () =>
    Effect.gen(function* () {
      const { stdout } = yield* list({ json: true })
      expect(stdout.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
        {
          v: 1,
          event: "download",
          status: "completed",
          cooling: null,
          percent: 100,
          path: "/downloads/日本語.iso"
        },
        { v: 1, event: "download", status: "processing", percent: 33, bytes: 1, total: 3 },
        {
          v: 1,
          event: "download",
          status: "pending",
          percent: null,
          path: null,
          tags: [],
          cooling: { origin: "http://example.org", until: "1970-01-01T00:00:12.000Z", why: "busy" }
        }
      ])
      expect(stdout.text).not.toContain(secret)
    })
  )
})
