import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Redacted from "effect/Redacted"
import { percent, retryCount, terminal } from "../../src/domain/Download.js"
import { download, reset, secret } from "./Fixtures.js"

describe("Download", () => {
  it.each([
    [{}, undefined],
    [{ total: 0 }, undefined],
    [{ checkpoint: 5, total: null }, undefined],
    [{ checkpoint: 0, total: 3 }, 0],
    [{ checkpoint: 1, total: 3 }, 33],
    [{ checkpoint: 2, total: 3 }, 66],
    [{ checkpoint: 3, total: 3 }, 99],
    [{ status: "completed", total: 0 }, 100],
    [{ status: "completed", total: 3, checkpoint: 3 }, 100]
  ] as const)("%j is at %s percent", (changes, expected) => {
    expect(percent(download(changes))).toBe(expected)
  })

  it("says 100 percent of what is completed only", () => {
    const natural = fc.maxSafeNat()
    fc.assert(
      fc.property(natural, natural, (checkpoint, total) => {
        const value = percent(download({ checkpoint, total })) ?? 0
        expect(value >= 0 && value < 100 && Number.isInteger(value)).toBe(true)
      })
    )
  })

  it("counts its failed tries in a row", () => {
    expect(
      retryCount(
        download({
          strikes: [
            { at: 1, failure: reset },
            { at: 2, failure: reset }
          ]
        })
      )
    ).toBe(2)
  })

  it("has three ends", () => {
    expect([...terminal]).toEqual(["completed", "failed", "cancelled"])
  })

  it("does not show its headers", () => {
    const row = download()
    expect(JSON.stringify(row)).not.toContain(secret)
    expect(String(row.headers)).not.toContain(secret)
    expect(Redacted.value(row.headers)).toEqual([["Authorization", secret]])
  })
})
