import { describe, expect, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { DownloadId, fromKey, nextKey, parse, toKey } from "../../src/domain/DownloadId.js"

const epoch = Date.UTC(2020, 0, 1)

describe("DownloadId", () => {
  it("stands for its key, also read back from what a person types", () => {
    const key = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 1, 31, 32, Number.MAX_SAFE_INTEGER))
    fc.assert(
      fc.property(key, (key) => {
        const id = fromKey(key)
        expect(Schema.is(DownloadId)(id)).toBe(true)
        expect(toKey(id)).toBe(key)
        expect(parse(` ${id.toUpperCase()} `)).toEqual(Option.some(id))
        expect(parse(id.replaceAll("0", "O").replaceAll("1", "l"))).toEqual(Option.some(id))
      })
    )
  })

  it.each([
    "",
    "abc",
    "0".repeat(12),
    "u".repeat(11),
    "z".repeat(11),
    "../../etc/x",
    "0000000000;",
    "０0000000000"
  ])("refuses %j", (text) => {
    expect(Option.isNone(parse(text))).toBe(true)
  })

  it("differs in its first character from one moment to the next", () => {
    expect(fromKey(4096)[0]).toBe(fromKey(0)[0])
    expect(fromKey(1)[0]).not.toBe(fromKey(0)[0])
  })
})

describe("DownloadId.nextKey", () => {
  it("grows strictly, also when the clock goes backwards, stands still, or chance repeats", () => {
    const step = fc.record({
      now: fc.integer({ min: 0, max: epoch + 60 * 365 * 86_400_000 }),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let last = 0
        for (const { now, random } of steps) {
          const key = nextKey(last, now, random)
          expect(Number.isSafeInteger(key)).toBe(true)
          expect(key).toBeGreaterThan(last)
          last = key
        }
      })
    )
  })

  it("keeps the order of time between processes that know nothing of each other", () => {
    expect(nextKey(0, epoch + 1, 0)).toBeGreaterThan(nextKey(0, epoch, 0.9999))
  })

  it("lasts until 2089", () => {
    expect(nextKey(0, Date.UTC(2089, 0), 0.9999)).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER)
  })
})
