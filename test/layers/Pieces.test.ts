/**
 * Wrong pieces of a file: which are fetched again, from whom, and what a crash leaves; under the engine as it is shipped.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import { Store } from "../../src/services/Store.js"
import { reaches, reset, type Script, settle, type Step, world } from "./fakes.js"

const KiB = 1024
const length = 256 * KiB
const count = 8
/** The last piece is shorter. */
const size = length * count - 100

const [a, b, c] = ["http://a/f.bin", "http://b/f.bin", "http://c/f.bin"] as const
const part = "/d/f.bin.sluice-part"

const data = Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8) * 17) & 0xff)
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
const checksum = { algorithm: "sha-256", hex: sha256(data) } as const
const pieces = {
  algorithm: "sha-256",
  length,
  hashes: Array.from({ length: count }, (_, i) => sha256(data.subarray(i * length, (i + 1) * length)))
} as const

interface Serving {
  /** Pieces that are wrong. */
  readonly wrong?: ReadonlyArray<number>
  readonly etag?: string
  readonly cutAfter?: number
  readonly ranges?: boolean
}

const serve =
  ({ cutAfter = Infinity, etag, ranges = true, wrong = [] }: Serving = {}): Script =>
  (_, request) => {
    const bytes = Uint8Array.from(data)
    for (const piece of wrong) bytes[piece * length + 7]! ^= 1
    const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.find(([name]) => name === "range")?.[1] ?? "")
    const condition = request.headers.find(([name]) => name === "if-range")?.[1]
    const match = ranges && (condition === undefined || condition === etag) ? asked : null
    const start = match === null ? 0 : Number(match[1])
    const end = match === null || match[2] === "" ? size : Number(match[2]) + 1
    const body: Array<Step> = []
    for (let at = start; at < end; at += 64 * KiB) {
      if (at - start >= cutAfter) {
        body.push(reset)
        break
      }
      body.push(100, bytes.subarray(at, Math.min(at + 64 * KiB, end)))
    }
    return {
      status: match === null ? 200 : 206,
      headers: {
        ...(etag === undefined ? {} : { etag }),
        "content-length": String(end - start),
        ...(match === null ? {} : { "content-range": `bytes ${start}-${end - 1}/${size}` })
      },
      body
    }
  }

/** A world of these servers, by URL, each a script for one request after another. */
const servers = (by: Record<string, Script | ReadonlyArray<Script>>) => {
  const asked = new Map<string, number>()
  return world((_, request) => {
    const n = asked.get(request.url) ?? 0
    asked.set(request.url, n + 1)
    const scripts = by[request.url]!
    return (typeof scripts === "function" ? scripts : scripts[Math.min(n, scripts.length - 1)]!)(n, request)
  })
}

const enqueue = ({ options, ...more }: Partial<DownloadRequest> = {}) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueue({
      url: a,
      directory: "/d",
      pieces,
      options: { connections: 1, size, checksum, ...options },
      ...more
    })
  )

const run = (more: Partial<DownloadRequest> = {}) => Effect.flatMap(enqueue(more), settle)

const expectWhole = (files: ReturnType<typeof world>["files"]): void => {
  expect([...files.keys()]).toEqual(["/d/f.bin"])
  expect(Buffer.compare(files.get("/d/f.bin")!.data, data)).toBe(0)
}

/** What was asked for: of whom, and which bytes. */
const asked = (served: ReturnType<typeof world>["served"]) =>
  served.map(({ headers, url }) => [url, headers.get("range")] as const)

const span = (from: number, to: number) => `bytes=${from * length}-${to * length - 1}`

