/**
 * One response on its way out: head, body in pieces at the pace the behaviour asks for, and the ways it can go wrong.
 * Counts the bytes that the kernel has really taken.
 */
import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import type { Behaviour } from "./Behaviour.js"
import type { Response } from "./Response.js"

/** What the origin remembers of a request. Mutable while the response is on its way. */
export interface Received {
  /** Of this path, from 1. */
  readonly number: number
  readonly method: string
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Partial<Record<string, string>>>
  /** The client's port: the same for requests on one connection. */
  readonly port: number
  status: number | undefined
  /** Body bytes that the kernel has taken. */
  sent: number
  outcome: "open" | "complete" | "cut" | "aborted"
}

const piece = 256 * 1024

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve()
    else socket.once("close", () => resolve())
  })

/** Resolves early when the socket closes. */
const pause = (socket: Socket, milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      socket.off("close", done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    socket.once("close", done)
  })

/** False when the socket is gone. */
const write = (socket: Socket, data: Buffer): Promise<boolean> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve(false)
    else socket.write(data, (error) => resolve(error === undefined || error === null))
  })

/** Resets at once. Node alone would send a FIN first, and a reader would see a regular end. */
export const reset = (socket: Socket): void => {
  // node has no such thing for TLS; this ends it without the alert that should come first
  if (socket instanceof TLSSocket) return void socket.destroy()
  socket.destroySoon = () => void socket.destroy()
  socket.resetAndDestroy()
}

export const end = async (socket: Socket, how: "fin" | "rst"): Promise<void> => {
  if (how === "rst") reset(socket)
  else socket.end()
  await closed(socket)
}

const sendHead = async (socket: Socket, behaviour: Behaviour, response: Response): Promise<boolean> => {
  const { announced, framing = "length", protocol = "1.1" } = behaviour
  const lines = [`HTTP/${protocol} ${response.status} Status`, `Date: ${new Date().toUTCString()}`]
  for (const [name, value] of response.headers) lines.push(`${name}: ${value}`)
  const hasBody = response.status !== 204 && response.status !== 304
  if (framing === "length" && hasBody) lines.push(`Content-Length: ${announced ?? response.body.length}`)
  if (framing === "chunked") lines.push("Transfer-Encoding: chunked")
  if (closes(behaviour)) lines.push("Connection: close")
  for (const [name, value] of behaviour.headers ?? []) lines.push(`${name}: ${value}`)
  const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`)
  if (behaviour.headPace === undefined) return write(socket, head)
  for (const byte of head) {
    if (!(await write(socket, Buffer.from([byte])))) return false
    await pause(socket, behaviour.headPace)
  }
  return !socket.destroyed
}

const closes = (behaviour: Behaviour): boolean =>
  behaviour.close === true || behaviour.framing === "close" || behaviour.protocol === "1.0"

/** Sends it all and settles `received.outcome`; `changed` is called whenever something about it is new. */
export const send = async (
  socket: Socket,
  received: Received,
  behaviour: Behaviour,
  response: Response,
  changed: () => void
): Promise<void> => {
  const { cut = "fin", cutAfter = Infinity, framing, rate, stallAfter = Infinity } = behaviour
  received.status = response.status
  const settle = (outcome: Received["outcome"]) => {
    received.outcome = outcome
    changed()
  }
  if (!(await sendHead(socket, behaviour, response))) return settle("aborted")
  const { length } = response.body
  while (received.sent < length) {
    const at = received.sent
    if (at >= cutAfter) {
      settle("cut")
      return end(socket, cut)
    }
    if (at >= stallAfter) {
      await closed(socket)
      return settle("aborted")
    }
    const step = Math.min(piece, rate === undefined ? piece : Math.max(1, Math.floor(rate / 50)))
    const to = Math.min(
      length,
      at + step,
      at < cutAfter ? cutAfter : length,
      at < stallAfter ? stallAfter : length
    )
    const data = response.body.slice(at, to)
    const framed =
      framing === "chunked"
        ? Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")])
        : data
    if (!(await write(socket, framed))) return settle("aborted")
    received.sent = to
    changed()
    if (rate !== undefined) await pause(socket, ((to - at) / rate) * 1000)
  }
  if (cutAfter <= length) {
    settle("cut")
    return end(socket, cut)
  }
  if (behaviour.unfinished === true || (behaviour.announced ?? 0) > length) {
    settle("cut")
    return end(socket, "fin")
  }
  if (framing === "chunked" && !(await write(socket, Buffer.from("0\r\n\r\n")))) return settle("aborted")
  settle("complete")
  if (closes(behaviour)) await end(socket, "fin")
}

/** Behaviours that are no response at all. True when there is nothing left to do on this connection. */
export const misbehave = async (
  socket: Socket,
  received: Received,
  behaviour: Behaviour,
  changed: () => void
): Promise<boolean> => {
  if (behaviour.delay !== undefined) await pause(socket, behaviour.delay)
  if (behaviour.silent === true) {
    await closed(socket)
    received.outcome = "aborted"
  } else if (behaviour.raw !== undefined) {
    await write(socket, Buffer.from(behaviour.raw, "latin1"))
    received.outcome = "complete"
    changed()
    if (behaviour.rawEnd !== "stays") await end(socket, behaviour.rawEnd ?? "fin")
  } else if (behaviour.hangUp !== undefined) {
    received.outcome = "cut"
    await end(socket, behaviour.hangUp)
  } else if (socket.destroyed) {
    received.outcome = "aborted"
  } else {
    return false
  }
  changed()
  return true
}
