/**
 * The live Wire over real sockets, against the project's own origin. Nothing here depends on how long anything takes:
 * where a test must know that time has passed for a connection, it lets a whole exchange on another one go by.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { Agent } from "undici"
import type { DownloadError, Reason } from "../../src/domain/DownloadError.js"
import { make as makeError } from "../../src/domain/DownloadError.js"
import { single } from "../../src/domain/Headers.js"
import * as UndiciWire from "../../src/layers/UndiciWire.js"
import type { Activity, ByteSink, WireResponse } from "../../src/services/Wire.js"
import { Wire } from "../../src/services/Wire.js"
import { selfSigned } from "./origin/Certificate.js"
import type { Behaviour, Origin } from "./Origin.js"
import { make as makeOrigin } from "./Origin.js"

const idle = (): Activity => ({ phase: "connecting", bytes: 0, held: false })

const get = (
  url: string,
  options: { activity?: Activity; headers?: ReadonlyArray<readonly [string, string]> } = {}
) =>
  Effect.flatMap(Wire, (wire) =>
    wire.request({ url, headers: options.headers ?? [], activity: options.activity ?? idle() })
  )

interface Collector extends ByteSink {
  write: ByteSink["write"]
  full: boolean
  readonly bytes: () => Buffer
}

/** A sink that keeps everything, and can be told to hold back. */
const collector = () => {
  const chunks: Array<Uint8Array> = []
  const sink: Collector = {
    full: false,
    write: (chunk) => {
      chunks.push(chunk)
      return !sink.full
    },
    onDrain: () => {},
    onFailure: () => {},
    bytes: () => Buffer.concat(chunks)
  }
  return sink
}

const read = (response: WireResponse) => {
  const sink = collector()
  return Effect.map(response.pipe(sink), () => sink.bytes())
}

/** The whole of a body. The connection is given back when it ends, not only when the scope closes. */
const fetch = (url: string) => Effect.flatMap(get(url), read)

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** Lets time pass for all sockets: whole exchanges on a connection of their own. */
const meanwhile = (origin: Origin, size = 4 << 20) =>
  Effect.scoped(
    Effect.zipRight(fetch(origin.url(`/bytes/${size}/meanwhile`)), fetch(origin.url("/bytes/1/meanwhile")))
  )

const live = (
  title: string,
  body: (origin: Origin) => Effect.Effect<void, DownloadError, Wire | Scope.Scope>
) => it.scopedLive(title, () => Effect.provide(Effect.flatMap(makeOrigin(), body), UndiciWire.layer))

/** Expects a failure; says no more than "succeeded" of what succeeds, which may be a lot. */
const fails = <A, R>(effect: Effect.Effect<A, DownloadError, R>, reason: Reason) =>
  Effect.map(Effect.either(effect), (result) =>
    expect(Either.isLeft(result) ? result.left.reason : "succeeded").toBe(reason)
  )

