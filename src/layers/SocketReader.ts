/**
 * Reads a socket for undici's parser: into large buffers, and only while nobody holds the server back. What undici does
 * with the bytes, and when to hold, are the business of others.
 *
 * Node's streams read 64 KiB at a time into a buffer made for that read. Here a connection that fills its buffer gets a larger
 * one next: fewer system calls, allocations and rounds through the parser; a small answer still costs 64 KiB.
 * A buffer is used until it is full, and what has been handed over is never written to again, so whoever takes
 * a chunk may keep it.
 *
 * Tricky interleavings: undici's parser is never paused (UndiciConnections says why): while held, `read` of the
 * socket returns nothing. Node then stops reading, but TLS may deliver what it has decrypted already, and the end of the
 * stream after it: these wait in `#arrived`, and the end is not looked for before that is empty.
 */
import type { OnReadOpts, Socket } from "node:net"

/** Bytes of the first buffer; it doubles when one read fills it. */
const minBytes = 64 * 1024

/** The most that one read brings, and so the most that may still be delivered after a hold. */
const maxBytes = 512 * 1024

/** A rest smaller than this is not worth a system call: a new buffer is begun. */
const minRest = 16 * 1024

/** As long as HTTP/1.1. */
const versionLength = 8

const latin1 = (bytes: Uint8Array, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, end).toString("latin1")

export class SocketReader {
  #socket: Socket | undefined
  #held = false
  #size = minBytes
  /** What is left of the buffer in use. */
  #rest: Uint8Array = new Uint8Array(0)
  readonly #arrived: Array<Uint8Array> = []
  /** The first bytes of the answer that is awaited, as far as they have come. */
  #beginning: string | undefined
  /** The parser gave back bytes that belong to no answer. */
  excess = false

  /** How the socket is to read: an option of net.connect and tls.connect. */
  readonly onread: OnReadOpts = {
    buffer: () => {
      if (this.#rest.length < minRest) this.#rest = Buffer.allocUnsafeSlow(this.#size)
      return this.#rest
    },
    callback: (count, buffer) => {
      if (this.#beginning !== undefined && this.#beginning.length < versionLength) {
        this.#beginning = (this.#beginning + latin1(buffer, Math.min(count, 64)))
          .trimStart()
          .slice(0, versionLength)
      }
      if (count === buffer.length) this.#size = Math.min(2 * this.#size, maxBytes)
      this.#arrived.push(buffer.subarray(0, count))
      this.#rest = buffer.subarray(count)
      this.#socket?.emit("readable")
      return !this.#held
    }
  }

  /** To be called with the socket that was made with `onread`, before anything can have arrived. */
  attach(socket: Socket): void {
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
        const chunk = this.#arrived.shift()
        if (chunk !== undefined) return chunk
      }
      return this.#arrived.length === 0 ? read(0) : null
    }
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
