/**
 * Checksums and size limits under the engine as it is shipped, with a clock that the test owns.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createHash } from "node:crypto"
import type { Algorithm, Checksum } from "../../src/domain/Checksum.js"
import { defaultOptions } from "../../src/domain/DownloadOptions.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import { Store } from "../../src/services/Store.js"
import { bytes, reaches, reset, type Script, settle, world } from "./fakes.js"

const ok = { "content-length": "10", etag: '"v1"' }
/** Of a body whose end nobody knows before it comes: it goes into a part, however small it is. */
const unannounced = { etag: '"v1"' }
const part = "/d/f.bin.sluice-part"

const of = (data: Uint8Array, algorithm: Algorithm = "sha-256"): Checksum => ({
  algorithm,
  hex: createHash(algorithm.replace("sha-", "sha")).update(data).digest("hex")
})
const right = of(bytes(10))
const wrong = of(bytes(10, 8))

const enqueue = (options: DownloadRequest["options"] = {}, more: Partial<DownloadRequest> = {}) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueue({ url: "http://h/f.bin", directory: "/d", options, ...more })
  )

const run = (options: DownloadRequest["options"] = {}) => Effect.flatMap(enqueue(options), settle)

/** A read that begins says so, and waits. */
const reading = (beforeReads: (effect: Effect.Effect<void>) => unknown) =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const go = yield* Deferred.make<void>()
    beforeReads(Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(go)))
    return { begun: Deferred.await(begun), go: Deferred.succeed(go, undefined) }
  })