describe("a response", () => {
  live("arrives with its head, then its bytes", (origin) =>
    Effect.gen(function* () {
      origin.set("/a.bin", { size: 3_000_000 })
      const activity = idle()
      const response = yield* get(origin.url("/a.bin"), { activity })
      expect(response.status).toBe(200)
      expect(single(response.headers, "content-length")).toBe("3000000")
      expect(activity.phase).toBe("body")
      const bytes = yield* read(response)
      expect(sha256(bytes)).toBe(origin.content("/a.bin").sha256(3_000_000))
      expect(activity).toEqual({ phase: "body", bytes: 3_000_000, held: false })
    })
  )

  live("carries the caller's fields and nothing that traces", (origin) =>
    Effect.gen(function* () {
      yield* Effect.flatMap(get(origin.url("/bytes/1/a?q=%20#no"), { headers: [["X-One", "1"]] }), read)
      yield* Effect.flatMap(get(origin.url("/bytes/1/a"), { headers: [["User-Agent", "mine"]] }), read)
      expect(origin.requests[0]!.path).toBe("/bytes/1/a?q=%20")
      expect(Object.keys(origin.requests[0]!.headers).sort()).toEqual([
        "connection",
        "host",
        "user-agent",
        "x-one"
      ])
      expect(origin.requests[0]!.headers["user-agent"]).toBe("sluice")
      expect(origin.requests[1]!.headers["user-agent"]).toBe("mine")
    })
  )

  live("shows repeated fields, octets as they are, and UTF-8 in names", (origin) =>
    Effect.gen(function* () {
      const head = Buffer.from(
        'HTTP/1.1 200 OK\r\nETag: "1"\r\nETag: "2"\r\nContent-Disposition: attachment; filename="naïve ☃.bin"\r\nContent-Length: 0\r\n'
      )
      const octets = Buffer.from("X-Octets: \xe9\r\n\r\n", "latin1")
      origin.set("/a", { raw: Buffer.concat([head, octets]).toString("latin1") })
      const { headers } = yield* get(origin.url("/a"))
      expect(headers.get("etag")).toEqual(['"1"', '"2"'])
      expect(single(headers, "content-disposition")).toBe('attachment; filename="naïve ☃.bin"')
      expect(single(headers, "x-octets")).toBe("\xe9")
    })
  )

  live("may follow informational ones", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", {
        raw: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
      })
      const response = yield* get(origin.url("/a"))
      expect(response.status).toBe(200)
      expect(String(yield* read(response))).toBe("ok")
    })
  )

  for (const status of [204, 304]) {
    live(`without a body (${status}) ends at once`, (origin) =>
      Effect.gen(function* () {
        origin.set("/a", { status })
        const response = yield* get(origin.url("/a"))
        expect(response.status).toBe(status)
        expect((yield* read(response)).length).toBe(0)
      })
    )
  }

  const framings: ReadonlyArray<Behaviour> = [
    { framing: "chunked" },
    { framing: "close" },
    { protocol: "1.0" },
    { protocol: "1.0", framing: "close" },
    { close: true },
    { size: 0 },
    { size: 0, framing: "chunked" },
    { size: 1, framing: "close" }
  ]
  for (const framing of framings) {
    live(`ends as its framing says: ${JSON.stringify(framing)}`, (origin) =>
      Effect.gen(function* () {
        const size = framing.size ?? 500_000
        origin.set("/a", { size, ...framing })
        expect(sha256(yield* fetch(origin.url("/a")))).toBe(origin.content("/a").sha256(size))
      })
    )
  }

  live("can be piped once only", (origin) =>
    Effect.gen(function* () {
      const response = yield* get(origin.url("/bytes/10/a"))
      yield* read(response)
      expect(Exit.isFailure(yield* Effect.exit(read(response)))).toBe(true)
    })
  )
})

