/**
 * Digests of servers, lists of checksums and looking again, under the engine as it is shipped, with a clock that the test owns.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Checksum } from "../../src/domain/Checksum.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { maxBytes } from "../../src/domain/Sums.js"
import { inTime } from "../../src/programs/testing.js"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, reaches, reset, type Script, settle, world } from "./fakes.js"

const hexOf = (data: Uint8Array, algorithm = "sha256") => createHash(algorithm).update(data).digest("hex")
const base64Of = (data: Uint8Array) => createHash("sha256").update(data).digest("base64")

const body = bytes(10)
const listUrl = "http://h/SUMS"
const list = { url: listUrl }

const enqueue = (options: DownloadRequest["options"] = {}, more: Partial<DownloadRequest> = {}) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueue({ url: "http://h/f.bin", directory: "/d", options, ...more })
  )

const run = (options: DownloadRequest["options"] = {}, more?: Partial<DownloadRequest>) =>
  Effect.flatMap(enqueue(options, more), settle)

const text = (content: string) => new TextEncoder().encode(content)

type Answer = Exclude<ReturnType<Script>, "forever">

const whole: Answer = { status: 200, body: [body] }

/** The file well, the list as told; `n` counts requests for the list. */
const listing = (of: (n: number) => Answer | "forever", file: Answer = whole) => {
  let n = 0
  return world((_, { url }) => (url === listUrl ? of(n++) : file))
}

const sums: Answer = { status: 200, body: [text(`${hexOf(body)}  f.bin\n`)] }

