/**
 * The engine under a clock that the test owns: backoff, waits, timeouts, checkpoints, pause and cancel.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import type { ConflictPolicy } from "../../src/domain/DownloadOptions.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, reaches, reset, type Script, settle, world } from "./fakes.js"

const ok = { "content-length": "10", etag: '"v1"' }

const enqueue = (more: Partial<DownloadRequest> = {}) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueue({ url: "http://h/f.bin", directory: "/d", ...more })
  )

const run = (more: Partial<DownloadRequest> = {}) => Effect.flatMap(enqueue(more), settle)

describe("engine", () => {
  it.effect("fetches, publishes under the URL's name, and leaves no part", () => {
    const { engine, files } = world(() => ({ status: 200, headers: ok, body: [bytes(4), bytes(6)] }))
    return Effect.gen(function* () {
      const row = yield* run()
      expect(row).toMatchObject({ status: "completed", filename: "f.bin", total: 10, attempt: 1 })
      expect([...files.keys()]).toEqual(["/d/f.bin"])
      expect(files.get("/d/f.bin")!.data).toEqual(bytes(10))
    }).pipe(Effect.provide(engine))
  })

  it.effect("retries after 2, 4 and 8 s, then fails with the last reason", () => {
    const { engine, served } = world(() => reset)
    return Effect.gen(function* () {
      const row = yield* run()
      expect(row).toMatchObject({ status: "failed", attempt: 4, failure: { reason: "ConnectionReset" } })
      expect(served.map(({ at }) => at)).toEqual([0, 2000, 6000, 14_000])
    }).pipe(Effect.provide(engine))
  })

  it.effect("a permanent error ends it at once", () => {
    const { engine, served } = world(() => ({ status: 404 }))
    return Effect.gen(function* () {
      expect(yield* run()).toMatchObject({ status: "failed", failure: { reason: "NotFound", status: 404 } })
      expect(served).toHaveLength(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect("Retry-After is a wait: it takes as long as asked and consumes no retry", () => {
    const script: Script = (n) =>
      n < 5
        ? { status: 503, headers: { "retry-after": "7" } }
        : { status: 200, headers: ok, body: [bytes(10)] }
    const { engine, served } = world(script)
    return Effect.gen(function* () {
      const row = yield* run({ options: { maxRetries: 0 } })
      expect(row).toMatchObject({ status: "completed", attempt: 6 })
      expect(served.map(({ at }) => at)).toEqual([0, 7000, 14_000, 21_000, 28_000, 35_000])
    }).pipe(Effect.provide(engine))
  })

  it.effect("a wait that would outlast the give-up limit fails at once", () => {
    const { engine, served } = world(() => ({ status: 429, headers: { "retry-after": "601" } }))
    return Effect.gen(function* () {
      const row = yield* run({ options: { giveUp: 600_000 } })
      expect(row).toMatchObject({ status: "failed", failure: { reason: "GaveUp" } })
      expect(served).toHaveLength(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect("a cut is resumed from the last byte with If-Range, and progress resets the count", () => {
    const script: Script = (n) =>
      n < 5
        ? {
            status: n === 0 ? 200 : 206,
            headers: n === 0 ? ok : { etag: '"v1"', "content-range": `bytes ${n * 2}-9/10` },
            body: [bytes(2, n), ...(n < 4 ? [reset] : [])]
          }
        : reset
    const { engine, files, served } = world(script)
    return Effect.gen(function* () {
      const row = yield* run({ options: { maxRetries: 1 } })
      expect(row).toMatchObject({ status: "completed", attempt: 5 })
      expect(files.get("/d/f.bin")!.data).toEqual(Uint8Array.of(0, 0, 1, 1, 2, 2, 3, 3, 4, 4))
      expect(served.map(({ headers }) => headers.get("range"))).toEqual([
        undefined,
        "bytes=2-",
        "bytes=4-",
        "bytes=6-",
        "bytes=8-"
      ])
      expect(served[1]!.headers.get("if-range")).toBe('"v1"')
      expect(served.map(({ at }) => at)).toEqual([0, 2000, 4000, 6000, 8000])
    }).pipe(Effect.provide(engine))
  })

  it.effect("asked for again after it has failed, it goes on with what it left behind", () => {
    const script: Script = (n) =>
      n === 0
        ? { status: 200, headers: ok, body: [bytes(4, 1), reset] }
        : { status: 206, headers: { etag: '"v1"', "content-range": "bytes 4-9/10" }, body: [bytes(6, 2)] }
    const { engine, files, served } = world(script)
    return Effect.gen(function* () {
      const first = yield* run({ options: { maxRetries: 0 } })
      expect(first).toMatchObject({ status: "failed", checkpoint: 4 })
      const second = yield* run()
      expect(second.id).not.toBe(first.id)
      expect(second).toMatchObject({ status: "completed", filename: "f.bin" })
      expect(served[1]!.headers.get("range")).toBe("bytes=4-")
      expect([...files.keys()]).toEqual(["/d/f.bin"])
      expect(files.get("/d/f.bin")!.data).toEqual(Uint8Array.of(1, 1, 1, 1, 2, 2, 2, 2, 2, 2))
    }).pipe(Effect.provide(engine))
  })

  it.effect("retries that follow at once lose neither a download nor a permit", () => {
    const script: Script = (n) => (n % 3 === 2 ? { status: 200, headers: ok, body: [bytes(10)] } : reset)
    const { engine } = world(script, { concurrency: 4 })
    return Effect.gen(function* () {
      const rows = yield* Effect.forEach(
        Array.from({ length: 40 }, (_, i) => i),
        (i) => enqueue({ url: `http://h/${i}`, options: { retryDelay: 0, maxRetries: 1000 } })
      )
      const all = yield* Effect.forEach(rows, settle)
      expect(all.every((row) => row.status === "completed")).toBe(true)
    }).pipe(Effect.provide(engine))
  })

  it.effect(
    "a sync that fails beside the last bytes fails the try, though a later sync would succeed",
    () => {
      const { engine, failSync, served } = world((n) => ({
        status: 200,
        headers: ok,
        body: n === 0 ? [bytes(4), 499, () => failSync(), 10, bytes(6)] : [bytes(10)]
      }))
      return Effect.gen(function* () {
        const download = yield* enqueue()
        yield* TestClock.adjust("1 seconds")
        expect(yield* reaches(download, "retrying")).toMatchObject({ failure: { reason: "DiskFailed" } })
        expect(yield* settle(download)).toMatchObject({ status: "completed", attempt: 2 })
        expect(served).toHaveLength(2)
      }).pipe(Effect.provide(engine))
    }
  )

  it.effect("a retry policy with odd times, or one that throws, harms nobody else", () => {
    const { engine } = world(
      (_, { url }) => (url.endsWith("ok") ? { status: 200, headers: ok, body: [bytes(10)] } : reset),
      {
        retryPolicy: ({ maxRetries }) => {
          if (maxRetries === 7) throw new Error("boom")
          return Schedule.jittered(Schedule.intersect(Schedule.exponential(1000.5), Schedule.recurs(2)))
        }
      }
    )
    return Effect.gen(function* () {
      expect(yield* run({ options: { maxRetries: 7 } })).toMatchObject({ status: "failed" })
      expect(yield* run({ url: "http://h/odd" })).toMatchObject({ status: "failed", attempt: 3 })
      expect(yield* run({ url: "http://h/ok" })).toMatchObject({ status: "completed" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("a server that falls silent is given up: connecting, before the head, in the body", () => {
    const script: Script = (n) =>
      n === 0 ? "forever" : { status: 200, headers: ok, body: [bytes(1), "forever"] }
    const { engine, served } = world(script)
    return Effect.gen(function* () {
      const download = yield* enqueue({ options: { timeout: 3000, stallTimeout: 5000, maxRetries: 1 } })
      // at most a tick later than the timeout
      yield* TestClock.adjust("3500 millis")
      expect(yield* reaches(download, "retrying")).toMatchObject({ failure: { reason: "HeadersTimeout" } })
      const row = yield* settle(download)
      expect(row).toMatchObject({ status: "failed", failure: { reason: "Stalled" } })
      // the whole in answer to a range is let go of, and asked for again
      expect(served.map(({ aborted, headers }) => [headers.has("if-range"), aborted])).toEqual([
        [false, true],
        [false, true],
        [true, false],
        [false, true]
      ])
    }).pipe(Effect.provide(engine))
  })

  it.effect("checkpoints at most every 500 ms while bytes come, and none while they don't", () => {
    const drip = Array.from({ length: 10 }, () => [bytes(1), 100] as const).flat()
    const { engine, syncs } = world(() => ({ status: 200, headers: ok, body: [...drip.slice(0, -1), 5000] }))
    return Effect.gen(function* () {
      const download = yield* enqueue()
      yield* settle(download)
      // at 500 and 1000 while it drips, none in the silence, then one before publishing
      expect(syncs).toEqual([500, 1000, 5900])
    }).pipe(Effect.provide(engine))
  })

  it.effect("pause keeps the part and every byte, resume goes on from there", () => {
    const script: Script = (n) =>
      n === 0
        ? { status: 200, headers: ok, body: [bytes(3), "forever"] }
        : { status: 206, headers: { etag: '"v1"', "content-range": "bytes 3-9/10" }, body: [bytes(7)] }
    const { engine, files, served } = world(script)
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const download = yield* enqueue()
      yield* reaches(download, "processing")
      yield* TestClock.adjust("100 millis")
      const paused = yield* downloads.pause(download.id)
      expect(paused).toMatchObject({ status: "paused", checkpoint: 3 })
      expect(yield* downloads.active).toEqual([])
      expect(served[0]!.aborted).toBe(true)
      expect([...files.keys()]).toEqual(["/d/f.bin.sluice-part"])
      yield* downloads.resume(download.id)
      expect(yield* settle(download)).toMatchObject({ status: "completed", total: 10 })
    }).pipe(Effect.provide(engine))
  })

  it.effect("cancel ends it for good and removes the part, whatever it was doing", () => {
    const script: Script = () => ({ status: 200, headers: ok, body: [bytes(3), "forever"] })
    const { engine, files, served } = world(script)
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const download = yield* enqueue()
      yield* reaches(download, "processing")
      yield* TestClock.adjust("100 millis")
      expect(yield* downloads.cancel(download.id)).toMatchObject({ status: "cancelled" })
      expect(files.size).toBe(0)
      const second = yield* enqueue()
      yield* reaches(second, "processing")
      yield* TestClock.adjust("100 millis")
      yield* downloads.pause(second.id)
      expect(files.size).toBe(1)
      expect(yield* downloads.cancel(second.id)).toMatchObject({ status: "cancelled" })
      expect(files.size).toBe(0)
      expect(served).toHaveLength(2)
    }).pipe(Effect.provide(engine))
  })

  it.effect("never more at once than the concurrency, and all of them in the end", () => {
    let now = 0
    let most = 0
    const script: Script = () => {
      now += 1
      most = Math.max(most, now)
      return { status: 200, headers: ok, body: [1000, bytes(10), () => (now -= 1)] }
    }
    const { engine } = world(script, { concurrency: 4 })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const rows = yield* Effect.forEach(
        Array.from({ length: 10 }, (_, i) => i),
        (i) => enqueue({ url: `http://h/${i}` })
      )
      const watch = yield* Effect.fork(
        Effect.forEach(rows, (row) =>
          Effect.tap(downloads.settled(row.id), () => Effect.sync(() => (now -= 1)))
        )
      )
      yield* TestClock.adjust("1 hour")
      expect((yield* Fiber.join(watch)).every((row) => row.status === "completed")).toBe(true)
      expect(most).toBeLessThanOrEqual(4)
      expect(most).toBeGreaterThan(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect("a defect in one download fails that one only", () => {
    const script: Script = (_, request) => {
      if (request.url.endsWith("bad")) throw new Error("boom")
      return { status: 200, headers: ok, body: [bytes(10)] }
    }
    const { engine } = world(script)
    return Effect.gen(function* () {
      const bad = yield* enqueue({ url: "http://h/bad" })
      const good = yield* enqueue({ url: "http://h/good" })
      expect(yield* settle(bad)).toMatchObject({ status: "failed", failure: { reason: "Defect" } })
      expect(yield* settle(good)).toMatchObject({ status: "completed" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("stopping gives every row back, and what does not stop in time can't hold it up", () => {
    const { engine, hang } = world(() => ({ status: 200, headers: ok, body: [bytes(3), "forever"] }), {
      shutdownTimeout: 3000
    })
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(engine, scope)
      const download = yield* Effect.provide(enqueue(), context)
      yield* Effect.provide(reaches(download, "processing"), context)
      yield* TestClock.adjust("100 millis")
      // the disk hangs: a sync never comes back
      hang()
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("2999 millis")
      expect(yield* Fiber.poll(closing)).toEqual(Option.none())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
    })
  })

  it.effect("conflict policies: rename, skip, fail, overwrite", () => {
    const { engine, files, served } = world(() => ({ status: 200, headers: ok, body: [bytes(10)] }))
    return Effect.gen(function* () {
      const again = (onConflict: ConflictPolicy) => run({ options: { onConflict, refetch: "always" } })
      yield* run()
      expect(yield* again("rename")).toMatchObject({ filename: "f (1).bin" })
      expect(yield* again("skip")).toMatchObject({
        outcome: "skipped",
        filename: "f.bin"
      })
      expect(yield* again("fail")).toMatchObject({
        status: "failed",
        failure: { reason: "DestinationExists" }
      })
      const before = files.get("/d/f.bin")!.ino
      expect(yield* again("overwrite")).toMatchObject({ filename: "f.bin" })
      expect(files.get("/d/f.bin")!.ino).not.toBe(before)
      expect([...files.keys()].sort()).toEqual(["/d/f (1).bin", "/d/f.bin"])
      expect(served).toHaveLength(5)
    }).pipe(Effect.provide(engine))
  })
})
