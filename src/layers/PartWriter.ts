/**
 * The byte pump's lower half: a `ByteSink` that gathers body chunks and writes them to an open part file in batches, at
 * increasing positions, one write in flight at a time. It bounds what is in memory by asking the Wire to hold back, and it
 * knows how far the file really goes. Syncing, checkpoints and closing are left to the transfer program.
 *
 * Tricky interleavings
 * - A disk may call back before `writeAt` returns (the simulated one does), and a Wire may write from inside `onDrain`:
 *   everything that follows from an event is done by one loop (`advance`), which such calls only extend, so that
 *   the stack stays flat and there is never a second write in flight.
 * - `written` moves only when a write has called back. A sync issued at that moment covers it, whatever is queued.
 * - Bytes that no checkpoint covers yet are bounded too: where one takes long (a slow disk), the Wire is held back until it has
 *   been made, or a crash would cost more than was promised (PROMISES Q3).
 * - Before each write the file has to be at least as long as all writers of the part have made it (Extent). What it has to reach
 *   is noted before it is looked at, as others lengthen it meanwhile.
 * - `finish` ends the writer: a chunk that comes later is refused, so nothing is written to a handle that is being closed.
 */
import * as Effect from "effect/Effect"
import * as DownloadError from "../domain/DownloadError.js"
import { FileError } from "../domain/FileError.js"
import type { Handle } from "../services/PartFile.js"
import type { ByteSink } from "../services/Wire.js"
import { Extent } from "./Extent.js"

/** A write is issued once so many bytes (or `batchChunks` chunks) are queued. */
export const batchBytes = 256 * 1024

/** One write takes at most about so many bytes (it ends with the chunk that reaches it), so that the bound drains steadily. */
export const maxBatchBytes = 1024 * 1024

/** With so many bytes accepted and not yet written, the Wire is asked to pause; it may go on below half of it. */
export const maxHeldBytes = 4 * 1024 * 1024

/**
 * With so many bytes accepted since the last checkpoint, and that long ago, the Wire is asked to pause: what is on its way still
 * comes, and 8 MiB are the limit.
 */
export const maxUnrecorded = 8 * 1024 * 1024 - 512 * 1024

// A chunk costs memory of its own, however short: a body sent byte by byte is bounded by these.
const batchChunks = 1024
const maxHeldChunks = 16 * 1024

/** A sink into one part file. */
export interface PartWriter extends ByteSink {
  /** Up to here in the file, bytes have been accepted. */
  readonly position: number
  /** Up to here, their write has come back: what a sync issued now covers. At most `position`. */
  readonly written: number
  /** Up to here, a checkpoint covers them. */
  readonly record: (position: number) => void
  /**
   * Writes what has been accepted by now without waiting for a full batch, and ends when that much is written: so that a
   * slow transfer can be checkpointed. Fails with the first error. Uninterruptible.
   */
  readonly flush: Effect.Effect<void, FileError>
  /**
   * Writes what was accepted, refuses what comes later, and ends when no write is in flight: succeeds if all bytes up to
   * `position` are written, fails with the first error otherwise. Uninterruptible; may be run any number of times.
   */
  readonly finish: Effect.Effect<void, FileError>
}

type Resume = (result: Effect.Effect<void, FileError>) => void

class Writer implements PartWriter {
  onDrain: () => void = () => {}
  onFailure: (error: DownloadError.DownloadError) => void = () => {}

  written: number
  private recorded: number
  private queue: Array<Uint8Array> = []
  private queuedBytes = 0
  private inFlightBytes = 0
  private inFlightChunks = 0
  private holding = false
  private finishing = false
  private advancing = false
  private error: FileError | undefined = undefined
  private waiting: Array<Resume> = []
  /** Bytes up to here are written without waiting for a full batch. */
  private flushTo = 0
  private flushing: Array<{ readonly target: number; readonly resume: Resume }> = []

  constructor(
    private readonly handle: Handle,
    public position: number,
    private readonly gauge: { received: number } | undefined,
    private readonly isLate: () => boolean,
    private readonly extent: Extent
  ) {
    this.written = position
    this.recorded = position
  }

