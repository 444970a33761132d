/**
 * A download that may take a limited time as a whole.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, reaches, reset, type Script, settle, world } from "./fakes.js"

const ok = { "content-length": "10", etag: '"v1"' }

const enqueue = (more: Partial<DownloadRequest> = {}) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueue({ url: "http://h/f.bin", directory: "/d", ...more })
  )

const slow: Script = (n) =>
  n === 0
    ? { status: 200, headers: ok, body: [bytes(3), 60_000, bytes(7)] }
    : { status: 206, headers: { etag: '"v1"', "content-range": "bytes 3-9/10" }, body: [bytes(7)] }

describe("maxTime", () => {
  it.effect(
    "ends a transfer that takes longer; what came stays, and the next request goes on with it",
    () => {
      const { engine, files, served } = world(slow)
      const options = { maxTime: 5000, stallTimeout: 100_000 }
      return Effect.gen(function* () {
        const row = yield* Effect.flatMap(enqueue({ options }), settle)
        expect(row).toMatchObject({
          status: "failed",
          checkpoint: 3,
          finishedAt: 5000,
          failure: { reason: "TimedOut", detail: "it was to take 5 s at most and is not complete" }
        })
        expect(served[0]!.aborted).toBe(true)
        expect([...files.keys()]).toEqual(["/d/f.bin.sluice-part"])
        const again = yield* Effect.flatMap(enqueue({ options }), settle)
        expect(again).toMatchObject({ status: "completed", total: 10 })
        expect(served[1]!.headers.get("range")).toBe("bytes=3-")
        // the time is not said to be over any more
        expect([...files.keys()]).toEqual(["/d/f.bin"])
      }).pipe(Effect.provide(engine))
    }
  )

  it.effect("counts pauses between tries, and does not wait for a try that would begin too late", () => {
    const { engine, served } = world(() => reset)
    return Effect.gen(function* () {
      const row = yield* Effect.flatMap(enqueue({ options: { maxTime: 5000 } }), settle)
      // after 2 s, then it would be after 6 s
      expect(served.map(({ at }) => at)).toEqual([0, 2000])
      expect(row).toMatchObject({ status: "failed", finishedAt: 2000, failure: { reason: "TimedOut" } })
      expect(row.failure!.detail).toContain("reset by the script")
    }).pipe(Effect.provide(engine))
  })

  it.effect("does not wait for a host that asks for more time than there is", () => {
    const { engine, served } = world(() => ({ status: 503, headers: { "retry-after": "60" } }))
    return Effect.gen(function* () {
      const row = yield* Effect.flatMap(enqueue({ options: { maxTime: 59_000 } }), settle)
      expect(row).toMatchObject({ status: "failed", failure: { reason: "TimedOut" } })
      expect(served).toHaveLength(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect("does not count the time in the queue", () => {
    const { engine } = world(() => ({ status: 200, headers: ok, body: [8000, bytes(10)] }), {
      concurrency: 1
    })
    return Effect.gen(function* () {
      const rows = yield* Effect.forEach([1, 2, 3], (n) =>
        enqueue({ url: `http://h/${n}`, options: { maxTime: 9000 } })
      )
      for (const row of rows) expect(yield* settle(row)).toMatchObject({ status: "completed" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("goes on counting when the engine is started again", () => {
    const { engine } = world(() => ({ status: 200, headers: ok, body: ["forever"] }))
    const options = { maxTime: 10_000, stallTimeout: 100_000, timeout: 100_000 }
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const download = yield* enqueue({ options })
      yield* reaches(download, "processing")
      yield* TestClock.adjust("6 seconds")
      yield* downloads.stop
      yield* TestClock.adjust("1 seconds")
      yield* downloads.start
      const fiber = yield* Effect.fork(downloads.settled(download.id))
      yield* TestClock.adjust("2999 millis")
      expect(yield* downloads.status(download.id)).toBe("processing")
      yield* TestClock.adjust("1 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({
        finishedAt: 10_000,
        failure: { reason: "TimedOut" }
      })
    }).pipe(Effect.provide(engine))
  })

  it.effect("begins anew when somebody asks for it again, and a pause ends the work as ever", () => {
    const { engine, served } = world(slow)
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const download = yield* enqueue({ options: { maxTime: 5000, stallTimeout: 100_000 } })
      yield* reaches(download, "processing")
      yield* TestClock.adjust("4 seconds")
      expect(yield* downloads.pause(download.id)).toMatchObject({ status: "paused", checkpoint: 3 })
      expect(served[0]!.aborted).toBe(true)
      yield* TestClock.adjust("1 hour")
      yield* downloads.resume(download.id)
      expect(yield* settle(download)).toMatchObject({ status: "completed", total: 10 })
    }).pipe(Effect.provide(engine))
  })

  it.effect("a pause returns when the work has let go, with every byte", () => {
    const { engine, files, served } = world(() => ({
      status: 200,
      headers: ok,
      body: [bytes(3), "forever"]
    }))
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const download = yield* enqueue({ options: { maxTime: 5000 } })
      yield* reaches(download, "processing")
      yield* TestClock.adjust("100 millis")
      // no checkpoint was due yet: this one is made on the way out
      expect(yield* downloads.pause(download.id)).toMatchObject({ status: "paused", checkpoint: 3 })
      expect(yield* downloads.active).toEqual([])
      expect(served[0]!.aborted).toBe(true)
      expect([...files.keys()]).toEqual(["/d/f.bin.sluice-part"])
    }).pipe(Effect.provide(engine))
  })

  it.effect("is checked with the request", () => {
    const { engine } = world(slow)
    return Effect.gen(function* () {
      for (const maxTime of [0, -1, Infinity]) {
        expect(yield* Effect.flip(enqueue({ options: { maxTime } }))).toMatchObject({
          reason: "InvalidRequest"
        })
      }
    }).pipe(Effect.provide(engine))
  })
})