describe("a body that is not what was announced fails", () => {
  const cases: ReadonlyArray<readonly [Behaviour, Reason]> = [
    [{ cutAfter: 100_000 }, "Truncated"],
    [{ cutAfter: 100_000, close: true }, "Truncated"],
    [{ cutAfter: 0 }, "Truncated"],
    [{ cutAfter: 0, protocol: "1.0" }, "Truncated"],
    [{ announced: 600_000 }, "Truncated"],
    [{ framing: "chunked", unfinished: true }, "Truncated"],
    [{ framing: "chunked", unfinished: true, close: true }, "Truncated"],
    [{ framing: "chunked", cutAfter: 100_000 }, "Truncated"],
    [{ cutAfter: 100_000, cut: "rst" }, "ConnectionReset"],
    [{ cutAfter: 100_000, cut: "rst", close: true }, "ConnectionReset"],
    [{ framing: "chunked", cutAfter: 100_000, cut: "rst", close: true }, "ConnectionReset"],
    // no length and no end: only the reset tells it from a complete one
    [{ framing: "close", cutAfter: 100_000, cut: "rst" }, "ConnectionReset"],
    [{ framing: "close", protocol: "1.0", cutAfter: 100_000, cut: "rst" }, "ConnectionReset"]
  ]
  for (const [behaviour, reason] of cases) {
    live(`${reason}: ${JSON.stringify(behaviour)}`, (origin) =>
      Effect.gen(function* () {
        origin.set("/a", { size: 500_000, ...behaviour })
        const response = yield* get(origin.url("/a"))
        yield* fails(read(response), reason)
        expect(origin.requests).toHaveLength(1)
      })
    )
  }

  live(
    "bytes beyond Content-Length fail it, and the connection that carried them is not used again",
    (origin) =>
      Effect.gen(function* () {
        for (const more of [{}, { close: true }]) {
          origin.set("/a", { size: 50_000, announced: 10_000, ...more })
          yield* fails(fetch(origin.url("/a")), "ProtocolViolation")
          const response = yield* get(origin.url("/a"))
          const sink = collector()
          let told = 0
          yield* fails(response.pipe({ ...sink, onExcess: () => void told++ }), "ProtocolViolation")
          expect(sink.bytes().length).toBe(10_000)
          expect(told).toBe(1)
        }
        yield* fetch(origin.url("/bytes/1/b"))
        expect(new Set(origin.requests.map(({ port }) => port)).size).toBe(5)
      })
  )

  live("a malformed chunk is a violation", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n" })
      yield* fails(fetch(origin.url("/a")), "ProtocolViolation")
    })
  )
})

describe("no response", () => {
  const cases: ReadonlyArray<readonly [title: string, Behaviour, Reason]> = [
    ["the server hangs up", { hangUp: "fin" }, "ConnectionReset"],
    ["the server resets", { hangUp: "rst" }, "ConnectionReset"],
    ["no HTTP", { raw: "NONSENSE\r\n\r\n" }, "ProtocolViolation"],
    ["two lengths", { announced: 5, headers: [["Content-Length", "6"]] }, "ProtocolViolation"],
    ["length and chunks", { framing: "chunked", headers: [["Content-Length", "6"]] }, "ProtocolViolation"],
    ["a head too long", { headers: [["X-Long", "x".repeat(70_000)]] }, "ProtocolViolation"],
    [
      "a head of too many fields",
      { headers: Array.from({ length: 7000 }, () => ["X-A", "12345678"] as const) },
      "ProtocolViolation"
    ],
    [
      "an upgrade nobody asked for",
      { raw: "HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" },
      "ProtocolViolation"
    ],
    ["a continue nobody asked for", { raw: "HTTP/1.1 100 Continue\r\n\r\n" }, "ProtocolViolation"],
    ["half a head", { raw: "HTTP/1.1 200 OK\r\nContent-Le" }, "ConnectionReset"]
  ]
  for (const [title, behaviour, reason] of cases) {
    live(`${reason}: ${title}`, (origin) =>
      Effect.gen(function* () {
        origin.set("/a", behaviour)
        yield* fails(get(origin.url("/a")), reason)
        expect(origin.requests).toHaveLength(1)
      })
    )
  }

  live("InvalidUrl: an address that is none, or a header that can't be sent", (origin) =>
    Effect.gen(function* () {
      for (const url of ["/a", "ftp://h/", "http://user:secret@127.0.0.1/"])
        yield* fails(get(url), "InvalidUrl")
      yield* fails(get(origin.url("/a"), { headers: [["X-A", "1\r\nX-B: 2"]] }), "InvalidUrl")
      // a query without a path is one to the root
      yield* fetch(`${origin.url("")}?q`)
      expect(origin.requests.map(({ path }) => path)).toEqual(["/?q"])
    })
  )

  live("ConnectionRefused: nobody listens", () =>
    Effect.gen(function* () {
      const url = yield* Effect.scoped(Effect.map(makeOrigin(), (origin) => origin.url("/")))
      yield* fails(get(url), "ConnectionRefused")
    })
  )

  it.scopedLive("DnsFailed: the name is unknown", () =>
    fails(get("http://nowhere.test/"), "DnsFailed").pipe(
      Effect.provide(
        UndiciWire.layerConfigured({
          resolve: (_, answer) => answer(Object.assign(new Error("no"), { code: "ENOTFOUND" }), [])
        })
      )
    )
  )

  it.scopedLive("TlsFailed: the certificate is not trusted", () =>
    Effect.gen(function* () {
      const origin = yield* makeOrigin({ tls: selfSigned() })
      yield* fails(get(origin.url("/bytes/1/a")), "TlsFailed")
      expect(origin.requests).toHaveLength(0)
    }).pipe(Effect.provide(UndiciWire.layer))
  )
})

