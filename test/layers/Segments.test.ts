/**
 * Several connections for one download, against a scripted server that knows ranges: who asks for what, what follows from
 * refusals, cuts and other versions, and what a restart asks for. Time is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { make as makeError } from "../../src/domain/DownloadError.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import { reaches, reset, settle, type Script, type Step, world } from "./fakes.js"

const KiB = 1024
/** Bytes per second and connection; pieces come every 100 ms. */
const rate = 640 * KiB
const size = 8 * 1024 * KiB

/** The byte at an offset of a version. */
const byteAt = (at: number, version: number): number => (at * 31 + (at >> 8) * 17 + version * 101) & 0xff

const wholes = new Map<number, Uint8Array>()

const content = (start: number, end: number, version = 1): Uint8Array => {
  const whole = wholes.get(version) ?? Uint8Array.from({ length: size }, (_, at) => byteAt(at, version))
  wholes.set(version, whole)
  return whole.slice(start, end)
}

interface Answering {
  readonly version?: number
  readonly etag?: string
  /** Bytes of the body after which the connection is reset. */
  readonly cutAfter?: number
  /** Nothing but the end of the connection tells where the body ends: it does after so many bytes. */
  readonly endsAfter?: number
  readonly bytesPerSecond?: number
  /** Its rate after the first 300 ms. */
  readonly later?: number
  readonly headers?: Record<string, string>
}

/** An honest answer to a request, at so many bytes per second. */
const answer = (
  range: string | undefined,
  {
    bytesPerSecond = rate,
    cutAfter = Infinity,
    endsAfter = Infinity,
    etag = '"v1"',
    headers = {},
    later = bytesPerSecond,
    version = 1
  }: Answering = {}
): Exclude<ReturnType<Script>, string> => {
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? "")
  const start = match === null ? 0 : Number(match[1])
  const end = match === null || match[2] === "" ? size : Number(match[2]) + 1
  const body: Array<Step> = []
  for (let at = start, piece = 0; at < end; at += piece) {
    piece = Math.floor((at - start < 0.3 * bytesPerSecond ? bytesPerSecond : later) / 10)
    if (at - start >= cutAfter) {
      body.push(reset)
      break
    }
    if (at - start >= endsAfter) break
    body.push(100, content(at, Math.min(at + piece, end), version))
  }
  return {
    status: match === null ? 200 : 206,
    headers: {
      etag,
      "accept-ranges": "bytes",
      ...(endsAfter === Infinity ? { "content-length": String(end - start) } : {}),
      ...(match === null ? {} : { "content-range": `bytes ${start}-${end - 1}/${size}` }),
      ...headers
    },
    body
  }
}

const rangeOf = (request: Parameters<Script>[1]): string | undefined =>
  request.headers.find(([name]) => name === "range")?.[1]

const enqueue = (options: DownloadRequest["options"] = {}) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueue({ url: "http://h/f.bin", directory: "/d", options })
  )

/** The file, compared as bytes: element by element would take minutes. */
const expectWhole = (files: ReturnType<typeof world>["files"], version = 1): void => {
  expect(Buffer.compare(files.get("/d/f.bin")!.data, content(0, size, version))).toBe(0)
}

const spans = (served: ReturnType<typeof world>["served"]) =>
  served.map(({ headers }) => headers.get("range") ?? "all")

