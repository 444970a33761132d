/**
 * Connections of the live Wire: one undici Client, which is one socket, for one exchange at a time; afterwards kept
 * for the next exchange with the same origin. How many are used at once is the engine's business.
 *
 * Why not undici's Agent: an exchange must be able to end a connection that is still being made, to
 * insist on a new one after a stale one, and to hold the socket back without undici's `pause`. When a connection ends while
 * undici's parser is paused, undici 7 throws from a socket event, which ends the process, or loses the rest of a body
 * that has arrived completely. So the parser is never paused; instead nothing is read while held (SocketReader), and TCP
 * slows the server down.
 *
 * Tricky interleavings: a server may close an idle connection while a request is on its way; the exchange is told that
 * its connection was `reused` so that it can tell this from a server that hangs up.
 */
import type { Socket } from "node:net"
import type { Client, Dispatcher, buildConnector } from "undici"
import UndiciClient from "undici/lib/dispatcher/client.js"
import { authorization, choose, forwards, type Proxy } from "../domain/Proxy.js"
import { SocketReader } from "./SocketReader.js"
import { type Link, type Making, type Network, type Own, type SocketMaker, socketsOf } from "./Sockets.js"
import { isAlert, isMalformed, isReset } from "./UndiciError.js"

/** A connection while one exchange uses it. */
export interface Lease {
  /** The server may have closed it meanwhile: it was idle, or nothing is known about it. */
  readonly reused: boolean
  /** Sends the request, now or as soon as the connection is made. */
  readonly dispatch: (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => void
  /** Holds the server back; what one read has brought may still be delivered. */
  readonly hold: (controller: Dispatcher.DispatchController) => void
  readonly resume: (controller: Dispatcher.DispatchController) => void
  /**
   * Set when the other side broke the connection off, or TLS did not announce its end. undici ends a body without a length then
   * as if it were complete, and libuv may report the reset as a regular end.
   */
  readonly reset: () => Error | undefined
  /** What the answer begins with, such as HTTP/1.1; undefined where nothing is known about it. */
  readonly version: () => string | undefined
  /** Whether something came behind the end of the answer that is no white space. To be asked when the parser has returned. */
  readonly excess: () => boolean
  /** The exchange has ended as it should: the connection may be used again. */
  readonly release: () => void
  /** Ends the exchange and the connection at once, also when it is still being made. */
  readonly destroy: (controller: Dispatcher.DispatchController | undefined) => void
}

/** What a connection has to be like. */
export interface Wanted {
  /** It has not been used. */
  readonly fresh: boolean
  /** The caller may be identified by it. */
  readonly personal: boolean
}

/** Where leases come from. */
export type Connections = (origin: string, wanted: Wanted) => Lease

/** TLS sessions kept, the last of each origin. */
const maxSessions = 100

/** Idle connections kept, of all origins together. */
const maxIdle = 64

const clientOptions = {
  // all timeouts are the engine's
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: 30_000,
  keepAliveMaxTimeout: 120_000,
  pipelining: 1,
  maxHeaderSize: 64 * 1024
} satisfies Client.Options

/** A pool of the engine's own. Close it with `destroy`, which ends every connection at once and waits until they are gone. */
export class ConnectionPool {
  readonly #network: Network
  readonly #sockets: SocketMaker
  readonly #sessions = new Map<string, Buffer>()
  readonly #all = new Set<Connection>()
  /** Oldest first. */
  readonly #idle: Array<Connection> = []
  #closed = false

  constructor(network: Network) {
    this.#network = network
    this.#sockets = socketsOf(network)
  }