  readonly write = (chunk: Uint8Array): boolean => {
    if (this.error !== undefined || this.finishing) return false
    if (chunk.length > 0) {
      this.queue.push(chunk)
      this.queuedBytes += chunk.length
      this.position += chunk.length
      if (this.gauge !== undefined) this.gauge.received += chunk.length
      this.advance()
    }
    if (this.held(1)) this.holding = true
    return !this.holding
  }

  readonly record = (position: number): void => {
    this.recorded = position
    this.advance()
  }

  readonly flush: Effect.Effect<void, FileError> = Effect.uninterruptible(
    Effect.async<void, FileError>((resume) => {
      this.flushTo = this.position
      this.flushing.push({ target: this.position, resume })
      this.advance()
    })
  )

  readonly finish: Effect.Effect<void, FileError> = Effect.uninterruptible(
    Effect.async<void, FileError>((resume) => {
      this.finishing = true
      this.waiting.push(resume)
      this.advance()
    })
  )

  /** Whether this share of the bounds is reached by what was accepted and not yet written, or not yet recorded. */
  private held(share: number): boolean {
    return (
      this.position - this.written >= maxHeldBytes * share ||
      this.queue.length + this.inFlightChunks >= maxHeldChunks * share ||
      (this.position - this.recorded >= maxUnrecorded * share && this.isLate())
    )
  }

  private advance(): void {
    if (this.advancing) return
    this.advancing = true
    for (;;) {
      if (this.inFlightBytes === 0 && this.due()) this.issue()
      else if (this.holding && !this.finishing && this.error === undefined && !this.held(0.5)) {
        this.holding = false
        this.onDrain()
      } else break
    }
    this.advancing = false
    this.answerFlushes()
    if (this.waiting.length > 0 && this.inFlightBytes === 0) {
      const result = this.error === undefined ? Effect.void : Effect.fail(this.error)
      for (const resume of this.waiting.splice(0)) resume(result)
    }
  }

  private due(): boolean {
    if (this.queue.length === 0) return false
    return (
      this.finishing ||
      this.written < this.flushTo ||
      this.queuedBytes >= batchBytes ||
      this.queue.length >= batchChunks
    )
  }

  private answerFlushes(): void {
    if (this.flushing.length === 0) return
    const answered = this.flushing.filter(({ target }) => this.error !== undefined || this.written >= target)
    if (answered.length === 0) return
    this.flushing = this.flushing.filter((flush) => !answered.includes(flush))
    for (const { resume } of answered)
      resume(this.error === undefined ? Effect.void : Effect.fail(this.error))
  }

  private issue(): void {
    const batch = this.takeBatch()
    let bytes = 0
    for (const chunk of batch) bytes += chunk.length
    this.queuedBytes -= bytes
    this.inFlightBytes = bytes
    this.inFlightChunks = batch.length
    const done = (error: FileError | undefined): void => {
      this.inFlightBytes = 0
      this.inFlightChunks = 0
      if (error === undefined) {
        this.written += bytes
        this.extent.reached(this.written)
      } else this.fail(error)
      this.advance()
    }
    const reached = this.extent.end
    if (reached === 0) return this.handle.writeAt(batch, this.written, done)
    this.handle.size((size) => {
      const fault = size instanceof FileError ? size : this.extent.faultIn(size, reached)
      if (fault === undefined) this.handle.writeAt(batch, this.written, done)
      else done(fault)
    })
  }

  private takeBatch(): Array<Uint8Array> {
    if (this.queuedBytes <= maxBatchBytes) {
      const all = this.queue
      this.queue = []
      return all
    }
    let count = 0
    for (let bytes = 0; bytes < maxBatchBytes; count++) bytes += this.queue[count]!.length
    return this.queue.splice(0, count)
  }

  private fail(error: FileError): void {
    this.error = error
    this.queue = []
    this.queuedBytes = 0
    this.onFailure(DownloadError.fromFile(error))
  }
}

/**
 * A writer from `position` on. `gauge.received` grows with what is accepted. `isLate` tells whether the next checkpoint has
 * been waited for too long; by default, none is made. `extent` is of the part: all its writers share it.
 */
export const make = (
  handle: Handle,
  position: number,
  gauge?: { received: number },
  isLate: () => boolean = () => false,
  extent: Extent = new Extent(0, () => "the part file")
): PartWriter => new Writer(handle, position, gauge, isLate, extent)
