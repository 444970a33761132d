import { describe, expect, it } from "vitest"
import type { Download } from "../../../src/domain/Download.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import type { Meter } from "../../../src/programs/cli/Meter.js"
import * as View from "../../../src/programs/cli/View.js"
import { active, knownOf, row } from "./Fixtures.js"

const MiB = 1024 * 1024
const reading = { bytes: 0, speed: MiB, since: 0 }
const meterOf = (...keys: ReadonlyArray<number>): Meter => ({
  at: 0,
  downloads: new Map(keys.map((key) => [Ids.fromKey(key), reading])),
  total: reading
})
const numbered = (count: number, more: Partial<Download> = {}): ReadonlyArray<Download> =>
  Array.from({ length: count }, (_, i) => row({ id: Ids.fromKey(i + 1), filename: `${i + 1}.bin`, ...more }))

describe("the view of one download", () => {
  it("has its name, its figures and the time left, and no total", () => {
    expect(View.view(knownOf([row()]), [active(1, MiB, 3 * MiB)], meterOf(1), 0, 23)).toEqual({
      entries: [
        {
          name: "file.bin",
          state: "downloading",
          detail: "",
          received: MiB,
          total: 3 * MiB,
          speed: MiB,
          remaining: 2000
        }
      ],
      more: { active: 0, delayed: 0 },
      behind: undefined,
      total: undefined
    })
  })

  it.each([
    [row({ status: "retrying", nextAttemptAt: 4000 }), "retrying in 4 s", ""],
    [row({ status: "retrying", nextAttemptAt: 0 }), "queued to retry", ""],
    [
      row({
        status: "waiting",
        nextAttemptAt: 12_000,
        failure: { reason: "HostCooling", detail: "busy\u001b" }
      }),
      "host cooling down 12 s",
      "busy\ufffd"
    ],
    [
      row({ status: "waiting", nextAttemptAt: 10_000, failure: { reason: "DiskFull", detail: "no space" } }),
      "disk full, wait 10 s",
      "no space"
    ],
    [row({ status: "processing" }), "starting", ""],
    [row(), "queued", ""]
  ])("says in words what nobody works on (%#)", (download, state, detail) => {
    const seen = View.view(knownOf([download]), [], meterOf(), 0, 23)
    expect(seen?.entries).toMatchObject([{ state, detail, speed: undefined }])
  })

  it("is nothing when there is nothing, or when all has ended", () => {
    expect(View.view(knownOf([]), [], meterOf(), 0, 23)).toBeUndefined()
    expect(View.view(knownOf([], { finished: 1 }), [], meterOf(), 0, 23)).toBeUndefined()
    expect(View.view(knownOf([], { finished: 7 }), [], meterOf(), 0, 23)).toBeUndefined()
  })

  it("names are freed of what could drive the terminal", () => {
    expect(View.nameOf(row({ output: "a\u001b[2J" }))).toBe("a\ufffd[2J")
    expect(View.nameOf(row({ url: "http://example.org/" }))).toBe("download")
  })
})

describe("the total of several", () => {
  it("counts what is done, and guesses only when sizes are known of all that is left", () => {
    const rows = [
      row({ checkpoint: 1 }),
      row({ id: Ids.fromKey(2), checkpoint: 2 }),
      row({ id: Ids.fromKey(3) })
    ]
    const gauges = [active(1, MiB, 2 * MiB), active(2, MiB, 3 * MiB)]
    const some = { finished: 2, failed: 1, completedBytes: 10 * MiB }
    expect(View.view(knownOf(rows, some), gauges, meterOf(1, 2), 0, 23)?.total).toEqual({
      finished: 2,
      of: 5,
      failed: 1,
      queued: 1,
      received: 12 * MiB,
      total: undefined,
      speed: MiB,
      remaining: undefined
    })
    // the third has ended too
    expect(View.view(knownOf(rows.slice(0, 2), some), gauges, meterOf(1, 2), 0, 23)?.total).toMatchObject({
      queued: 0,
      received: 12 * MiB,
      total: 15 * MiB,
      remaining: 3000
    })
  })

  it("has no speed while nobody works", () => {
    expect(View.view(knownOf(numbered(2)), [], meterOf(), 0, 23)).toMatchObject({
      entries: [],
      total: { queued: 2, speed: undefined, remaining: undefined }
    })
  })
})

