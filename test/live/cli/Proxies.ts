/**
 * Real proxies, of npm, that remember whom they were asked for; and one that says what a test wants it to.
 */
import { createServer as createSocksServer } from "@pondwader/socks5-server"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AddressInfo, Socket } from "node:net"
import { createServer } from "node:net"
import { Server } from "proxy-chain"

type ServerOptions = NonNullable<ConstructorParameters<typeof Server>[0]>

export interface Proxy {
  readonly url: (credentials?: string) => string
  /** `host:port` that it was to connect to; `http host:port` for a request that it was to forward. */
  readonly asked: Array<string>
}

export interface Credentials {
  readonly user: string
  readonly password: string
}

/** An HTTP proxy; with a certificate, reached by TLS. */
export const http = ({
  credentials,
  secure
}: {
  readonly credentials?: Credentials
  readonly secure?: { readonly key: string; readonly cert: string }
} = {}): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Proxy["asked"] = []
    const prepareRequestFunction: NonNullable<ServerOptions["prepareRequestFunction"]> = ({
      hostname,
      isHttp,
      password,
      port,
      username
    }) => {
      asked.push(`${isHttp ? "http " : ""}${hostname}:${port}`)
      return {
        requestAuthentication:
          credentials !== undefined && !(username === credentials.user && password === credentials.password)
      }
    }
    const common = { port: 0, host: "127.0.0.1", prepareRequestFunction }
    const server = new Server(
      secure === undefined ? common : { ...common, serverType: "https", httpsOptions: secure }
    )
    yield* Effect.acquireRelease(
      Effect.promise(() => server.listen()),
      () => Effect.promise(() => server.close(true))
    )
    const scheme = secure === undefined ? "http" : "https"
    return {
      asked,
      url: (who) => `${scheme}://${who === undefined ? "" : `${who}@`}127.0.0.1:${server.port}`
    }
  })

/** Serves connections on a port of its own until the end of the scope; how many there are. */
const listening = (
  serve: (socket: Socket) => void
): Effect.Effect<{ readonly port: number; readonly connections: () => number }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => {}).on("close", () => sockets.delete(socket))
      serve(socket)
    })
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
    )
    // an AddressInfo, as it listens on a port
    const { port } = server.address() as AddressInfo
    return { port, connections: () => sockets.size }
  })

/** A SOCKS5 proxy. */
export const socks = (credentials?: Credentials): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Proxy["asked"] = []
    const server = createSocksServer(
      credentials === undefined
        ? {}
        : { auth: { username: credentials.user, password: credentials.password } }
    )
    server.setRulesetValidator(({ destAddress, destPort }) => {
      asked.push(`${destAddress}:${destPort}`)
      return true
    })
    const { port } = yield* listening((socket) => void server._handleConnection(socket))
    return { asked, url: (who) => `socks5h://${who === undefined ? "" : `${who}@`}127.0.0.1:${port}` }
  })

export interface Odd extends Proxy {
  /** Connections at the moment. */
  readonly connections: () => number
}

/** Does with a connection what the test wants, once the first bytes have come. */
export const odd = (serve: (socket: Socket) => void): Effect.Effect<Odd, never, Scope.Scope> =>
  Effect.gen(function* () {
    const asked: Proxy["asked"] = []
    const { connections, port } = yield* listening((socket) => {
      socket.once("data", (head) => {
        asked.push(head.toString("latin1"))
        serve(socket)
      })
    })
    return { asked, connections, url: () => `http://127.0.0.1:${port}` }
  })