it.scopedLive("names are resolved by the resolver, https is spoken, and holding works there too", () =>
  Effect.gen(function* () {
    const { cert, key } = selfSigned()
    const origin = yield* makeOrigin({ tls: { cert, key } })
    const wire = UndiciWire.layerConfigured({
      tls: { ca: cert },
      resolve: (_, answer) => process.nextTick(answer, null, [{ address: "127.0.0.1", family: 4 }])
    })
    yield* Effect.gen(function* () {
      origin.set("/a", { size: 4 << 20, close: true })
      const activity = idle()
      const response = yield* get(`https://localhost:${origin.port}/a`, { activity })
      const sink = collector()
      sink.full = true
      const piping = yield* Effect.fork(response.pipe(sink))
      yield* Effect.scoped(fetch(`https://localhost:${origin.port}/bytes/1000000/b`))
      expect(activity.bytes).toBeLessThan(200_000)
      sink.full = false
      sink.onDrain()
      yield* Fiber.join(piping)
      expect(sha256(sink.bytes())).toBe(origin.content("/a").sha256(4 << 20))
    }).pipe(Effect.provide(wire))
  })
)

describe("holding back", () => {
  live("stops the server, takes little memory, and goes on without losing a byte", (origin) =>
    Effect.gen(function* () {
      const size = 64 << 20
      origin.set("/a", { size })
      const activity = idle()
      const response = yield* get(origin.url("/a"), { activity })
      const sink = collector()
      sink.full = true
      const piping = yield* Effect.fork(response.pipe(sink))
      yield* meanwhile(origin, 20 << 20)
      expect(activity.held).toBe(true)
      expect(activity.bytes).toBeGreaterThan(0)
      expect(activity.bytes).toBeLessThan(200_000)
      expect(origin.sent("/a")).toBeLessThan(size)
      sink.full = false
      sink.onDrain()
      expect(activity.held).toBe(false)
      yield* Fiber.join(piping)
      expect(sha256(sink.bytes())).toBe(origin.content("/a").sha256(size))
    })
  )

  live("works at every write", (origin) =>
    Effect.gen(function* () {
      for (const behaviour of [{}, { close: true }, { framing: "chunked" }, { framing: "close" }] as const) {
        origin.set("/a", { size: 2_000_000, ...behaviour })
        const sink = collector()
        sink.full = true
        const write = sink.write
        sink.write = (chunk) => {
          setImmediate(() => sink.onDrain())
          return write(chunk)
        }
        const response = yield* get(origin.url("/a"))
        yield* response.pipe(sink)
        expect(sha256(sink.bytes())).toBe(origin.content("/a").sha256(2_000_000))
      }
    })
  )

  live("nothing comes after a write that said no, until it is asked for", (origin) =>
    Effect.gen(function* () {
      // small chunks: many fit into one read of the socket
      origin.set("/a", { size: 100_000, framing: "chunked", rate: 1_000_000 })
      const seen: Array<boolean> = []
      const response = yield* get(origin.url("/a"))
      yield* meanwhile(origin)
      const sink = collector()
      let open = true
      sink.write = () => {
        seen.push(open)
        open = false
        setImmediate(() => {
          open = true
          sink.onDrain()
        })
        return false
      }
      yield* response.pipe(sink)
      expect(seen).not.toContain(false)
      expect(seen.length).toBeGreaterThan(1)
    })
  )

  live("before the body is asked for", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 32 << 20 })
      const activity = idle()
      const response = yield* get(origin.url("/a"), { activity })
      yield* meanwhile(origin)
      expect(activity.held).toBe(false)
      expect(activity.bytes).toBeLessThan(200_000)
      expect(sha256(yield* read(response))).toBe(origin.content("/a").sha256(32 << 20))
    })
  )

  const ends: ReadonlyArray<Behaviour> = [
    { close: true },
    { framing: "close" },
    { framing: "chunked", close: true },
    { protocol: "1.0" }
  ]
  for (const behaviour of ends) {
    live(`a complete body survives the end of its connection: ${JSON.stringify(behaviour)}`, (origin) =>
      Effect.gen(function* () {
        for (const size of [1000, 64 * 1024, 150_000, 400_000]) {
          origin.set("/a", { size, ...behaviour })
          const response = yield* get(origin.url("/a"))
          yield* origin.until(() => origin.sent("/a") >= size)
          yield* meanwhile(origin)
          const sink = collector()
          sink.full = true
          const piping = yield* Effect.fork(response.pipe(sink))
          yield* meanwhile(origin)
          sink.full = false
          sink.onDrain()
          yield* Fiber.join(piping)
          expect(sha256(sink.bytes())).toBe(origin.content("/a").sha256(size))
        }
      })
    )

    live(`a reset meanwhile is a failure, not a crash: ${JSON.stringify(behaviour)}`, (origin) =>
      Effect.gen(function* () {
        origin.set("/a", { size: 1000, cutAfter: 999, cut: "rst", ...behaviour })
        const response = yield* get(origin.url("/a"))
        yield* origin.until(() => origin.requests[0]?.outcome === "cut")
        yield* meanwhile(origin)
        yield* fails(read(response), "ConnectionReset")
      })
    )
  }
})