describe("a file with wrong pieces", () => {
  it.effect("has only those fetched again, from another source; who has sent them is set aside", () => {
    const { engine, files, served } = servers({ [a]: serve({ wrong: [0, 3, 4] }), [b]: serve() })
    return Effect.gen(function* () {
      const row = yield* run({ mirrors: [b] })
      expect(row).toMatchObject({
        status: "completed",
        attempt: 2,
        sources: [
          { url: a, aside: { reason: "ChecksumMismatch" } },
          { url: b, aside: null, used: true }
        ]
      })
      expect(row.sources![0]!.aside!.detail).toBe("3 of 8 pieces of 262144 bytes are wrong")
      expect(asked(served)).toEqual([
        [a, undefined],
        [b, span(0, 1)],
        [b, span(3, 5)]
      ])
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("is found so without a checksum of the whole, too", () => {
    const { engine, files, served } = servers({ [a]: serve({ wrong: [count - 1] }), [b]: serve() })
    return Effect.gen(function* () {
      expect(yield* run({ mirrors: [b], options: { checksum: null } })).toMatchObject({ attempt: 2 })
      expect(asked(served).at(-1)).toEqual([b, `bytes=${(count - 1) * length}-`])
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("asks its only source again, by its validator, and for those pieces alone", () => {
    const { engine, files, served } = servers({
      [a]: [serve({ etag: '"v"', wrong: [2] }), serve({ etag: '"v"' })]
    })
    return Effect.gen(function* () {
      expect(yield* run()).toMatchObject({ status: "completed", attempt: 2, sources: null })
      expect(asked(served)).toEqual([
        [a, undefined],
        [a, span(2, 3)]
      ])
      expect(served[1]!.headers.get("if-range")).toBe('"v"')
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("that stay wrong fails after the last retry; what is right is kept for another", () => {
    const { engine, files, served } = servers({ [a]: serve({ wrong: [2] }) })
    return Effect.gen(function* () {
      const row = yield* run({ options: { maxRetries: 2 } })
      expect(row).toMatchObject({
        status: "failed",
        attempt: 3,
        checkpoint: size - length,
        failure: { reason: "ChecksumMismatch", detail: "1 of 8 pieces of 262144 bytes is wrong" }
      })
      expect(asked(served).map(([, range]) => range)).toEqual([undefined, span(2, 3), span(2, 3)])
      expect([...files.keys()]).toEqual([part])
    }).pipe(Effect.provide(engine))
  })

  it.effect("that are all wrong begins anew elsewhere", () => {
    const all = Array.from({ length: count }, (_, i) => i)
    const { engine, files, served } = servers({ [a]: serve({ wrong: all }), [b]: serve() })
    return Effect.gen(function* () {
      expect(yield* run({ mirrors: [b] })).toMatchObject({
        attempt: 2,
        sources: [{ aside: { reason: "ChecksumMismatch" } }, { aside: null }]
      })
      expect(asked(served)).toEqual([
        [a, undefined],
        [b, undefined]
      ])
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("of a piece that two have brought a part of, asks one alone until it is known who it was", () => {
    const wrong = serve({ wrong: [2] })
    const { engine, files, served } = servers({
      [a]: [serve({ wrong: [2], cutAfter: 2.5 * length }), wrong],
      [b]: serve(),
      [c]: serve()
    })
    return Effect.gen(function* () {
      const row = yield* run({ mirrors: [b, c] })
      expect(row).toMatchObject({
        status: "completed",
        sources: [{ aside: { reason: "ChecksumMismatch" } }, {}, {}]
      })
      expect(row.sources!.slice(1).map(({ aside }) => aside)).toEqual([null, null])
      // after the mismatch, the one piece again and again, and nothing else
      const ranges = asked(served).slice(2)
      expect(new Set(ranges.map(([, range]) => range))).toEqual(new Set([span(2, 3)]))
      expect(ranges[0]![0]).toBe(a)
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("begins anew from a source without ranges, and is right then", () => {
    const { engine, files } = servers({ [a]: serve({ wrong: [1] }), [b]: serve({ ranges: false }) })
    return Effect.gen(function* () {
      expect(yield* run({ mirrors: [b] })).toMatchObject({ status: "completed", attempt: 2 })
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })

  it.effect("and right pieces under a wrong checksum is wrong as a whole", () => {
    const { engine, files } = servers({ [a]: serve() })
    return Effect.gen(function* () {
      const row = yield* run({ options: { maxRetries: 0, checksum: { ...checksum, hex: "0".repeat(64) } } })
      expect(row).toMatchObject({ status: "failed", checkpoint: 0, failure: { reason: "ChecksumMismatch" } })
      expect(files.size).toBe(0)
    }).pipe(Effect.provide(engine))
  })

  it.effect("of another length than expected is not begun", () => {
    const { engine, files } = servers({ [a]: serve() })
    return Effect.gen(function* () {
      const row = yield* run({ pieces: undefined, options: { size: size + 1 } })
      expect(row).toMatchObject({ status: "failed", failure: { reason: "WrongSize" } })
      expect(files.size).toBe(0)
    }).pipe(Effect.provide(engine))
  })
})

describe("the digests of pieces", () => {
  it.effect("are kept for a retry, and forgotten with success", () => {
    const { engine, files, served } = servers({ [a]: [serve({ wrong: [2] }), serve()] })
    return Effect.gen(function* () {
      const [downloads, store] = [yield* Downloads, yield* Store]
      const failed = yield* run({ options: { maxRetries: 0 } })
      expect(failed.status).toBe("failed")
      expect(yield* store.pieces(failed)).toEqual(pieces)
      const again = yield* downloads.retry(failed.id)
      const row = yield* settle(again)
      expect(row).toMatchObject({ status: "completed" })
      expect(asked(served).at(-1)).toEqual([a, span(2, 3)])
      expectWhole(files)
      expect(yield* store.pieces(row)).toBe(undefined)
      expect(yield* store.pieces(failed)).toEqual(pieces)
      yield* downloads.remove(failed.id)
      expect(yield* store.pieces(failed)).toBe(undefined)
    }).pipe(Effect.provide(engine))
  })

  it.effect("tell that a file brought before is still right", () => {
    const { engine, files, served } = servers({ [a]: serve() })
    return Effect.gen(function* () {
      yield* run({ options: { checksum: null } })
      expect(yield* run({ options: { checksum: null } })).toMatchObject({ outcome: "unchanged" })
      expect(served).toHaveLength(1)
      const other = { ...pieces, hashes: [...pieces.hashes].reverse() }
      const row = yield* run({ pieces: other, options: { checksum: null, maxRetries: 0 } })
      expect(row).toMatchObject({ status: "failed", failure: { reason: "ChecksumMismatch" } })
      expect(files.get("/d/f.bin")!.data.length).toBe(size)
    }).pipe(Effect.provide(engine))
  })

  it.effect("need the size, and fit it", () => {
    const { engine } = servers({})
    return Effect.gen(function* () {
      const refused = (more: Partial<DownloadRequest>) => Effect.flip(enqueue(more))
      expect(yield* refused({ options: { size: null } })).toMatchObject({
        detail: "pieces need the size of the file"
      })
      expect(yield* refused({ options: { size: size + 200 } })).toMatchObject({ reason: "InvalidRequest" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("may be added to an unfinished download", () => {
    const { engine, files, served } = servers({
      [a]: [() => ({ status: 503 }), serve({ wrong: [1] }), serve()]
    })
    return Effect.gen(function* () {
      const first = yield* enqueue({ pieces: undefined })
      yield* reaches(first, "retrying")
      expect((yield* enqueue()).id).toBe(first.id)
      expect(yield* settle(first)).toMatchObject({ status: "completed" })
      expect(asked(served).at(-1)).toEqual([a, span(1, 2)])
      expectWhole(files)
    }).pipe(Effect.provide(engine))
  })
})
