/**
 * Makes the sockets of the live Wire: which addresses, through which proxy, and how TLS is spoken over them. What goes over a
 * socket, and when it is used again, is left to UndiciConnections; what is said to a proxy, to Tunnels.
 *
 * Layers, each over the one before: TCP to the host or the proxy; TLS to an https proxy; a tunnel, unless the proxy forwards
 * requests itself (an HTTP proxy, for an http URL); TLS to the host.
 *
 * Tricky interleavings: who gives up destroys the first layer, which takes the others with it; nobody is called back after that.
 */
import { type OnReadOpts, Socket, isIP } from "node:net"
import type { buildConnector } from "undici"
import connect from "undici/lib/core/connect.js"
import { choose, forwards, type Proxy, type Rules } from "../domain/Proxy.js"
import type { Resolver } from "./Resolver.js"
import type { Tls } from "./Tls.js"
import { TlsCarrier } from "./TlsCarrier.js"
import { establish, failed as proxyFailed } from "./Tunnels.js"
import { wrongFamily } from "./UndiciError.js"

/** How to reach others. */
export interface Network {
  readonly resolver: Resolver
  readonly tls: Tls
  /** Addresses of this family only; undefined for both (RFC 8305). */
  readonly family: 4 | 6 | undefined
  readonly proxies: Rules
}

/** What a socket itself does not tell. */
export interface Link {
  /** It reads by `onread`. */
  readonly isDirect: boolean
  /** To be asked at its end: whether the other side has broken the connection off, and how. */
  readonly cut: () => Error | undefined
}

/** What one connection has of its own. */
export interface Own {
  readonly onread: OnReadOpts
  /** Of an earlier connection to the same server, for a shorter handshake. */
  readonly session: Buffer | undefined
  /** The client certificate may be shown. */
  readonly identified: boolean
  /** Told of the socket before anything can have arrived, and before anybody else listens to it. */
  readonly adopt: (socket: Socket, link: Link) => void
}

/** A connection that is being made. */
export interface Making {
  /** Gives it up; nobody is called back any more. */
  readonly destroy: () => void
}

export type SocketMaker = (
  own: Own,
  options: buildConnector.Options,
  callback: buildConnector.Callback
) => Making

type Destination = buildConnector.Options
type Callback = buildConnector.Callback

const socketOf = (made: unknown): Socket | undefined => (made instanceof Socket ? made : undefined)

const failed = (code: string): Error => Object.assign(new Error(code), { code })

const withoutBrackets = (hostname: string): string => hostname.replace(/^\[(.*)\]$/, "$1")

/** After a FIN the connection still has a peer, after a reset it has none. */
const resetOf = (socket: Socket) => (): Error | undefined =>
  socket.remoteAddress === undefined ? failed("ECONNRESET") : undefined

/** How a carrier says that its connection has ended. */
const cutOf = (carrier: TlsCarrier) => (): Error | undefined =>
  carrier.cut === undefined ? undefined : failed(carrier.cut)

