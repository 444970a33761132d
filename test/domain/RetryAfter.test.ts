import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { retryAfterMillis } from "../../src/domain/RetryAfter.js"

const now = Date.UTC(2024, 0, 1)
const week = 7 * 24 * 3_600_000

describe("retryAfterMillis", () => {
  it.each([
    ["120", 120_000],
    [" 5 ", 5000],
    ["0", 0],
    ["604801", week],
    ["9".repeat(400), week],
    ["Mon, 01 Jan 2024 00:02:00 GMT", 120_000],
    ["Monday, 01-Jan-24 00:02:00 GMT", 120_000],
    ["Mon Jan  1 00:02:00 2024", 120_000],
    ["Sun, 31 Dec 2023 23:59:59 GMT", 0],
    ["Fri, 01 Jan 2044 00:00:00 GMT", week]
  ])("reads %s", (field, expected) => {
    expect(retryAfterMillis(field, now)).toBe(expected)
  })

  it.each([undefined, "", "-5", "1.5", "1e3", "soon", "Monday", "Mon 5", "2024-01-01T00:02:00Z", "120, 60"])(
    "takes %j for no wish",
    (field) => {
      expect(retryAfterMillis(field, now)).toBeUndefined()
    }
  )

  it("is undefined or between 0 and a week, whatever is sent", () => {
    const field = fc.oneof(
      fc.string(),
      fc.bigInt().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString())
    )
    fc.assert(
      fc.property(field, fc.integer({ min: 0 }), (text, time) => {
        const wait = retryAfterMillis(text, time)
        expect(wait === undefined || (wait >= 0 && wait <= week)).toBe(true)
      })
    )
  })
})