describe("a list of checksums", () => {
  it.effect("is asked for once the bytes are there; its digest takes its place", () => {
    const { engine, served } = listing(() => sums)
    return Effect.gen(function* () {
      expect(yield* run({ checksum: list })).toMatchObject({
        status: "completed",
        attempt: 1,
        options: { checksum: { algorithm: "sha-256", hex: hexOf(body), from: listUrl } }
      })
      expect(served.map(({ url }) => url)).toEqual(["http://h/f.bin", listUrl])
      expect(served[1]!.headers.get("accept-encoding")).toBe("identity")
    }).pipe(Effect.provide(engine))
  })

  it.effect("that is not to be had: retried like anything else, the bytes kept", () => {
    const { engine, served } = listing((n) => (n === 0 ? { status: 503 } : n === 1 ? reset : sums))
    return Effect.gen(function* () {
      const download = yield* enqueue({ checksum: list })
      expect(yield* reaches(download, "retrying")).toMatchObject({
        checkpoint: 10,
        total: 10,
        failure: {
          reason: "ServerError",
          status: 503,
          detail: `the list of checksums ${listUrl}: the server answered 503 (service unavailable)`
        }
      })
      expect(yield* settle(download)).toMatchObject({ status: "completed", attempt: 3 })
      expect(served.map(({ url }) => url)).toEqual(["http://h/f.bin", listUrl, listUrl, listUrl])
    }).pipe(Effect.provide(engine))
  })

  it.effect("that never comes is given up by the timeouts", () => {
    const { engine } = listing((n) => (n === 0 ? "forever" : { status: 200, body: [text("a"), "forever"] }))
    return Effect.gen(function* () {
      const options = { checksum: list, maxRetries: 0 }
      expect(yield* run(options)).toMatchObject({ status: "failed", failure: { reason: "HeadersTimeout" } })
      expect(yield* run(options)).toMatchObject({ status: "failed", failure: { reason: "Stalled" } })
    }).pipe(Effect.provide(engine))
  })

  it.effect("that never ends, or is announced too long, is not taken", () => {
    const { engine } = listing((n) => ({
      status: 200,
      ...(n === 0 ? {} : { headers: { "content-length": String(maxBytes + 1) } }),
      body: Array.from({ length: 10 }, () => bytes(maxBytes / 8))
    }))
    return Effect.gen(function* () {
      for (const _ of [1, 2])
        expect(yield* run({ checksum: list })).toMatchObject({
          status: "failed",
          checkpoint: 10,
          failure: { reason: "ChecksumUnavailable" }
        })
    }).pipe(Effect.provide(engine))
  })

  it.effect("of another origin gets no credentials, and its wish to wait is not the host's", () => {
    const { engine, served } = world((_, { url }) =>
      url.startsWith("http://other/")
        ? { status: 429, headers: { "retry-after": "3000" } }
        : { status: 200, body: [body] }
    )
    return Effect.gen(function* () {
      const row = yield* run(
        { checksum: { url: "http://other/SUMS" }, maxRetries: 0 },
        {
          headers: [
            ["Authorization", "Bearer x"],
            ["Accept-Language", "en"]
          ]
        }
      )
      expect(row).toMatchObject({ status: "failed", failure: { reason: "ServerError", status: 429 } })
      expect(served[0]!.headers.get("authorization")).toBe("Bearer x")
      expect(served[1]!.headers.get("authorization")).toBe(undefined)
      expect(served[1]!.headers.get("accept-language")).toBe("en")
      const stats = yield* (yield* Downloads).stats
      expect(stats.cooling).toEqual([])
    }).pipe(Effect.provide(engine))
  })

  it.effect("that redirects is followed by the rules of redirects", () => {
    const { engine, served } = world((_, { url }) =>
      url === listUrl ? { status: 302, headers: { location: "ftp://h/SUMS" } } : { status: 200, body: [body] }
    )
    return Effect.gen(function* () {
      expect(yield* run({ checksum: list })).toMatchObject({ failure: { reason: "RedirectRefused" } })
      expect(served).toHaveLength(2)
    }).pipe(Effect.provide(engine))
  })

  it.effect("knows the file by the name it is to get, then by its URL", () => {
    const other = `${hexOf(bytes(1))}  f.bin\n`
    const { engine } = listing(
      () => ({
        status: 200,
        body: [text(`${other}${hexOf(body)}  mine\n${hexOf(body)}  proposed.iso\n`)]
      }),
      {
        status: 200,
        headers: { "content-disposition": "attachment; filename=proposed.iso" },
        body: [body]
      }
    )
    return Effect.gen(function* () {
      expect(yield* run({ checksum: list })).toMatchObject({ filename: "proposed.iso" })
      expect(yield* run({ checksum: list }, { output: "mine" })).toMatchObject({ status: "completed" })
      expect(yield* run({ checksum: list, maxRetries: 0 }, { output: "x" })).toMatchObject({
        failure: { reason: "ChecksumMismatch" }
      })
    }).pipe(Effect.provide(engine))
  })

  it.effect("does not leave it to the server which entry counts", () => {
    const evil = bytes(10, 66)
    const { engine, files } = listing(
      () => ({ status: 200, body: [text(`${hexOf(evil)}  old-and-broken.bin\n${hexOf(body)}  f.bin\n`)] }),
      {
        status: 200,
        headers: { "content-disposition": "attachment; filename=old-and-broken.bin" },
        body: [evil]
      }
    )
    return Effect.gen(function* () {
      expect(yield* run({ checksum: list, maxRetries: 0 })).toMatchObject({
        status: "failed",
        failure: { reason: "ChecksumMismatch" }
      })
      expect([...files.keys()]).toEqual([])
    }).pipe(Effect.provide(engine))
  })

  it.effect("added while a small file comes whole holds for that too", () => {
    const { engine, served } = listing(() => sums, {
      status: 200,
      headers: { "content-length": "10" },
      body: [bytes(4), 100, bytes(6)]
    })
    return Effect.gen(function* () {
      const first = yield* enqueue()
      yield* reaches(first, "processing")
      expect(yield* enqueue({ checksum: list })).toMatchObject({ id: first.id, attached: true })
      expect(yield* settle(first)).toMatchObject({
        status: "completed",
        options: { checksum: { hex: hexOf(body) } }
      })
      expect(served.map(({ url }) => url)).toEqual(["http://h/f.bin", listUrl])
    }).pipe(Effect.provide(engine))
  })

  it.effect("contradicts a digest and another list, and agrees with itself", () => {
    const { engine } = listing(() => sums, { status: 200, body: [1000, body] })
    return Effect.gen(function* () {
      yield* enqueue({ checksum: list })
      expect(yield* enqueue({ checksum: { ...list } })).toMatchObject({ attached: true })
      for (const checksum of [
        { url: "http://h/OTHER" },
        { ...list, algorithm: "md5" },
        { algorithm: "sha-256", hex: hexOf(body) }
      ] as const)
        expect(yield* Effect.either(enqueue({ checksum }))).toEqual(
          Either.left(expect.objectContaining({ reason: "ChecksumContradiction" }))
        )
    }).pipe(Effect.provide(engine))
  })

  it.scoped("in a file is read when the request is made", () => {
    const { engine } = world(() => ({ status: 200, body: [body] }))
    return Effect.gen(function* () {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-sums-"))),
        (path) => Effect.sync(() => fs.rmSync(path, { recursive: true }))
      )
      const file = join(directory, "SUMS")
      fs.writeFileSync(file, `${hexOf(body)}  f.bin\n`)
      const download = yield* enqueue({ checksum: { file } })
      fs.rmSync(file)
      expect(yield* settle(download)).toMatchObject({
        status: "completed",
        options: { checksum: { algorithm: "sha-256", hex: hexOf(body) } }
      })
      const gone = yield* Effect.flip(enqueue({ checksum: { file } }))
      expect(gone).toMatchObject({
        reason: "InvalidRequest",
        detail: `the option checksum: cannot read ${file}: there is no such file or directory (ENOENT)`
      })
      const none = yield* Effect.flip(enqueue({ checksum: { file: directory } }))
      expect(none).toMatchObject({ reason: "InvalidRequest" })
    }).pipe(Effect.provide(engine))
  })
})

