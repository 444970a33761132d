/**
 * The calls of a simulated process into its kernel: each takes virtual time, takes effect at one instant within it, and is
 * answered at its end, unless the process dies before. A call in flight at a crash happens, or does not.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { fromCode, type FileError } from "../../src/domain/FileError.js"
import type { Inode } from "./Inode.js"
import type { Seeded } from "./Seeded.js"
import type { Simulator } from "./Simulator.js"

/** One call. `apply` does it and says how it went. */
export interface Call<A> {
  readonly label: string
  readonly path: string
  /** Virtual milliseconds; 0 is answered before the call returns. */
  readonly time: number
  readonly apply: () => Either.Either<A, FileError>
  /** What a crash in mid-call makes of it. @default done, or not, by even chance */
  readonly torn?: (random: Seeded) => void
}

interface InFlight {
  readonly process: number
  applied: boolean
  readonly tear: (random: Seeded) => void
}

export const error = (code: string, label: string, path: string): Either.Either<never, FileError> =>
  Either.left(fromCode(code, label, path))

export interface DiskWeather {
  /** Whether chance may still fail operations. */
  readonly rough: () => boolean
}

export class SystemCalls {
  /** True while no space is left. */
  full = false
  /** Files of which a write or a sync has failed. */
  readonly mishaps = new Set<Inode>()
  readonly random: Seeded
  private readonly inFlight = new Set<InFlight>()

  constructor(
    private readonly sim: Simulator,
    private readonly weather: DiskWeather
  ) {
    this.random = sim.random.fork("disk")
  }

  lives(process: number): boolean {
    return this.sim.lives(process)
  }

  /** Milliseconds: mostly short, sometimes nothing at all, seldom long. */
  latency(): number {
    const kind = this.random.next()
    return kind < 0.15 ? 0 : kind < 0.98 ? this.random.log(0.02, 4) : this.random.log(4, 150)
  }

  /** Whether chance makes an operation fail. */
  fails(probability: number): boolean {
    return this.weather.rough() && this.random.chance(probability)
  }

  /** What a file that changes now is stamped with: file systems stamp by the timer tick of 4 ms. In nanoseconds. */
  get stamp(): bigint {
    return BigInt(Math.floor(this.sim.now / 4)) * 4_000_000n
  }

  /** A call of the usual duration, as an effect. */
  brief<A>(
    process: number,
    label: string,
    path: string,
    apply: () => Either.Either<A, FileError>
  ): Effect.Effect<A, FileError> {
    return this.run(process, () => ({ label, path, time: this.latency(), apply }))
  }

  /** A call that answers by callback. A call from a dead process fails and does nothing. */
  start<A>(process: number, call: Call<A>, answer: (result: Either.Either<A, FileError>) => void): void {
    if (!this.sim.lives(process)) return answer(error("EIO", call.label, call.path))
    let result: Either.Either<A, FileError> | undefined
    const entry: InFlight = {
      process,
      applied: false,
      tear: call.torn ?? ((random) => void (random.chance(0.5) && call.apply()))
    }
    const take = (): Either.Either<A, FileError> => {
      if (!this.sim.lives(process)) return error("EIO", call.label, call.path)
      if (result === undefined) {
        entry.applied = true
        result = call.apply()
        const how = Either.isLeft(result) ? `: ${result.left.code}` : ""
        this.sim.note(`disk ${call.label} ${call.path}${how}`)
      }
      return result
    }
    if (call.time === 0) return answer(take())
    this.inFlight.add(entry)
    this.sim.after(call.time * this.random.next(), () => void take())
    this.sim.after(call.time, () => {
      const final = take()
      this.inFlight.delete(entry)
      answer(final)
    })
  }

  /** A call as an effect: uninterruptible once started, as the seam demands. */
  run<A>(process: number, call: () => Call<A>): Effect.Effect<A, FileError> {
    return Effect.uninterruptible(
      Effect.async<A, FileError>((resume) => this.start(process, call(), (result) => resume(result)))
    )
  }

  /** A process dies: each call in flight has happened, or half happened, or not. */
  crash(process: number): void {
    for (const call of this.inFlight) {
      if (call.process !== process) continue
      if (!call.applied) call.tear(this.random)
      this.inFlight.delete(call)
    }
  }
}
