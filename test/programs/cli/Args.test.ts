import * as Either from "effect/Either"
import * as fc from "fast-check"
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
    expect(value(Args.connections("16"))).toBe(16)
    expect(sentence(Args.connections("17"))).toContain("16 are the limit")
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

describe("sizes", () => {
  it.each([
    ["500K", 500 * 1024],
    ["8MiB", 8 * 1024 ** 2],
    ["8mb", 8 * 1024 ** 2],
    ["1.5G", 1.5 * 1024 ** 3],
    ["2 TiB", 2 * 1024 ** 4],
    ["100", 100],
    ["100B", 100],
    [".5k", 512],
    ["0", 0]
  ])("%s is %d bytes", (text, bytes) => {
    expect(value(Args.size(text))).toBe(bytes)
  })

  it.each(["", "K", "-1K", "1e3", "1,5G", "1 000", "5KiBs", "1.5.2K", "5P", "NaN"])(
    "%s is refused",
    (text) => {
      expect(sentence(Args.size(text))).toMatch(/is not a size; write one like 500K/)
    }
  )

  it("more than can be counted, and nothing where something is meant, are refused", () => {
    expect(sentence(Args.size("99999999T"))).toContain("too large")
    expect(sentence(Args.positiveSize("0"))).toContain("at least 1 byte")
  })

  it("whole sizes are exact", () => {
    fc.assert(
      fc.property(fc.nat(4096), fc.constantFrom("", "K", "M", "G", "T"), (number, unit) => {
        expect(value(Args.size(`${number}${unit}`))).toBe(
          number * 1024 ** ["", "K", "M", "G", "T"].indexOf(unit)
        )
      })
    )
  })
})

describe("flags", () => {
  it.each(["true", "1", "TRUE"])("%s is on", (text) => expect(value(Args.boolean(text))).toBe(true))
  it.each(["false", "0", "False"])("%s is off", (text) => expect(value(Args.boolean(text))).toBe(false))
  it.each(["", "yes", "2"])("%s is refused", (text) => {
    expect(sentence(Args.boolean(text))).toContain("neither true nor false")
  })
})

describe("whole numbers", () => {
  it.each([
    ["5", 5],
    ["-5", -5],
    ["+5", 5],
    ["0", 0]
  ])("%s", (text, number) => expect(value(Args.integer(text))).toBe(number))
  it.each(["", "-", "1.5", "x", "1e2", "9999999999999999"])("%s is refused", (text) => {
    expect(sentence(Args.integer(text))).toContain("not a whole number")
  })
})

describe("credentials", () => {
  it("are fields to send", () => {
    // RFC 7617 section 2
    expect(value(Args.user("Aladdin:open sesame"))).toEqual([
      "Authorization",
      "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    ])
    expect(value(Args.user("a:b:c"))[1]).toBe(`Basic ${btoa("a:b:c")}`)
    expect(value(Args.user("a:"))[1]).toBe(`Basic ${btoa("a:")}`)
    // as UTF-8, which RFC 7617 section 2.1 prefers
    expect(value(Args.user("test:123\u00a3"))[1]).toBe("Basic dGVzdDoxMjPCow==")
    expect(value(Args.bearer("abc.def-_~+/="))).toEqual(["Authorization", "Bearer abc.def-_~+/="])
  })
  it.each(["hunter2", ":hunter2", ""])("%s is no user with a password", (text) => {
    expect(sentence(Args.user(text))).not.toContain("hunter2")
  })
  it.each(["hunter2 hunter2", "", "hunter2\u00e9", "hunter2\nx"])("%j is no token", (text) => {
    expect(sentence(Args.bearer(text))).not.toContain("hunter2")
  })
})

describe("the page that led here", () => {
  it("goes without credentials and fragment", () => {
    expect(value(Args.referer("https://u:hunter2@a/b?c#d"))).toEqual(["Referer", "https://a/b?c"])
  })
  it.each(["a", "file:///x", "javascript:1", ""])("%j is refused", (text) => {
    expect(sentence(Args.referer(text))).toContain("not an absolute")
  })
})