describe("ending early", () => {
  live("interrupting the body closes the connection", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 1 << 30, rate: 50_000_000 })
      const response = yield* get(origin.url("/a"))
      const sink = collector()
      const piping = yield* Effect.fork(response.pipe(sink))
      yield* origin.until(() => origin.sent("/a") > 1_000_000)
      yield* Fiber.interrupt(piping)
      const { length } = sink.bytes()
      yield* origin.until(() => origin.requests[0]!.outcome === "aborted" && origin.connections() === 0)
      expect(sink.bytes().length).toBe(length)
    })
  )

  live("interrupting while it waits for the head closes the connection", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { silent: true })
      const activity = idle()
      const asking = yield* Effect.fork(Effect.scoped(get(origin.url("/a"), { activity })))
      yield* origin.until(() => origin.requests.length === 1)
      expect(activity.phase).toBe("awaiting-head")
      yield* Fiber.interrupt(asking)
      yield* origin.until(() => origin.connections() === 0)
    })
  )

  live("interrupting while it connects closes the connection", (origin) =>
    Effect.gen(function* () {
      // a server that does not answer the TLS handshake
      const activity = idle()
      const url = origin.url("/a").replace("http:", "https:")
      const asking = yield* Effect.fork(Effect.scoped(get(url, { activity })))
      yield* origin.until(() => origin.connections() === 1)
      expect(activity.phase).toBe("connecting")
      yield* Fiber.interrupt(asking)
      yield* origin.until(() => origin.connections() === 0)
    })
  )

  live("closing the scope of a request closes an unfinished one", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 64 << 20 })
      yield* Effect.scoped(get(origin.url("/a")))
      yield* origin.until(() => origin.connections() === 0)
      expect(origin.requests[0]!.outcome).toBe("aborted")
    })
  )

  live("a sink that fails ends the exchange with its error", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 64 << 20 })
      const response = yield* get(origin.url("/a"))
      const sink = collector()
      sink.write = () => {
        sink.onFailure(makeError("DiskFull", "no space"))
        return false
      }
      yield* fails(response.pipe(sink), "DiskFull")
      yield* origin.until(() => origin.connections() === 0)
    })
  )

  it.scopedLive("closing the layer ends every connection, idle, busy or in the making", () =>
    Effect.gen(function* () {
      const origin = yield* makeOrigin()
      origin.set("/busy", { size: 64 << 20 })
      origin.set("/silent", { silent: true })
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(UndiciWire.layer, scope)
      const provided = Effect.provide(context)
      yield* fetch(origin.url("/bytes/1/idle")).pipe(provided)
      const busy = yield* get(origin.url("/busy")).pipe(provided)
      const waiting = yield* Effect.fork(get(origin.url("/silent")).pipe(provided))
      const making = yield* Effect.fork(get(origin.url("/").replace("http:", "https:")).pipe(provided))
      yield* origin.until(() => origin.connections() === 3 && origin.requests.length === 3)
      yield* Scope.close(scope, Exit.void)
      yield* origin.until(() => origin.connections() === 0)
      yield* fails(Fiber.join(waiting), "Network")
      yield* fails(Fiber.join(making), "Network")
      yield* fails(read(busy), "Network")
      yield* fails(get(origin.url("/bytes/1/late")).pipe(provided), "Network")
    })
  )
})

