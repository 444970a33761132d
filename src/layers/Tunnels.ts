/**
 * Asks a proxy, over a connection that has been made to it, to connect to somebody else: by CONNECT (RFC 9110 section 9.3.6), or by
 * SOCKS5 (RFC 1928, 1929; the library's). What follows on the same socket is between us and the other side.
 *
 * It leaves connecting to the proxy to Sockets, which also gives up on time: whoever destroys the socket ends this.
 *
 * Tricky interleavings: a proxy may send what the other side says in the same packet as its own answer; this is put back.
 */
import type * as Http from "node:http"
import type { Socket } from "node:net"
import { isIP } from "node:net"
import * as Redacted from "effect/Redacted"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import { authorization, nameOf, type Proxy } from "../domain/Proxy.js"
import { ProxyError } from "./ProxyError.js"
import { toDownloadError } from "./UndiciError.js"

/** Whom the proxy is to connect to: a name or an address, IPv6 without brackets. */
export interface Target {
  readonly hostname: string
  readonly port: number
}

export type Outcome = (error: Error | null) => void

/**
 * Milliseconds. The library wants a bound of its own, and keeps the socket in memory for so long; the one that counts is the engine's.
 */
const socksTimeout = 300_000

/** What happened to the connection to the proxy. */
export const failed = (proxy: Proxy, error: unknown): ProxyError => {
  if (error instanceof ProxyError) return error
  const { detail, reason } = toDownloadError(error, `the proxy ${nameOf(proxy)}`, "connecting")
  const said = detail.replace("the host name the proxy", "the name of the proxy")
  // without a network, no proxy is to blame
  return new ProxyError(makeError(reason === "Offline" ? reason : "ProxyFailed", said))
}

const refused = (proxy: Proxy, { hostname, port }: Target, status: number): ProxyError => {
  const name = nameOf(proxy)
  if (status === 407)
    return new ProxyError(
      makeError(
        "ProxyRefused",
        proxy.credentials === undefined
          ? `the proxy ${name} wants credentials`
          : `the proxy ${name} does not accept the credentials given for it`,
        { status }
      )
    )
  const what = `the proxy ${name} answered ${status} to the wish for a connection to ${hostname}:${port}`
  // what it says of the other side may pass (RFC 9110 section 15.6); what it says of the wish will not
  return new ProxyError(
    makeError(status >= 500 || status === 429 ? "ProxyFailed" : "ProxyRefused", what, { status })
  )
}

const connect = async (socket: Socket, proxy: Proxy, target: Target, done: Outcome): Promise<void> => {
  const { request } = await import("node:http")
  if (socket.destroyed) return done(failed(proxy, Object.assign(new Error("closed"), { code: "ECONNRESET" })))
  const { hostname, port } = target
  const host = `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`
  const credentials = authorization(proxy)
  const options: Http.RequestOptions = {
    method: "CONNECT",
    path: host,
    headers: { host, ...(credentials === undefined ? {} : { "proxy-authorization": credentials }) },
    createConnection: () => socket
  }
  request(options)
    .on("connect", ({ statusCode = 0 }, _, early: Buffer) => {
      if (statusCode < 200 || statusCode > 299) return done(refused(proxy, target, statusCode))
      if (early.length > 0) socket.unshift(early)
      done(null)
    })
    // it takes the wish for an ordinary request
    .on("response", ({ statusCode = 0 }) => done(refused(proxy, target, statusCode)))
    .on("error", (error) =>
      done(
        "code" in error && String(error.code).startsWith("HPE_")
          ? new ProxyError(
              makeError(
                "ProxyFailed",
                `the answer of the proxy ${nameOf(proxy)} is not valid HTTP/1.1 (${String(error.code)})`
              )
            )
          : failed(proxy, error)
      )
    )
    .end()
}

const socks = async (socket: Socket, proxy: Proxy, target: Target, done: Outcome): Promise<void> => {
  const { SocksClient } = await import("socks")
  const { password, user } =
    proxy.credentials === undefined
      ? { user: undefined, password: undefined }
      : Redacted.value(proxy.credentials)
  try {
    // it resumes the socket at the end of this turn of the loop; by then somebody listens
    await SocksClient.createConnection({
      command: "connect",
      existing_socket: socket,
      timeout: socksTimeout,
      proxy: {
        type: 5,
        host: proxy.hostname,
        port: proxy.port,
        ...(user === undefined ? {} : { userId: user, password })
      },
      destination: { host: target.hostname, port: target.port }
    })
  } catch (error) {
    return done(new ProxyError(unsocked(proxy, target, error)))
  }
  done(null)
}

/** By the words of the library, which has no codes. */
const unsocked = (proxy: Proxy, { hostname, port }: Target, error: unknown): DownloadError => {
  const said = error instanceof Error ? error.message : String(error)
  const name = nameOf(proxy)
  if (/authentication/i.test(said))
    return makeError(
      "ProxyRefused",
      proxy.credentials === undefined
        ? `the proxy ${name} wants credentials`
        : `the proxy ${name} does not accept the credentials given for it`
    )
  if (/NotAllowed/.test(said))
    return makeError("ProxyRefused", `the proxy ${name} does not allow connections to ${hostname}:${port}`)
  if (/ConnectionRefused/.test(said))
    return makeError(
      "ConnectionRefused",
      `${hostname}:${port} refused the connection, says the proxy ${name}`
    )
  if (/(Host|Network)Unreachable/.test(said))
    return makeError("Network", `${hostname}:${port} can't be reached, says the proxy ${name}`)
  return makeError(
    "ProxyFailed",
    `the proxy ${name} did not connect to ${hostname}:${port} (${said.slice(0, 120)})`
  )
}

/** Calls back once: then the socket is one to the target, or there is none. */
export const establish = (socket: Socket, proxy: Proxy, target: Target, done: Outcome): void => {
  let isOver = false
  const once: Outcome = (error) => {
    if (isOver) return
    isOver = true
    if (error !== null) socket.destroy()
    done(error)
  }
  const asked = proxy.scheme === "http" || proxy.scheme === "https" ? connect : socks
  asked(socket, proxy, target, once).catch((error: unknown) => once(failed(proxy, error)))
}
