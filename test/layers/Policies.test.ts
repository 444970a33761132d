/**
 * Policies as values: retry, gate, bandwidth, admission and conflict, each for the engine, for a host and for one download. What
 * the table of the README says is tried here, cell by cell.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Admission from "../../src/domain/Admission.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { defaultPolicy as defaultGate } from "../../src/domain/HostGate.js"
import { Downloads } from "../../src/services/Downloads.js"
import type { EngineOptionsShape } from "../../src/services/EngineOptions.js"
import { bytes, type Script, reset, settle, world } from "./fakes.js"

const times = (count: number) => Schedule.intersect(Schedule.spaced(1000), Schedule.recurs(count))

type Wanted = readonly [name: string, more?: Partial<DownloadRequest>]

const enqueue = (wanted: ReadonlyArray<Wanted>) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueueAll(
      wanted.map(([name, more = {}]) => ({ url: `http://${name}`, directory: "/d", ...more }))
    )
  )

/** 100,000 bytes at once. */
const large: Script = () => ({
  status: 200,
  headers: { etag: '"v1"', "content-length": "100000" },
  body: Array.from({ length: 10 }, () => bytes(10_000))
})

/** A second for each. */
const slow: Script = () => ({ status: 200, headers: { "content-length": "10" }, body: [1000, bytes(10)] })

/** What of these is there after so long. */
const there = (
  script: Script,
  options: Partial<EngineOptionsShape>,
  wanted: ReadonlyArray<Wanted>,
  millis: number
) => {
  const { engine } = world(script, { concurrency: 9, ...options })
  return Effect.gen(function* () {
    yield* enqueue(wanted)
    yield* TestClock.adjust(millis)
    const rows = yield* (yield* Downloads).list({ status: ["completed"] })
    return rows.map(({ url }) => url.slice("http://".length)).sort()
  }).pipe(Effect.provide(engine))
}

const three: ReadonlyArray<Wanted> = [["a/1"], ["a/2"], ["b/1"]]

describe("bandwidth", () => {
  const cases: ReadonlyArray<readonly [of: string, Partial<EngineOptionsShape>, ReadonlyArray<string>]> = [
    ["the engine", { limits: { rate: 10_000 } }, []],
    ["a host", { limits: { perHost: { "http://a": 10_000 } } }, ["b/1"]],
    [
      "a host, by a function",
      { limits: { perHost: (origin) => (origin === "http://b" ? 10_000 : undefined) } },
      ["a/1", "a/2"]
    ],
    ["each download", { downloadDefaults: { limitRate: 10_000 } }, []]
  ]
  it.effect.each(cases)("of %s", ([, options, expected]) =>
    Effect.map(there(large, options, three, 3000), (found) => expect(found).toEqual(expected))
  )

  it.effect("of one download", () =>
    Effect.gen(function* () {
      const limited: Wanted = ["a/1", { options: { limitRate: 10_000 } }]
      expect(yield* there(large, {}, [limited, ["a/2"], ["b/1"]], 3000)).toEqual(["a/2", "b/1"])
      expect(yield* there(large, {}, [limited, ["a/2"], ["b/1"]], 11_000)).toEqual(["a/1", "a/2", "b/1"])
    })
  )
})

describe("a gate", () => {
  it.effect("of all hosts", () =>
    Effect.gen(function* () {
      const one = { gate: () => ({ ...defaultGate, connections: 1 }) }
      expect(yield* there(slow, one, three, 1500)).toEqual(["a/1", "b/1"])
      expect(yield* there(slow, one, three, 2500)).toEqual(["a/1", "a/2", "b/1"])
    })
  )

  it.effect("of one host", () =>
    Effect.gen(function* () {
      const gate = (origin: string) =>
        origin === "http://a" ? { ...defaultGate, requestsPerSecond: 0.1 } : defaultGate
      expect(yield* there(slow, { gate }, three, 9000)).toEqual(["a/1", "b/1"])
      expect(yield* there(slow, { gate }, three, 12_000)).toEqual(["a/1", "a/2", "b/1"])
    })
  )

  // of one download it is `options.connections`: see Segments.test.ts
})

