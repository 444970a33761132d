/**
 * What a server sends that nobody asked for, on a connection that is kept: it must not become the answer to the next
 * request. And heads at the very limit of their size.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import * as UndiciWire from "../../src/layers/UndiciWire.js"
import { Wire } from "../../src/services/Wire.js"
import { make as makeOrigin } from "./Origin.js"
import { selfSigned } from "./origin/Certificate.js"

const answer = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** Answers each request with its path, and remembers its connections. */
const echo = (more: (socket: Socket, path: string) => string = () => "") =>
  Effect.gen(function* () {
    const sockets: Array<Socket> = []
    const server = yield* Effect.acquireRelease(
      Effect.async<Server>((resume) => {
        const server = createServer((socket) => {
          sockets.push(socket)
          socket
            .on("error", () => {})
            .on("data", (data) => {
              const path = /^GET (\S+)/.exec(data.toString("latin1"))?.[1] ?? ""
              socket.write(answer(path) + more(socket, path))
            })
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    // an AddressInfo, as it listens on a port
    const { port } = server.address() as AddressInfo
    const fetch = (path: string) =>
      Effect.scoped(
        Effect.gen(function* () {
          const wire = yield* Wire
          const response = yield* wire.request({
            url: `http://127.0.0.1:${port}${path}`,
            headers: [],
            activity: { phase: "connecting", bytes: 0, held: false }
          })
          let text = ""
          yield* response.pipe({
            write: (chunk) => {
              text += Buffer.from(chunk).toString("latin1")
              return true
            },
            onDrain: () => {},
            onFailure: () => {}
          })
          return text
        })
      )
    return { fetch, sockets }
  })

/** Lets every socket have its turn a few times. */
const turns = (count: number): Effect.Effect<void> =>
  count === 0
    ? Effect.void
    : Effect.zipRight(
        Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))),
        Effect.suspend(() => turns(count - 1))
      )

describe("an answer that nobody asked for", () => {
  it.scopedLive("on an idle connection is not the next one's", () =>
    Effect.gen(function* () {
      const { fetch, sockets } = yield* echo()
      for (let round = 0; round < 20; round++) {
        expect(yield* fetch(`/good${round}`)).toBe(`/good${round}`)
        // the connection is idle now, or about to be
        sockets.at(-1)?.write(answer("evil"))
        yield* turns(round % 4)
      }
      expect(sockets.length).toBeGreaterThan(1)
    }).pipe(Effect.provide(UndiciWire.layer))
  )

  it.scopedLive("right behind another spoils that one, and goes nowhere", () =>
    Effect.gen(function* () {
      const { fetch, sockets } = yield* echo((_, path) => (path === "/a" ? answer("evil") : ""))
      for (const next of ["/b", "/c"]) {
        const error = yield* Effect.flip(fetch("/a"))
        expect(error.reason).toBe("ProtocolViolation")
        expect(error.detail).toContain("more than it had announced")
        expect(yield* fetch(next)).toBe(next)
      }
      expect(sockets.length).toBe(3)
    }).pipe(Effect.provide(UndiciWire.layer))
  )
})

describe("a head", () => {
  const withFields = (bytes: number) =>
    Effect.gen(function* () {
      const name = "X-A"
      const own = "Content-Length".length + "1".length
      const fields = `${name}: ${"x".repeat(bytes - own - name.length)}\r\nContent-Length: 1\r\n`
      const server = yield* Effect.acquireRelease(
        Effect.async<Server>((resume) => {
          const server = createServer((socket) => {
            socket.on("error", () => {}).on("data", () => socket.end(`HTTP/1.1 200 OK\r\n${fields}\r\n!`))
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const wire = yield* Wire
      // an AddressInfo, as it listens on a port
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      return yield* wire.request({
        url,
        headers: [],
        activity: { phase: "connecting", bytes: 0, held: false }
      })
    })

  it.scopedLive("of just under 64 KiB of names and values is taken, of one byte more it is not", () =>
    Effect.gen(function* () {
      expect((yield* withFields(64 * 1024 - 1)).status).toBe(200)
      const error = yield* Effect.flip(withFields(64 * 1024))
      expect(error.reason).toBe("ProtocolViolation")
      expect(error.detail).toContain("longer than 64 KiB")
    }).pipe(Effect.provide(UndiciWire.layer))
  )
})

describe("a secure connection that is cut without a word", () => {
  for (const behaviour of [{}, { framing: "chunked" }] as const) {
    it.scopedLive(`is never the end of a body: ${JSON.stringify(behaviour)}`, () =>
      Effect.gen(function* () {
        const { cert, key } = selfSigned()
        const origin = yield* makeOrigin({ tls: { cert, key } })
        for (const cut of ["fin", "rst"] as const) {
          origin.set("/a", { size: 100_000, cutAfter: 50_000, cut, ...behaviour })
          const reading = Effect.scoped(
            Effect.gen(function* () {
              const wire = yield* Wire
              const response = yield* wire.request({
                url: origin.url("/a"),
                headers: [],
                activity: { phase: "connecting", bytes: 0, held: false }
              })
              yield* response.pipe({ write: () => true, onDrain: () => {}, onFailure: () => {} })
            })
          ).pipe(Effect.provide(UndiciWire.layerConfigured({ tls: { ca: cert } })))
          expect((yield* Effect.flip(reading)).reason).toMatch(/^(Truncated|ConnectionReset)$/)
        }
      })
    )
  }
})
