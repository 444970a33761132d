/**
 * Admission as a policy of the engine: who begins next, and who may. Time is the test's.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Admission from "../../src/domain/Admission.js"
import type { DownloadRequest } from "../../src/domain/DownloadRequest.js"
import { defaultPolicy } from "../../src/domain/HostGate.js"
import { Downloads } from "../../src/services/Downloads.js"
import type { EngineOptionsShape } from "../../src/services/EngineOptions.js"
import { bytes, type Script, world } from "./fakes.js"

/** Each download takes a second, those of the host "slow" a minute. */
const script: Script = (_, { url }) => ({
  status: 200,
  headers: { "content-length": "10" },
  body: [url.startsWith("http://slow") ? 60_000 : 1000, bytes(10)]
})

interface Seen {
  /** Host and path of what was asked for, in order. */
  readonly asked: () => ReadonlyArray<string>
  readonly since: (from: number) => ReadonlyArray<string>
}

const inWorld = <A, E>(
  options: Omit<Partial<EngineOptionsShape>, "admission"> & {
    readonly admission?: Partial<Admission.Policy>
  },
  test: (seen: Seen) => Effect.Effect<A, E, Downloads>
) => {
  const { admission = {}, ...rest } = options
  const { engine, served } = world(script, {
    concurrency: 1,
    ...rest,
    admission: Admission.policy(admission)
  })
  const names = (from: number) =>
    served.filter(({ at }) => at >= from).map(({ url }) => url.slice("http://".length))
  return Effect.provide(test({ asked: () => names(0), since: names }), engine)
}

const enqueue = (...names: ReadonlyArray<string | readonly [name: string, more: Partial<DownloadRequest>]>) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.enqueueAll(
      names.map((one) => {
        const [name, more] = typeof one === "string" ? [one, {}] : one
        const options = { stallTimeout: 3_600_000, ...more.options }
        return { url: `http://${name}`, directory: "/d", ...more, options }
      })
    )
  )

const numbered = (host: string, count: number) => Array.from({ length: count }, (_, i) => `${host}/${i}`)

describe("the order", () => {
  it.effect("within a host: the newest first", () =>
    inWorld({ admission: { first: "newest" } }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue("a/1", "a/2", "b/1", ["a/urgent", { priority: 1 }], "a/3", "b/2")
        yield* TestClock.adjust("10 seconds")
        expect(asked()).toEqual(["a/urgent", "a/3", "b/2", "a/2", "b/1", "a/1"])
      })
    )
  )

  it.effect("among hosts in turn: one that takes long gathers all places", () =>
    inWorld({ concurrency: 3 }, ({ since }) =>
      Effect.gen(function* () {
        yield* enqueue(...numbered("slow", 9), ...numbered("a", 60))
        yield* TestClock.adjust("15 seconds")
        expect(since(10_000)).toEqual([])
      })
    )
  )

  it.effect(
    "among hosts, of which fewest are at work: it keeps its share, and takes all where nobody else waits",
    () =>
      inWorld({ concurrency: 3, admission: { hosts: "fewest" } }, ({ asked, since }) =>
        Effect.gen(function* () {
          yield* enqueue(...numbered("slow", 9), ...numbered("a", 12), ...numbered("b", 12))
          yield* TestClock.adjust("11500 millis")
          expect(asked().filter((name) => name.startsWith("slow"))).toHaveLength(1)
          for (const host of ["a", "b"]) {
            const first = asked().filter((name) => name.startsWith(host))
            expect(first).toEqual(numbered(host, 12))
          }
          yield* TestClock.adjust("100 seconds")
          // both of the places that have become free
          expect(since(12_000).filter((name) => name.startsWith("slow")).length).toBeGreaterThanOrEqual(4)
        })
      )
  )
})

