/**
 * Limits of bandwidth and of low speed, through the whole engine against scripted servers. Time is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { DownloadOptions } from "../../src/domain/DownloadOptions.js"
import { Downloads } from "../../src/services/Downloads.js"
import type { EngineOptionsShape } from "../../src/services/EngineOptions.js"
import { bytes, type Script, settle, type Step, world } from "./fakes.js"

const second = 1000

/** A server that sends as fast as it may, in chunks of 64 KiB. */
const fast =
  (length: number): Script =>
  (_, request) => {
    const from = Number(/^bytes=(\d+)-/.exec(header(request, "range") ?? "")?.[1] ?? 0)
    const body: Array<Step> = []
    for (let at = from; at < length; at += 65_536) body.push(bytes(Math.min(65_536, length - at)))
    return answer(from, length, body)
  }

const header = (request: Parameters<Script>[1], name: string) =>
  request.headers.find(([key]) => key.toLowerCase() === name)?.[1]

const answer = (from: number, length: number, body: ReadonlyArray<Step>) => ({
  status: from === 0 ? 200 : 206,
  headers: {
    etag: '"v1"',
    "content-length": String(length - from),
    ...(from === 0 ? {} : { "content-range": `bytes ${from}-${length - 1}/${length}` })
  },
  body
})

/** One byte every 100 ms, from wherever it is asked to begin. */
const crawling =
  (length: number, attempts = Infinity): Script =>
  (n, request) => {
    if (n >= attempts) return fast(length)(n, request)
    const from = Number(/^bytes=(\d+)-/.exec(header(request, "range") ?? "")?.[1] ?? 0)
    return answer(from, length, Array.from({ length: length - from }, () => [100, bytes(1)]).flat())
  }

const enqueue = (name: string, options: Partial<DownloadOptions> = {}) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const { download } = yield* downloads.enqueue({
      url: `http://${name}`,
      directory: "/d",
      options: { maxRetries: 0, ...options }
    })
    return download
  })

/** What of these has come. */
const received = Effect.gen(function* () {
  const active = yield* (yield* Downloads).active
  return active.map(({ gauge }) => gauge.received)
})

const inWorld = <A, E>(
  script: Script,
  options: Partial<EngineOptionsShape>,
  test: (served: ReturnType<typeof world>["served"]) => Effect.Effect<A, E, Downloads>
) => {
  const { engine, served } = world(script, options)
  return Effect.provide(test(served), engine)
}

const near = (value: number, wanted: number) => {
  expect(value).toBeGreaterThan(wanted * 0.9)
  // a second that follows on a slower one may have what had gathered: a fifth of a second's worth
  expect(value).toBeLessThan(wanted * 1.21)
}

describe("a limit", () => {
  it.effect("of the engine is kept from the first second on, and all of the file comes", () =>
    inWorld(fast(300_000), { limits: { rate: 100_000 } }, () =>
      Effect.gen(function* () {
        const download = yield* enqueue("h/file")
        for (let i = 1; i <= 2; i++) {
          yield* TestClock.adjust(second)
          near((yield* received)[0]!, i * 100_000)
        }
        const row = yield* settle(download)
        expect(row).toMatchObject({ status: "completed", total: 300_000 })
        near(row.finishedAt! - row.createdAt, 3 * second)
      })
    )
  )

  it.effect("is shared fairly by downloads, whatever is said for each and for hosts", () =>
    inWorld(
      fast(10_000_000),
      { limits: { rate: 300_000, perHost: { "http://slow": 30_000 } }, concurrency: 4 },
      () =>
        Effect.gen(function* () {
          yield* enqueue("a/1")
          yield* enqueue("b/2", { limitRate: 50_000 })
          yield* enqueue("slow/3")
          yield* enqueue("slow/4")
          yield* TestClock.adjust(3 * second)
          const [a, b, c, d] = yield* received
          near(b!, 150_000)
          near(c!, 45_000)
          near(d!, 45_000)
          near(a!, 660_000)
        })
    )
  )

  it.effect("of a small file, or one whose last chunk is there already, is kept too", () =>
    inWorld(fast(50_000), { limits: { rate: 25_000 } }, () =>
      Effect.gen(function* () {
        const row = yield* settle(yield* enqueue("h/small", { stallTimeout: second }))
        expect(row).toMatchObject({ status: "completed", total: 50_000 })
        near(row.finishedAt! - row.createdAt, 2 * second)
      })
    )
  )

  it.effect("can be set, changed and lifted while bytes come; the least holds", () =>
    inWorld(fast(50_000_000), { limits: { rate: 1_000_000 } }, () =>
      Effect.gen(function* () {
        const downloads = yield* Downloads
        const { id } = yield* enqueue("h/file")
        const during = (millis: number) =>
          Effect.gen(function* () {
            const before = (yield* received)[0] ?? 0
            yield* TestClock.adjust(millis)
            return (yield* received)[0]! - before
          })
        near(yield* during(second), 1_000_000)
        yield* downloads.limit({ of: "all" }, 5_000_000)
        near(yield* during(second), 1_000_000)
        yield* downloads.limit({ of: "host", origin: "http://h" }, 200_000)
        near(yield* during(second), 200_000)
        const set = yield* downloads.limit({ of: "download", id }, 50_000)
        expect(set.downloads.get(id)).toBe(50_000)
        near(yield* during(second), 50_000)
        yield* downloads.limit({ of: "download", id }, null)
        yield* downloads.limit({ of: "host", origin: "http://h" }, null)
        near(yield* during(second), 1_000_000)
        expect(yield* downloads.limits).toEqual({ all: 5_000_000, hosts: new Map(), downloads: new Map() })
      })
    )
  )

  it.effect("makes nobody believe that the server stalls or crawls, or that it needs more connections", () =>
    inWorld(fast(20_000_000), { limits: { rate: 100_000 } }, (served) =>
      Effect.gen(function* () {
        yield* enqueue("h/file", { stallTimeout: 200, lowSpeedLimit: 1_000_000, lowSpeedTime: second })
        yield* TestClock.adjust(4 * second)
        near((yield* received)[0]!, 400_000)
        expect(served).toHaveLength(1)
      })
    )
  )

  it.effect("does not outlive a pause: what waits is let go of at once", () =>
    inWorld(fast(20_000_000), { limits: { rate: 1000 } }, (served) =>
      Effect.gen(function* () {
        const downloads = yield* Downloads
        const { id } = yield* enqueue("h/file")
        yield* TestClock.adjust(second)
        expect((yield* downloads.pause(id)).status).toBe("paused")
        expect(served[0]!.aborted).toBe(true)
      })
    )
  )

  it.effect("is refused where it is none, or for what is not there", () =>
    inWorld(fast(10), {}, () =>
      Effect.gen(function* () {
        const downloads = yield* Downloads
        for (const rate of [0, -1, 1.5, Number.NaN]) {
          expect((yield* Effect.flip(downloads.limit({ of: "all" }, rate))).reason).toBe("InvalidRequest")
        }
        const { id } = yield* settle(yield* enqueue("h/file"))
        expect((yield* Effect.flip(downloads.limit({ of: "download", id }, 10))).reason).toBe("Refused")
        yield* downloads.remove(id)
        expect((yield* Effect.flip(downloads.limit({ of: "download", id }, 10))).reason).toBe("NotFound")
      })
    )
  )
})

