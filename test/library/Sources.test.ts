/**
 * A further source for a download that is there: wherever it stands, and whoever owns it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { inTime, layer, World } from "../../src/programs/testing.js"
import type { DownloadId } from "../../src/domain/DownloadId.js"
import { Downloads, type Shape } from "../../src/services/Downloads.js"
import { machine } from "./Machine.js"

const old = "https://a.test/f.bin?signature=old"
const fresh = "https://a.test/f.bin?signature=new"
const body = Uint8Array.from({ length: 200_000 }, (_, at) => (at * 31 + (at >> 8)) & 255)
const tagged = { body, headers: { ETag: '"v1"' } }
const expired = { status: 403 }

const rowOf = (downloads: Shape, id: DownloadId) => Effect.map(downloads.get(id), Option.getOrThrow)

describe("a further source", () => {
  it.effect("of one that has failed is what its retry goes on with, from where it was", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const world = yield* World
      const { id } = yield* downloads.enqueue({ url: old })
      const failed = yield* inTime(downloads.settled(id))
      expect(failed).toMatchObject({ status: "failed", failure: { reason: "Forbidden" }, checkpoint: 80_000 })
      expect(yield* downloads.addSource(id, fresh)).toMatchObject({ status: "failed", checkpoint: 80_000 })
      const again = yield* downloads.retry(id)
      const { path } = yield* inTime(downloads.await(again.id))
      expect(yield* world.bytes(path)).toEqual(body)
      const asked = yield* world.requests
      expect(asked.at(-1)).toMatchObject({ url: fresh })
      expect(asked.at(-1)!.headers.get("range")).toBe("bytes=80000-")
      expect(asked.at(-1)!.headers.get("if-range")).toBe('"v1"')
    }).pipe(
      Effect.provide(
        layer({ routes: { [old]: [{ ...tagged, cutAfter: 80_000 }, expired], [fresh]: tagged } })
      )
    )
  )

  it.effect("with other bytes replaces what is held instead of going on with it", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const world = yield* World
      const other = body.map((byte) => byte ^ 1)
      yield* world.route(fresh, { body: other, headers: { ETag: '"v2"' } })
      const { id } = yield* downloads.enqueue({ url: old })
      yield* inTime(downloads.settled(id))
      yield* downloads.addSource(id, fresh)
      const again = yield* downloads.retry(id)
      const { path } = yield* inTime(downloads.await(again.id))
      expect(yield* world.bytes(path)).toEqual(other)
    }).pipe(Effect.provide(layer({ routes: { [old]: [{ ...tagged, cutAfter: 80_000 }, expired] } })))
  )

  it.effect("of one that waits for its next try ends that wait; a paused one stays so", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const waits = yield* downloads.enqueue({ url: old })
      const paused = yield* downloads.enqueue({ url: "https://a.test/p" })
      yield* downloads.pause(paused.id)
      yield* TestClock.adjust("10 millis")
      expect(yield* downloads.status(waits.id)).toBe("retrying")
      yield* downloads.addSource(waits.id, fresh)
      yield* TestClock.adjust("100 millis")
      expect(yield* rowOf(downloads, waits.id)).toMatchObject({ status: "completed", attempt: 2 })
      expect(yield* downloads.addSource(paused.id, fresh)).toMatchObject({
        status: "paused",
        sources: [{ url: "https://a.test/p" }, { url: fresh }]
      })
    }).pipe(
      Effect.provide(
        layer({
          routes: { [old]: { status: 500 }, [fresh]: tagged },
          downloadDefaults: { retryDelay: 60_000, maxRetries: 1 }
        })
      )
    )
  )

  it.effect("of one at work is asked in the try that follows at once, though the first never answers", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const world = yield* World
      const { id } = yield* downloads.enqueue({ url: old, options: { connections: 1, timeout: 1e6 } })
      yield* TestClock.adjust("1 seconds")
      expect(yield* downloads.activeIds).toEqual([id])
      yield* downloads.addSource(id, { url: fresh, priority: 1 })
      yield* world.route(old, expired)
      const { path } = yield* inTime(downloads.await(id), "10 seconds")
      expect(yield* world.bytes(path)).toEqual(body)
      expect(yield* rowOf(downloads, id)).toMatchObject({
        sources: [
          { url: old, aside: { reason: "Forbidden" } },
          { url: fresh, used: true }
        ]
      })
    }).pipe(Effect.provide(layer({ routes: { [old]: "silence", [fresh]: tagged } })))
  )

  it.effect("is refused in sentences, and shows no password", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const done = yield* inTime(downloads.download({ url: fresh }))
      const cancelled = yield* downloads.enqueue({ url: old })
      yield* downloads.cancel(cancelled.id)
      const failed = yield* downloads.enqueue({ url: "https://a.test/nothing" })
      yield* inTime(downloads.settled(failed.id))
      const retried = yield* downloads.retry(failed.id)
      const why = (id: DownloadId, url = fresh) => Effect.flip(downloads.addSource(id, url))
      expect(yield* why(done.id)).toMatchObject({
        detail: `${done.id} is completed, and needs no further source`
      })
      expect((yield* why(cancelled.id)).detail).toContain("was cancelled")
      expect((yield* why(failed.id)).detail).toContain(`tried again as ${retried.id}`)
      expect(yield* why(retried.id, "ftp://a.test/f")).toMatchObject({ reason: "UnsupportedScheme" })
      const secret = yield* why(retried.id, "https://me:hunter2@a.test/f")
      expect(secret).toMatchObject({ reason: "InvalidRequest" })
      expect(JSON.stringify(secret) + secret.message).not.toContain("hunter2")
    }).pipe(Effect.provide(layer({ routes: { [fresh]: tagged } })))
  )

  it.scoped("of a download of another engine is asked for, and taken up within 250 ms", () =>
    Effect.gen(function* () {
      const { engine, served } = machine()
      const owner = yield* engine("owner", { concurrency: 1 })
      const other = yield* engine("other", { autoStart: false, adopt: false })
      const request = {
        url: "http://h/never",
        directory: "/d",
        options: { stallTimeout: 1e9, connections: 1 }
      }
      const { id } = yield* owner.downloads.enqueue(request)
      yield* TestClock.adjust("1 seconds")
      const adding = yield* Effect.fork(other.downloads.addSource(id, "http://h/mirror"))
      yield* TestClock.adjust("250 millis")
      expect(yield* Fiber.join(adding)).toMatchObject({ sources: [{}, { url: "http://h/mirror" }] })
      yield* TestClock.adjust("1 seconds")
      // the try with one source is over, and what it held is gone on with
      expect(yield* rowOf(owner.downloads, id)).toMatchObject({ attempt: 2, checkpoint: 10 })
      expect(served.at(-1)!.headers.get("range")).toBe("bytes=10-")
    })
  )

  it.scoped("asked of an engine that dies is its heir's to take up", () =>
    Effect.gen(function* () {
      const { engine } = machine()
      const owner = yield* engine("owner", { pollInterval: 1e7 })
      const other = yield* engine("other", { autoStart: false, adopt: false })
      const { id } = yield* owner.downloads.enqueue({ url: "http://h/never", directory: "/d" })
      yield* TestClock.adjust("1 seconds")
      const adding = yield* Effect.fork(other.downloads.addSource(id, "http://h/mirror"))
      yield* TestClock.adjust("100 millis")
      yield* owner.die
      yield* TestClock.adjust("10 seconds")
      expect(yield* Fiber.join(adding)).toMatchObject({ sources: [{}, { url: "http://h/mirror" }] })
    })
  )
})
