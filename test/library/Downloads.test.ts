/**
 * The library as programs use it, over its own world for tests: results, meta, events, retry, remove, start and stop.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { DownloadError, DownloadEvent, Downloads } from "sluice"
import { inTime, layer, reset, World } from "sluice/testing"

const url = (name: string) => `http://h/${name}`

const flakyRoutes = {
  [url("a")]: { body: "aaaa" },
  [url("b")]: { body: "bbbb", duration: 1000 },
  [url("slow")]: { body: "slow body", duration: 10_000 },
  [url("flaky")]: [{ status: 503 }, { body: "0123456789", cutAfter: 4 }, { body: "0123456789" }],
  [url("dead")]: reset,
  [url("silent")]: "silence"
} as const

const world = layer({ routes: flakyRoutes })

describe("results", () => {
  it.effect("a finished download is a value with its whole path", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const completed = yield* inTime(downloads.download({ url: url("a"), meta: { tile: [1, 2] } }))
      expect(completed).toMatchObject({
        path: "/downloads/a",
        filename: "a",
        size: 4,
        outcome: "fetched",
        attempts: 1,
        meta: { tile: [1, 2] }
      })
      expect(yield* (yield* World).text(completed.path)).toBe("aaaa")
      expect(yield* downloads.status(completed.id)).toBe("completed")
    }).pipe(Effect.provide(world))
  )

  it.effect("a failed one is a typed failure that names it", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const error = yield* Effect.flip(inTime(downloads.download({ url: url("none") })))
      expect(error).toBeInstanceOf(DownloadError)
      expect(error).toMatchObject({ reason: "NotFound", status: 404, url: url("none") })
      expect(error.message).toBe("http://h/none: the server answered 404 (not found)")
    }).pipe(Effect.provide(world))
  )

  it.effect("paused and cancelled by somebody else are failures with those reasons; settled is a row", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: url("slow") })
      const waiting = yield* Effect.fork(Effect.flip(downloads.await(id)))
      yield* TestClock.adjust("1 seconds")
      yield* downloads.pause(id)
      expect(yield* Fiber.join(waiting)).toMatchObject({ reason: "Paused", download: id })
      yield* downloads.cancel(id)
      expect(yield* Effect.flip(downloads.await(id))).toMatchObject({ reason: "Cancelled" })
      expect(yield* downloads.settled(id)).toMatchObject({ status: "cancelled" })
      expect(yield* (yield* World).paths).toEqual([])
    }).pipe(Effect.provide(world))
  )

  it.effect("awaitAll gives exits in the order asked, and tells how far it is", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const enqueued = yield* downloads.enqueueAll(
        ["b", "none", "a", "dead"].map((name) => ({ url: url(name), options: { maxRetries: 0 } }))
      )
      const told: Array<string> = []
      const ids = enqueued.map(({ id }) => id)
      const exits = yield* inTime(
        downloads.awaitAll([...ids, ids[0]!], {
          onProgress: (done, of) => Effect.sync(() => void told.push(`${done}/${of}`))
        })
      )
      const summary = exits.map(
        Exit.match({
          onFailure: (cause) => Option.getOrThrow(Cause.failureOption(cause)).reason,
          onSuccess: ({ filename }) => filename
        })
      )
      expect(summary).toEqual(["b", "NotFound", "a", "ConnectionReset", "b"])
      expect(told).toEqual(["1/4", "2/4", "3/4", "4/4"])
    }).pipe(Effect.provide(world))
  )

  it.effect("interrupting a download's waiting leaves the download", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const fiber = yield* Effect.fork(downloads.download({ url: url("slow") }))
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.interrupt(fiber)
      yield* inTime(downloads.drained)
      expect((yield* downloads.list()).map(({ status }) => status)).toEqual(["completed"])
    }).pipe(Effect.provide(world))
  )

  it.effect("what is asked for again while it is being cancelled is a new try", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const request = { url: url("slow") }
      const { id } = yield* downloads.enqueue(request)
      yield* TestClock.adjust("1 seconds")
      const asking = Effect.zipRight(Effect.yieldNow(), downloads.enqueue(request))
      const [ended, again] = yield* Effect.all([downloads.cancel(id), asking], { concurrency: 2 })
      expect(ended.status).toBe("cancelled")
      expect(again).toMatchObject({ attached: false, download: { desired: "run" } })
      expect(yield* inTime(downloads.await(again.id))).toMatchObject({ path: "/downloads/slow", size: 9 })
      expect(yield* (yield* World).paths).toEqual(["/downloads/slow"])
    }).pipe(Effect.provide(world))
  )

  it.effect.each(["enqueue", "resume"] as const)(
    "interrupting %s does not leave it recorded and unseen",
    (what) =>
      Effect.gen(function* () {
        const program = Effect.gen(function* () {
          const downloads = yield* Downloads
          const request = { url: url("a") }
          if (what === "resume") {
            const { id } = yield* downloads.enqueue({ ...request, url: url("slow") })
            yield* downloads.pause(id)
          }
          yield* Effect.sleep("1 minutes")
          // the store has just committed, and gathers: the next job waits
          yield* downloads.group()
          const [row] = yield* downloads.list()
          const asking = yield* (
            row === undefined
              ? Effect.asVoid(downloads.enqueue(request))
              : Effect.asVoid(downloads.resume(row.id))
          ).pipe(Effect.fork)
          yield* Effect.sleep(50)
          yield* Fiber.interrupt(asking)
          yield* Effect.sleep("1 hours")
          return (yield* downloads.list()).map(({ status }) => status)
          // closing the layer takes time too: the store gathers once more
        }).pipe(Effect.provide(layer({ routes: flakyRoutes, commitInterval: 200 })))
        expect(yield* inTime(program)).toEqual(["completed"])
      })
  )
})

describe("meta", () => {
  it.effect("is checked: JSON, 64 KiB at most", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const refused = (meta: unknown) => Effect.flip(downloads.enqueue({ url: url("a"), meta }))
      const circular: Array<unknown> = []
      circular.push(circular)
      expect(yield* refused(circular)).toMatchObject({ reason: "InvalidRequest" })
      expect(yield* refused(1n)).toMatchObject({ reason: "InvalidRequest" })
      expect(yield* refused(() => 1)).toMatchObject({ reason: "InvalidRequest" })
      // 2 bytes each in UTF-8, and the quotes
      expect((yield* refused("é".repeat(32 * 1024))).message).toContain("65538 bytes")
      expect(yield* downloads.list()).toEqual([])
      const { download } = yield* downloads.enqueue({ url: url("a"), meta: "é".repeat(32 * 1024 - 1) })
      expect(download.meta).toHaveLength(32 * 1024 - 1)
    }).pipe(Effect.provide(layer({ autoStart: false })))
  )

  it.effect("the later of two equal requests replaces it, if it gives some", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: url("a"), meta: { n: 1, at: new Date(0) } })
      expect((yield* downloads.enqueue({ url: url("a") })).download.meta).toEqual({
        n: 1,
        at: "1970-01-01T00:00:00.000Z"
      })
      expect(yield* downloads.enqueue({ url: url("a"), meta: [2] })).toMatchObject({ id, attached: true })
      expect((yield* downloads.list())[0]?.meta).toEqual([2])
    }).pipe(Effect.provide(layer({ autoStart: false })))
  )
})

describe("events and progress", () => {
  it.effect("tell the story of a download once, with its meta, and decode as documented", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const heard = yield* Effect.fork(
        downloads.events.pipe(
          Stream.takeUntil(({ event }) => event === "completed"),
          Stream.runCollect
        )
      )
      yield* Effect.yieldNow()
      const { id } = yield* downloads.enqueue({ url: url("flaky"), meta: 7 })
      yield* inTime(downloads.await(id))
      const events = Chunk.toReadonlyArray(yield* Fiber.join(heard))
      expect(events.map(({ event }) => event)).toEqual([
        "enqueued",
        "started",
        "retrying",
        "started",
        "retrying",
        "started",
        "completed"
      ])
      expect(events.every((event) => event.id === id && event.meta === 7)).toBe(true)
      expect(
        yield* Schema.decodeUnknown(Schema.Array(DownloadEvent))(JSON.parse(JSON.stringify(events)))
      ).toEqual(events)
      const asked = yield* (yield* World).requests
      expect(asked.map(({ headers }) => headers.get("range"))).toEqual([undefined, undefined, "bytes=4-"])
    }).pipe(Effect.provide(world))
  )

  it.effect("snapshots come at the interval, with speeds, and end with an empty one", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const pictures = yield* Effect.fork(
        downloads.progress.pipe(
          Stream.takeUntil((active) => active.length === 0),
          Stream.runCollect
        )
      )
      const { id } = yield* downloads.enqueue({ url: url("b") })
      yield* inTime(downloads.await(id))
      const seen = Chunk.toReadonlyArray(yield* Fiber.join(pictures))
      expect(seen.at(-1)).toEqual([])
      expect(seen.length).toBeLessThan(8)
      expect(seen.flat().some(({ speed, total }) => speed > 0 && total === 4)).toBe(true)
    }).pipe(Effect.provide(layer({ routes: flakyRoutes, progressInterval: 250 })))
  )

  it.effect("active downloads are counted and named", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: url("silent") })
      yield* TestClock.adjust("1 seconds")
      expect(yield* downloads.activeCount).toBe(1)
      expect(yield* downloads.activeIds).toEqual([id])
    }).pipe(Effect.provide(world))
  )
})

describe("retry and remove", () => {
  it.effect("a failed download is tried again under a new id, from where it was", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* (yield* World).route(url("f"), [{ body: "0123456789", cutAfter: 4 }, { body: "0123456789" }])
      const request = {
        url: url("f"),
        meta: "m",
        headers: [["x-key", "1"]] as const,
        options: { maxRetries: 0 }
      }
      const { id } = yield* downloads.enqueue(request)
      yield* inTime(Effect.flip(downloads.await(id)))
      const again = yield* downloads.retry(id, { headers: [["x-key", "2"]] })
      expect(again).toMatchObject({ attached: false, download: { meta: "m", options: { maxRetries: 0 } } })
      expect(again.id).not.toBe(id)
      yield* inTime(downloads.await(again.id))
      const asked = yield* (yield* World).requests
      expect(asked.map(({ headers }) => [headers.get("x-key"), headers.get("range")])).toEqual([
        ["1", undefined],
        ["2", "bytes=4-"]
      ])
      expect(yield* downloads.status(id)).toBe("failed")
    }).pipe(Effect.provide(world))
  )

  it.effect("one that waits goes on at once, also with other headers; a completed one is refused", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const hour = { options: { retryDelay: 3_600_000 } }
      const first = yield* downloads.enqueue({ url: url("flaky"), ...hour })
      yield* TestClock.adjust("1 seconds")
      expect(yield* downloads.status(first.id)).toBe("retrying")
      expect(yield* downloads.retry(first.id)).toMatchObject({ id: first.id, attached: true })
      yield* TestClock.adjust("1 seconds")
      expect(yield* downloads.retry(first.id, { headers: [["x", "y"]] })).toMatchObject({ id: first.id })
      yield* TestClock.adjust("1 seconds")
      expect(yield* downloads.status(first.id)).toBe("completed")
      expect((yield* (yield* World).requests).at(-1)!.headers.get("x")).toBe("y")
      expect(yield* Effect.flip(downloads.retry(first.id))).toMatchObject({
        _tag: "StoreError",
        reason: "Refused"
      })
    }).pipe(Effect.provide(world))
  )

  it.effect("remove forgets the row and keeps the file; of a failed one the part goes, too", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { paths, route } = yield* World
      const done = yield* inTime(downloads.download({ url: url("a") }))
      yield* downloads.remove(done.id)
      expect(yield* downloads.get(done.id)).toEqual(Option.none())
      expect(yield* paths).toEqual(["/downloads/a"])
      yield* route(url("f"), { body: "0123456789", cutAfter: 4 })
      const { id } = yield* downloads.enqueue({ url: url("f"), options: { maxRetries: 0 } })
      yield* inTime(Effect.flip(downloads.await(id)))
      expect(yield* paths).toContain("/downloads/f.sluice-part")
      yield* downloads.remove(id)
      expect(yield* paths).toEqual(["/downloads/a"])
      expect(yield* Effect.flip(downloads.remove(id))).toMatchObject({ reason: "NotFound" })
    }).pipe(Effect.provide(world))
  )

  it.effect("a live one is cancelled first, and who awaits it hears that it is gone", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: url("slow") })
      const waiting = yield* Effect.fork(Effect.flip(downloads.await(id)))
      yield* TestClock.adjust("1 seconds")
      yield* downloads.remove(id)
      expect(["Cancelled", "NotFound"]).toContain((yield* Fiber.join(waiting)).reason)
      expect(yield* downloads.activeCount).toBe(0)
      expect(yield* (yield* World).paths).toEqual([])
    }).pipe(Effect.provide(world))
  )
})