describe("a connection that is too slow", () => {
  it.effect("is given up, with what it brought; the next try goes on from there", () =>
    inWorld(crawling(1_000_000, 1), {}, (served) =>
      Effect.gen(function* () {
        const options = { lowSpeedLimit: 1000, lowSpeedTime: 5 * second, maxRetries: 1 }
        const row = yield* settle(yield* enqueue("h/file", options))
        expect(row.status).toBe("completed")
        expect(served.map(({ headers }) => headers.get("range"))).toHaveLength(2)
        const [first] = yield* (yield* Downloads).attempts(row.id)
        expect(first!.failure).toMatchObject({
          reason: "TooSlow",
          detail: "it brought 10 bytes per second for 5 s, and 1000 are the least"
        })
      })
    )
  )

  it.effect("is left alone where nothing is said, and where it is fast enough", () =>
    inWorld(crawling(600), {}, () =>
      Effect.gen(function* () {
        expect((yield* settle(yield* enqueue("h/a"))).status).toBe("completed")
        const options = { lowSpeedLimit: 9, lowSpeedTime: 2 * second }
        expect((yield* settle(yield* enqueue("h/b", options))).status).toBe("completed")
      })
    )
  )
})

/** Every phase of a transfer, how a server can draw it out for ever, and what ends that (PROMISES C3). */
const endless: ReadonlyArray<{
  readonly phase: string
  readonly script: Script
  readonly options?: Partial<DownloadOptions>
  readonly ends: string
  /** In milliseconds. */
  readonly within: number
}> = [
  { phase: "connecting, or the head", script: () => "forever", ends: "HeadersTimeout", within: 31_000 },
  {
    phase: "a small body",
    script: () => answer(0, 1000, [bytes(10), "forever"]),
    ends: "Stalled",
    within: 31_000
  },
  {
    phase: "a large body",
    script: () => answer(0, 1_000_000, [bytes(10), "forever"]),
    ends: "Stalled",
    within: 31_000
  },
  {
    phase: "a body that crawls",
    script: () => answer(0, 1_000_000, Array.from({ length: 9999 }, () => [1000, bytes(1)]).flat()),
    options: { lowSpeedLimit: 100 },
    ends: "TooSlow",
    within: 13_000
  },
  {
    phase: "redirects, all together",
    script: (n) => ({ status: 302, headers: { location: `/${n}` }, delay: 20_000 }),
    ends: "HeadersTimeout",
    within: 61_000
  },
  {
    phase: "the answer of a redirect's target",
    script: (n) => (n === 0 ? { status: 302, headers: { location: "/b" } } : "forever"),
    ends: "HeadersTimeout",
    within: 31_000
  },
  {
    phase: "a list of checksums that stalls",
    script: (n) => (n === 0 ? answer(0, 10, [bytes(10)]) : answer(0, 1000, [bytes(10), "forever"])),
    options: { checksum: { url: "http://h/SUMS" } },
    ends: "Stalled",
    within: 61_000
  },
  {
    phase: "a list of checksums that comes byte by byte",
    script: (n) =>
      n === 0
        ? answer(0, 10, [bytes(10)])
        : answer(0, 100_000, Array.from({ length: 9999 }, () => [20_000, bytes(1)]).flat()),
    options: { checksum: { url: "http://h/SUMS" } },
    ends: "TooSlow",
    within: 91_000
  }
]

describe("no phase is endless", () => {
  it.effect.each(endless)("$phase", ({ ends, options, script, within }) =>
    inWorld(script, {}, () =>
      Effect.gen(function* () {
        const { id } = yield* enqueue("h/file", options)
        yield* TestClock.adjust(within)
        const row = Option.getOrThrow(yield* (yield* Downloads).get(id))
        expect(row).toMatchObject({ status: "failed", failure: { reason: ends } })
      })
    )
  )
})
