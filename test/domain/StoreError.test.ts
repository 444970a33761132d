import { describe, expect, it } from "@effect/vitest"
import { StoreError, StoreErrorReason } from "../../src/domain/StoreError.js"

describe("StoreError", () => {
  it("names the database and says what to do, for every reason", () => {
    for (const reason of StoreErrorReason.literals) {
      const error = new StoreError({ reason, path: "/state/sluice.db" })
      expect(error.message).toMatch(/^the database \/state\/sluice\.db \S.*[^.]$/)
      expect(error.advice).toMatch(/^[a-z].*[^.]$/)
    }
  })

  it("adds what is known beyond the reason", () => {
    expect(new StoreError({ reason: "Newer", path: "/x", detail: "version 9" }).message).toBe(
      "the database /x was made by a newer version of sluice (version 9)"
    )
  })
})
