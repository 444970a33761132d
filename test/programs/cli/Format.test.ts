import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Format from "../../../src/programs/cli/Format.js"

describe("sizes", () => {
  it.each([
    [0, "0 B"],
    [1, "1 B"],
    [999, "999 B"],
    [1000, "1.0 KiB"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [102_400, "100 KiB"],
    [1024 * 1024 - 1, "1.0 MiB"],
    [1024 ** 3, "1.0 GiB"],
    [1024 ** 5 * 5000, "5000 PiB"]
  ])("%d is %s", (bytes, text) => {
    expect(Format.bytes(bytes)).toBe(text)
  })
  it("has at most three digits below the largest unit", () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        expect(Format.bytes(bytes)).toMatch(/^(\d{1,3}|\d{1,2}\.\d) ([KMGTP]i)?B$/)
      })
    )
  })
})

describe("times", () => {
  it.each([
    [0, "0:00"],
    [1, "0:01"],
    [59_001, "1:00"],
    [750_000, "12:30"],
    [3_723_000, "1:02:03"],
    [(4 * 24 + 3) * 3_600_000, "4d 3h"],
    [-5, "0:00"]
  ])("%d ms on a clock is %s", (millis, text) => {
    expect(Format.clock(millis)).toBe(text)
  })
  it.each([
    [200, "0.2 s"],
    [2000, "2 s"],
    [12_340, "12 s"],
    [99_600, "1.7 min"],
    [600_000, "10 min"],
    [9_000_000, "2.5 h"]
  ])("%d ms in a sentence is %s", (millis, text) => {
    expect(Format.duration(millis)).toBe(text)
  })
})

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
    expect(Format.width(text)).toBe(columns)
  })

  it("truncated and padded text is exactly as wide as asked, never half a character", () => {
    const name = fc.string({ unit: fc.constantFrom("a", "日", "😀", "e\u0301", ".", "한", "👩‍👩‍👧") })
    fc.assert(
      fc.property(name, fc.integer({ min: 0, max: 30 }), (text, columns) => {
        const cut = Format.truncate(text, columns)
        expect(Format.width(cut)).toBeLessThanOrEqual(columns)
        if (Format.width(text) <= columns) expect(cut).toBe(text)
        // at most one column is lost to a wide character that did not fit
        else expect(Format.width(cut)).toBeGreaterThanOrEqual(columns - 1)
        expect(Format.width(Format.pad(cut, columns))).toBe(Math.max(columns, Format.width(cut)))
      })
    )
  })
  it("cuts with an ellipsis", () => {
    expect(Format.truncate("file.tar.gz", 8)).toBe("file.ta…")
    expect(Format.truncate("日本語.txt", 6)).toBe("日本…")
    expect(Format.truncate("abc", 1)).toBe("…")
  })
})

describe("printable", () => {
  it("defuses what could drive a terminal", () => {
    expect(Format.printable("a\u001b[2Jb\nc\u202ed")).toBe("a\ufffd[2Jb\ufffdc\ufffdd")
    expect(Format.printable("日本 ok")).toBe("日本 ok")
  })
})
