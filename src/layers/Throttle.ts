/**
 * A sink that lets a body pass at the pace of an engine (`Pace`): what may not pass yet waits here, and the Wire is held back
 * meanwhile. Chunks are handed on in pieces, as one of 64 KiB would be a burst of seconds at a low rate.
 *
 * Tricky interleavings: the Wire may be done while the last chunk still waits here, so whoever waits for the body waits for
 * `emptied` as well. What had come before a connection broke still passes, at its pace; what is left when the sink
 * itself has failed, or the exchange is given up, does not. A sink that is full is not served before it says so.
 */
import * as Effect from "effect/Effect"
import type { DownloadError } from "../domain/DownloadError.js"
import type { Activity, ByteSink } from "../services/Wire.js"
import type { Gate, Pace } from "./Pace.js"

export class Throttle implements ByteSink, Gate {
  onDrain: () => void = () => {}
  onFailure: (error: DownloadError) => void = () => {}
  readonly onExcess: () => void
  readonly flow: Gate["flow"]
  private readonly chunks: Array<Uint8Array> = []
  private bytes = 0
  /** The sink asked to be left alone. */
  private full = false
  /** The Wire was asked to hold back. */
  private holding = false
  private over = false
  private failure: DownloadError | undefined
  private resume: ((result: Effect.Effect<void, DownloadError>) => void) | undefined

  constructor(
    private readonly sink: ByteSink,
    private readonly pace: Pace,
    private readonly activity: Activity,
    readonly origin: string,
    flow: Gate["flow"]
  ) {
    this.flow = flow
    this.onExcess = () => sink.onExcess?.()
    sink.onDrain = () => {
      this.full = false
      if (this.bytes > 0) pace.wait(this)
      else this.goOn()
    }
    sink.onFailure = (error) => {
      this.drop(error)
      this.onFailure(error)
    }
  }

  readonly write = (chunk: Uint8Array): boolean => {
    if (this.over) return false
    if (this.bytes === 0 && !this.full && this.pace.pass(this, chunk.length)) {
      if (this.sink.write(chunk)) return true
      this.full = true
      return this.hold()
    }
    if (chunk.length > 0) {
      this.chunks.push(chunk)
      this.bytes += chunk.length
      this.activity.limited = (this.activity.limited ?? 0) + 1
      if (!this.full) this.pace.wait(this)
    }
    return this.hold()
  }

  private hold(): false {
    this.holding = true
    this.activity.holds = (this.activity.holds ?? 0) + 1
    return false
  }

  private goOn(): void {
    if (!this.holding) return
    this.holding = false
    this.onDrain()
  }

  readonly queued = (): number => (this.full || this.over ? 0 : this.bytes)

  readonly hand = (bytes: number): void => {
    let left = bytes
    while (left > 0 && !this.over) {
      const chunk = this.chunks[0]!
      const piece = chunk.length <= left ? chunk : chunk.subarray(0, left)
      if (piece === chunk) this.chunks.shift()
      else this.chunks[0] = chunk.subarray(left)
      left -= piece.length
      this.bytes -= piece.length
      if (!this.sink.write(piece)) this.full = true
    }
    if (this.over || this.bytes > 0) return
    this.resume?.(Effect.void)
    if (!this.full) this.goOn()
  }

  /** Whether nothing waits here. */
  get isEmpty(): boolean {
    return this.bytes === 0
  }

  /** Ends when nothing waits here any more, once the Wire has nothing more to give. */
  readonly emptied: Effect.Effect<void, DownloadError> = Effect.suspend(() =>
    this.failure !== undefined
      ? Effect.fail(this.failure)
      : this.isEmpty
        ? Effect.void
        : Effect.async<void, DownloadError>((resume) => {
            // no longer the server's silence
            this.activity.held = true
            this.resume = (result) => {
              this.resume = undefined
              this.activity.held = false
              resume(result)
            }
          })
  )

  /** Gives up what waits here; `emptied` fails with this. */
  drop(error: DownloadError): void {
    if (this.over) return
    this.over = true
    this.failure = error
    this.chunks.length = 0
    this.bytes = 0
    this.pace.leave(this)
    this.resume?.(Effect.fail(error))
  }
}