describe("segments", () => {
  it.effect("are fetched side by side, and make up the whole", () => {
    const { engine, files, served } = world((_, request) => answer(rangeOf(request)))
    return Effect.gen(function* () {
      const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const row = yield* settle(yield* enqueue())
      expect(row).toMatchObject({ status: "completed", total: size, segments: null, attempt: 1 })
      expectWhole(files)
      expect(served).toHaveLength(4)
      expect(spans(served)[0]).toBe("all")
      // 12.8 s by one, 3.2 by four from the beginning
      expect(row.finishedAt! - started).toBeLessThan(4500)
      for (const { headers } of served.slice(1)) expect(headers.get("if-range")).toBe('"v1"')
    }).pipe(Effect.provide(engine))
  })

  it.effect.each([
    ["one connection was asked for", { connections: 1 }, {}],
    ["the server says nothing of ranges", {}, { "accept-ranges": "none" }],
    ["nothing could prove what belongs together", {}, { etag: 'W/"v1"' }]
  ] as const)("are not made where %s", ([_, options, headers]) => {
    const { engine, files, served } = world((_, request) => answer(rangeOf(request), { headers }))
    return Effect.gen(function* () {
      expect(yield* settle(yield* enqueue(options))).toMatchObject({ status: "completed" })
      expectWhole(files)
      expect(served).toHaveLength(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect.each([
    ["503", { status: 503 }],
    ["429 with a time", { status: 429, headers: { "retry-after": "3600" } }],
    ["403", { status: 403 }],
    ["a reset", reset],
    ["a refusal", makeError("ConnectionRefused", "no more connections")],
    ["the whole", answer(undefined)],
    ["a part of something else", answer("bytes=1-2")]
  ] as const)("end with one connection where a further one gets %s", ([_, further]) => {
    const { engine, files, served } = world((n, request) => (n === 0 ? answer(rangeOf(request)) : further))
    return Effect.gen(function* () {
      const row = yield* settle(yield* enqueue())
      expect(row).toMatchObject({ status: "completed", attempt: 1, strikes: [] })
      expectWhole(files)
      // a refusal is taken at its word; the whole in answer to If-Range is asked about once more
      expect(served.length).toBeLessThanOrEqual(7)
      expect(served[0]!.aborted).toBe(false)
    }).pipe(Effect.provide(engine))
  })

  it.effect("that end early are taken up by others, within the same try", () => {
    let cuts = 0
    const { engine, files, served } = world((n, request) =>
      answer(rangeOf(request), n > 0 && cuts++ < 3 ? { cutAfter: 256 * KiB } : {})
    )
    return Effect.gen(function* () {
      const row = yield* settle(yield* enqueue())
      expect(row).toMatchObject({ status: "completed", attempt: 1 })
      expectWhole(files)
      expect(served.length).toBeGreaterThan(4)
    }).pipe(Effect.provide(engine))
  })

  it.effect("that crawl are divided once more", () => {
    const { engine, files, served } = world((n, request) =>
      answer(rangeOf(request), n === 1 ? { bytesPerSecond: 20 * KiB } : {})
    )
    return Effect.gen(function* () {
      const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const row = yield* settle(yield* enqueue())
      expect(row).toMatchObject({ status: "completed", attempt: 1 })
      expectWhole(files)
      expect(served.length).toBeGreaterThan(4)
      // 2 MiB and more at 20 KiB/s would take 100 s
      expect(row.finishedAt! - started).toBeLessThan(30_000)
    }).pipe(Effect.provide(engine))
  })

  it.effect("of another version give up what is held, and one connection fetches it all", () => {
    const { engine, files, served } = world((n, request) =>
      answer(rangeOf(request), n === 0 ? {} : { version: 2, etag: '"v2"' })
    )
    return Effect.gen(function* () {
      const row = yield* settle(yield* enqueue())
      expect(row).toMatchObject({ status: "completed", validator: { etag: '"v2"' } })
      expectWhole(files, 2)
      expect(spans(served).filter((span) => span === "all")).toHaveLength(2)
      expect(spans(served).at(-1)).toBe("all")
    }).pipe(Effect.provide(engine))
  })

  it.effect("of versions that alternate come to an end, with one of them", () => {
    const { engine, files } = world((n, request) =>
      answer(rangeOf(request), n % 2 === 0 ? {} : { version: 2, etag: '"v2"' })
    )
    return Effect.gen(function* () {
      const row = yield* settle(yield* enqueue())
      expect(row.status).toBe("completed")
      const version = row.validator!.etag === '"v1"' ? 1 : 2
      expectWhole(files, version)
    }).pipe(Effect.provide(engine))
  })

  it.effect("survive a pause: what is missing is asked for, and nothing else", () => {
    const { engine, files, served } = world((_, request) => answer(rangeOf(request)))
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const download = yield* enqueue()
      yield* TestClock.adjust("2 seconds")
      yield* downloads.pause(download.id)
      const row = yield* reaches(download, "paused")
      expect(row.segments!.length).toBeGreaterThan(1)
      const held = row.segments!.reduce((sum, [start, end]) => sum + end - start, 0)
      expect(row.checkpoint).toBe(held)
      const before = served.length
      yield* downloads.resume(download.id)
      expect(yield* settle(download)).toMatchObject({ status: "completed", attempt: 2, segments: null })
      expectWhole(files)
      const asked = spans(served).slice(before)
      for (const [start, end] of row.segments!) {
        for (const span of asked) {
          const from = Number(/\d+/.exec(span)![0])
          expect(from < start || from >= end).toBe(true)
        }
      }
    }).pipe(Effect.provide(engine))
  })

  it.effect("are dropped where all together are no faster", () => {
    // what a second one brings, the first one loses
    const { engine, files, served } = world((n, request) =>
      answer(rangeOf(request), n === 1 ? { bytesPerSecond: 10 * KiB } : { later: 0.85 * rate })
    )
    return Effect.gen(function* () {
      const row = yield* settle(yield* enqueue({ connections: 2 }))
      expect(row).toMatchObject({ status: "completed", attempt: 1 })
      expectWhole(files)
      // the first goes on into what the second was to fetch
      expect(served.map(({ aborted }) => aborted)).toEqual([true, true, false])
    }).pipe(Effect.provide(engine))
  })

  it.effect("are taken up again where one alone is slower after all", () => {
    // a server that lets the beginning of each connection pass
    const { engine, files, served } = world((_, request) => answer(rangeOf(request), { later: rate / 4 }))
    return Effect.gen(function* () {
      const row = yield* settle(yield* enqueue({ connections: 2 }))
      expect(row).toMatchObject({ status: "completed", attempt: 1 })
      expectWhole(files)
      expect(served.length).toBeGreaterThan(2)
      expect(served[1]!.aborted).toBe(true)
    }).pipe(Effect.provide(engine))
  })
})

describe("resuming", () => {
  const cut =
    (more: Answering): Script =>
    (n, request) =>
      answer(rangeOf(request), n === 0 ? { ...more, cutAfter: 1024 * KiB } : more)
  const alone = { connections: 1 }

  it.effect("goes on by a plain range where a server answers If-Range with the whole, unchanged", () => {
    const { engine, files, served } = world((n, request) =>
      n === 1 ? answer(undefined) : cut({})(n, request)
    )
    return Effect.gen(function* () {
      expect(yield* settle(yield* enqueue(alone))).toMatchObject({ status: "completed", attempt: 2 })
      expectWhole(files)
      expect(served.map(({ headers }) => [headers.get("range"), headers.get("if-range")])).toEqual([
        [undefined, undefined],
        [`bytes=${1024 * KiB}-`, '"v1"'],
        [`bytes=${1024 * KiB}-`, undefined]
      ])
    }).pipe(Effect.provide(engine))
  })

  it.effect("goes on where an answer that ends with its connection was cut, and keeps what came", () => {
    const { engine, files, served } = world((n, request) =>
      n === 1 ? answer(rangeOf(request), { endsAfter: 2048 * KiB }) : cut({})(n, request)
    )
    return Effect.gen(function* () {
      expect(yield* settle(yield* enqueue(alone))).toMatchObject({ status: "completed", attempt: 3 })
      expectWhole(files)
      expect(spans(served)).toEqual(["all", `bytes=${1024 * KiB}-`, `bytes=${3072 * KiB}-`])
    }).pipe(Effect.provide(engine))
  })

  const sha256 = (version: number) =>
    Effect.promise(() =>
      crypto.subtle.digest("SHA-256", content(0, size, version).buffer as ArrayBuffer)
    ).pipe(
      Effect.map((digest) => ({ algorithm: "sha-256" as const, hex: Buffer.from(digest).toString("hex") }))
    )

  it.effect("without a validator starts again from 0", () => {
    const { engine, files, served } = world(cut({ etag: 'W/"v1"' }))
    return Effect.gen(function* () {
      expect(yield* settle(yield* enqueue(alone))).toMatchObject({ status: "completed" })
      expectWhole(files)
      expect(spans(served)).toEqual(["all", "all"])
    }).pipe(Effect.provide(engine))
  })

  it.effect("with a digest to come goes on after an overlap that is the same", () => {
    const { engine, files, served } = world(cut({ etag: 'W/"v1"' }))
    return Effect.gen(function* () {
      const checksum = yield* sha256(1)
      expect(yield* settle(yield* enqueue({ ...alone, checksum }))).toMatchObject({ status: "completed" })
      expectWhole(files)
      expect(spans(served)).toEqual(["all", `bytes=${(1024 - 64) * KiB}-`])
      expect(served[1]!.headers.has("if-range")).toBe(false)
    }).pipe(Effect.provide(engine))
  })

  it.effect("starts again from 0 after an overlap that differs", () => {
    const { engine, files, served } = world((n, request) =>
      n === 0
        ? cut({ etag: 'W/"same"' })(n, request)
        : answer(rangeOf(request), { version: 2, etag: 'W/"same"' })
    )
    return Effect.gen(function* () {
      const checksum = yield* sha256(2)
      const row = yield* settle(yield* enqueue({ ...alone, checksum }))
      expect(row).toMatchObject({ status: "completed", attempt: 2 })
      expectWhole(files, 2)
      expect(spans(served)).toEqual(["all", `bytes=${(1024 - 64) * KiB}-`, "all"])
    }).pipe(Effect.provide(engine))
  })
})