describe("a checksum", () => {
  it.effect.each(["sha-256", "sha-512", "sha-1", "md5"] as const)(
    "%s: the right one is published",
    (name) => {
      const { engine, files } = world(() => ({ status: 200, headers: ok, body: [bytes(4), bytes(6)] }))
      return Effect.gen(function* () {
        const { algorithm, hex } = of(bytes(10), name)
        const row = yield* run({ checksum: { algorithm, hex: hex.toUpperCase() } })
        expect(row).toMatchObject({ status: "completed", attempt: 1, options: { checksum: { hex } } })
        expect([...files.keys()]).toEqual(["/d/f.bin"])
      }).pipe(Effect.provide(engine))
    }
  )

  it.effect("an empty file has one too", () => {
    const { engine } = world(() => ({ status: 200, headers: { "content-length": "0" } }))
    return Effect.gen(function* () {
      expect(yield* run({ checksum: of(bytes(0)) })).toMatchObject({ status: "completed", total: 0 })
    }).pipe(Effect.provide(engine))
  })

  it.effect("of many blocks, fetched in pieces from several tries", () => {
    const size = 3 * 1024 * 1024 + 17
    const data = bytes(size).map((_, i) => i * 31)
    const half = 1_500_000
    const { engine, files } = world((n) =>
      n === 0
        ? {
            status: 200,
            headers: { "content-length": String(size), etag: '"v1"' },
            body: [data.subarray(0, half), 1000, reset]
          }
        : {
            status: 206,
            headers: { etag: '"v1"', "content-range": `bytes ${half}-${size - 1}/${size}` },
            body: [data.subarray(half)]
          }
    )
    return Effect.gen(function* () {
      expect(yield* run({ checksum: of(data) })).toMatchObject({ status: "completed", attempt: 2 })
      expect(Buffer.compare(files.get("/d/f.bin")!.data, data)).toBe(0)
    }).pipe(Effect.provide(engine))
  })

  it.effect("always wrong: fetched from 0 each time, failed after the last retry, nothing left", () => {
    // with progress in between, which makes up for any other failure
    const { engine, files, served } = world(() => ({
      status: 200,
      headers: ok,
      body: [bytes(4), 1000, bytes(6)]
    }))
    return Effect.gen(function* () {
      const row = yield* run({ checksum: wrong, maxRetries: 2 })
      expect(row).toMatchObject({
        status: "failed",
        attempt: 3,
        checkpoint: 0,
        validator: null,
        publishing: null,
        failure: { reason: "ChecksumMismatch" }
      })
      expect(row.failure!.detail).toContain("sha-256")
      expect(served.map(({ at }) => at)).toEqual([0, 3000, 8000])
      expect(served.map(({ headers }) => headers.get("range"))).toEqual([undefined, undefined, undefined])
      expect(files.size).toBe(0)
    }).pipe(Effect.provide(engine))
  })

  it.effect("wrong once: the bytes are given up before the retry, which starts from 0 and succeeds", () => {
    const { engine, files, served } = world((n) => ({
      status: 200,
      headers: unannounced,
      body: [bytes(10, n === 0 ? 8 : 7)]
    }))
    return Effect.gen(function* () {
      const download = yield* enqueue({ checksum: right })
      expect(yield* reaches(download, "retrying")).toMatchObject({
        checkpoint: 0,
        validator: null,
        total: null,
        failure: { reason: "ChecksumMismatch" }
      })
      expect([...files]).toMatchObject([[part, { data: bytes(0) }]])
      expect(yield* settle(download)).toMatchObject({ status: "completed", attempt: 2, strikes: [] })
      expect(served[1]!.headers.get("range")).toBe(undefined)
      expect([...files.keys()]).toEqual(["/d/f.bin"])
      expect(files.get("/d/f.bin")!.data).toEqual(bytes(10))
    }).pipe(Effect.provide(engine))
  })

  it.effect("wrong once in a small file: nothing of it ever touches the disk", () => {
    const { engine, files } = world((n) => ({
      status: 200,
      headers: ok,
      body: [bytes(4), bytes(6, n === 0 ? 8 : 7)]
    }))
    return Effect.gen(function* () {
      const download = yield* enqueue({ checksum: right })
      expect(yield* reaches(download, "retrying")).toMatchObject({
        checkpoint: 0,
        part: null,
        failure: { reason: "ChecksumMismatch" }
      })
      expect([...files]).toEqual([])
      expect(yield* settle(download)).toMatchObject({ status: "completed", attempt: 2, strikes: [] })
      expect([...files.keys()]).toEqual(["/d/f.bin"])
    }).pipe(Effect.provide(engine))
  })

  it.effect("asked for again after a wrong one, nothing of it is taken over", () => {
    const { engine, served } = world(() => ({ status: 200, headers: ok, body: [bytes(10)] }))
    return Effect.gen(function* () {
      expect(yield* run({ checksum: wrong, maxRetries: 0 })).toMatchObject({ status: "failed" })
      expect(yield* run({ checksum: right })).toMatchObject({ status: "completed", filename: "f.bin" })
      expect(served[1]!.headers.get("range")).toBe(undefined)
    }).pipe(Effect.provide(engine))
  })

  it.effect("with overwrite, a wrong one leaves the file that is there alone", () => {
    const { engine, files } = world((n) => ({ status: 200, headers: ok, body: [bytes(10, n)] }))
    return Effect.gen(function* () {
      yield* run()
      const row = yield* run({ checksum: right, onConflict: "overwrite", maxRetries: 0 })
      expect(row).toMatchObject({ status: "failed", failure: { reason: "ChecksumMismatch" } })
      expect([...files.keys()]).toEqual(["/d/f.bin"])
      expect(files.get("/d/f.bin")!.data).toEqual(bytes(10, 0))
    }).pipe(Effect.provide(engine))
  })

  it.effect("a name that is taken meanwhile changes nothing: verified once, published beside it", () => {
    let reads = 0
    const { beforeReads, engine, files } = world(() => ({
      status: 200,
      headers: unannounced,
      body: [bytes(10)]
    }))
    beforeReads(
      Effect.sync(() => {
        reads++
        files.set("/d/f.bin", { ino: 99, data: bytes(1), mtime: "0" })
      })
    )
    return Effect.gen(function* () {
      expect(yield* run({ checksum: right })).toMatchObject({ status: "completed", filename: "f (1).bin" })
      expect(files.get("/d/f.bin")!.data).toEqual(bytes(1))
      expect(reads).toBe(1)
    }).pipe(Effect.provide(engine))
  })

  it.effect("a pause while it is verified ends at once, keeps a large file, and verifies it later", () => {
    const size = 9 * 1024 * 1024
    const data = bytes(size)
    const { beforeReads, engine, files, served } = world(() => ({
      status: 200,
      headers: { "content-length": String(size), etag: '"v1"' },
      body: [data]
    }))
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const { begun, go } = yield* reading(beforeReads)
      const download = yield* enqueue({ checksum: of(data) })
      yield* begun
      expect((yield* downloads.active).map(({ gauge }) => gauge.state)).toEqual(["verifying"])
      const pausing = yield* Effect.fork(downloads.pause(download.id))
      yield* go
      expect(yield* Fiber.join(pausing)).toMatchObject({ status: "paused", checkpoint: size })
      expect([...files.keys()]).toEqual([part])
      yield* downloads.resume(download.id)
      expect(yield* settle(download)).toMatchObject({ status: "completed" })
      // all of it was there
      expect(served).toHaveLength(1)
    }).pipe(Effect.provide(engine))
  })
})

