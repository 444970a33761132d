import { describe, expect, it } from "@effect/vitest"
import { fromPairs } from "../../src/domain/Headers.js"
import { waitOf } from "../../src/domain/RateLimit.js"

const now = Date.UTC(2026, 0, 1)
const wait = (status: number, fields: Record<string, string>) =>
  waitOf(status, fromPairs(Object.entries(fields)), now)

describe("what a server says of how many requests are left", () => {
  it.each<[Record<string, string>, number | undefined]>([
    [{}, undefined],
    [{ RateLimit: "limit=100, remaining=0, reset=12" }, 12_000],
    [{ RateLimit: "limit=100, remaining=7, reset=12" }, undefined],
    [{ RateLimit: '"default";r=0;t=9' }, 9000],
    [{ RateLimit: '"burst";r=5;t=1, "daily";r=0;t=3600' }, 3_600_000],
    [{ RateLimit: '"default";r=50;t=9' }, undefined],
    [{ "RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Reset": "30" }, 30_000],
    [{ "RateLimit-Remaining": "1", "RateLimit-Reset": "30" }, undefined],
    [{ "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": String(now / 1000 + 60) }, 60_000],
    [{ "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60" }, 60_000],
    [{ "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": String(now / 1000 - 5) }, 0],
    [{ "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "soon" }, undefined],
    [{ "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "5" }, 5000]
  ])("%j means %j", (fields, expected) => {
    expect(wait(200, fields)).toBe(expected)
  })

  it("is overruled by Retry-After where the answer refuses, and only there", () => {
    const fields = { "Retry-After": "3", "RateLimit-Remaining": "0", "RateLimit-Reset": "30" }
    expect([200, 404, 429, 503].map((status) => wait(status, fields))).toEqual([30_000, 30_000, 3000, 3000])
    expect(wait(200, { "Retry-After": "3" })).toBeUndefined()
  })
})
