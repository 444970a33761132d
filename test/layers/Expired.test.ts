/**
 * Links that expire: another address by a person (`addSource`) or by the program's own function (`refresh`), and what becomes of the bytes
 * that are held.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { DownloadError } from "../../src/domain/DownloadError.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import type { EngineOptionsShape } from "../../src/services/EngineOptions.js"
import { bytes, reaches, reset, type Script, settle, type Step, world } from "./fakes.js"

const KiB = 1024
const size = 1024 * KiB
const content = Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8) * 17) & 0xff)

const signed = (signature: number | string) => `http://h/f.bin?signature=${signature}`
const elsewhere = "http://other/g.bin"

/** The file, or what is left of it after a reset. */
const serve =
  ({ cutAfter = Infinity, etag = '"v1"', pause = 100 } = {}): Script =>
  (_, request) => {
    const from = /^bytes=(\d+)-$/.exec(request.headers.find(([name]) => name === "range")?.[1] ?? "")?.[1]
    const start = Number(from ?? 0)
    const body: Array<Step> = []
    for (let at = start; at < size; at += 64 * KiB) {
      if (at - start >= cutAfter) {
        body.push(reset)
        break
      }
      body.push(pause, content.subarray(at, at + 64 * KiB))
    }
    return {
      status: from === undefined ? 200 : 206,
      headers: {
        etag,
        "content-length": String(size - start),
        ...(from === undefined ? {} : { "content-range": `bytes ${start}-${size - 1}/${size}` })
      },
      body
    }
  }

const status =
  (code: number): Script =>
  () => ({ status: code })

/** A page that says that the link has expired. */
const page: Script = () => ({
  status: 200,
  headers: { "content-length": "100000", etag: '"page"' },
  body: [bytes(100_000)]
})

/** What each URL does, request by request; the last of it from then on. */
const servers = (by: Record<string, ReadonlyArray<Script>>, options?: Partial<EngineOptionsShape>) => {
  const asked = new Map<string, number>()
  return world((_, request) => {
    const n = asked.get(request.url) ?? 0
    asked.set(request.url, n + 1)
    const scripts = by[request.url]!
    return scripts[Math.min(n, scripts.length - 1)]!(n, request)
  }, options)
}

const request: DownloadRequest = { url: signed(1), directory: "/d", options: { connections: 1 } }

const rangesOf = (served: ReturnType<typeof world>["served"]) =>
  served.map(({ headers, url }) => [url, headers.get("range")])

const expectWhole = (files: ReturnType<typeof world>["files"]): void =>
  expect(Buffer.compare(files.get("/d/f.bin")!.data, content)).toBe(0)

/** The link is good for 512 KiB. */
const expiring = [serve({ cutAfter: 512 * KiB }), status(403)]

describe("a new address by the program", () => {
  it.effect("goes on with what is held", () => {
    const told: Array<readonly [string, DownloadError]> = []
    const { engine, files, served } = servers(
      { [signed(1)]: expiring, [signed(2)]: [serve()] },
      {
        refresh: ({ id }, failure) =>
          Effect.sync(() => {
            told.push([id, failure])
            return Option.some(signed(2))
          })
      }
    )
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const row = yield* settle(yield* downloads.enqueue(request))
      expect(row).toMatchObject({
        status: "completed",
        attempt: 3,
        sources: [
          { url: signed(1), aside: { reason: "Forbidden" } },
          { url: signed(2), used: true }
        ]
      })
      expectWhole(files)
      expect(rangesOf(served)).toEqual([
        [signed(1), undefined],
        [signed(1), `bytes=${512 * KiB}-`],
        [signed(2), `bytes=${512 * KiB}-`]
      ])
      expect(told).toMatchObject([[row.id, { reason: "Forbidden", status: 403 }]])
    }).pipe(Effect.provide(engine))
  })

  it.effect.each<readonly [string, EngineOptionsShape["refresh"]]>([
    ["there is none", () => Effect.succeedNone],
    ["it dies", () => Effect.die("secret defect")],
    [
      "it throws",
      () => {
        throw new Error("thrown")
      }
    ],
    ["it is no URL", () => Effect.succeedSome("nonsense")],
    ["it has credentials", () => Effect.succeedSome("http://u:p@h/f")],
    ["it never comes", () => Effect.never]
  ])("fails as without, where %s", ([, refresh]) => {
    const { engine } = servers({ [signed(1)]: expiring }, { refresh })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      expect(yield* settle(yield* downloads.enqueue(request))).toMatchObject({
        status: "failed",
        failure: { reason: "Forbidden" },
        checkpoint: 512 * KiB
      })
    }).pipe(Effect.provide(engine))
  })

  it.effect("is asked for so often, and no more, while none brings progress", () => {
    let asked = 0
    const by = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [signed(n), [status(410)]]))
    const { engine } = servers(by, { refresh: () => Effect.sync(() => Option.some(signed(++asked + 1))) })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const row = yield* settle(yield* downloads.enqueue(request))
      expect(row).toMatchObject({ status: "failed", failure: { reason: "Gone", status: 410 } })
      expect(asked).toBe(3)
    }).pipe(Effect.provide(engine))
  })

  it.effect("is asked for as long as each brings some of it, however many there were", () => {
    let asked = 1
    const by = Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [
        signed(n),
        [serve({ cutAfter: 64 * KiB, pause: 600 }), status(403)]
      ])
    )
    const { engine, files } = servers(by, { refresh: () => Effect.sync(() => Option.some(signed(++asked))) })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const row = yield* settle(yield* downloads.enqueue(request))
      expect(row).toMatchObject({ status: "completed" })
      expect(row.sources?.length).toBeLessThanOrEqual(21)
      expectWhole(files)
      expect(asked).toBe(16)
    }).pipe(Effect.provide(engine))
  })

  it.effect("keeps nobody from pausing while it is asked for", () => {
    const { engine } = servers({ [signed(1)]: expiring }, { refresh: () => Effect.never })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue(request)
      yield* TestClock.adjust("5 seconds")
      const before = yield* TestClock.currentTimeMillis
      expect(yield* downloads.pause(id)).toMatchObject({ status: "paused", checkpoint: 512 * KiB })
      expect(yield* TestClock.currentTimeMillis).toBe(before)
    }).pipe(Effect.provide(engine))
  })
})