describe("connections", () => {
  live("are used again", (origin) =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c"]) yield* fetch(origin.url(`/bytes/100000/${name}`))
      expect(new Set(origin.requests.map(({ port }) => port)).size).toBe(1)
      expect(origin.accepted()).toBe(1)
    })
  )

  live("are not shared, and not capped", (origin) =>
    Effect.gen(function* () {
      const paths = Array.from({ length: 40 }, (_, index) => `/held${index}`)
      for (const path of paths) origin.set(path, { size: 1 << 20, stallAfter: 1000 })
      yield* Effect.forEach(paths, (path) => get(origin.url(path)), { concurrency: "unbounded" })
      expect(origin.connections()).toBe(40)
    })
  )

  live("are free for others as soon as the body has arrived", (origin) =>
    Effect.gen(function* () {
      const first = yield* get(origin.url("/bytes/10/a"))
      yield* meanwhile(origin, 1)
      const second = yield* fetch(origin.url("/bytes/10/b"))
      expect(origin.accepted()).toBe(1)
      expect(sha256(yield* read(first))).toBe(origin.content("/bytes/10/a").sha256(10))
      expect(sha256(second)).toBe(origin.content("/bytes/10/b").sha256(10))
    })
  )

  for (const hangUp of ["fin", "rst"] as const) {
    live(`that died while they were idle cost a second try, on a new one (${hangUp})`, (origin) =>
      Effect.gen(function* () {
        // two idle connections, both of which the server will drop when they are used
        yield* Effect.all([fetch(origin.url("/bytes/1/a")), fetch(origin.url("/bytes/1/b"))], {
          concurrency: 2
        })
        expect(origin.connections()).toBe(2)
        origin.set("/c", [{ hangUp }, {}])
        const activity = idle()
        const response = yield* get(origin.url("/c"), { activity })
        expect(response.status).toBe(200)
        const [dropped, answered] = origin.requestsFor("/c")
        expect(origin.requestsFor("/c")).toHaveLength(2)
        expect(origin.requests.slice(0, 2).map(({ port }) => port)).toContain(dropped!.port)
        expect(origin.requests.slice(0, 2).map(({ port }) => port)).not.toContain(answered!.port)
      })
    )
  }

  live("are tried twice, not more", (origin) =>
    Effect.gen(function* () {
      yield* fetch(origin.url("/bytes/1/a"))
      origin.set("/c", { hangUp: "rst" })
      yield* fails(get(origin.url("/c")), "ConnectionReset")
      expect(origin.requestsFor("/c")).toHaveLength(2)
    })
  )

  live("that the server has closed are not used", (origin) =>
    Effect.gen(function* () {
      yield* fetch(origin.url("/bytes/1/a"))
      origin.disconnect("fin")
      yield* origin.until(() => origin.connections() === 0)
      yield* fetch(origin.url("/bytes/1/b"))
      expect(origin.requestsFor("/bytes/1/b")).toHaveLength(1)
    })
  )
})

