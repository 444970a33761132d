/**
 * Carries the records of one TLS connection between a socket and node's TLS, to know what node does not tell: whether the other
 * side has announced the end (close_notify, RFC 8446 section 6.1) or the connection was just cut. Where the end of the connection
 * is the end of the body, only an announced end completes it (RFC 9112 section 9.8); anybody on the way can send a FIN.
 *
 * It leaves connecting to Sockets, and what an end means for an exchange to UndiciConnections.
 *
 * Tricky interleavings: TLS decrypts whatever has come, also while nobody reads, and it is told of the FIN behind all of it. So an
 * announced end is known before the FIN is passed on, and an end that is not known by then never was announced. A socket that is
 * gone may have left records here: they are still passed on.
 *
 * Reads into large buffers (ReadBuffer), which makes this way as fast as node's own.
 */
import type { OnReadOpts, Socket } from "node:net"
import { Duplex } from "node:stream"
import { ReadBuffer } from "./ReadBuffer.js"
import { unannounced } from "./UndiciError.js"

export class TlsCarrier extends Duplex {
  #socket: Socket | undefined
  readonly #buffer = new ReadBuffer()
  /** The other side has ended the connection. */
  #isOver = false
  /** What its end is called where it was not announced. */
  #end: string = unannounced
  #cut: string | undefined

  constructor() {
    super({ allowHalfOpen: true })
  }

  /** How the socket is to read, if it is one of its own: an option of net.connect. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#buffer.next(),
    callback: (count) => this.push(this.#buffer.take(count))
  }

  /** The code of an error if the connection has ended without an announcement. Known when TLS has told its end. */
  get cut(): string | undefined {
    return this.#cut
  }

  /** To be called with the connected socket; `direct`: it reads by `onread`. */
  carry(socket: Socket, direct: boolean): void {
    this.#socket = socket
    if (!direct) {
      socket.on("data", (records: Uint8Array) => {
        if (!this.push(records)) socket.pause()
      })
    }
    socket.on("end", () => {
      this.#isOver = true
      // after a FIN the connection still has a peer, after a reset it has none
      if (socket.remoteAddress === undefined) this.#end = "ECONNRESET"
      this.push(null)
    })
    socket.on("error", (error) => this.destroy(error))
    socket.on("close", () => {
      if (!this.#isOver) this.destroy()
    })
  }

  /** To be called with what speaks TLS over this, before it can have read anything. */
  serve(secure: Socket): void {
    const push = secure.push.bind(secure)
    secure.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && this.readableEnded) this.#cut = this.#end
      return push(chunk, encoding)
    }
    secure.once("close", () => this.destroy())
  }

  override _read(): void {
    this.#socket?.resume()
  }

  override _write(chunk: Uint8Array, _: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket?.write(chunk, callback)
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#socket?.end(callback)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket?.destroy()
    callback(error)
  }
}
