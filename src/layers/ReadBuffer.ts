/**
 * Memory for a socket's reads. Node's streams read 64 KiB at a time into a buffer made for that read; here a connection that
 * fills its buffer gets a larger one next: fewer system calls, allocations and rounds through the parser, while a small answer
 * still costs 64 KiB. A buffer is used until it is full, and what has been handed over is never written to again,
 * so whoever takes a chunk may keep it.
 */

/** Bytes of the first buffer; it doubles when one read fills it. */
const minBytes = 64 * 1024

/** The most that one read brings, and so the most that may still be delivered after a hold. */
const maxBytes = 512 * 1024

/** A rest smaller than this is not worth a system call: a new buffer is begun. */
const minRest = 16 * 1024

export class ReadBuffer {
  #size = minBytes
  /** What is left of the buffer in use. */
  #rest: Uint8Array = new Uint8Array(0)

  /** Where the next read goes. */
  next(): Uint8Array {
    if (this.#rest.length < minRest) this.#rest = Buffer.allocUnsafeSlow(this.#size)
    return this.#rest
  }

  /** What a read of `count` bytes has brought. */
  take(count: number): Uint8Array {
    const chunk = this.#rest.subarray(0, count)
    if (count === this.#rest.length) this.#size = Math.min(2 * this.#size, maxBytes)
    this.#rest = this.#rest.subarray(count)
    return chunk
  }
}
