/**
 * Spans as a tracer sees them: which, below which, with what, and that each ends, however its work does.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as HashMap from "effect/HashMap"
import * as TestClock from "effect/TestClock"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, reaches, reset, settle, world } from "./fakes.js"
import * as Recorder from "./Recorder.js"

const ok = { "content-length": "10", etag: '"v1"' }

const enqueue = (url: string) =>
  Effect.flatMap(Downloads, (downloads) => downloads.enqueue({ url, directory: "/d" }))

describe("spans", () => {
  it.effect("one for a claim, in it one for the try, in that one for each request", () => {
    const { layer, named, tree } = Recorder.make()
    const { engine } = world((n) =>
      n === 0
        ? { status: 302, headers: { location: "https://other:8443/f.bin?token=geheim" } }
        : { status: 200, headers: ok, body: [bytes(10)] }
    )
    return Effect.gen(function* () {
      const row = yield* Effect.flatMap(enqueue("http://h/f.bin?token=geheim"), settle)
      expect(tree()).toEqual(["sluice.download ok", "  sluice.attempt ok", "    GET ok", "    GET ok"])
      const h = { "url.scheme": "http", "server.address": "h", "server.port": 80 }
      expect(named("sluice.download")).toEqual([
        {
          "sluice.download.id": row.id,
          "sluice.attempt": 1,
          "sluice.origin": "http://h",
          "sluice.outcome": "completed",
          "sluice.bytes": 10,
          ...h
        }
      ])
      expect(named("GET")).toEqual([
        { "http.request.method": "GET", "http.response.status_code": 302, ...h },
        {
          "http.request.method": "GET",
          "http.response.status_code": 200,
          "url.scheme": "https",
          "server.address": "other",
          "server.port": 8443
        }
      ])
    }).pipe(Effect.provide(Layer.provide(engine, layer)))
  })

  it.effect("end with what went wrong; each try is a claim of its own", () => {
    const { layer, named, tree } = Recorder.make()
    const { engine } = world((n) =>
      n === 0 ? { status: 200, headers: ok, body: [bytes(4), reset] } : n === 1 ? reset : { status: 404 }
    )
    return Effect.gen(function* () {
      yield* Effect.flatMap(enqueue("http://h/f.bin"), settle)
      expect(tree()).toEqual(
        [1, 2, 3].flatMap((n) => [
          "sluice.download failed",
          "  sluice.attempt failed",
          // the third had its answer, which was no body
          n === 3 ? "    GET ok" : "    GET failed"
        ])
      )
      expect(
        named("sluice.download").map((one) => [one["sluice.outcome"], one["sluice.bytes"], one["error.type"]])
      ).toEqual([
        ["retrying", 4, "ConnectionReset"],
        ["retrying", 0, "ConnectionReset"],
        ["failed", 0, "NotFound"]
      ])
    }).pipe(Effect.provide(Layer.provide(engine, layer)))
  })

  it.effect("end when the download is interrupted, before its head and within its body", () => {
    const { layer, named, tree } = Recorder.make()
    const { engine } = world((_, { url }) =>
      url.endsWith("silent")
        ? "forever"
        : { status: 200, headers: { ...ok, "content-length": "1000000" }, body: [bytes(4), "forever"] }
    )
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      for (const path of ["silent", "body"]) {
        const row = yield* enqueue(`http://h/${path}`)
        yield* reaches(row, "processing")
        yield* TestClock.adjust("1 second")
        yield* downloads.pause(row.id)
      }
      const interrupted = ["sluice.download ok", "  sluice.attempt interrupted", "    GET interrupted"]
      expect(tree()).toEqual([...interrupted, ...interrupted])
      expect(named("sluice.download").map((one) => one["sluice.outcome"])).toEqual(["paused", "paused"])
    }).pipe(Effect.provide(Layer.provide(engine, layer)))
  })

  it.effect("are not made where no tracer is set, or tracing is off", () => {
    const { layer, spans, tree } = Recorder.make()
    const { engine } = world(() => ({ status: 200, headers: ok, body: [bytes(10)] }))
    return Effect.gen(function* () {
      yield* Effect.flatMap(enqueue("http://h/f.bin"), settle)
      expect(tree(), String(spans.length)).toEqual([])
    }).pipe(Effect.provide(Layer.provide(engine, Layer.merge(layer, Layer.setTracerEnabled(false)))))
  })
})

describe("logs", () => {
  it.effect("tell of a download's tries, each line with what it is about", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ annotations, logLevel, message }) => {
      // the database's migrations
      if (!HashMap.has(annotations, "download")) return
      const about = ["download", "attempt", "origin"].map((key) => HashMap.unsafeGet(annotations, key))
      lines.push([logLevel.label, ...about, ...(message as ReadonlyArray<unknown>)].join(" "))
    })
    const { engine } = world((n) =>
      n === 0 ? reset : n === 1 ? { status: 503, headers: { "retry-after": "7" } } : { status: 404 }
    )
    return Effect.gen(function* () {
      const { id } = yield* Effect.flatMap(enqueue("http://h/f.bin?token=geheim"), settle)
      expect(lines).toEqual([
        `DEBUG ${id} 1 http://h asked http://h: ConnectionReset: reset by the script`,
        `INFO ${id} 1 http://h tries again in 2 s: reset by the script`,
        `DEBUG ${id} 2 http://h asked http://h: 503`,
        `INFO ${id} 2 http://h waits 7 s: the server answered 503 (service unavailable) and asked to wait 7 s`,
        `DEBUG ${id} 3 http://h asked http://h: 404`,
        `WARN ${id} 3 http://h failed: the server answered 404 (not found)`
      ])
    }).pipe(
      Effect.provide(
        Layer.provide(
          engine,
          Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.All))
        )
      )
    )
  })
})
