/**
 * Servers that name other places of the same file (RFC 6249): asked where the first fails, beside it, and only where a digest tells
 * whether they have the same bytes.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { Downloads } from "../../src/services/Downloads.js"
import { reset, type Script, settle, type Step, world } from "./fakes.js"

const KiB = 1024
const size = 1024 * KiB
const content = Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8) * 17) & 0xff)
const wrong = content.map((byte) => byte ^ 0xff)
const digest = createHash("sha256").update(content).digest("base64")

const [a, b] = ["http://a/f.bin", "http://b/f.bin"] as const
const link = `<${b}>; rel=duplicate; pri=1`

const serve =
  (bytes: Uint8Array, { cutAfter = Infinity, headers = {} as Record<string, string> } = {}): Script =>
  (_, request) => {
    const from = /^bytes=(\d+)-$/.exec(request.headers.find(([name]) => name === "range")?.[1] ?? "")?.[1]
    const start = Number(from ?? 0)
    const body: Array<Step> = []
    for (let at = start; at < size; at += 64 * KiB) {
      if (at - start >= cutAfter) {
        body.push(reset)
        break
      }
      body.push(100, bytes.subarray(at, at + 64 * KiB))
    }
    return {
      status: from === undefined ? 200 : 206,
      headers: {
        "content-length": String(size - start),
        ...(from === undefined ? {} : { "content-range": `bytes ${start}-${size - 1}/${size}` }),
        ...headers
      },
      body
    }
  }

const servers = (by: Record<string, ReadonlyArray<Script>>) => {
  const asked = new Map<string, number>()
  return world((_, request) => {
    const n = asked.get(request.url) ?? 0
    asked.set(request.url, n + 1)
    const scripts = by[request.url]!
    return scripts[Math.min(n, scripts.length - 1)]!(n, request)
  })
}

const gone: Script = () => ({ status: 410 })
const named = { etag: '"v1"', link, "repr-digest": `sha-256=:${digest}:` }

const run = Effect.gen(function* () {
  const downloads = yield* Downloads
  return yield* settle(
    yield* downloads.enqueue({ url: a, directory: "/d", options: { connections: 1, maxRetries: 2 } })
  )
})

describe("a duplicate that the server has named", () => {
  it.effect("brings the rest where the server fails, and keeps its place in the row", () => {
    const { engine, files, served } = servers({
      [a]: [serve(content, { cutAfter: 512 * KiB, headers: named }), gone],
      [b]: [serve(content, { headers: { etag: '"v1"' } })]
    })
    return Effect.gen(function* () {
      expect(yield* run).toMatchObject({
        status: "completed",
        sources: [
          { url: a, priority: 1, used: true },
          { url: b, priority: 3, used: true }
        ]
      })
      expect(Buffer.compare(files.get("/d/f.bin")!.data, content)).toBe(0)
      expect(served.at(-1)).toMatchObject({ url: b })
      // with an overlap, as its validators are its own
      expect(served.at(-1)!.headers.get("range")).toBe(`bytes=${448 * KiB}-`)
    }).pipe(Effect.provide(engine))
  })

  it.effect("that has other bytes is found out by the digest, and delivers none", () => {
    const { engine, files } = servers({
      [a]: [
        serve(content, { cutAfter: 512 * KiB, headers: named }),
        () => reset,
        serve(content, { headers: named })
      ],
      [b]: [serve(wrong, { headers: { etag: '"v1"' } })]
    })
    return Effect.gen(function* () {
      expect(yield* run).toMatchObject({ status: "completed" })
      expect(Buffer.compare(files.get("/d/f.bin")!.data, content)).toBe(0)
    }).pipe(Effect.provide(engine))
  })

  it.effect("is not asked where nothing would tell wrong bytes", () => {
    const { engine, served } = servers({
      [a]: [serve(content, { cutAfter: 512 * KiB, headers: { etag: '"v1"', link } }), gone],
      [b]: [serve(content, { headers: { etag: '"v1"' } })]
    })
    return Effect.gen(function* () {
      expect(yield* run).toMatchObject({ status: "failed", failure: { reason: "Gone" }, sources: null })
      expect(served.map(({ url }) => url)).not.toContain(b)
    }).pipe(Effect.provide(engine))
  })
})