export const socketsOf = ({ family, proxies, resolver, tls }: Network): SocketMaker => {
  /** Connects by TCP; with `onread`, reading as it says. */
  const reach = (onread: OnReadOpts | undefined, to: Destination, callback: Callback): Socket | undefined => {
    const literal = isIP(withoutBrackets(to.hostname))
    if (family !== undefined && literal !== 0 && literal !== family) {
      process.nextTick(callback, failed(wrongFamily), null)
      return undefined
    }
    return socketOf(
      connect({
        lookup: resolver.lookup,
        ...(family === undefined ? { autoSelectFamily: true } : { family }),
        timeout: 0,
        ...(onread === undefined ? {} : { onread })
      })({ ...to, protocol: "http:" }, callback)
    )
  }

  /** Speaks TLS over what is carried. */
  const secure = (
    carrier: TlsCarrier,
    { identified, session }: Pick<Own, "identified" | "session">,
    to: Destination,
    callback: Callback
  ): Socket | undefined => {
    const connector = connect({
      allowH2: false,
      timeout: 0,
      maxCachedSessions: 0,
      session,
      ...((identified ? tls.identified : undefined) ?? tls.anonymous)
    })
    const socket = socketOf(connector({ ...to, httpSocket: carrier }, callback))
    if (socket !== undefined) carrier.serve(socket)
    return socket
  }

  /** TLS with the host asked for, over what is carried. */
  const finish = (carrier: TlsCarrier, own: Own, to: Destination, callback: Callback): void => {
    const socket = secure(carrier, own, to, callback)
    if (socket !== undefined) own.adopt(socket, { isDirect: false, cut: cutOf(carrier) })
  }

  const straight: SocketMaker = (own, to, callback) => {
    if (to.protocol === "https:") {
      const carrier = new TlsCarrier()
      const socket = reach(carrier.onread, { ...to, port: to.port || "443" }, (...outcome) => {
        if (outcome[0] !== null) return callback(...outcome)
        carrier.carry(outcome[1], true)
        finish(carrier, own, to, callback)
      })
      return { destroy: () => void socket?.destroy() }
    }
    const socket = reach(own.onread, to, callback)
    if (socket !== undefined) own.adopt(socket, { isDirect: true, cut: resetOf(socket) })
    return { destroy: () => void socket?.destroy() }
  }

  /** Over a connection to a proxy; `cut` is how that one says that it has ended. */
  const beyond = (
    proxy: Proxy,
    near: { readonly socket: Socket; readonly cut: () => Error | undefined },
    own: Own,
    to: Destination,
    callback: Callback
  ): void => {
    const isSecure = to.protocol === "https:"
    const { cut, socket } = near
    if (!isSecure && forwards(proxy)) {
      own.adopt(socket, { isDirect: false, cut })
      return callback(null, socket)
    }
    const port = Number(to.port || (isSecure ? "443" : "80"))
    const ask = (hostname: string): void =>
      establish(socket, proxy, { hostname, port }, (error) => {
        if (error !== null) return callback(error, null)
        if (isSecure) {
          const carrier = new TlsCarrier()
          carrier.carry(socket, false)
          return finish(carrier, own, to, callback)
        }
        own.adopt(socket, { isDirect: false, cut })
        callback(null, socket)
      })
    const hostname = withoutBrackets(to.hostname)
    if (proxy.scheme !== "socks5" || isIP(hostname) !== 0) return ask(hostname)
    resolver.lookup(hostname, family === undefined ? {} : { family }, (error, address) => {
      if (error === null && typeof address === "string") return ask(address)
      socket.destroy()
      callback(error ?? failed("ENOTFOUND"), null)
    })
  }

  const by =
    (proxy: Proxy): SocketMaker =>
    (own, to, callback) => {
      let isOver = false
      const once: Callback = (...outcome) => {
        if (isOver) return
        isOver = true
        callback(...outcome)
      }
      const { hostname } = proxy
      const { servername: _, ...more } = to
      const door = { ...more, protocol: "https:", hostname, host: hostname, port: String(proxy.port) }
      const missed = (error: Error): void => once(proxyFailed(proxy, error), null)
      const carrier = proxy.scheme === "https" ? new TlsCarrier() : undefined
      const socket = reach(carrier?.onread, door, (...outcome) => {
        if (outcome[0] !== null) return missed(outcome[0])
        const [, made] = outcome
        if (carrier === undefined) return beyond(proxy, { socket: made, cut: resetOf(made) }, own, to, once)
        carrier.carry(made, true)
        // the proxy is shown no client certificate: that is for hosts
        secure(carrier, { identified: false, session: undefined }, door, (...secured) => {
          if (secured[0] !== null) return missed(secured[0])
          beyond(proxy, { socket: secured[1], cut: cutOf(carrier) }, own, to, once)
        })
      })
      return {
        destroy: () => {
          isOver = true
          socket?.destroy()
        }
      }
    }

  return (own, to, callback) => {
    const proxy = choose(proxies, `${to.protocol}//${to.host}`)
    return (proxy === undefined ? straight : by(proxy))(own, to, callback)
  }
}