  readonly lease: Connections = (origin, { fresh, personal }) => {
    const identified = personal && this.#network.tls.identified !== undefined && origin.startsWith("https:")
    // what was made under a name is not for requests without one: neither connections nor sessions
    const key = identified ? `identified ${origin}` : origin
    // the one used last is the least likely to be stale
    for (let at = fresh ? -1 : this.#idle.length - 1; at >= 0; at--) {
      const idle = this.#idle[at]
      if (idle?.key !== key) continue
      this.#idle.splice(at, 1)
      return idle
    }
    const proxy = origin.startsWith("http:") ? choose(this.#network.proxies, origin) : undefined
    const forwarder = proxy !== undefined && forwards(proxy) ? proxy : undefined
    const connection = new Connection(origin, key, forwarder, {
      connect: ({ adopt, onread }, options, callback) =>
        this.#sockets({ adopt, onread, identified, session: this.#sessions.get(key) }, options, callback),
      session: (session) => this.#remember(key, session),
      released: () => {
        this.#idle.push(connection)
        if (this.#idle.length > maxIdle) void this.#idle[0]?.destroy()
      },
      disconnected: () => {
        if (this.#idle.includes(connection)) void connection.destroy()
      },
      unreachable: (hostname) => this.#network.resolver.forget(hostname),
      destroyed: () => {
        this.#all.delete(connection)
        const at = this.#idle.indexOf(connection)
        if (at !== -1) this.#idle.splice(at, 1)
      }
    })
    if (this.#closed) void connection.destroy()
    else this.#all.add(connection)
    return connection
  }

  #remember(key: string, session: Buffer): void {
    this.#sessions.delete(key)
    this.#sessions.set(key, session)
    const [oldest] = this.#sessions.keys()
    if (this.#sessions.size > maxSessions && oldest !== undefined) this.#sessions.delete(oldest)
  }

  async destroy(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#all].map((connection) => connection.destroy()))
  }
}

interface Pool {
  readonly connect: (
    own: Pick<Own, "adopt" | "onread">,
    options: buildConnector.Options,
    callback: buildConnector.Callback
  ) => Making
  readonly session: (session: Buffer) => void
  readonly released: () => void
  readonly disconnected: () => void
  readonly unreachable: (hostname: string) => void
  readonly destroyed: () => void
}

class Connection implements Lease {
  reused = false
  readonly #client: Client
  readonly #pool: Pool
  readonly #origin: string
  readonly #forwarder: Proxy | undefined
  #socket: Socket | undefined
  #making: Making | undefined
  readonly #reader = new SocketReader()
  #reset: Error | undefined

  constructor(
    origin: string,
    /** What it may be used for again: the same origin, under the same name. */
    readonly key: string,
    /** Requests are for a proxy to forward. */
    forwarder: Proxy | undefined,
    pool: Pool
  ) {
    this.#pool = pool
    this.#forwarder = forwarder
    this.#origin = origin
    this.#client = new UndiciClient(origin, {
      ...clientOptions,
      connect: (options, callback) => {
        let over = false
        const making = pool.connect(
          { adopt: (socket, link) => this.#adopt(socket, link), onread: this.#reader.onread },
          options,
          (...outcome) => {
            over = true
            this.#making = undefined
            if (outcome[0] !== null) pool.unreachable(options.hostname)
            callback(...outcome)
          }
        )
        if (!over) this.#making = making
      }
    })
    this.#client.on("disconnect", pool.disconnected)
  }

  dispatch(asked: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const options = this.#forwarder === undefined ? asked : this.#forwarded(asked, this.#forwarder)
    if (!this.reused) return this.#send(options, handler)
    // undici looks for bytes nobody asked for before it uses a connection again, but only at those that have been read:
    // from here on it does so after the loop has polled, and takes a new connection if there are any
    setImmediate(() => this.#send(options, handler))
  }

  /** In absolute-form (RFC 9112 section 3.2.2), with what is for the proxy alone. */
  #forwarded(options: Dispatcher.DispatchOptions, proxy: Proxy): Dispatcher.DispatchOptions {
    const credentials = authorization(proxy)
    return {
      ...options,
      path: `${this.#origin}${options.path}`,
      ...(credentials === undefined || !Array.isArray(options.headers)
        ? {}
        : { headers: [...options.headers, "proxy-authorization", credentials] })
    }
  }

  #send(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#reader.expect()
    this.#client.dispatch(options, handler)
  }

  hold(): void {
    this.#reader.hold()
  }

  resume(): void {
    this.#reader.resume()
  }

  reset(): Error | undefined {
    return this.#reset
  }

  version(): string {
    return this.#reader.version
  }

  excess(): boolean {
    // where the connection would have been kept, undici has torn it down over the beginning of another answer
    return this.#reader.excess || isMalformed(this.#socket?.errored)
  }

  release(): void {
    this.#reader.resume()
    this.reused = true
    this.#pool.released()
  }

  destroy(): Promise<void> {
    this.#pool.destroyed()
    // undici would only notice once the connection is made
    this.#making?.destroy()
    return this.#client.destroy()
  }

  #adopt(socket: Socket, { cut, isDirect }: Link): void {
    this.#socket = socket
    this.#reset = undefined
    this.#reader.attach(socket, isDirect)
    socket.on("session", this.#pool.session)
    // these run before undici's own listeners
    socket.on("error", (error) => {
      if (isReset(error) || isAlert(error)) this.#reset ??= error
    })
    socket.on("end", () => {
      this.#reset ??= cut()
    })
  }
}

/**
 * Leases over a dispatcher of the caller's, who sees to its life, its timeouts and its limits. What its sockets do is not
 * visible from here, so undici's own ways apply: see above for `pause`, and a reset ends a body without a length.
 */
export const leasesOf =
  (dispatcher: Dispatcher): Connections =>
  (origin) => ({
    reused: true,
    dispatch: (options, handler) => {
      dispatcher.dispatch({ ...options, origin }, handler)
    },
    hold: (controller) => controller.pause(),
    resume: (controller) => controller.resume(),
    reset: () => undefined,
    version: () => undefined,
    excess: () => false,
    release: () => {},
    destroy: (controller) => {
      if (controller !== undefined && !controller.aborted) controller.abort(new Error("given up"))
    }
  })
