/**
 * A day of outages, under the engine as it is shipped: whatever a host does to its guests, they ask it seldom, lose nothing, and keep
 * nobody else waiting. Time is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { make as makeError } from "../../src/domain/DownloadError.js"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, type Script, world } from "./fakes.js"

const small: Exclude<ReturnType<Script>, string> = {
  status: 200,
  headers: { "content-length": "10" },
  body: [100, bytes(10)]
}

const refused = makeError("ConnectionRefused", "refused by the script")

describe("a day of outages", () => {
  it.effect("costs few requests, and everything is there in the end", () => {
    const hour = 3_600_000
    /** Down in every hour from the 10th minute to the 50th, each time in another way. */
    const { engine, served } = world((n, { url }) => {
      const now = served.at(-1)!.at
      const minute = (now % hour) / 60_000
      if (url.startsWith("http://well") || minute < 10 || minute >= 50) return small
      const kinds: ReadonlyArray<ReturnType<Script>> = [
        refused,
        { status: 503 },
        { status: 429, headers: { "retry-after": "120" } },
        makeError("ConnectTimeout", "timed out by the script")
      ]
      return kinds[Math.floor(now / hour) % kinds.length]!
    })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* TestClock.adjust(10 * 60_000)
      for (let i = 0; i < 24; i++) {
        yield* downloads.enqueueAll(
          [`http://a/${i}`, `http://a/${i}b`, `http://well/${i}`].map((url) => ({
            url,
            directory: "/d",
            options: { maxRetries: 100 }
          }))
        )
        yield* TestClock.adjust(hour)
      }
      yield* TestClock.adjust(hour)
      const rows = yield* downloads.list()
      expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(["completed"]))
      expect(rows).toHaveLength(72)
      // 40 minutes down in each of 24 hours
      expect(served.length - 72).toBeLessThan(24 * 25)
    }).pipe(Effect.provide(engine))
  })
})
