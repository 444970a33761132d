import * as fc from "fast-check"
import { stripVTControlCharacters } from "node:util"
import { describe, expect, it } from "vitest"
import * as Board from "../../../src/programs/cli/Board.js"
import * as Columns from "../../../src/programs/cli/Columns.js"
import type { Entry, Total, View } from "../../../src/programs/cli/View.js"

const MiB = 1024 * 1024
const iso: Entry = {
  name: "ubuntu-24.04.3-desktop-amd64.iso",
  state: "downloading",
  detail: "",
  received: 450 * MiB,
  total: 900 * MiB,
  speed: 85.3 * MiB,
  remaining: 6448
}
const wide: Entry = {
  ...iso,
  name: "日本語のとても長いファイル名.iso",
  received: 9.5 * MiB,
  remaining: 4_000_000
}
const unknown: Entry = { ...iso, name: "stream", total: undefined, remaining: undefined }
const empty: Entry = { ...iso, name: "empty", received: 0, total: 0, remaining: undefined }
const connecting: Entry = {
  ...iso,
  name: "next.bin",
  state: "connecting",
  received: 0,
  total: undefined,
  speed: 0,
  remaining: undefined
}
const cooling: Entry = {
  ...connecting,
  name: "later.bin",
  state: "host cooling down 12 s",
  detail: "the server answered 503 (service unavailable) and asked to wait 30 s",
  received: 5 * MiB,
  total: 10 * MiB,
  speed: undefined
}
const total: Total = {
  finished: 14,
  of: 5000,
  failed: 2,
  queued: 4980,
  received: 1.25 * 1024 * MiB,
  total: undefined,
  speed: 170.6 * MiB,
  remaining: undefined
}
const full: View = {
  entries: [iso, wide, unknown, empty, connecting, cooling],
  more: { active: 12, delayed: 3 },
  behind: undefined,
  total
}
const render = (view: View, columns: number, color = false) =>
  Board.render(view, { columns, color, widest: Board.widest(view, 0) })

