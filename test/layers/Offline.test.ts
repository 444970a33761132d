/** A machine without a network: what waits, how often it is looked again, and what goes on when it is back. Time is the test's. */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { make as makeError } from "../../src/domain/DownloadError.js"
import { Downloads } from "../../src/services/Downloads.js"
import { Store } from "../../src/services/Store.js"
import { bytes, type Script, settle, world } from "./fakes.js"

const small: ReturnType<Script> = { status: 200, headers: { "content-length": "10" }, body: [bytes(10)] }
const offline = makeError("Offline", "there is no route")

const enqueueAll = (urls: ReadonlyArray<string>, giveUp = 24 * 3_600_000) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueueAll(urls.map((url) => ({ url, directory: "/d", options: { giveUp, maxRetries: 0 } })))
  )

const urls = Array.from({ length: 300 }, (_, i) => `http://h${i % 30}/${i}`)

describe("without a network", () => {
  it.effect("nothing fails, few ask, and all go on when it is back", () => {
    let down = true
    const { engine, served } = world(() => (down ? offline : small))
    return Effect.gen(function* () {
      const rows = yield* enqueueAll(urls)
      yield* TestClock.adjust("1 hour")
      // one each 30 s, and some at the beginning
      expect(served.length).toBeLessThan(140)
      expect(served.length).toBeGreaterThan(60)
      const store = yield* Store
      expect(yield* store.list({ status: ["failed", "retrying"] })).toEqual([])
      down = false
      yield* TestClock.adjust("1 minute")
      for (const row of rows) expect(yield* settle(row)).toMatchObject({ status: "completed", strikes: [] })
    }).pipe(Effect.provide(engine))
  })

  it.effect("waiting ends by the give-up limit, with a sentence", () => {
    const { engine } = world(() => offline)
    return Effect.gen(function* () {
      const [row] = yield* enqueueAll(["http://h/1"], 60_000)
      expect(yield* settle(row!)).toMatchObject({
        status: "failed",
        failure: { reason: "GaveUp", detail: "gave up waiting: there is no route" }
      })
    }).pipe(Effect.provide(engine))
  })

  it.effect("a host that alone can't be reached keeps no other waiting", () => {
    const { engine, served } = world((_, { url }) =>
      url.startsWith("http://[2001:db8::1]") ? offline : small
    )
    return Effect.gen(function* () {
      const store = yield* Store
      yield* enqueueAll(["http://[2001:db8::1]/1", ...urls])
      yield* TestClock.adjust("10 seconds")
      expect(yield* store.list({ status: ["completed"], limit: 1000 })).toHaveLength(urls.length)
      expect(served.length).toBeLessThan(urls.length + 10)
    }).pipe(Effect.provide(engine))
  })
})
