/**
 * Several sources of one download: who is asked after whom, who beside whom, and what follows from a source that has other bytes.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { make as makeError } from "../../src/domain/DownloadError.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import { reset, type Script, settle, type Step, world } from "./fakes.js"

const KiB = 1024
const size = 8 * 1024 * KiB
/** Bytes per second and connection; pieces come every 100 ms. */
const rate = 640 * KiB

const [a, b, c] = ["http://a/f.bin", "http://b/pub/f.bin", "https://c/f.bin"] as const

const contents = new Map<number, Uint8Array>()
const content = (version: number): Uint8Array => {
  const known = contents.get(version)
  if (known !== undefined) return known
  const made = Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8) * 17 + version * 101) & 0xff)
  contents.set(version, made)
  return made
}

const checksum = (version = 1) =>
  ({ algorithm: "sha-256", hex: createHash("sha256").update(content(version)).digest("hex") }) as const

interface Serving {
  readonly etag?: string
  readonly version?: number
  /** Bytes of the body after which the connection is reset. */
  readonly cutAfter?: number
}

/** An honest server of a version. */
const serve =
  ({ cutAfter = Infinity, etag = '"v1"', version = 1 }: Serving = {}): Script =>
  (_, request) => {
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.find(([name]) => name === "range")?.[1] ?? "")
    const condition = request.headers.find(([name]) => name === "if-range")?.[1]
    const match = condition === undefined || condition === etag ? asked : null
    const start = match === null ? 0 : Number(match[1])
    const end = match === null || match[2] === "" ? size : Number(match[2]) + 1
    const body: Array<Step> = []
    for (let at = start; at < end; at += rate / 10) {
      if (at - start >= cutAfter) {
        body.push(reset)
        break
      }
      body.push(100, content(version).subarray(at, Math.min(at + rate / 10, end)))
    }
    return {
      status: match === null ? 200 : 206,
      headers: {
        etag,
        "accept-ranges": "bytes",
        "content-length": String(end - start),
        ...(match === null ? {} : { "content-range": `bytes ${start}-${end - 1}/${size}` })
      },
      body
    }
  }

const status =
  (code: number): Script =>
  () => ({ status: code })

const refused: Script = () => makeError("ConnectionRefused", "refused by the script")

/** A world of these servers, by URL; each is told how often it has been asked before. */
const servers = (by: Record<string, Script>) => {
  const asked = new Map<string, number>()
  return world((_, request) => {
    const n = asked.get(request.url) ?? 0
    asked.set(request.url, n + 1)
    return by[request.url]!(n, request)
  })
}

const run = (more: Partial<DownloadRequest> = {}) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    return yield* settle(yield* downloads.enqueue({ url: a, directory: "/d", mirrors: [b], ...more }))
  })

const expectWhole = (files: ReturnType<typeof world>["files"], version = 1): void => {
  expect(Buffer.compare(files.get("/d/f.bin")!.data, content(version))).toBe(0)
}

const one = { connections: 1 }
const urls = (served: ReturnType<typeof world>["served"]) => served.map(({ url }) => url)