describe("discarding", () => {
  live("a small body keeps the connection", (origin) =>
    Effect.gen(function* () {
      for (const behaviour of [
        { status: 302, filler: 30_000 },
        { size: 60_000, framing: "chunked" }
      ] as const) {
        origin.set("/a", behaviour)
        yield* Effect.flatMap(get(origin.url("/a")), (response) => response.discard)
      }
      yield* fetch(origin.url("/bytes/1/b"))
      expect(origin.accepted()).toBe(1)
    })
  )

  const dropped: ReadonlyArray<readonly [title: string, Behaviour]> = [
    ["a big one", { size: 1 << 30 }],
    ["a big one of unknown length", { size: 1 << 30, framing: "chunked" }],
    ["a slow one", { size: 60_000, stallAfter: 10 }]
  ]
  for (const [title, behaviour] of dropped) {
    live(`${title} ends it`, (origin) =>
      Effect.gen(function* () {
        origin.set("/a", behaviour)
        const response = yield* get(origin.url("/a"))
        yield* response.discard
        yield* origin.until(() => origin.connections() === 0)
        expect(origin.sent("/a")).toBeLessThan(64 << 20)
      })
    )
  }

  live("never fails", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 1000, cutAfter: 10 })
      const response = yield* get(origin.url("/a"))
      yield* response.discard
    })
  )
})

describe("a dispatcher of the caller's", () => {
  const withAgent = (
    title: string,
    body: (origin: Origin, agent: Agent) => Effect.Effect<void, DownloadError, Wire | Scope.Scope>
  ) =>
    it.scopedLive(title, () =>
      Effect.gen(function* () {
        const origin = yield* makeOrigin()
        const agent = yield* Effect.acquireRelease(
          Effect.sync(() => new Agent()),
          (agent) => Effect.promise(() => agent.destroy())
        )
        yield* Effect.scoped(Effect.provide(body(origin, agent), UndiciWire.layerWith(agent)))
        expect(agent.destroyed).toBe(false)
      })
    )

  withAgent("carries requests, holds back and fails like our own", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 32 << 20 })
      const activity = idle()
      const response = yield* get(origin.url("/a"), { activity })
      const sink = collector()
      sink.full = true
      const piping = yield* Effect.fork(response.pipe(sink))
      yield* meanwhile(origin)
      expect(activity.bytes).toBeLessThan(200_000)
      sink.full = false
      sink.onDrain()
      yield* Fiber.join(piping)
      expect(sha256(sink.bytes())).toBe(origin.content("/a").sha256(32 << 20))
      origin.set("/b", { cutAfter: 1000 })
      yield* fails(fetch(origin.url("/b")), "Truncated")
      origin.set("/c", [{ hangUp: "rst" }, {}])
      yield* fetch(origin.url("/c"))
    })
  )

  withAgent("is told to end a request, also one that is not on its way yet", (origin) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 64 << 20 })
      yield* Effect.scoped(get(origin.url("/a")))
      yield* origin.until(() => origin.requests[0]?.outcome === "aborted")
      const started = yield* Deferred.make<void>()
      const asking = yield* Effect.fork(
        Effect.scoped(Effect.zipRight(Deferred.succeed(started, undefined), get(origin.url("/bytes/1/b"))))
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(asking)
      yield* fetch(origin.url("/bytes/1/c"))
      expect(origin.requestsFor("/bytes/1/b")).toHaveLength(0)
    })
  )
})
