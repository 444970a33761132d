import { describe, expect, it } from "@effect/vitest"
import { contradictory, fromPairs, single } from "../../src/domain/Headers.js"

describe("Headers", () => {
  const headers = fromPairs([
    ["ETag", ' "a" '],
    ["Content-Length", "5"],
    ["content-length", "5 "],
    ["Location", "/a"],
    ["LOCATION", "/b"]
  ])

  it("finds a field by its lower-case name, trimmed", () => {
    expect(single(headers, "etag")).toBe('"a"')
    expect(single(headers, "ETag")).toBeUndefined()
    expect(single(headers, "absent")).toBeUndefined()
  })

  it("takes repetitions that agree for one, and those that differ for none", () => {
    expect(single(headers, "content-length")).toBe("5")
    expect(contradictory(headers, "content-length")).toBe(false)
    expect(single(headers, "location")).toBeUndefined()
    expect(contradictory(headers, "location")).toBe(true)
    expect(contradictory(headers, "absent")).toBe(false)
  })

  it("keeps every value, in order", () => {
    expect(headers.get("location")).toEqual(["/a", "/b"])
  })
})
