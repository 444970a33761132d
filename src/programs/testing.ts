/**
 * An engine for the tests of programs that download: the shipped engine over a database in memory, a disk in memory and a
 * network made of routes. Nothing here touches a socket, a file or a real clock, so it runs under `TestClock`, where hours of
 * backoff pass in milliseconds.
 *
 * TestClock, in short: time stands still until the test lets it pass. So fork what waits, then adjust the clock, then join
 * (`inTime` does that). What happens at one instant has no order that a test may rely on: await a result, or an event. Never mix it
 * with real sockets, files or child processes: it counts a fiber that waits for them as idle, and time runs ahead of them.
 *
 * @example
 * ```ts
 * import { expect, it } from "@effect/vitest"
 * import * as Effect from "effect/Effect"
 * import { Downloads } from "sluice"
 * import { inTime, layer, World } from "sluice/testing"
 *
 * const routes = { "https://example.org/a.txt": [{ status: 503 }, { body: "hello" }] }
 *
 * it.effect("comes back after a 503", () =>
 *   Effect.gen(function* () {
 *     const downloads = yield* Downloads
 *     const world = yield* World
 *     const { path } = yield* inTime(downloads.download({ url: "https://example.org/a.txt" }))
 *     expect(yield* world.text(path)).toBe("hello")
 *   }).pipe(Effect.provide(layer({ routes })))
 * )
 * ```
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { DownloadError, make as makeError } from "../domain/DownloadError.js"
import type { StoreError } from "../domain/StoreError.js"
import * as Database from "../layers/Database.js"
import * as Engine from "../layers/Engine.js"
import * as MemoryDisk from "../layers/MemoryDisk.js"
import * as ScriptedWire from "../layers/ScriptedWire.js"
import * as SidecarLock from "../layers/SidecarLock.js"
import { Downloads } from "../services/Downloads.js"
import * as EngineOptions from "../services/EngineOptions.js"
import { PartFile } from "../services/PartFile.js"
import { Wire } from "../services/Wire.js"

// rules for what a program brings itself: another network, another store
export { ConformanceError, type Case } from "./testing/Conformance.js"
export * as DestinationConformance from "./testing/DestinationConformance.js"
export * as SinkConformance from "./testing/SinkConformance.js"
export * as WireConformance from "./testing/WireConformance.js"

/** A request to a route. */
export interface Request {
  /** As it was asked for. */
  readonly url: string
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  /** Which request to this URL it is, from 1. */
  readonly attempt: number
}

/** What the server answers. */
export interface Reply {
  /** @default 200; of a request for the rest of a body: 206, where If-Range says that it is of the same version */
  readonly status?: number
  /** Content-Length and an ETag are made up where a body has none. */
  readonly headers?: Record<string, string>
  /** @default empty */
  readonly body?: string | Uint8Array
  /** Milliseconds before the head. @default 0 */
  readonly delay?: number
  /** Milliseconds that the body takes, in ten pieces at most; the engine's stall timeout counts between them. @default 0 */
  readonly duration?: number
  /** The connection is reset after so many bytes of the body. @default never */
  readonly cutAfter?: number
}

/** An answer, an error instead of one, or silence. */
export type Behaviour = Reply | DownloadError | "silence"

/** What a URL does: always the same; the one after the other (the last stays); or whatever the function says. */
export type Route = Behaviour | ReadonlyArray<Behaviour> | ((request: Request) => Behaviour)

/** Routes by URL; what has none is a 404. */
export type Routes = Readonly<Record<string, Route>>

/** The connection was reset: for routes that fail before they answer. */
export const reset: DownloadError = makeError("ConnectionReset", "the connection was reset")

/** @see {@link World} */
export interface WorldShape {
  /** Sets or replaces a route from now on. */
  readonly route: (url: string, route: Route) => Effect.Effect<void>
  /** What was asked for, in order; `at` in milliseconds. */
  readonly requests: Effect.Effect<ReadonlyArray<Request & { readonly at: number }>>
  /** The names of all files on the disk, sorted; unfinished ones end in `.sluice-part`. */
  readonly paths: Effect.Effect<ReadonlyArray<string>>
  /** The bytes of a file; dies if there is none of that name. */
  readonly bytes: (path: string) => Effect.Effect<Uint8Array>
  /** The same, as UTF-8. */
  readonly text: (path: string) => Effect.Effect<string>
}

/** The network and the disk of the test. */
export class World extends Context.Tag("sluice/testing/World")<World, WorldShape>() {}

/** Options of the engine, and what its network does. */
export interface Options extends Partial<EngineOptions.EngineOptionsShape> {
  /** @default none: everything is a 404 */
  readonly routes?: Routes
}

/** How many pieces a body that takes time comes in. */
const pieces = 10

