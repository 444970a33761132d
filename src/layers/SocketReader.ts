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

export class SocketReader {
  #socket: Socket | undefined
  #held = false
  #size = minBytes
  /** What is left of the buffer in use. */
  #rest: Uint8Array = new Uint8Array(0)
  readonly #arrived: Array<Uint8Array> = []

  /** How the socket is to read: an option of net.connect and tls.connect. */
  readonly onread: OnReadOpts = {
    buffer: () => {
      if (this.#rest.length < minRest) this.#rest = Buffer.allocUnsafeSlow(this.#size)
      return this.#rest
    },
    callback: (count, buffer) => {
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
    this.#arrived.length = 0
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

  /** Holds no longer, from within undici's parser, which reads on by itself. */
  letGo(): void {
    this.#held = false
  }
}
