/**
 * Makes the sockets of the live Wire: which addresses, and how TLS is spoken over them. What goes over a socket, and when it
 * is used again, is left to UndiciConnections.
 */
import { type OnReadOpts, Socket, isIP } from "node:net"
import type { buildConnector } from "undici"
import connect from "undici/lib/core/connect.js"
import type { Resolver } from "./Resolver.js"
import type { Tls } from "./Tls.js"
import { TlsCarrier } from "./TlsCarrier.js"
import { wrongFamily } from "./UndiciError.js"

/** How to reach others. */
export interface Network {
  readonly resolver: Resolver
  readonly tls: Tls
  /** Addresses of this family only; undefined for both (RFC 8305). */
  readonly family: 4 | 6 | undefined
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

export const socketsOf = ({ family, resolver, tls }: Network): SocketMaker => {
  /** Connects by TCP, reading as `onread` says. */
  const reach = (onread: OnReadOpts, to: Destination, callback: Callback): Socket | undefined =>
    socketOf(
      connect({
        lookup: resolver.lookup,
        ...(family === undefined ? { autoSelectFamily: true } : { family }),
        timeout: 0,
        onread
      })({ ...to, protocol: "http:" }, callback)
    )

  /** Speaks TLS over what is carried. */
  const secure = (carrier: TlsCarrier, own: Own, to: Destination, callback: Callback): void => {
    const { adopt, identified, session } = own
    const connector = connect({
      allowH2: false,
      timeout: 0,
      maxCachedSessions: 0,
      session,
      ...((identified ? tls.identified : undefined) ?? tls.anonymous)
    })
    const socket = socketOf(connector({ ...to, httpSocket: carrier }, callback))
    if (socket === undefined) return
    carrier.serve(socket)
    adopt(socket, {
      isDirect: false,
      cut: () => (carrier.cut === undefined ? undefined : failed(carrier.cut))
    })
  }

  const securely = (own: Own, to: Destination, callback: Callback): Making => {
    const carrier = new TlsCarrier()
    const port = to.port || "443"
    const socket = reach(carrier.onread, { ...to, port }, (...outcome) => {
      if (outcome[0] !== null) return callback(...outcome)
      carrier.carry(outcome[1], true)
      secure(carrier, own, to, callback)
    })
    return { destroy: () => void socket?.destroy() }
  }

  const plainly = (own: Own, to: Destination, callback: Callback): Making => {
    const socket = reach(own.onread, to, callback)
    // after a FIN the connection still has a peer, after a reset it has none
    if (socket !== undefined)
      own.adopt(socket, {
        isDirect: true,
        cut: () => (socket.remoteAddress === undefined ? failed("ECONNRESET") : undefined)
      })
    return { destroy: () => void socket?.destroy() }
  }

  return (own, to, callback) => {
    const literal = isIP(to.hostname.replace(/^\[(.*)\]$/, "$1"))
    if (family !== undefined && literal !== 0 && literal !== family) {
      process.nextTick(callback, failed(wrongFamily), null)
      return { destroy: () => {} }
    }
    return to.protocol === "https:" ? securely(own, to, callback) : plainly(own, to, callback)
  }
}