const make = (routes: Routes) => {
  const current = new Map<string, Route>(Object.entries(routes))
  const asked: Array<Request & { readonly at: number }> = []
  const counts = new Map<string, number>()
  const memory = MemoryDisk.make()

  const { served, wire } = ScriptedWire.make((n, request) => {
    const { at, headers } = served[n]!
    const attempt = (counts.get(request.url) ?? 0) + 1
    counts.set(request.url, attempt)
    asked.push({ url: request.url, headers, attempt, at })
    const behaviour = behaviourOf(current.get(request.url), { url: request.url, headers, attempt })
    if (behaviour === "silence") return "forever"
    return behaviour instanceof DownloadError ? behaviour : answerOf(behaviour, headers)
  })

  const bytes = (path: string) =>
    Effect.suspend(() => {
      const file = memory.files.get(path)
      return file === undefined
        ? Effect.dieMessage(`there is no file ${path}`)
        : Effect.succeed(file.data.slice())
    })

  const world: WorldShape = {
    route: (url, route) => Effect.sync(() => void current.set(url, route)),
    requests: Effect.sync(() => asked.slice()),
    paths: Effect.sync(() => [...memory.files.keys()].sort()),
    bytes,
    text: (path) => Effect.map(bytes(path), (data) => new TextDecoder().decode(data))
  }
  return { disk: memory.disk, wire, world }
}

const behaviourOf = (route: Route | undefined, request: Request): Behaviour => {
  if (route === undefined) return { status: 404 }
  if (typeof route === "function") return route(request)
  return isList(route) ? (route[Math.min(request.attempt, route.length) - 1] ?? { status: 404 }) : route
}

const isList = (route: Route): route is ReadonlyArray<Behaviour> => Array.isArray(route)

const answerOf = (reply: Reply, asked: Request["headers"]): ScriptedWire.Answer => {
  const { body = "", cutAfter, delay = 0, duration = 0, status = 200 } = reply
  const whole = typeof body === "string" ? new TextEncoder().encode(body) : body
  const headers = Object.fromEntries(
    Object.entries(reply.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
  )
  if (status === 200) headers["etag"] ??= `"${digest(whole)}"`
  const from = Number(/^bytes=(\d+)-$/.exec(asked.get("range") ?? "")?.[1] ?? 0)
  const condition = asked.get("if-range")
  const isRest = status === 200 && from > 0 && (condition === undefined || condition === headers["etag"])
  if (isRest && from >= whole.length) {
    return { status: 416, headers: { ...headers, "content-range": `bytes */${whole.length}` }, delay }
  }
  const content = isRest ? whole.subarray(from) : whole
  if (isRest) headers["content-range"] = `bytes ${from}-${whole.length - 1}/${whole.length}`
  headers["content-length"] ??= String(content.length)
  const sent = cutAfter === undefined ? content : content.subarray(0, cutAfter)
  const steps: Array<ScriptedWire.Step> = []
  const count = duration === 0 ? 1 : Math.max(1, Math.min(pieces, sent.length))
  for (let i = 0; i < count; i++) {
    if (duration > 0)
      steps.push(Math.round((duration * (i + 1)) / count) - Math.round((duration * i) / count))
    steps.push(sent.slice(Math.floor((sent.length * i) / count), Math.floor((sent.length * (i + 1)) / count)))
  }
  if (cutAfter !== undefined && cutAfter < content.length) steps.push(reset)
  return { status: isRest ? 206 : status, headers, body: steps, delay }
}

/** FNV-1a: tells the versions of a test's body apart. */
const digest = (bytes: Uint8Array): string => {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return `${bytes.length}-${hash.toString(16)}`
}

/**
 * The engine, all of it in memory. Files go to `/downloads` where a request names no directory. Each use of the layer is a
 * world of its own; share one with `it.layer`.
 */
export const layer = ({ routes = {}, ...options }: Options = {}): Layer.Layer<
  Downloads | World,
  StoreError
> =>
  Layer.unwrapEffect(
    Effect.sync(() => {
      const { disk, wire, world } = make(routes)
      const engine = Engine.layer.pipe(
        Layer.provide([
          SidecarLock.layerAlone,
          Layer.fresh(Database.layerMemory),
          Layer.succeed(PartFile, disk),
          Layer.succeed(Wire, wire),
          Layer.succeed(EngineOptions.EngineOptions, {
            ...EngineOptions.defaults,
            adopt: true,
            directory: "/downloads",
            ...options
          })
        ])
      )
      const front = Layer.effect(Downloads, Downloads).pipe(Layer.provide(engine))
      return Layer.merge(front, Layer.succeed(World, world))
    })
  )

/** Runs the effect while time passes, at once, up to `limit`; for tests under `TestClock`. */
export const inTime = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  limit: Duration.DurationInput = "1 day"
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust(limit)
    return yield* Fiber.join(fiber)
  })
