import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import * as Args from "../../../src/programs/cli/Args.js"

const value = <A>(parsed: Either.Either<A, string>): A =>
  Either.getOrThrowWith(parsed, (why) => new Error(why))
const sentence = <A>(parsed: Either.Either<A, string>): string =>
  Either.match(parsed, {
    onLeft: (why) => why,
    onRight: (right) => {
      throw new Error(`accepted as ${JSON.stringify(right)}`)
    }
  })

describe("durations", () => {
  it.each([
    ["200ms", 200],
    ["30s", 30_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
    ["1d", 86_400_000],
    ["30", 30_000],
    ["1.5", 1500],
    [".5s", 500],
    ["1.5S", 1500],
    [" 5 m ", 300_000],
    ["0", 0],
    ["24d", 24 * 86_400_000]
  ])("%s is %d ms", (text, millis) => {
    expect(value(Args.duration(text))).toBe(millis)
  })

  it.each(["", "s", "-1s", "+1s", "1e3", "5 minutes", "1.2.3", "1.", "NaN", "Infinity", "5m30s", "٣s"])(
    "%s is refused, and the sentence shows how to write one",
    (text) => {
      expect(sentence(Args.duration(text))).toMatch(/is not a duration; write one like 200ms/)
    }
  )

  it("more than timers can count is refused", () => {
    expect(sentence(Args.duration("25d"))).toContain("24d")
    expect(sentence(Args.duration("99999999999999999999"))).toContain("24d")
  })

  it("zero is refused where it makes no sense", () => {
    expect(sentence(Args.positiveDuration("0s"))).toContain("at least 1ms")
    expect(sentence(Args.positiveDuration("0.4ms"))).toContain("at least 1ms")
    expect(value(Args.positiveDuration("1ms"))).toBe(1)
  })
})

describe("headers", () => {
  it.each([
    ["Accept: text/html", ["Accept", "text/html"]],
    ["accept:text/html", ["accept", "text/html"]],
    ["X-Time: 12:30:00", ["X-Time", "12:30:00"]],
    ["X-Empty:", ["X-Empty", ""]]
  ])("%s", (text, field) => {
    expect(value(Args.header(text))).toEqual(field)
  })

  it.each([
    "no colon",
    ": value",
    "",
    "Bad Name: x",
    "Range: bytes=0-",
    "Host: elsewhere",
    "X: a\u0000b",
    "X: a\nY: b"
  ])("%j is refused", (text) => {
    expect(sentence(Args.header(text))).not.toBe("")
  })

  it("a refusal does not show the value, which may be a secret", () => {
    expect(sentence(Args.header("Authorization: Bearer hunter2\u0007"))).not.toContain("hunter2")
    expect(sentence(Args.header("hunter2"))).not.toContain("hunter2")
  })
})

describe("counts", () => {
  it("whole numbers from the least on", () => {
    expect(value(Args.count(0)("0"))).toBe(0)
    expect(value(Args.count(1)("12"))).toBe(12)
  })
  it.each(["-1", "1.5", "", "abc", "1e3", "9999999999999999"])("%s is refused", (text) => {
    expect(sentence(Args.count(0)(text))).toContain("whole number of at least 0")
  })
  it("only one connection is possible for now", () => {
    expect(value(Args.connections("1"))).toBe(1)
    expect(sentence(Args.connections("4"))).toContain("not possible yet")
    expect(sentence(Args.connections("0"))).toContain("at least 1")
  })
})

describe("paths", () => {
  it("empty ones are refused", () => {
    expect(sentence(Args.directory(""))).toContain("write . for the current one")
    expect(sentence(Args.file(""))).toContain("empty")
    expect(value(Args.directory("downloads"))).toBe("downloads")
  })
})
