import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Columns from "../../../src/programs/cli/Columns.js"

const name = fc.string({ unit: fc.constantFrom("a", "日", "😀", "e\u0301", ".", "한", "👩‍👩‍👧") })

describe("width", () => {
  it.each([
    ["abc", 3],
    ["", 0],
    ["é", 1],
    ["e\u0301", 1],
    ["日本語", 6],
    ["한국어", 6],
    ["ﾊﾝｶｸ", 4],
    ["Ｆｕｌｌ", 8],
    ["😀", 2],
    ["👩‍👩‍👧", 2],
    ["🇩🇪", 2],
    ["❤️", 2],
    ["a\u200bb", 2],
    ["Привет", 6],
    ["naïve—file.txt", 14]
  ])("%s takes %d columns", (text, columns) => {
    expect(Columns.width(text)).toBe(columns)
  })
})

describe("truncated, shortened and padded text", () => {
  it("is as wide as asked, never half a character", () => {
    fc.assert(
      fc.property(name, fc.integer({ min: 0, max: 30 }), (text, columns) => {
        for (const [cut, lost] of [
          [Columns.truncate(text, columns), 1],
          [Columns.shorten(text, columns), 2]
        ] as const) {
          expect(Columns.width(cut)).toBeLessThanOrEqual(columns)
          if (Columns.width(text) <= columns) expect(cut).toBe(text)
          // at most a column is lost on each side to a wide character that did not fit
          else expect(Columns.width(cut)).toBeGreaterThanOrEqual(columns - lost)
          expect(Columns.width(Columns.pad(cut, columns))).toBe(columns)
        }
      })
    )
  })
  it.each([
    ["file.tar.gz", 8, "file.ta…"],
    ["日本語.txt", 6, "日本…"],
    ["abc", 1, "…"],
    ["abc", 0, ""]
  ])("%s cut at %d is %s", (text, columns, cut) => {
    expect(Columns.truncate(text, columns)).toBe(cut)
  })
  it.each([
    ["ubuntu-24.04.3-desktop-amd64.iso", 20, "ubuntu-24.04…d64.iso"],
    ["日本語のとても長いファイル名.iso", 20, "日本語のとて…名.iso"],
    ["season 1 episode 07.mkv", 16, "season 1 …07.mkv"],
    ["file.tar.gz", 6, "file.…"],
    ["short.iso", 20, "short.iso"]
  ])("%s shortened to %d keeps its end: %s", (text, columns, cut) => {
    expect(Columns.shorten(text, columns)).toBe(cut)
  })
})

describe("the rows that a line takes", () => {
  it.each([
    ["", 80, 1],
    ["a".repeat(80), 80, 1],
    ["a".repeat(81), 80, 2],
    ["a".repeat(240), 80, 3],
    // the fourth does not fit into the last column of the first row
    ["日日日日", 7, 2],
    ["日日日日日", 5, 3],
    [`\u001b[1m${"a".repeat(80)}\u001b[22m`, 80, 1],
    ["日", 1, 1]
  ])("%j in %d columns", (line, columns, rows) => {
    expect(Columns.rows(line, columns)).toBe(rows)
  })
})
