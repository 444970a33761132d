import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as fc from "fast-check"
import { from, parseContentRange, parseLength, parseUnsatisfied } from "../../src/domain/ByteRange.js"

const safe = fc.maxSafeNat()

describe("ByteRange", () => {
  it("asks for everything from a byte on", () => {
    expect(from(0)).toBe("bytes=0-")
    expect(from(Number.MAX_SAFE_INTEGER)).toBe("bytes=9007199254740991-")
  })

  it.each([
    ["bytes 0-0/1", { start: 0, end: 0, total: 1 }],
    ["bytes 5-9/10", { start: 5, end: 9, total: 10 }],
    ["bytes 5-9/*", { start: 5, end: 9, total: undefined }],
    ["Bytes 5-9/10", { start: 5, end: 9, total: 10 }],
    ["  bytes 5-9/10 ", { start: 5, end: 9, total: 10 }],
    [
      "bytes 0-9007199254740990/9007199254740991",
      { start: 0, end: 9007199254740990, total: 9007199254740991 }
    ]
  ])("reads the Content-Range %s", (text, expected) => {
    expect(parseContentRange(text)).toEqual(Option.some(expected))
  })

  it.each([
    ["", "empty"],
    ["bytes 9-5/10", "reversed"],
    ["bytes 5-4/10", "reversed by one"],
    ["bytes 5-10/10", "ends beyond its total"],
    ["bytes 0-0/0", "a byte of nothing"],
    ["bytes */10", "that of a 416"],
    ["bytes 5-/10", "no end"],
    ["bytes -5/10", "no start"],
    ["bytes 5-9", "no total"],
    ["bytes=5-9/10", "the syntax of Range"],
    ["items 5-9/10", "another unit"],
    ["bytes 5-9/10, bytes 12-13/20", "two"],
    ["bytes +5-9/10", "a sign"],
    ["bytes 5-0x9/10", "hexadecimal"],
    ["bytes 5 - 9/10", "spaces within"],
    ["bytes 5-9/10\nx", "another line"],
    ["bytes 0-9007199254740992/*", "an end beyond 2^53 - 1"],
    ["bytes 0-1/9007199254740993", "a total beyond 2^53 - 1"],
    ["bytes 0-99999999999999999999/*", "too many digits"]
  ])("refuses the Content-Range %j: %s", (text) => {
    expect(parseContentRange(text)).toEqual(Option.none())
  })

  it.each([
    ["0", 0],
    ["007", 7],
    ["9007199254740991", 9007199254740991]
  ])("reads the length %s", (text, expected) => {
    expect(parseLength(text)).toEqual(Option.some(expected))
  })

  it.each(["", " 5", "-5", "+5", "5.0", "5e3", "0x10", "5, 5", "9007199254740992", "1_000", "٥", "NaN"])(
    "refuses the length %j",
    (text) => {
      expect(parseLength(text)).toEqual(Option.none())
    }
  )

  it("reads the length a 416 reports", () => {
    expect(parseUnsatisfied("bytes */10")).toEqual(Option.some(10))
    expect(parseUnsatisfied("BYTES */0")).toEqual(Option.some(0))
    for (const text of ["bytes 0-1/10", "bytes */*", "bytes */-1", "bytes */9007199254740992", ""]) {
      expect(parseUnsatisfied(text)).toEqual(Option.none())
    }
  })

  it("reads every well-formed range as what was written", () => {
    fc.assert(
      fc.property(safe, safe, fc.option(safe, { nil: undefined }), (a, b, total) => {
        const parsed = parseContentRange(`bytes ${a}-${b}/${total ?? "*"}`)
        const valid = a <= b && (total === undefined || b < total)
        expect(parsed).toEqual(valid ? Option.some({ start: a, end: b, total }) : Option.none())
      })
    )
  })
})