describe("a board", () => {
  it("of 200 columns has all of it", () => {
    expect(render(full, 200)).toEqual([
      "ubuntu-24.04.3-desktop-amd64.iso  [==============              ]   50%    450 MiB/900 MiB  85.3 MiB/s     ETA 0:07  downloading",
      "日本語のとても長いファイル名.iso  [                            ]    1%    9.5 MiB/900 MiB  85.3 MiB/s  ETA 1:06:40  downloading",
      "stream                                                                            450 MiB  85.3 MiB/s               downloading",
      "empty                                                                             0 B/0 B  85.3 MiB/s               downloading",
      "next.bin                                                                                   connecting",
      "later.bin                         [==============              ]   50%       5 MiB/10 MiB  host cooling down 12 s: the server answered 503 (service unavailable) and asked to wait 30 s",
      "and 12 more at work, 3 more waiting",
      "12 of 5000 done, 2 failed, 4980 queued                                           1.25 GiB   171 MiB/s"
    ])
  })

  it("of 80 columns has everything that counts", () => {
    expect(render(full, 80)).toEqual([
      "ubuntu-24.…64.iso  [====    ]   50%    450 MiB/900 MiB  85.3 MiB/s     ETA 0:07",
      "日本語のと…名.iso  [        ]    1%    9.5 MiB/900 MiB  85.3 MiB/s  ETA 1:06:40",
      "stream                                         450 MiB  85.3 MiB/s",
      "empty                                          0 B/0 B  85.3 MiB/s",
      "next.bin                                                connecting",
      "later.bin          [====    ]   50%       5 MiB/10 MiB  host cooling down 12 s",
      "and 12 more at work, 3 more waiting",
      "12 of 5000 done, 2 failed                     1.25 GiB   171 MiB/s"
    ])
  })

  it("of 20 columns has names, percentages and words", () => {
    expect(render(full, 20)).toEqual([
      "ubuntu-2….iso   50%",
      "日本語の….iso    1%",
      "stream",
      "empty",
      "next.bin  connecti…",
      "later…in  host coo…",
      "and 12 more at work",
      "12 of 5000 done"
    ])
  })

  it.each([120, 60, 50, 40, 30, 10, 5, 2, 1])("of %d columns fills none of its lines", (columns) => {
    for (const line of render(full, columns)) expect(Columns.width(line)).toBeLessThan(Math.max(columns, 2))
  })

  it("of one download is a line without a total", () => {
    expect(
      render({ entries: [iso], more: { active: 0, delayed: 0 }, behind: undefined, total: undefined }, 100)
    ).toEqual([
      "ubuntu-24.04.3-desktop-amd64.iso  [=======        ]   50%    450 MiB/900 MiB  85.3 MiB/s   ETA 0:07"
    ])
  })

  it("says how many there are where there is room for none", () => {
    expect(render({ ...full, entries: [], more: { active: 3, delayed: 1 } }, 80)[0]).toBe(
      "3 at work, 1 waiting"
    )
  })

  it("tells what is queued for hosts that are left alone, above the total", () => {
    const why = "it answered 429 and asked to wait 30 s"
    const behind = { queued: 3, hosts: 1, origin: "http://h", left: 11_001, why }
    expect(render({ ...full, behind }, 100).at(-2)).toBe(
      "3 queued for http://h, cooling down 12 s (it answered 429 and asked to wait 30 s)"
    )
    expect(render({ ...full, behind: { ...behind, why: "" } }, 100).at(-2)).toBe(
      "3 queued for http://h, cooling down 12 s"
    )
    expect(render({ ...full, behind: { ...behind, queued: 9, hosts: 2 } }, 60).at(-2)).toBe(
      "9 queued for 2 hosts that are left alone, http://h for 12 …"
    )
  })

  it("shows the time left of all where it is known", () => {
    const last = { ...total, failed: 0, queued: 0, finished: 4999, total: 1.5 * 1024 * MiB, remaining: 1500 }
    expect(render({ ...full, total: last }, 80).at(-1)).toBe(
      "4999 of 5000 done                     1.25 GiB/1.5 GiB   171 MiB/s     ETA 0:02"
    )
  })

  it("keeps its columns when a long name has gone", () => {
    const rest = { more: { active: 0, delayed: 0 }, behind: undefined, total: undefined }
    const both = render({ entries: [iso, connecting], ...rest }, 140)
    const look = { columns: 140, color: false, widest: Columns.width(iso.name) }
    expect(Board.render({ entries: [connecting], ...rest }, look)).toEqual(both.slice(1))
  })

  it("is coloured only where that is wanted, without changing its text", () => {
    expect(render(full, 80).join("")).not.toContain("\u001b")
    expect(render(full, 80, true).join("")).toContain("\u001b[1m")
    expect(render(full, 80, true).map(stripVTControlCharacters)).toEqual(render(full, 80))
  })

  it("never fills a line, whatever is shown", () => {
    const amount = fc.nat({ max: Number.MAX_SAFE_INTEGER })
    const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
    const rate = maybe(fc.double({ min: 0, max: 1e12, noNaN: true }))
    const entry = fc.record({
      name: fc.string({ unit: fc.constantFrom("a", "日", "😀", "e\u0301", ".") }),
      state: fc.constantFrom("", "downloading", "host cooling down 12 s", "日本"),
      detail: fc.constantFrom("", "the server answered 503", "日本日本日本日本日本"),
      received: amount,
      total: maybe(amount),
      speed: rate,
      remaining: rate
    })
    const view = fc.record({
      entries: fc.array(entry, { maxLength: 5 }),
      more: fc.record({ active: fc.nat(), delayed: fc.nat() }),
      behind: maybe(
        fc.record({
          queued: fc.nat(),
          hosts: fc.integer({ min: 1, max: 3 }),
          origin: fc.constantFrom("http://h", "http://日本:8080"),
          left: fc.nat(),
          why: fc.constantFrom("", "日本日本日本日本日本")
        })
      ),
      total: maybe(
        fc.record({
          finished: fc.nat(),
          of: fc.nat(),
          failed: fc.nat(),
          queued: fc.nat(),
          received: amount,
          total: maybe(amount),
          speed: rate,
          remaining: rate
        })
      )
    })
    fc.assert(
      fc.property(view, fc.integer({ min: 1, max: 220 }), (view, columns) => {
        for (const line of render(view, columns)) {
          expect(Columns.width(line)).toBeLessThan(Math.max(columns, 2))
          expect(line).not.toContain("\n")
        }
      })
    )
  })
})
