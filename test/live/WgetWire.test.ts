/**
 * wget as the network, against the project's own origin: what it tells is passed on, and what it does not tell is never a success.
 */
import * as NodeCommandExecutor from "@effect/platform-node/NodeCommandExecutor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import type { DownloadError, Reason } from "../../src/domain/DownloadError.js"
import { single } from "../../src/domain/Headers.js"
import * as WgetWire from "../../src/layers/WgetWire.js"
import type { Activity, ByteSink, WireResponse } from "../../src/services/Wire.js"
import { Wire } from "../../src/services/Wire.js"
import type { Behaviour, Origin } from "./Origin.js"
import { make as makeOrigin } from "./Origin.js"
import { isThere } from "./Wget.js"

if (!isThere) console.error("SKIPPED: wget as a transport: GNU Wget 1 is not installed")

const layer = WgetWire.layer().pipe(
  Layer.provide(NodeCommandExecutor.layer),
  Layer.provide(NodeFileSystem.layer)
)

const live = (
  title: string,
  body: (origin: Origin) => Effect.Effect<void, DownloadError, Wire | Scope.Scope>
) =>
  it.skipIf(!isThere)(title, () =>
    Effect.runPromise(Effect.scoped(Effect.provide(Effect.flatMap(makeOrigin(), body), layer)))
  )

type Fields = ReadonlyArray<readonly [string, string]>

const idle = (): Activity => ({ phase: "connecting", bytes: 0, held: false })

const get = (url: string, headers: Fields = []) =>
  Effect.flatMap(Wire, (wire) => wire.request({ url, headers, activity: idle() }))

const collector = () => {
  const chunks: Array<Uint8Array> = []
  const sink: ByteSink & { full: boolean; write: ByteSink["write"] } = {
    full: false,
    write: (chunk) => {
      chunks.push(chunk)
      return !sink.full
    },
    onDrain: () => {},
    onFailure: () => {}
  }
  return { sink, bytes: () => Buffer.concat(chunks) }
}

const read = (response: WireResponse) => {
  const { bytes, sink } = collector()
  return Effect.map(response.pipe(sink), bytes)
}

const fails = <A, R>(effect: Effect.Effect<A, DownloadError, R>, reason: Reason) =>
  Effect.map(Effect.either(effect), (result) =>
    expect(Either.isLeft(result) ? result.left.reason : "succeeded").toBe(reason)
  )

/** Processes of this test's own whose command line has that in it. */
const processes = (part: string): ReadonlyArray<string> =>
  execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.startsWith("wget ") && line.includes(part))

describe.concurrent("an answer by way of wget", () => {
  live("arrives with its head, then its bytes", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", {
        size: 3_000_000,
        headers: [
          ["X-One", "x"],
          ["X-Two", "1"],
          ["X-Two", "2"],
          ["Content-Disposition", 'attachment; filename="grüße.bin"']
        ]
      })
      const response = yield* get(origin.url("/a"), [["X-Api-Key", "s3cret"]])
      expect(response.status).toBe(200)
      expect(single(response.headers, "x-one")).toBe("x")
      expect(response.headers.get("x-two")).toEqual(["1", "2"])
      expect(single(response.headers, "content-disposition")).toContain("grüße")
      const bytes = yield* read(response)
      expect(bytes.equals(Buffer.from(origin.content("/a").slice(0, 3_000_000)))).toBe(true)
      expect(origin.requests[0]!.headers).toMatchObject({ "x-api-key": "s3cret", "user-agent": "sluice" })
    })
  )

  live("of a part is that part; a whole instead is fetched as a whole", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 1000, ranges: "obeyed" })
      const part = yield* get(origin.url("/a"), [["Range", "bytes=400-"]])
      expect(part.status).toBe(206)
      expect(single(part.headers, "content-range")).toBe("bytes 400-999/1000")
      expect((yield* read(part)).length).toBe(600)
      origin.set("/b", { size: 1000, ranges: "ignored" })
      const whole = yield* get(origin.url("/b"), [["Range", "bytes=400-"]])
      expect(whole.status).toBe(200)
      expect((yield* read(whole)).length).toBe(1000)
    })
  )

  for (const [status, headers] of [
    [404, []],
    [401, [["WWW-Authenticate", "Basic realm=x"]]],
    [302, [["Location", "/b"]]],
    [503, [["Retry-After", "7"]]],
    [416, [["Content-Range", "bytes */10"]]],
    [204, []]
  ] as const) {
    live(`of another status (${status}) is passed on, and led nowhere`, (origin) =>
      Effect.gen(function* () {
        origin.set("/a", { status, headers, size: 0 })
        const response = yield* get(origin.url("/a"), [["Range", "bytes=10-"]])
        expect(response.status).toBe(status)
        for (const [name, value] of headers) expect(single(response.headers, name.toLowerCase())).toBe(value)
        expect((yield* read(response)).length).toBe(0)
        expect(origin.requests).toHaveLength(1)
      })
    )
  }

  const broken: ReadonlyArray<readonly [Behaviour, Reason]> = [
    [{ cutAfter: 100_000 }, "Truncated"],
    [{ cutAfter: 0 }, "Truncated"],
    [{ announced: 600_000 }, "Truncated"],
    [{ cutAfter: 100_000, cut: "rst" }, "ConnectionReset"],
    [{ framing: "close", cutAfter: 100_000, cut: "rst" }, "ConnectionReset"],
    // wget itself takes a chunked body that breaks off for whole
    [{ framing: "chunked", cutAfter: 100_000 }, "InvalidRequest"],
    [{ framing: "chunked" }, "InvalidRequest"],
    [{ hangUp: "fin" }, "ConnectionReset"],
    [{ hangUp: "rst" }, "ConnectionReset"],
    [{ raw: "NONSENSE\r\n\r\n" }, "ProtocolViolation"],
    [{ headers: [["X-Long", "x".repeat(70_000)]] }, "ProtocolViolation"]
  ]
  for (const [behaviour, reason] of broken) {
    live(`${reason}: ${JSON.stringify(behaviour).slice(0, 80)}`, (origin) =>
      Effect.gen(function* () {
        origin.set("/a", { size: 500_000, ...behaviour })
        yield* fails(Effect.flatMap(get(origin.url("/a")), read), reason)
        expect(origin.requests).toHaveLength(1)
      })
    )
  }

  live("ConnectionRefused, and a name that is unknown", () =>
    Effect.gen(function* () {
      yield* fails(get("http://127.0.0.1:9/a"), "ConnectionRefused")
      yield* fails(get("http://nothing.invalid/a"), "DnsFailed")
      yield* fails(get("http://127.0.0.1:9/a", [["X", "a\nb"]]), "InvalidUrl")
    })
  )
})

