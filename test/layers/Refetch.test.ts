/**
 * Completed work asked for again: what is looked at, what the server is asked, and what comes of it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { createHash } from "node:crypto"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, reset, type Script, settle, world } from "./fakes.js"

type Answer = ReturnType<Script>

const v = (version: number, more: Record<string, string> = {}): Answer => ({
  status: 200,
  headers: { "content-length": "10", etag: `"v${version}"`, ...more },
  body: [bytes(10, version)]
})
const notModified: Answer = { status: 304, headers: { etag: '"v1"' } }

const run = (more: Partial<DownloadRequest> = {}) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    // mtime tells one write from the next
    yield* TestClock.adjust("1 second")
    return yield* settle(yield* downloads.enqueue({ url: "http://h/f.bin", directory: "/d", ...more }))
  })

/** Answers in turn, and what is checked of it; the first fetches the file. */
const scripted = (...answers: ReadonlyArray<Answer>) => world((n) => answers[n] ?? { status: 500 })

const sha256 = (fill: number) =>
  ({ algorithm: "sha-256", hex: createHash("sha256").update(bytes(10, fill)).digest("hex") }) as const

describe("completed work asked for again", () => {
  it.effect("is unchanged where the server says so, time after time", () => {
    const { engine, files, served } = scripted(v(1), notModified, notModified)
    return Effect.gen(function* () {
      const first = yield* run()
      for (const time of [1, 2]) {
        const row = yield* run({ tags: ["again"] })
        expect(row).toMatchObject({
          status: "completed",
          outcome: "unchanged",
          filename: "f.bin",
          total: 10,
          attempt: 1,
          validator: { etag: '"v1"' },
          publishing: first.publishing
        })
        expect(row.id).not.toBe(first.id)
        expect(served[time]!.headers.get("if-none-match")).toBe('"v1"')
        expect(served[time]!.headers.get("accept-encoding")).toBe("identity")
      }
      expect([...files.keys()]).toEqual(["/d/f.bin"])
      expect(served).toHaveLength(3)
      const downloads = yield* Downloads
      const [completion] = yield* downloads.enqueueAll([{ url: "http://h/f.bin", directory: "/d" }])
      expect(completion!.attached).toBe(false)
    }).pipe(Effect.provide(engine))
  })

  it.effect("counts as completed in its group, and says how in what is told of it", () => {
    const { engine } = scripted(v(1), notModified)
    return Effect.gen(function* () {
      yield* run()
      const downloads = yield* Downloads
      const group = yield* downloads.group("g")
      const [again] = yield* group.enqueueAll([{ url: "http://h/f.bin", directory: "/d" }])
      yield* settle(again!)
      yield* group.seal
      expect(yield* group.progress).toMatchObject({ completed: 1, bytes: 10, done: true })
      expect(yield* downloads.await(again!.id)).toMatchObject({
        outcome: "unchanged",
        path: "/d/f.bin",
        size: 10
      })
    }).pipe(Effect.provide(engine))
  })

  it.effect("asks with a weak tag, or the date, and takes a 200 of the same version for the same", () => {
    const date = "Wed, 01 Jan 2020 00:00:00 GMT"
    const weak = v(1, { etag: 'W/"v1"' })
    const dated: Answer = {
      status: 200,
      headers: { "content-length": "10", "last-modified": date },
      body: [bytes(10)]
    }
    return Effect.gen(function* () {
      const tagged = scripted(weak, weak)
      yield* Effect.gen(function* () {
        yield* run()
        expect(yield* run()).toMatchObject({ outcome: "unchanged" })
        expect(tagged.served[1]!.headers.get("if-none-match")).toBe('W/"v1"')
      }).pipe(Effect.provide(tagged.engine))
      const old = scripted(dated, dated)
      yield* Effect.gen(function* () {
        yield* run()
        expect(yield* run()).toMatchObject({ outcome: "unchanged" })
        expect(old.served[1]!.headers.get("if-modified-since")).toBe(date)
      }).pipe(Effect.provide(old.engine))
    })
  })

  it.effect("changed on the server, it is a new version under the conflict policy", () => {
    const { engine, files } = scripted(v(1), v(2), v(2), v(3), v(3), v(4), v(5))
    return Effect.gen(function* () {
      yield* run()
      expect(yield* run()).toMatchObject({ outcome: "fetched", filename: "f (1).bin" })
      expect(files.get("/d/f.bin")!.data).toEqual(bytes(10, 1))
      expect(files.get("/d/f (1).bin")!.data).toEqual(bytes(10, 2))
      const overwrite = yield* run({ options: { onConflict: "overwrite" } })
      expect(overwrite).toMatchObject({ outcome: "fetched", filename: "f.bin" })
      expect(files.get("/d/f.bin")!.data).toEqual(bytes(10, 3))
      expect(yield* run({ options: { onConflict: "skip" } })).toMatchObject({ outcome: "skipped" })
      expect(files.get("/d/f.bin")!.data).toEqual(bytes(10, 3))
    }).pipe(Effect.provide(engine))
  })

  it.effect("kept under another name than the one proposed, it is found there", () => {
    const { engine, files } = scripted(v(1), notModified)
    files.set("/d/f.bin", { ino: 99, data: bytes(3), mtime: "0" })
    return Effect.gen(function* () {
      expect(yield* run()).toMatchObject({ filename: "f (1).bin" })
      expect(yield* run()).toMatchObject({ outcome: "unchanged", filename: "f (1).bin" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("missing or altered, it is fetched again without a question", () => {
    const { engine, files, served } = scripted(v(1), v(1), v(1))
    return Effect.gen(function* () {
      yield* run()
      files.delete("/d/f.bin")
      expect(yield* run()).toMatchObject({ outcome: "fetched", filename: "f.bin" })
      files.get("/d/f.bin")!.mtime = "1"
      expect(yield* run()).toMatchObject({ outcome: "fetched", filename: "f (1).bin" })
      expect(served.every(({ headers }) => !headers.has("if-none-match"))).toBe(true)
    }).pipe(Effect.provide(engine))
  })

  it.effect("where nothing can be proved, nobody is asked; nor with `never`", () => {
    const { engine, served } = scripted({ status: 200, body: [bytes(10)] }, v(1))
    return Effect.gen(function* () {
      yield* run()
      expect(yield* run()).toMatchObject({ outcome: "unchanged", filename: "f.bin" })
      expect(served).toHaveLength(1)
      const url = "http://h/g.bin"
      yield* run({ url })
      expect(yield* run({ url, options: { refetch: "never" } })).toMatchObject({ outcome: "unchanged" })
      expect(served).toHaveLength(2)
    }).pipe(Effect.provide(engine))
  })

  it.effect("`always` fetches it, without a question", () => {
    const { engine, files, served } = scripted(v(1), v(1))
    return Effect.gen(function* () {
      yield* run()
      const options = { refetch: "always", onConflict: "overwrite" } as const
      expect(yield* run({ options })).toMatchObject({ outcome: "fetched", filename: "f.bin" })
      expect(served[1]!.headers.has("if-none-match")).toBe(false)
      expect([...files.keys()]).toEqual(["/d/f.bin"])
    }).pipe(Effect.provide(engine))
  })

  it.effect("a checksum decides: verified before, found in the file, or not", () => {
    const { engine, served } = scripted(v(1), v(2))
    return Effect.gen(function* () {
      yield* run()
      const options = { checksum: sha256(1) }
      for (const _ of [1, 2]) expect(yield* run({ options })).toMatchObject({ outcome: "unchanged" })
      expect(served).toHaveLength(1)
      expect(yield* run({ options: { checksum: sha256(2) } })).toMatchObject({
        outcome: "fetched",
        filename: "f (1).bin"
      })
    }).pipe(Effect.provide(engine))
  })

  it.effect("a checksum that is added while the server is asked decides", () => {
    const { engine, files, served } = scripted(v(1), { ...notModified, delay: 1000 }, v(2))
    return Effect.gen(function* () {
      yield* run()
      const downloads = yield* Downloads
      const request = { url: "http://h/f.bin", directory: "/d" }
      const again = yield* downloads.enqueue(request)
      yield* TestClock.adjust("500 millis")
      expect(served).toHaveLength(2)
      expect(yield* downloads.enqueue({ ...request, options: { checksum: sha256(2) } })).toMatchObject({
        id: again.id,
        attached: true
      })
      expect(yield* settle(again)).toMatchObject({ status: "completed", outcome: "fetched" })
      expect(files.get("/d/f (1).bin")!.data).toEqual(bytes(10, 2))
    }).pipe(Effect.provide(engine))
  })

  it.effect("a server that can't do with conditions, or contradicts itself, is asked without", () => {
    const { engine, served } = scripted(
      v(1),
      { status: 412 },
      v(1),
      { status: 304, headers: { etag: '"v2"' } },
      v(2),
      v(2)
    )
    return Effect.gen(function* () {
      yield* run()
      expect(yield* run()).toMatchObject({ outcome: "unchanged" })
      expect(yield* run()).toMatchObject({ outcome: "fetched", filename: "f (1).bin" })
      expect(served.map(({ headers }) => headers.has("if-none-match"))).toEqual([
        false,
        true,
        false,
        true,
        false,
        false
      ])
    }).pipe(Effect.provide(engine))
  })

  it.effect(
    "a server that can't be reached is retried, asked to wait is waited for, and a 404 ends it",
    () => {
      const { engine, files, served } = scripted(
        v(1),
        reset,
        { status: 503, headers: { "retry-after": "7" } },
        notModified,
        { status: 404 }
      )
      return Effect.gen(function* () {
        yield* run()
        expect(yield* run()).toMatchObject({ outcome: "unchanged", attempt: 3, strikes: [] })
        expect(served[2]!.at - served[1]!.at).toBe(2000)
        expect(served[3]!.at - served[2]!.at).toBe(7000)
        expect(yield* run()).toMatchObject({ status: "failed", failure: { reason: "NotFound" } })
        expect([...files.keys()]).toEqual(["/d/f.bin"])
      }).pipe(Effect.provide(engine))
    }
  )

  it.effect("redirects are followed, without what is for the first origin alone", () => {
    const { engine, served } = scripted(
      { status: 302, headers: { location: "http://cdn/f.bin" } },
      v(1),
      { status: 302, headers: { location: "http://cdn/f.bin" } },
      notModified
    )
    return Effect.gen(function* () {
      const headers = [["Authorization", "secret"]] as const
      yield* run({ headers })
      expect(yield* run({ headers })).toMatchObject({ outcome: "unchanged" })
      expect(served.map(({ headers }) => headers.get("authorization"))).toEqual([
        "secret",
        undefined,
        "secret",
        undefined
      ])
      expect(served[3]!.headers.get("if-none-match")).toBe('"v1"')
    }).pipe(Effect.provide(engine))
  })

  it.effect("a silent server is given up, and a pause ends the question at once", () => {
    const { engine, served } = scripted(v(1), "forever", "forever", notModified)
    return Effect.gen(function* () {
      yield* run()
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: "http://h/f.bin", directory: "/d" })
      yield* TestClock.adjust("31 seconds")
      expect(yield* downloads.get(id)).toMatchObject({
        value: { status: "retrying", failure: { reason: "HeadersTimeout" } }
      })
      yield* TestClock.adjust("2 seconds")
      expect(served).toHaveLength(3)
      yield* downloads.pause(id)
      expect(served[2]!.aborted).toBe(true)
      expect(yield* downloads.get(id)).toMatchObject({ value: { status: "paused", part: null } })
      yield* downloads.resume(id)
      expect(yield* settle({ id })).toMatchObject({ outcome: "unchanged" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("a removed row is as if it had never been", () => {
    const { engine, served } = scripted(v(1), v(1))
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      yield* downloads.remove((yield* run()).id)
      expect(yield* run()).toMatchObject({ outcome: "fetched", filename: "f (1).bin", earlier: null })
      expect(served).toHaveLength(2)
    }).pipe(Effect.provide(engine))
  })

  it.effect("forgotten between the request and its turn, it is fetched", () => {
    const { engine } = scripted(v(1), v(1))
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const first = yield* run()
      yield* downloads.stop
      const again = yield* downloads.enqueue({ url: "http://h/f.bin", directory: "/d" })
      expect(again.download.earlier).toBe(first.id)
      yield* downloads.remove(first.id)
      yield* downloads.start
      expect(yield* settle(again)).toMatchObject({ outcome: "fetched" })
    }).pipe(Effect.provide(engine))
  })

  it.effect("under a key that was another request's, it is that no more", () => {
    const { engine, served } = scripted(v(1), v(2))
    return Effect.gen(function* () {
      yield* run({ key: "k" })
      expect(yield* run({ key: "k", url: "http://h/other.bin" })).toMatchObject({ outcome: "fetched" })
      expect(served[1]!.headers.has("if-none-match")).toBe(false)
    }).pipe(Effect.provide(engine))
  })

  it.effect("what of a failed try is there goes on, whatever was completed before", () => {
    const { engine, files, served } = scripted(
      v(1),
      v(2),
      { status: 200, headers: { "content-length": "10", etag: '"v2"' }, body: [bytes(6, 2), 600, reset] },
      {
        status: 206,
        headers: { "content-range": "bytes 6-9/10", "content-length": "4", etag: '"v2"' },
        body: [bytes(4, 2)]
      }
    )
    return Effect.gen(function* () {
      yield* run()
      expect(yield* run({ options: { maxRetries: 0 } })).toMatchObject({ status: "failed", checkpoint: 6 })
      expect(yield* run()).toMatchObject({ outcome: "fetched", filename: "f (1).bin" })
      expect(files.get("/d/f (1).bin")!.data).toEqual(bytes(10, 2))
      expect(served[3]!.headers.get("range")).toBe("bytes=6-")
    }).pipe(Effect.provide(engine))
  })

  it.effect("is asked about while others are fetched, and holds no permit when it has its answer", () => {
    const { engine } = world((n, { url }) =>
      n < 5 || url.includes("new") ? v(1) : { ...(notModified as object), status: 304, delay: 1000 }
    )
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const urls = Array.from({ length: 5 }, (_, i) => `http://h/${i}.bin`)
      const all = (more: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const enqueued = yield* downloads.enqueueAll(more.map((url) => ({ url, directory: "/d" })))
          const fiber = yield* Effect.fork(
            Effect.forEach(enqueued, ({ id }) => downloads.settled(id), { concurrency: "unbounded" })
          )
          yield* TestClock.adjust("1 hour")
          return yield* Fiber.join(fiber)
        })
      yield* all(urls)
      const rows = yield* all([...urls, "http://h/new.bin"])
      expect(rows.map(({ outcome }) => outcome)).toEqual([...urls.map(() => "unchanged"), "fetched"])
    }).pipe(Effect.provide(engine))
  })
})