describe("caps", () => {
  it.effect("of downloads by host, below the connections of its gate", () =>
    inWorld(
      { concurrency: 3, admission: { perHost: (origin) => (origin === "http://slow" ? 1 : Infinity) } },
      ({ asked }) =>
        Effect.gen(function* () {
          yield* enqueue(...numbered("slow", 9), ...numbered("a", 20))
          yield* TestClock.adjust("15 seconds")
          expect(asked().filter((name) => name.startsWith("slow"))).toEqual(["slow/0"])
          expect(asked().filter((name) => name.startsWith("a"))).toHaveLength(20)
        })
    )
  )

  const image = { tags: ["image"] }
  const images = Admission.atMost(1, ({ tags }) => tags.find((tag) => tag === "image"))

  it.effect("by tag: what may not begin is passed over, keeps its place and holds nobody up", () =>
    inWorld({ concurrency: 4, admission: { admit: images } }, ({ since }) =>
      Effect.gen(function* () {
        yield* enqueue(
          ["slow/1", image],
          ["a/1", image],
          ["a/2", { ...image, priority: 9 }],
          "a/3",
          ["b/1", image],
          "b/2"
        )
        yield* TestClock.adjust("500 millis")
        expect([...since(0)].sort()).toEqual(["a/2", "a/3", "b/2"])
        yield* TestClock.adjust("3 minutes")
        expect([...since(500)].sort()).toEqual(["a/1", "b/1", "slow/1"])
      })
    )
  )

  it.effect("also behind a hundred hosts of which nothing may begin", () =>
    inWorld({ concurrency: 2, admission: { admit: images } }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue(["slow/1", { ...image, priority: 1 }])
        yield* TestClock.adjust("1 second")
        const hosts = Array.from({ length: 100 }, (_, i) => [`h${i}/1`, image] as const)
        yield* enqueue(...hosts, "z/1", "z/2", ["low/1", { priority: -1 }])
        yield* TestClock.adjust("5 seconds")
        expect(asked()).toEqual(["slow/1", "z/1", "z/2", "low/1"])
        yield* TestClock.adjust("200 seconds")
        expect(asked()).toHaveLength(104)
      })
    )
  )

  it.effect("look at a bounded number of rows, however many wait", () => {
    let questions = 0
    const admit: Admission.Policy["admit"] = ({ url }) => {
      questions++
      return !url.startsWith("http://a")
    }
    return inWorld({ concurrency: 2, admission: { admit } }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue(...numbered("a", 3000), "b/1")
        yield* TestClock.adjust("5 seconds")
        expect(asked()).toEqual(["b/1"])
        // each claim sees 16 of the long line
        expect(questions).toBeLessThan(200)
      })
    )
  })

  it.effect(
    "many hosts whose downloads may not begin hold up no other, and no lower priority overtakes it",
    () => {
      let questions = 0
      const admit: Admission.Policy["admit"] = ({ tags }) => {
        questions++
        return !tags.includes("no")
      }
      return inWorld({ concurrency: 1, admission: { admit } }, ({ asked }) =>
        Effect.gen(function* () {
          const barred = Array.from({ length: 60 }, (_, i) => numbered(`h${i}`, 18)).flat()
          yield* enqueue(...barred.map((name) => [name, { tags: ["no"] }] as const))
          yield* enqueue("later/1", ["low/1", { priority: -1 }])
          yield* TestClock.adjust("5 seconds")
          expect(asked()).toEqual(["later/1", "low/1"])
          // a round each time something has ended or been added, and no more
          const before = questions
          yield* TestClock.adjust("4 seconds")
          expect(questions).toBe(before)
          yield* TestClock.adjust("100 seconds")
          expect(questions - before).toBeLessThan(12 * 1500)
        })
      )
    }
  )

  it.effect("by time: what may not begin yet is asked about again", () => {
    let isNight = false
    return inWorld({ concurrency: 2, admission: { admit: () => isNight } }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue("a/1", "b/1")
        yield* TestClock.adjust("1 hour")
        expect(asked()).toEqual([])
        isNight = true
        yield* TestClock.adjust("10 seconds")
        expect(asked()).toEqual(["a/1", "b/1"])
      })
    )
  })

  it.effect("that break keep nothing back", () => {
    const admit = () => {
      throw new Error("no")
    }
    return inWorld({ admission: { admit } }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue("a/1", "b/1")
        yield* TestClock.adjust("10 seconds")
        expect(asked()).toEqual(["a/1", "b/1"])
      })
    )
  })
})

describe("policies by host", () => {
  const others = ["a/1", "a/2"]

  it.effect("a host of which none may begin holds up nobody, and is asked about again", () => {
    let most = 0
    const perHost = (origin: string) => (origin === "http://none" ? most : Infinity)
    return inWorld({ concurrency: 2, admission: { perHost } }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue(...numbered("none", 3), ...others)
        yield* TestClock.adjust("1 minute")
        expect(asked()).toEqual(others)
        // part of a download is one
        most = 0.5
        yield* TestClock.adjust("10 seconds")
        expect(asked()).toEqual([...others, "none/0", "none/1", "none/2"])
      })
    )
  })

  it.effect("nor does one whose gate has no connections, or no number of them", () => {
    const gate = (origin: string) => ({
      ...defaultPolicy,
      connections: origin === "http://none" ? 0 : origin === "http://odd" ? Number.NaN : 6
    })
    return inWorld({ concurrency: 2, gate }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue(...numbered("none", 3), ...numbered("odd", 3), ...others)
        yield* TestClock.adjust("1 minute")
        expect(asked()).toEqual(others)
      })
    )
  })

  it.effect("that break keep nothing back", () => {
    const broken = (): never => {
      throw new Error("no")
    }
    return inWorld({ gate: broken, admission: { perHost: broken } }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue(...others)
        yield* TestClock.adjust("10 seconds")
        expect(asked()).toEqual(others)
      })
    )
  })
})

describe("a host that may be asked seldom", () => {
  const gate = (origin: string) => ({
    ...defaultPolicy,
    requestsPerSecond: origin === "http://seldom" ? 0.1 : Infinity
  })

  it.effect("holds up nobody else, and is asked as often as it may be", () =>
    inWorld({ concurrency: 2, gate }, ({ asked, since }) =>
      Effect.gen(function* () {
        yield* enqueue(...numbered("seldom", 12), ...numbered("a", 20))
        yield* TestClock.adjust("12 seconds")
        expect(asked().filter((name) => name.startsWith("a"))).toHaveLength(20)
        yield* TestClock.adjust("100 seconds")
        expect(asked().filter((name) => name.startsWith("seldom"))).toEqual(numbered("seldom", 12))
        expect(since(0)).toHaveLength(32)
      })
    )
  )

  it.effect("is asked at its pace where many may be at work", () => {
    const often = () => ({ ...defaultPolicy, connections: 100, requestsPerSecond: 20 })
    return inWorld({ concurrency: 100, gate: often }, ({ asked }) =>
      Effect.gen(function* () {
        yield* enqueue(...numbered("a", 300))
        yield* TestClock.adjust("10 seconds")
        expect(asked().length).toBeGreaterThanOrEqual(198)
        expect(asked().length).toBeLessThanOrEqual(201)
      })
    )
  })
})