describe("a wget", () => {
  live("is held back as long as nobody takes what it has", (origin) =>
    Effect.gen(function* () {
      const size = 64 << 20
      const response = yield* get(origin.url(`/bytes/${size}/a`))
      const { bytes, sink } = collector()
      sink.full = true
      const piping = yield* Effect.fork(response.pipe(sink))
      yield* origin.until(() => origin.sent() > 0)
      // a whole exchange goes by
      yield* Effect.flatMap(get(origin.url("/bytes/1000000/b")), read)
      expect(bytes().length).toBeLessThan(1 << 20)
      sink.full = false
      sink.onDrain()
      yield* Fiber.join(piping)
      expect(bytes().length).toBe(size)
    })
  )

  live("ends with its request, given up or interrupted, also if it does not listen", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 1_000_000, stallAfter: 1000 })
      const wire = yield* Wire
      const exchange = wire.exchange(
        { url: origin.url("/a"), headers: [], activity: idle() },
        () => collector().sink
      )
      const given = yield* Effect.fork(exchange.run)
      yield* origin.until(() => origin.connections() === 1)
      exchange.abort()
      yield* fails(Fiber.join(given), "Network")
      yield* origin.until(() => origin.connections() === 0)
      const interrupted = yield* Effect.fork(Effect.scoped(Effect.flatMap(get(origin.url("/a")), read)))
      yield* origin.until(() => origin.connections() === 1)
      const [pid] = execFileSync("pgrep", ["-f", "^wget .*--input-file=-$"], { encoding: "utf8" }).split("\n")
      process.kill(Number(pid), "SIGSTOP")
      yield* Fiber.interrupt(interrupted)
      yield* origin.until(() => origin.connections() === 0)
    })
  )

  live("has no secret on its command line, nor in a file", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 1_000_000, stallAfter: 1000 })
      const before = fs.readdirSync("/tmp").length
      const reading = yield* Effect.fork(
        Effect.scoped(
          Effect.flatMap(get(origin.url("/a?token=s3cret"), [["Authorization", "Bearer s3cret"]]), read)
        )
      )
      yield* origin.until(() => origin.requests.length === 1)
      expect(origin.requests[0]!.headers).toMatchObject({ authorization: "Bearer s3cret" })
      expect(execFileSync("ps", ["-eo", "args"], { encoding: "utf8" })).not.toContain("s3cret")
      expect(processes("--input-file=-").length).toBeGreaterThan(0)
      expect(fs.readdirSync("/tmp").length).toBeLessThanOrEqual(before + 5)
      yield* Fiber.interrupt(reading)
    })
  )
})