describe("a further source", () => {
  it.effect("is asked by the retry of what has failed, which goes on with what is held", () => {
    const { engine, files, served } = servers({ [signed(1)]: expiring, [signed(2)]: [serve()] })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const failed = yield* settle(yield* downloads.enqueue(request))
      expect(failed.status).toBe("failed")
      const added = yield* downloads.addSource(failed.id, signed(2))
      expect(added).toMatchObject({ id: failed.id, status: "failed" })
      const row = yield* settle(yield* downloads.retry(failed.id))
      expect(row).toMatchObject({
        status: "completed",
        sources: [{ aside: { reason: "Forbidden" } }, { url: signed(2), used: true }]
      })
      expectWhole(files)
      expect(rangesOf(served).at(-1)).toEqual([signed(2), `bytes=${512 * KiB}-`])
      expect(yield* Effect.flip(downloads.addSource(row.id, signed(3)))).toMatchObject({ reason: "Refused" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("in place of a page that says that the link has expired", () => {
    const { engine, files, served } = servers({
      [signed(1)]: [serve({ cutAfter: 512 * KiB }), status(404), page],
      [elsewhere]: [serve()]
    })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const failed = yield* settle(yield* downloads.enqueue(request))
      yield* downloads.addSource(failed.id, elsewhere, { replace: true })
      const row = yield* settle(yield* downloads.retry(failed.id))
      expect(row).toMatchObject({
        status: "completed",
        sources: [{ aside: { detail: "another URL was given in its place" } }, { url: elsewhere, used: true }]
      })
      expectWhole(files)
      expect(rangesOf(served).at(-1)).toEqual([elsewhere, `bytes=${512 * KiB}-`])
    }).pipe(Effect.provide(engine))
  })

  it.effect("that has another version is never stitched to what is held", () => {
    const { engine, files, served } = servers({
      [signed(1)]: expiring,
      [elsewhere]: [serve({ etag: '"v2"' })]
    })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const failed = yield* settle(yield* downloads.enqueue(request))
      yield* downloads.addSource(failed.id, elsewhere, { replace: true })
      const row = yield* settle(yield* downloads.retry(failed.id))
      expect(row).toMatchObject({ status: "completed", validator: { etag: '"v2"' } })
      expectWhole(files)
      // all of it is from there
      expect(
        rangesOf(served).filter(([url, range]) => url === elsewhere && range === undefined)
      ).toHaveLength(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect("is taken up at once by what is at work, and waits with what is paused", () => {
    const { engine, files } = servers({
      // it comes to a halt
      [signed(1)]: [serve({ pause: 20_000 })],
      [signed(2)]: [serve()]
    })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const options = { ...request.options, stallTimeout: 3_600_000 }
      const { id } = yield* downloads.enqueue({ ...request, options })
      yield* TestClock.adjust("30 seconds")
      yield* downloads.pause(id)
      expect(yield* downloads.addSource(id, signed(2), { replace: true })).toMatchObject({
        id,
        status: "paused",
        sources: [{ url: signed(1) }, { url: signed(2), aside: null }]
      })
      yield* downloads.addSource(id, signed(1), { replace: true })
      yield* downloads.resume(id)
      yield* reaches({ id }, "processing")
      yield* TestClock.adjust("30 seconds")
      const settled = yield* Effect.fork(downloads.settled(id))
      expect(yield* downloads.addSource(id, signed(2), { replace: true })).toMatchObject({ id })
      yield* TestClock.adjust("5 seconds")
      expect(yield* Fiber.join(settled)).toMatchObject({ status: "completed" })
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("has to be one, without credentials", () => {
    const { engine } = servers({ [signed(1)]: expiring })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const failed = yield* settle(yield* downloads.enqueue(request))
      for (const [url, reason] of [
        ["nonsense", "InvalidUrl"],
        ["ftp://h/f", "UnsupportedScheme"],
        ["http://user:hunter2@h/f", "InvalidRequest"]
      ] as const) {
        const error = yield* Effect.flip(downloads.addSource(failed.id, url))
        expect(error).toMatchObject({ reason })
        expect(error.message).not.toContain("hunter2")
      }
    }).pipe(Effect.provide(engine))
  })
})
