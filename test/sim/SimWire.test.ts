import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { DownloadError } from "../../src/domain/DownloadError.js"
import { single } from "../../src/domain/Headers.js"
import { Wire, type Activity, type ByteSink, type WireResponse } from "../../src/services/Wire.js"
import { mismatch, versionOf } from "./Content.js"
import type { Fault } from "./Lies.js"
import { plainServer, Resource, type ResourceOptions } from "./Origin.js"
import { dawn, Simulator } from "./Simulator.js"
import { SimWire } from "./SimWire.js"
import type { Oracle, Watch } from "./Watch.js"

const setUp = (options: Partial<ResourceOptions> = {}, fault: Fault = "none") => {
  const sim = new Simulator(1)
  const broken: Array<Oracle> = []
  const watch: Watch = {
    violation: (oracle) => void broken.push(oracle),
    published: () => {},
    replaced: () => {}
  }
  const resource = new Resource(
    0,
    {
      host: "host.test",
      size: 100_000,
      tagging: "strong",
      ranges: true,
      chunked: false,
      hops: 0,
      rate: 100,
      ...plainServer,
      ...options
    },
    dawn,
    sim.random.fork("resource")
  )
  const wire = new SimWire(
    sim,
    {
      resources: [resource],
      weather: () => ({ [fault]: 1 }),
      fickleness: () => 0,
      perHost: Infinity,
      connections: () => 1,
      calm: () => false
    },
    watch
  )
  const activity: Activity = { phase: "connecting", bytes: 0, held: false }
  const start = (
    headers: ReadonlyArray<readonly [string, string]>,
    use: (response: WireResponse) => Effect.Effect<unknown, DownloadError>,
    url = "http://host.test/r0.bin?d=1"
  ) => {
    let exit = "running"
    const fiber = sim.fork(
      Effect.flatMap(Wire, ({ request }) =>
        request({ url, headers: [["accept-encoding", "identity"], ...headers], activity })
      ).pipe(Effect.flatMap(use), Effect.scoped, Effect.provide(wire.layer))
    )
    fiber.addObserver((value) => {
      exit = value._tag === "Success" ? "ok" : String(value.cause)
    })
    return { fiber, exit: () => exit }
  }
  const get = (
    headers: ReadonlyArray<readonly [string, string]>,
    use: (response: WireResponse) => Effect.Effect<unknown, DownloadError>
  ): string => {
    const { exit } = start(headers, use)
    sim.drive(() => exit() !== "running", { time: 60_000 })
    return exit()
  }
  return { sim, resource, wire, activity, broken, get, start }
}

const gather = () => {
  const chunks: Array<Uint8Array> = []
  const sink: ByteSink = {
    write: (chunk) => {
      chunks.push(chunk)
      return true
    },
    onDrain: () => {},
    onFailure: () => {}
  }
  return { sink, bytes: () => new Uint8Array(Buffer.concat(chunks)) }
}

describe("SimWire", () => {
  it("serves bytes that tell their version", () => {
    const { activity, get, resource } = setUp()
    const { bytes, sink } = gather()
    expect(get([], (response) => response.pipe(sink))).toBe("ok")
    expect(bytes().length).toBe(100_000)
    expect(mismatch(bytes(), 0, 1)).toBeUndefined()
    expect(mismatch(bytes(), 1, 1)).toBe(0)
    expect(versionOf(bytes()[77]!)).toBe(1)
    expect(activity).toMatchObject({ phase: "body", bytes: 100_000 })
    resource.change(dawn + 1)
    expect(resource.current.number).toBe(2)
  })

  it("honours If-Range as RFC 9110 says, and not where the server is a liar", () => {
    const status = (options: Partial<ResourceOptions>, tag: string): number | undefined => {
      let seen: number | undefined
      const { get } = setUp(options)
      get(
        [
          ["range", "bytes=50000-"],
          ["if-range", tag]
        ],
        (response) => {
          seen = response.status
          return Effect.void
        }
      )
      return seen
    }
    expect(status({}, `"r0v1"`)).toBe(206)
    expect(status({}, `"r0v2"`)).toBe(200)
    expect(status({ ifRange: "ignored" }, `"r0v2"`)).toBe(206)
    expect(status({ ranges: false }, `"r0v1"`)).toBe(200)
    expect(status({ size: 10 }, `"r0v1"`)).toBe(416)
  })

  it("holds back while the sink is full", () => {
    const { activity, exit, sim, sink } = (() => {
      const world = setUp({ rate: 10_000, size: 1_000_000 })
      const gathered = gather()
      let room = 3
      const sink: ByteSink = { ...gathered.sink, write: (chunk) => gathered.sink.write(chunk) && --room > 0 }
      return { ...world, sink, ...world.start([], (response) => response.pipe(sink)) }
    })()
    sim.drive(() => activity.held, { time: 10_000 })
    const { bytes } = activity
    expect(sim.drive(() => false, { time: 10_000 })).toBe("Deadlock")
    expect(activity.bytes).toBe(bytes)
    sink.onDrain()
    sim.drive(() => activity.held || exit() !== "running", { time: 10_000 })
    expect(activity.bytes).toBeGreaterThan(bytes)
  })

  it("delivers nothing after it was given up", () => {
    const { activity, sim, start, wire } = setUp()
    const { sink } = gather()
    const { fiber } = start([], (response) => response.pipe(sink))
    sim.drive(() => activity.bytes > 0, { time: 10_000 })
    fiber.unsafeInterruptAsFork(fiber.id())
    sim.drive(() => sim.isIdle(0))
    const { bytes } = activity
    expect(wire.openExchanges).toEqual([])
    sim.drive(() => false, { time: 10_000 })
    expect(activity.bytes).toBe(bytes)
    expect(sim.pending(0)).toBe(0)
  })

  it("fails as networks fail", () => {
    const end = (fault: Fault): string => setUp({}, fault).get([], (response) => response.pipe(gather().sink))
    expect(end("refused")).toContain("refused")
    expect(end("reset")).toContain("reset")
    expect(end("cut")).toMatch(/reset|closed the connection early/)
    expect(end("stall")).toBe("running")
    expect(end("headStall")).toBe("running")
  })

  it("notices two transfers of one download, and careless requests", () => {
    const twice = setUp({ rate: 1 })
    for (const _ of [1, 2]) twice.start([], (response) => response.pipe(gather().sink))
    twice.sim.drive(() => false, { time: 5000 })
    expect(twice.broken).toEqual(["Q2", "Q2"])
    const careless = setUp()
    careless.start([["Authorization", "x"]], () => Effect.void, "http://cdn-host.test/r0.bin?d=1")
    careless.sim.drive(() => false)
    expect(careless.broken).toEqual(["H2"])
  })

  it("says where a redirect leads, and when to come again", () => {
    let location: string | undefined
    setUp({ hops: 1 }).get([], (response) => {
      location = single(response.headers, "location")
      return Effect.void
    })
    expect(location).toMatch(/^http:\/\/(cdn-)?host\.test\/r0\.bin\?d=1&hop=1$/)
    let after: string | undefined
    setUp({}, "busyUntil").get([], (response) => {
      after = single(response.headers, "retry-after")
      return Effect.void
    })
    expect(after).toMatch(/^\d+$|GMT$/)
  })
})