describe("a source that fails", () => {
  it.effect("for good is set aside, and the next one asked in the same try", () => {
    const { engine, files, served } = servers({ [a]: status(404), [b]: serve() })
    return Effect.gen(function* () {
      expect(yield* run({ options: one })).toMatchObject({
        status: "completed",
        attempt: 1,
        sources: [
          { url: a, aside: { reason: "NotFound", status: 404 }, used: false },
          { url: b, aside: null, used: true }
        ]
      })
      expectWhole(files)
      expect(urls(served)).toEqual([a, b])
    }).pipe(Effect.provide(engine))
  })

  it.effect("for now is passed over, and no retry counted", () => {
    const { engine, files } = servers({ [a]: refused, [b]: serve() })
    return Effect.gen(function* () {
      const row = yield* run({ options: { ...one, maxRetries: 0 } })
      expect(row).toMatchObject({
        status: "completed",
        attempt: 1,
        sources: [{ aside: null }, { used: true }]
      })
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("with all others fails the try: again where one of them may get over it", () => {
    const { engine, served } = servers({ [a]: status(404), [b]: refused })
    return Effect.gen(function* () {
      expect(yield* run({ options: { maxRetries: 2 } })).toMatchObject({
        status: "failed",
        attempt: 3,
        failure: { reason: "ConnectionRefused" },
        sources: [{ aside: { reason: "NotFound" } }, { aside: null }]
      })
      // what is not there is not asked again
      expect(urls(served)).toEqual([a, b, b, b])
    }).pipe(Effect.provide(engine))
  })

  it.effect("with all others for good ends the download at once", () => {
    const { engine } = servers({ [a]: status(404), [b]: status(410) })
    return Effect.gen(function* () {
      expect(yield* run()).toMatchObject({ status: "failed", attempt: 1, failure: { reason: "Gone" } })
    }).pipe(Effect.provide(engine))
  })

  it.effect("is asked in the order of priorities", () => {
    const { engine, served } = servers({ [a]: status(404), [b]: status(404), [c]: serve() })
    return Effect.gen(function* () {
      const mirrors = [
        { url: b, priority: 9 },
        { url: c, priority: 2 }
      ]
      expect(yield* run({ mirrors })).toMatchObject({ status: "completed" })
      expect(urls(served).slice(0, 2)).toEqual([a, c])
    }).pipe(Effect.provide(engine))
  })

  it.effect("gets what identifies the caller only if it is of the same origin", () => {
    const other = "http://a/other/f.bin"
    const { engine, served } = servers({ [a]: status(404), [b]: status(404), [other]: serve() })
    return Effect.gen(function* () {
      const headers = [["Authorization", "Bearer secret"]] as const
      yield* run({ mirrors: [b, other], headers, options: one })
      expect(served.map(({ headers }) => headers.get("authorization"))).toEqual([
        "Bearer secret",
        undefined,
        "Bearer secret"
      ])
    }).pipe(Effect.provide(engine))
  })
})

describe("a source that is in trouble with something held", () => {
  it.effect("is not left for one that would begin anew, at first", () => {
    const { engine, files, served } = servers({
      [a]: (n, request) => serve({ cutAfter: n === 0 ? 2048 * KiB : Infinity })(n, request),
      [b]: serve({ etag: '"of b"' })
    })
    return Effect.gen(function* () {
      expect(yield* run({ options: one })).toMatchObject({ status: "completed", attempt: 2 })
      expectWhole(files)
      expect(served.map(({ headers, url }) => [url, headers.get("range")])).toEqual([
        [a, undefined],
        [b, `bytes=${2048 * KiB}-`],
        [a, `bytes=${2048 * KiB}-`]
      ])
    }).pipe(Effect.provide(engine))
  })

  it.effect("is left for it when it has not got over it", () => {
    const { engine, files } = servers({
      [a]: (n, request) => (n === 0 ? serve({ cutAfter: 2048 * KiB })(n, request) : refused(n, request)),
      [b]: serve({ etag: '"of b"', version: 2 })
    })
    return Effect.gen(function* () {
      expect(yield* run({ options: one })).toMatchObject({ status: "completed", attempt: 2 })
      expectWhole(files, 2)
    }).pipe(Effect.provide(engine))
  })

  it.effect("is left at once for one whose strong tag is the same", () => {
    const { engine, files, served } = servers({ [a]: serve({ cutAfter: 2048 * KiB }), [b]: serve() })
    return Effect.gen(function* () {
      expect(yield* run({ options: one })).toMatchObject({ status: "completed", attempt: 1 })
      expectWhole(files)
      expect(served[1]!.headers.get("if-range")).toBe('"v1"')
    }).pipe(Effect.provide(engine))
  })

  it.effect("is left at once where a checksum will decide, after an overlap", () => {
    const { engine, files, served } = servers({
      [a]: serve({ cutAfter: 2048 * KiB }),
      [b]: serve({ etag: '"of b"' })
    })
    return Effect.gen(function* () {
      expect(yield* run({ options: { ...one, checksum: checksum() } })).toMatchObject({
        status: "completed",
        attempt: 1
      })
      expectWhole(files)
      expect(served[1]!.headers.get("range")).toBe(`bytes=${(2048 - 64) * KiB}-`)
    }).pipe(Effect.provide(engine))
  })
})

describe("several sources", () => {
  const byUrl = (served: ReturnType<typeof world>["served"], wanted: string) =>
    served.filter(({ url }) => url === wanted)

  it.effect("with the same strong tag are asked side by side", () => {
    const { engine, files, served } = servers({ [a]: serve(), [b]: serve() })
    return Effect.gen(function* () {
      expect(yield* run()).toMatchObject({ status: "completed", sources: [{ used: true }, { used: true }] })
      expectWhole(files)
      // before it has proved itself, the other is asked once
      expect([byUrl(served, a).length, byUrl(served, b).length]).toEqual([3, 1])
    }).pipe(Effect.provide(engine))
  })

  it.effect("that can't be proved to be the same are not", () => {
    const { engine, files, served } = servers({ [a]: serve(), [b]: serve({ etag: '"of b"', version: 2 }) })
    return Effect.gen(function* () {
      const row = yield* run()
      expect(row).toMatchObject({ status: "completed", sources: [{ used: true }, { used: false }] })
      expectWhole(files)
      expect(byUrl(served, b)).toHaveLength(1)
      // the first has all the connections instead
      expect(byUrl(served, a)).toHaveLength(4)
    }).pipe(Effect.provide(engine))
  })

  it.effect("with a checksum to come are asked side by side, whatever their tags", () => {
    const { engine, files, served } = servers({ [a]: serve(), [b]: serve({ etag: '"of b"' }) })
    return Effect.gen(function* () {
      expect(yield* run({ options: { checksum: checksum() } })).toMatchObject({
        status: "completed",
        attempt: 1
      })
      expectWhole(files)
      expect(byUrl(served, b)).toHaveLength(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect("one of which has wrong bytes: it is found, and set aside", () => {
    const { engine, files } = servers({ [a]: serve({ version: 3 }), [b]: serve({ etag: '"of b"' }) })
    return Effect.gen(function* () {
      expect(yield* run({ options: { checksum: checksum() } })).toMatchObject({
        status: "completed",
        // together, then from the first alone, then from the other
        attempt: 3,
        sources: [
          { url: a, aside: { reason: "ChecksumMismatch" } },
          { url: b, aside: null, used: true }
        ]
      })
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("all of which have wrong bytes: nothing is published", () => {
    const { engine, files } = servers({ [a]: serve({ version: 3 }), [b]: serve({ version: 4 }) })
    return Effect.gen(function* () {
      expect(yield* run({ options: { ...one, checksum: checksum() } })).toMatchObject({
        status: "failed",
        failure: { reason: "ChecksumMismatch" }
      })
      expect([...files.keys()]).toEqual([])
    }).pipe(Effect.provide(engine))
  })

  it.effect("are added by asking again, and stay with a retry", () => {
    const { engine, files } = servers({ [a]: status(404), [b]: status(404), [c]: serve() })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const failed = yield* run()
      expect(failed.status).toBe("failed")
      yield* downloads.retry(failed.id)
      const [again] = (yield* downloads.list()).filter(({ id }) => id !== failed.id)
      expect(again!.sources?.map(({ url }) => url)).toEqual([a, b])
      const attached = yield* downloads.enqueue({ url: a, directory: "/d", mirrors: [c] })
      expect(attached).toMatchObject({ id: again!.id, attached: true })
      expect(yield* settle(again!)).toMatchObject({ status: "completed" })
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("are http or https, without a user, and not without number", () => {
    const { engine } = servers({})
    return Effect.gen(function* () {
      for (const [mirrors, why] of [
        [["ftp://h/f"], "ftp"],
        [["http://u:p@h/f"], "user or password"],
        [[{ url: b, priority: 0 }], "priority of a mirror"],
        [Array.from({ length: 1001 }, (_, n) => `http://h/${n}`), "1000 mirrors at most"]
      ] as const) {
        const error = yield* Effect.flip(run({ mirrors }))
        expect(error.message).toContain(why)
        expect(error.message).not.toContain("u:p")
      }
    }).pipe(Effect.provide(engine))
  })
})
