import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Format from "../../../src/programs/cli/Format.js"

describe("sizes", () => {
  it.each([
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [102_400, "100 KiB"],
    [1023.4 * 1024, "1023 KiB"],
    [1024 * 1024 - 1, "1 MiB"],
    [1_095_216_660, "1.02 GiB"],
    [1024 ** 5 * 5000, "4.88 EiB"]
  ])("%d is %s", (bytes, text) => {
    expect(Format.bytes(bytes)).toBe(text)
  })
  it("fit into eight characters", () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        expect(Format.bytes(bytes)).toMatch(/^(\d{1,4}|\d\d?\.\d|\d\.\d\d) ([KMGTP]i)?B$/)
      })
    )
  })
  it("are those of speeds", () => {
    expect(Format.speed(85.3 * 1024 * 1024)).toBe("85.3 MiB/s")
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
    [0, "0 s"],
    [30, "0 s"],
    [200, "0.2 s"],
    [2000, "2 s"],
    [12_340, "12 s"],
    [99_600, "1 min 39 s"],
    [600_000, "10 min"],
    [9_000_000, "2 h 30 min"],
    [(24 + 3) * 3_600_000, "1 d 3 h"]
  ])("%d ms taken is %s", (millis, text) => {
    expect(Format.duration(millis)).toBe(text)
  })
  it.each([
    [-5, "0 s"],
    [1, "1 s"],
    [11_001, "12 s"],
    [59_000, "59 s"],
    [59_001, "1 min"],
    [61_000, "2 min"],
    [3_541_000, "1 h"],
    [9_000_000, "3 h"]
  ])("%d ms to wait is %s", (millis, text) => {
    expect(Format.wait(millis)).toBe(text)
  })
})

describe("printable", () => {
  it("defuses what could drive a terminal", () => {
    expect(Format.printable("a\u001b[2Jb\nc\u202ed")).toBe("a\ufffd[2Jb\ufffdc\ufffdd")
    expect(Format.printable("日本 ok")).toBe("日本 ok")
  })
})