describe("asking again with a checksum", () => {
  const slow: Script = () => ({ status: 200, headers: ok, body: [1000, bytes(10)] })

  it.effect("another than the first: refused, and the first goes on as it was", () => {
    const { engine } = world(slow)
    return Effect.gen(function* () {
      const first = yield* enqueue({ checksum: right })
      const error = yield* Effect.flip(enqueue({ checksum: wrong }, { priority: 9 }))
      expect(error).toMatchObject({ _tag: "DownloadError", reason: "ChecksumContradiction" })
      expect(yield* settle(first)).toMatchObject({
        status: "completed",
        priority: 0,
        options: { checksum: right }
      })
    }).pipe(Effect.provide(engine))
  })

  it.effect("none: the one there stays; other limits are replaced", () => {
    const { engine } = world(slow)
    return Effect.gen(function* () {
      const first = yield* enqueue({ checksum: wrong, maxRetries: 3 })
      const again = yield* enqueue({ maxRetries: 0 })
      expect(again).toMatchObject({ id: first.id, download: { options: { checksum: wrong, maxRetries: 0 } } })
      expect(yield* settle(first)).toMatchObject({ failure: { reason: "ChecksumMismatch" }, attempt: 1 })
    }).pipe(Effect.provide(engine))
  })

  it.effect("one where there was none: it holds, also for what is being fetched", () => {
    const { engine, files } = world(slow)
    return Effect.gen(function* () {
      const first = yield* enqueue({ maxRetries: 0 })
      yield* reaches(first, "processing")
      expect(yield* enqueue({ checksum: wrong, maxRetries: 0 })).toMatchObject({ id: first.id })
      expect(yield* settle(first)).toMatchObject({
        status: "failed",
        failure: { reason: "ChecksumMismatch" }
      })
      expect(files.size).toBe(0)
    }).pipe(Effect.provide(engine))
  })

  it.effect("a refused request of many loses none of the others", () => {
    const { engine } = world(slow)
    return Effect.gen(function* () {
      const store = yield* Store
      const request = (name: string, checksum: Checksum | null) => ({
        url: `http://h/${name}`,
        directory: "/d",
        root: null,
        output: null,
        headers: [],
        priority: 0,
        options: { ...defaultOptions, checksum },
        mirrors: [],
        tags: [],
        key: null,
        meta: null
      })
      const answers = yield* store.enqueue(
        [request("a", right), request("a", wrong), request("b", wrong), request("a", null)],
        { own: true }
      )
      expect(answers.map(({ attached, refused }) => [attached, refused?.reason])).toEqual([
        [false, undefined],
        [true, "ChecksumContradiction"],
        [false, undefined],
        [true, undefined]
      ])
      expect((yield* store.list({})).map(({ options }) => options.checksum)).toEqual([right, wrong])
    }).pipe(Effect.provide(engine))
  })
})

describe("a largest size", () => {
  const options = { maxSize: 10 }

  it.effect("is not exceeded by exactly that much", () => {
    const { engine } = world(() => ({ status: 200, headers: { etag: '"v1"' }, body: [bytes(4), bytes(6)] }))
    return Effect.gen(function* () {
      expect(yield* run(options)).toMatchObject({ status: "completed", total: 10 })
    }).pipe(Effect.provide(engine))
  })

  it.effect("announced larger: failed at once, before anything is made", () => {
    const { engine, files, served } = world(() => ({
      status: 200,
      headers: { "content-length": "11" },
      body: [bytes(11)]
    }))
    return Effect.gen(function* () {
      expect(yield* run(options)).toMatchObject({
        status: "failed",
        attempt: 1,
        part: null,
        failure: { reason: "TooLarge", detail: "it has 11 bytes, and at most 10 are wanted" }
      })
      expect([files.size, served.length]).toEqual([0, 1])
    }).pipe(Effect.provide(engine))
  })

  it.effect("not announced: failed with the first byte beyond, and the part is gone", () => {
    const { engine, files, served } = world(() => ({
      status: 200,
      headers: { etag: '"v1"' },
      body: [bytes(8), 1000, bytes(3), "forever"]
    }))
    return Effect.gen(function* () {
      expect(yield* run(options)).toMatchObject({
        status: "failed",
        attempt: 1,
        checkpoint: 0,
        failure: { reason: "TooLarge" }
      })
      expect(served[0]!.aborted).toBe(true)
      expect(files.size).toBe(0)
    }).pipe(Effect.provide(engine))
  })

  it.effect(
    "a resumption that is offered more than is wanted fails; what is held is kept for other wishes",
    () => {
      const { engine, files, served } = world((n) =>
        n === 0
          ? { status: 200, headers: { "content-length": "20", etag: '"v1"' }, body: [bytes(4), reset] }
          : {
              status: 206,
              headers: { etag: '"v1"', "content-range": "bytes 4-19/20" },
              body: [bytes(16)]
            }
      )
      return Effect.gen(function* () {
        expect(yield* run({ maxRetries: 0 })).toMatchObject({ status: "failed", checkpoint: 4 })
        expect(yield* run(options)).toMatchObject({ status: "failed", failure: { reason: "TooLarge" } })
        expect(files.get(part)!.data).toEqual(bytes(4))
        expect(yield* run({ maxSize: 20 })).toMatchObject({ status: "completed", total: 20 })
        expect(served.map(({ headers }) => headers.get("range"))).toEqual([undefined, "bytes=4-", "bytes=4-"])
      }).pipe(Effect.provide(engine))
    }
  )

  it.effect("counts what comes after a new beginning, too", () => {
    const { engine, files } = world((n) =>
      n === 0
        ? { status: 200, headers: { "content-length": "10", etag: '"v1"' }, body: [bytes(4), reset] }
        : { status: 200, headers: { etag: '"v2"' }, body: [bytes(6), bytes(6)] }
    )
    return Effect.gen(function* () {
      expect(yield* run(options)).toMatchObject({ status: "failed", failure: { reason: "TooLarge" } })
      expect(files.size).toBe(0)
    }).pipe(Effect.provide(engine))
  })
})