describe("a host that is left alone", () => {
  const cooling = [
    { origin: "http://other", until: 5000, why: "busy" },
    { origin: "http://example.org", until: 12_000, why: "it answered 429\u001b" },
    { origin: "http://b", until: 20_000, why: "" }
  ]

  it("is what a single download waits for", () => {
    const known = knownOf([row()], { cooling })
    expect(View.view(known, [], meterOf(), 0, 23)?.entries).toMatchObject([
      { state: "host cooling down 12 s", detail: "it answered 429\ufffd" }
    ])
    expect(View.view(known, [], meterOf(), 12_000, 23)?.entries).toMatchObject([
      { state: "queued", detail: "" }
    ])
  })

  it("is told with how many are queued for it, while there are some", () => {
    const known = knownOf(numbered(4), { cooling })
    expect(View.view(known, [], meterOf(), 1000, 23)?.behind).toEqual({
      queued: 4,
      hosts: 1,
      origin: "http://example.org",
      left: 11_000,
      why: "it answered 429\ufffd"
    })
    const more = [...numbered(2), row({ id: Ids.fromKey(9), url: "http://b/x" })]
    expect(View.view(knownOf(more, { cooling }), [], meterOf(), 0, 23)?.behind).toMatchObject({
      queued: 3,
      hosts: 2
    })
    expect(View.view(known, [], meterOf(), 12_000, 23)?.behind).toBeUndefined()
    const begun = knownOf(numbered(4, { status: "processing" }), { cooling })
    expect(View.view(begun, [], meterOf(), 0, 23)?.behind).toBeUndefined()
    // on a low terminal there is no room for it
    expect(View.view(known, [], meterOf(), 0, 3)?.behind).toBeUndefined()
  })
})

describe("the lines", () => {
  const retrying = { status: "retrying", nextAttemptAt: 1000 } as const
  const lines = (atWork: number, delayed: number, room: number) => {
    const rows = [
      ...numbered(atWork),
      ...numbered(atWork + delayed)
        .slice(atWork)
        .map((download) => ({ ...download, ...retrying })),
      ...numbered(atWork + delayed + 5).slice(atWork + delayed)
    ]
    const gauges = Array.from({ length: atWork }, (_, i) => active(i + 1, 1, 2))
    const seen = View.view(knownOf(rows), gauges, meterOf(), 0, room)!
    const shown = seen.entries.filter(({ state }) => state === "downloading").length
    return [
      shown,
      seen.entries.length - shown,
      seen.more.active,
      seen.more.delayed,
      seen.total?.queued
    ] as const
  }

  it.each([
    // at work, delayed, rows -> shown at work, shown delayed, not shown of each
    [3, 0, 23, [3, 0, 0, 0, 5]],
    [3, 2, 23, [3, 2, 0, 0, 5]],
    [3, 9, 23, [3, 3, 0, 6, 5]],
    [22, 0, 23, [22, 0, 0, 0, 5]],
    [23, 0, 23, [21, 0, 2, 0, 5]],
    [1000, 0, 23, [21, 0, 979, 0, 5]],
    [1000, 500, 23, [18, 3, 982, 497, 5]],
    [1000, 500, 5, [2, 1, 998, 499, 5]],
    [5, 5, 2, [0, 0, 5, 5, 5]],
    [5, 5, 1, [0, 0, 5, 5, 5]]
  ])("of %d at work and %d delayed on %d rows", (atWork, delayed, room, expected) => {
    expect(lines(atWork, delayed, room)).toEqual(expected)
  })

  it("shows one that has begun again once, whatever its row says", () => {
    const rows = numbered(2, retrying)
    expect(View.view(knownOf(rows), [active(1, 1, 2)], meterOf(), 0, 23)).toMatchObject({
      entries: [
        { name: "1.bin", state: "downloading" },
        { name: "2.bin", state: "retrying in 1 s" }
      ],
      total: { queued: 0 }
    })
  })

  it("are made without looking at all that waits in the queue", () => {
    const rows = numbered(3)
    const known = knownOf(rows)
    const seen = View.view(
      { ...known, of: 100_000, unfinished: () => expect.unreachable("it looked at all") },
      [active(1, 1, 2)],
      meterOf(),
      0,
      23
    )
    expect(seen?.total).toMatchObject({ of: 100_000, queued: 99_999 })
  })
})
