/**
 * Doors to hosts, under the engine as it is shipped: how many at once, who waits, what answers say of when to come back, and that
 * one host in trouble keeps nobody else waiting. Time is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { make as makeError } from "../../src/domain/DownloadError.js"
import type { HostEvent } from "../../src/domain/HostEvent.js"
import { defaultPolicy, type Policy } from "../../src/domain/HostGate.js"
import { Downloads } from "../../src/services/Downloads.js"
import { Store } from "../../src/services/Store.js"
import { bytes, type Script, settle, world } from "./fakes.js"

const small: Exclude<ReturnType<Script>, string> = {
  status: 200,
  headers: { "content-length": "10" },
  body: [100, bytes(10)]
}

const gate = (policy: Partial<Policy>) => ({ gate: () => ({ ...defaultPolicy, ...policy }) })

const enqueueAll = (urls: ReadonlyArray<string>, giveUp = 600_000) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueueAll(urls.map((url) => ({ url, directory: "/d", options: { giveUp } })))
  )

const numbered = (host: string, count: number) =>
  Array.from({ length: count }, (_, i) => `http://${host}/${i}`)

/** The most requests that were at work at once, where each takes 100 ms. */
const most = (served: ReadonlyArray<{ readonly at: number }>): number =>
  Math.max(...served.map(({ at }) => served.filter((other) => other.at <= at && other.at > at - 100).length))

const refused = makeError("ConnectionRefused", "refused by the script")

const broken = {
  reset: makeError("ConnectionReset", "broken off by the script"),
  full: makeError("DiskFull", "full")
}