describe("admission", () => {
  const alone = (admission: Partial<Admission.Policy>) => ({
    concurrency: 1,
    admission: Admission.policy(admission)
  })

  it.effect("of the engine", () =>
    Effect.gen(function* () {
      expect(yield* there(slow, alone({}), [["a/1"], ["a/2"], ["a/3"]], 1500)).toEqual(["a/1"])
      expect(yield* there(slow, alone({ first: "newest" }), [["a/1"], ["a/2"], ["a/3"]], 1500)).toEqual([
        "a/3"
      ])
    })
  )

  it.effect("of a host", () =>
    Effect.gen(function* () {
      const admission = Admission.policy({ perHost: (origin) => (origin === "http://a" ? 1 : Infinity) })
      expect(yield* there(slow, { admission }, [...three, ["b/2"]], 1500)).toEqual(["a/1", "b/1", "b/2"])
    })
  )

  it.effect("of one download: its priority, or what its tags, key and meta tell", () =>
    Effect.gen(function* () {
      const urgent: Wanted = ["a/urgent", { priority: 1 }]
      expect(yield* there(slow, alone({}), [["a/1"], urgent], 1500)).toEqual(["a/urgent"])
      const admission = Admission.policy({ admit: ({ meta }) => meta !== "not yet" })
      expect(yield* there(slow, { admission }, [["a/1", { meta: "not yet" }], ["a/2"]], 20_000)).toEqual([
        "a/2"
      ])
    })
  )
})

describe("a conflict", () => {
  const at = (options: Partial<EngineOptionsShape>, wanted: Wanted) => {
    const { engine, files } = world(slow, options)
    return Effect.gen(function* () {
      // somebody else's
      const [row] = yield* enqueue([["z/taken"]])
      yield* settle(row!)
      const [other] = yield* enqueue([wanted])
      const { outcome, status } = yield* settle(other!)
      return [status, outcome, [...files.keys()].sort()]
    }).pipe(Effect.provide(engine))
  }
  const both = ["/d/taken", "/d/taken (1)"]

  it.effect("is settled for the engine, for a host, for one download", () =>
    Effect.gen(function* () {
      expect(yield* at({}, ["a/taken"])).toEqual(["completed", "fetched", both])
      expect(yield* at({ downloadDefaults: { onConflict: "skip" } }, ["a/taken"])).toEqual([
        "completed",
        "skipped",
        ["/d/taken"]
      ])
      const downloadDefaults = ({ url }: DownloadRequest) =>
        new URL(url).hostname === "a" ? ({ onConflict: "fail" } as const) : {}
      expect(yield* at({ downloadDefaults }, ["a/taken"])).toEqual(["failed", null, ["/d/taken"]])
      expect(yield* at({ downloadDefaults }, ["b/taken"])).toEqual(["completed", "fetched", both])
      expect(yield* at({ downloadDefaults }, ["a/taken", { options: { onConflict: "overwrite" } }])).toEqual([
        "completed",
        "fetched",
        ["/d/taken"]
      ])
    })
  )
})

it.effect("a retry policy by host and by download", () => {
  const { engine } = world(() => reset, {
    retryPolicy: (options, { tags, url }) =>
      tags.includes("precious")
        ? times(5)
        : new URL(url).hostname === "b.test"
          ? times(0)
          : times(options.maxRetries)
  })
  return Effect.gen(function* () {
    const downloads = yield* Downloads
    const tries = (url: string, tags: ReadonlyArray<string> = []) =>
      Effect.flatMap(downloads.enqueue({ url, directory: "/d", tags, options: { maxRetries: 2 } }), settle)
    expect(yield* tries("http://a.test/1")).toMatchObject({ status: "failed", attempt: 3 })
    expect(yield* tries("http://b.test/1")).toMatchObject({ status: "failed", attempt: 1 })
    expect(yield* tries("http://b.test/2", ["precious"])).toMatchObject({ status: "failed", attempt: 6 })
  }).pipe(Effect.provide(engine))
})

it.effect("the defaults of a download by its request; what the request says itself comes first", () => {
  const { engine } = world(() => reset, {
    downloadDefaults: ({ url }) =>
      new URL(url).hostname === "b.test" ? { onConflict: "skip", connections: 1 } : { maxTime: 5000 }
  })
  return Effect.gen(function* () {
    const downloads = yield* Downloads
    const same = { onConflict: "fail" } as const
    const enqueued = yield* downloads.enqueueAll([
      { url: "http://a.test/1", directory: "/d", options: same },
      { url: "http://b.test/1", directory: "/d", options: same },
      { url: "http://b.test/2", directory: "/d" }
    ])
    expect(enqueued.map(({ download: { options } }) => options)).toMatchObject([
      { onConflict: "fail", maxTime: 5000, connections: 4 },
      { onConflict: "fail", maxTime: null, connections: 1 },
      { onConflict: "skip", maxTime: null, connections: 1 }
    ])
  }).pipe(Effect.provide(engine))
})
