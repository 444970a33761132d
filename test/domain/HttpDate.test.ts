import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { parse } from "../../src/domain/HttpDate.js"

const november = Date.UTC(1994, 10, 6, 8, 49, 37)

describe("HttpDate", () => {
  it.each([
    ["Sun, 06 Nov 1994 08:49:37 GMT", november],
    ["Sunday, 06-Nov-94 08:49:37 GMT", november],
    ["Sun Nov  6 08:49:37 1994", november],
    ["Wed Nov 16 08:49:37 1994", Date.UTC(1994, 10, 16, 8, 49, 37)],
    ["Thu, 29 Feb 2024 00:00:00 GMT", Date.UTC(2024, 1, 29)],
    ["Friday, 22-Nov-69 00:00:00 GMT", Date.UTC(2069, 10, 22)],
    ["Thursday, 01-Jan-70 00:00:00 GMT", 0],
    ["Mon, 01 Jan 0001 00:00:00 GMT", new Date("0001-01-01T00:00:00Z").getTime()]
  ])("reads %s, whatever the local time zone", (text, expected) => {
    expect(parse(text)).toBe(expected)
  })

  it.each([
    ["", "empty"],
    ["0", "what Date.parse takes for the year 2000"],
    ["-1", "what Date.parse takes for 2001"],
    ["1994", "a year"],
    ["1994-11-06T08:49:37Z", "ISO 8601"],
    ["Sun, 06 Nov 1994 08:49:37", "no zone"],
    ["Sun, 06 Nov 1994 08:49:37 +0000", "a numeric zone"],
    ["Sun, 06 Nov 1994 08:49:37 PST", "another zone"],
    ["Sun, 6 Nov 1994 08:49:37 GMT", "one digit"],
    ["06 Nov 1994 08:49:37 GMT", "no day name"],
    ["sun, 06 nov 1994 08:49:37 gmt", "lower case"],
    ["Fri, 30 Feb 2024 00:00:00 GMT", "30 February"],
    ["Wed, 29 Feb 2023 00:00:00 GMT", "29 February of a common year"],
    ["Sun, 00 Nov 1994 08:49:37 GMT", "day 0"],
    ["Sun, 06 Nov 1994 24:00:00 GMT", "hour 24"],
    ["Sun, 06 Nov 1994 08:60:00 GMT", "minute 60"],
    ["Sun, 06 Nov 1994 08:49:61 GMT", "second 61"],
    [" Sun, 06 Nov 1994 08:49:37 GMT", "not trimmed"],
    ["Sun, 06 Nov 1994 08:49:37 GMT\n", "a line end"]
  ])("refuses %j: %s", (text) => {
    expect(parse(text)).toBeUndefined()
  })

  it("reads back every second that toUTCString writes", () => {
    const seconds = fc.integer({ min: 0, max: Math.floor(Date.UTC(9999, 0) / 1000) })
    fc.assert(
      fc.property(seconds, (second) => {
        expect(parse(new Date(second * 1000).toUTCString())).toBe(second * 1000)
      })
    )
  })

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parse(text)
      })
    )
  })
})