describe("a host", () => {
  it.effect("is asked by so many at once, whatever the number of downloads", () => {
    const { engine, served } = world(() => small, { concurrency: 10, ...gate({ connections: 2 }) })
    return Effect.gen(function* () {
      const rows = yield* enqueueAll([...numbered("a", 8), ...numbered("b", 8)])
      for (const row of rows) expect(yield* settle(row)).toMatchObject({ status: "completed" })
      for (const host of ["http://a", "http://b"])
        expect(most(served.filter(({ url }) => url.startsWith(host)))).toBe(2)
    }).pipe(Effect.provide(engine))
  })

  it.effect("is asked so often, and no timeout runs while a request waits", () => {
    const { engine, served } = world(() => small, { concurrency: 10, ...gate({ requestsPerSecond: 0.02 }) })
    return Effect.gen(function* () {
      const rows = yield* enqueueAll(numbered("a", 4))
      for (const row of rows) expect(yield* settle(row)).toMatchObject({ status: "completed", attempt: 1 })
      expect(served.map(({ at }) => at)).toEqual([0, 50_000, 100_000, 150_000])
    }).pipe(Effect.provide(engine))
  })

  it.effect("that asks to wait is left alone by all until then, and one asks for all", () => {
    let storm = true
    const { engine, served } = world((_, { url }) =>
      url.startsWith("http://a") && storm ? { status: 429, headers: { "retry-after": "30" } } : small
    )
    return Effect.gen(function* () {
      const rows = yield* enqueueAll([...numbered("a", 50), ...numbered("b", 5)])
      yield* TestClock.adjust("29 seconds")
      const asked = () => served.filter(({ url }) => url.startsWith("http://a")).length
      // those that were on their way
      expect(asked()).toBeLessThanOrEqual(3)
      expect(served.filter(({ url }) => url.startsWith("http://b"))).toHaveLength(5)
      const before = asked()
      yield* TestClock.adjust("60 seconds")
      // at 30 s and at 60 s, one each
      expect(asked() - before).toBe(2)
      storm = false
      for (const row of rows) expect(yield* settle(row)).toMatchObject({ status: "completed", strikes: [] })
    }).pipe(Effect.provide(engine))
  })

  it.effect("is told of, when it is left alone and when it answers again, and listed meanwhile", () => {
    let storm = true
    const { engine } = world(() => (storm ? { status: 429, headers: { "retry-after": "30" } } : small))
    return Effect.gen(function* () {
      const { enqueue, hostEvents, hosts } = yield* Downloads
      const told: Array<HostEvent> = []
      yield* Effect.fork(Stream.runForEach(hostEvents, (event) => Effect.sync(() => told.push(event))))
      yield* Effect.yieldNow()
      expect(yield* hosts).toEqual([])
      const row = yield* enqueue({ url: "http://a/1", directory: "/d" })
      yield* TestClock.adjust("1 second")
      const why = "it answered 429 and asked to wait 30 s"
      expect(told).toMatchObject([
        {
          event: "host",
          origin: "http://a",
          state: "open",
          until: expect.stringMatching(/^1970-01-01T00:00:3/),
          why
        }
      ])
      expect(yield* hosts).toMatchObject([{ origin: "http://a" }])
      storm = false
      yield* TestClock.adjust("60 seconds")
      expect(yield* settle(row)).toMatchObject({ status: "completed" })
      expect(told.map(({ state }) => state)).toEqual(["open", "closed"])
      expect(yield* hosts).toEqual([])
    }).pipe(Effect.provide(engine))
  })

  it.effect("that redirects lead to is the one left alone, not the one that led there", () => {
    const { engine, served } = world((_, { url }) => {
      const { hostname, pathname } = new URL(url)
      if (hostname === "cdn") return { status: 503, headers: { "retry-after": "60" } }
      return pathname === "/plain" ? small : { status: 302, headers: { location: `http://cdn${pathname}` } }
    })
    return Effect.gen(function* () {
      const store = yield* Store
      const rows = yield* enqueueAll([
        "http://a/1",
        "http://a/2",
        "http://a/3",
        "http://a/4",
        "http://a/plain"
      ])
      yield* TestClock.adjust("10 seconds")
      expect((yield* store.cooling).map(({ origin }) => origin)).toEqual(["http://cdn"])
      expect((yield* store.list({ status: ["completed"] })).map(({ url }) => url)).toEqual(["http://a/plain"])
      expect(served.filter(({ url }) => url.startsWith("http://cdn")).length).toBeLessThanOrEqual(3)
      const waiting = yield* store.list({ status: ["waiting"] })
      expect(waiting).toHaveLength(rows.length - 1)
      expect(waiting.every(({ strikes }) => strikes.length === 0)).toBe(true)
    }).pipe(Effect.provide(engine))
  })

  it.effect(
    "that breaks off the bodies it was led to for is blamed for that, and a disk that fails is nobody's fault",
    () => {
      const { engine } = world((_, { url }) => {
        const { hostname, pathname } = new URL(url)
        if (hostname.length === 1)
          return { status: 302, headers: { location: `http://cdn-${hostname}${pathname}` } }
        return { ...small, body: [hostname === "cdn-a" ? broken.reset : broken.full] }
      })
      return Effect.gen(function* () {
        const store = yield* Store
        yield* enqueueAll(numbered("a", 9))
        yield* TestClock.adjust("60 seconds")
        expect((yield* store.cooling).map(({ origin }) => origin)).toEqual(["http://cdn-a"])
        const [row] = yield* enqueueAll(["http://b/1"])
        yield* TestClock.adjust("1 second")
        expect((yield* store.get(row!.id)).pipe(Option.getOrThrow).failure).toEqual({
          reason: "DiskFull",
          detail: "full"
        })
      }).pipe(Effect.provide(engine))
    }
  )

  it.effect("that permits no more requests for now is not asked, also after an answer that was well", () => {
    const { engine, served } = world(
      (n) =>
        n === 0
          ? { ...small, headers: { ...small.headers, ratelimit: "limit=1, remaining=0, reset=20" } }
          : small,
      { concurrency: 1 }
    )
    return Effect.gen(function* () {
      const rows = yield* enqueueAll(numbered("a", 2))
      for (const row of rows) expect(yield* settle(row)).toMatchObject({ status: "completed" })
      expect(served[1]!.at).toBeGreaterThanOrEqual(20_000)
    }).pipe(Effect.provide(engine))
  })

  it.effect("that is gone ends a hundred downloads by one give-up, and others go on meanwhile", () => {
    const { engine, served } = world((_, { url }) => (url.startsWith("http://dead") ? refused : small))
    return Effect.gen(function* () {
      const store = yield* Store
      yield* enqueueAll([...numbered("dead", 100), ...numbered("well", 10)], 60_000)
      yield* TestClock.adjust("5 seconds")
      expect(yield* store.list({ status: ["completed"] })).toHaveLength(10)
      yield* TestClock.adjust("56 seconds")
      // but for the one whose turn it was to ask
      expect((yield* store.list({ status: ["failed"] })).length).toBeGreaterThanOrEqual(99)
      yield* TestClock.adjust("5 minutes")
      const failed = yield* store.list({ status: ["failed"] })
      expect(failed).toHaveLength(100)
      expect(new Set(failed.map(({ failure }) => failure!.reason))).toEqual(
        new Set(["ConnectionRefused", "GaveUp"])
      )
      expect(served.filter(({ url }) => url.startsWith("http://dead")).length).toBeLessThan(10)
    }).pipe(Effect.provide(engine))
  })
})

describe("downloads that would wait for a place at their host", () => {
  it.effect("do not keep others from beginning", () => {
    const slow: ReturnType<Script> = {
      status: 200,
      headers: { "content-length": "10" },
      body: [60_000, bytes(10)]
    }
    const { engine } = world((_, { url }) => (url.startsWith("http://slow") ? slow : small), {
      concurrency: 3,
      ...gate({ connections: 1 })
    })
    return Effect.gen(function* () {
      const store = yield* Store
      yield* Effect.flatMap(Downloads, (downloads) =>
        downloads.enqueueAll(
          [...numbered("slow", 10), ...numbered("a", 3), ...numbered("b", 3)].map((url) => ({
            url,
            directory: "/d",
            options: { stallTimeout: 3_600_000 }
          }))
        )
      )
      yield* TestClock.adjust("5 seconds")
      expect(yield* store.list({ status: ["completed"] })).toHaveLength(6)
      yield* TestClock.adjust("11 minutes")
      expect(yield* store.list({ status: ["completed"] })).toHaveLength(16)
    }).pipe(Effect.provide(engine))
  })
})