describe("a digest that the server sends", () => {
  const sent = (data: Uint8Array) => ({ "repr-digest": `sha-256=:${base64Of(data)}:` })

  it.effect.each([
    ["in memory", { "content-length": "10" }],
    ["in a part", {}]
  ] as const)("%s: wrong, the bytes are given up; right, they are published", ([, headers]) => {
    const { engine, files, served } = world((n) => ({
      status: 200,
      headers: { ...headers, etag: '"v1"', ...sent(n === 0 ? bytes(10, 8) : body) },
      body: [bytes(4), bytes(6)]
    }))
    return Effect.gen(function* () {
      const download = yield* enqueue()
      expect(yield* reaches(download, "retrying")).toMatchObject({
        checkpoint: 0,
        failure: {
          reason: "ChecksumMismatch",
          detail: expect.stringContaining("which the server itself announced (Repr-Digest)")
        }
      })
      expect(yield* settle(download)).toMatchObject({
        status: "completed",
        validator: { digest: { algorithm: "sha-256", hex: hexOf(body), field: "Repr-Digest" } }
      })
      expect(served[1]!.headers.get("range")).toBe(undefined)
      expect([...files.keys()]).toEqual(["/d/f.bin"])
    }).pipe(Effect.provide(engine))
  })

  it.effect(
    "that came with one part of the rest is not forgotten over the next, and has to agree with it",
    () => {
      const rest = (from: number, to: number, data?: Uint8Array): Answer => ({
        status: 206,
        headers: {
          etag: '"v1"',
          "content-range": `bytes ${from}-${to}/10`,
          ...(data === undefined ? {} : sent(data))
        },
        body: [bytes(to - from + 1)]
      })
      const first: Answer = {
        status: 200,
        headers: { "content-length": "10", etag: '"v1"' },
        body: [bytes(4), 1000, reset]
      }
      const story = (...answers: ReadonlyArray<Answer>) =>
        world((n) => answers[Math.min(n, answers.length - 1)]!)
      const forgetful = story(first, rest(4, 6, bytes(10, 8)), rest(7, 9))
      const fickle = story(first, rest(4, 6, body), rest(7, 9, bytes(10, 8)), whole)
      return Effect.gen(function* () {
        expect(yield* Effect.provide(run({ maxRetries: 1 }), forgetful.engine)).toMatchObject({
          failure: { reason: "ChecksumMismatch" }
        })
        expect(yield* Effect.provide(run({ maxRetries: 1 }), fickle.engine)).toMatchObject({
          status: "completed"
        })
        expect(fickle.served.map(({ headers }) => headers.get("range"))).toEqual([
          undefined,
          "bytes=4-",
          "bytes=7-",
          undefined
        ])
      })
    }
  )

  it.effect("is remembered by the row: a later try that has all bytes compares them with it", () => {
    const { engine, files, served } = world((n) =>
      n === 0
        ? {
            status: 200,
            headers: { "content-length": "10", etag: '"v1"', ...sent(bytes(10, 8)) },
            body: [bytes(4), 1000, reset]
          }
        : { status: 206, headers: { etag: '"v1"', "content-range": "bytes 4-9/10" }, body: [bytes(6)] }
    )
    return Effect.gen(function* () {
      const row = yield* run({ maxRetries: 1 })
      expect(row).toMatchObject({ status: "failed", failure: { reason: "ChecksumMismatch" } })
      expect(served[1]!.headers.get("range")).toBe("bytes=4-")
      expect(files.size).toBe(0)
    }).pipe(Effect.provide(engine))
  })
})

describe("looking again", () => {
  const verify = Effect.flatMap(Downloads, (downloads) => Stream.runCollect(downloads.verify())).pipe(
    Effect.map(Chunk.toReadonlyArray)
  )

  it.effect("newest first, page by page, whatever the number", () => {
    const { engine, files } = world(() => ({ status: 200, body: [body] }))
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const checksum: Checksum = { algorithm: "md5", hex: hexOf(body, "md5") }
      const count = 210
      const all = yield* downloads.enqueueAll(
        Array.from({ length: count }, (_, i) => ({
          url: `http://h/${i}.bin`,
          directory: "/d",
          options: i % 2 === 0 ? { checksum } : {}
        }))
      )
      yield* inTime(downloads.awaitAll(all.map(({ id }) => id)))
      files.delete("/d/3.bin")
      files.get("/d/4.bin")!.data = bytes(10, 9)
      const found = yield* verify
      expect(found.map(({ download }) => download.id)).toEqual(all.map(({ id }) => id).reverse())
      const results = new Map(found.map(({ path, result }) => [path, result]))
      expect(results.get("/d/3.bin")).toBe("missing")
      expect(results.get("/d/4.bin")).toBe("altered")
      expect(results.get("/d/5.bin")).toBe("intact")
      expect(results.get("/d/6.bin")).toBe("verified")
      expect([...results.values()].filter((result) => result === "verified")).toHaveLength(count / 2 - 1)
    }).pipe(Effect.provide(engine))
  })
})
