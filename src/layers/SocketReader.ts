/**
 * Reads a socket for undici's parser: into large buffers, and only while nobody holds the server back. What undici does
 * with the bytes, and when to hold, are the business of others.
 *
 * Tricky interleavings: undici's parser is never paused (UndiciConnections says why): while held, `read` of the
 * socket returns nothing. Node then stops reading, but TLS may deliver what it has decrypted already, and the end of the
 * stream after it: these wait in `#arrived`, and the end is not looked for before that is empty.
 */
import type { OnReadOpts, Socket } from "node:net"
import { ReadBuffer } from "./ReadBuffer.js"

/** As long as HTTP/1.1. */
const versionLength = 8

const latin1 = (bytes: Uint8Array, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, end).toString("latin1")

export class SocketReader {
  #socket: Socket | undefined
  #held = false
  readonly #buffer = new ReadBuffer()
  readonly #arrived: Array<Uint8Array> = []
  /** The first bytes of the answer that is awaited, as far as they have come. */
  #beginning: string | undefined
  /** The parser gave back bytes that belong to no answer. */
  excess = false

  /** How the socket is to read: an option of net.connect and tls.connect. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#buffer.next(),
    callback: (count, buffer) => {
      this.#notice(buffer, count)
      this.#arrived.push(this.#buffer.take(count))
      this.#socket?.emit("readable")
      return !this.#held
    }
  }

  /**
   * To be called before anything can have arrived; `direct`: the socket was made with `onread`. One that speaks TLS was not: its
   * stream reads as streams do, and is held by not being asked.
   */
  attach(socket: Socket, direct: boolean): void {
    this.#socket = socket
    this.#held = false
    this.excess = false
    this.#arrived.length = 0
    // undici gives back what lies behind an answer that ends the connection; white space is what some servers add
    socket.unshift = (rest: Uint8Array) => {
      if (latin1(rest, rest.length).trim() !== "") this.excess = true
    }
    const read = socket.read.bind(socket)
    socket.read = (size) => {
      // a size of 0 is node's own: it asks for no bytes, but starts reading and tells the end
      if (size !== 0) {
        if (this.#held) return null
        const chunk: Uint8Array | null | undefined = direct ? this.#arrived.shift() : read()
        if (!direct && chunk) this.#notice(chunk, chunk.length)
        if (chunk || !direct) return chunk
      }
      return this.#arrived.length === 0 ? read(0) : null
    }
  }

  #notice(bytes: Uint8Array, count: number): void {
    if (this.#beginning === undefined || this.#beginning.length >= versionLength) return
    this.#beginning = (this.#beginning + latin1(bytes, Math.min(count, 64)))
      .trimStart()
      .slice(0, versionLength)
  }

  /** From now on, an answer is awaited. */
  expect(): void {
    this.#beginning = ""
  }

  /** The protocol and version that the answer begins with, as far as it has come. */
  get version(): string {
    return this.#beginning ?? ""
  }

  hold(): void {
    this.#held = true
  }

  /** Goes on, but not in this tick: the caller may be inside the parser of this or another connection. */
  resume(): void {
    if (!this.#held) return
    this.#held = false
    queueMicrotask(() => {
      if (!this.#held) this.#socket?.emit("readable")
    })
  }
}
