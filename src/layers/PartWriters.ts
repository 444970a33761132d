/**
 * The writers of one part: one for each connection, each at its own place, and what they and earlier ones have brought
 * together. Which of it counts, and what is recorded of it, is left to PartSession.
 */
import * as Effect from "effect/Effect"
import * as Coverage from "../domain/Coverage.js"
import type { FileError } from "../domain/FileError.js"
import type { Brought } from "../domain/Pieces.js"
import type { PartWriter } from "./PartWriter.js"

/** One at work, and where it began. */
interface Writing {
  readonly start: number
  readonly writer: PartWriter
  readonly source: string
}

export class PartWriters {
  private readonly writing = new Set<Writing>()

  /** Whose bytes are where, of what is settled and as far as it is known. */
  private readonly sources = new Map<string, Coverage.Coverage>()

  /** `settled`: what is held for certain, where writers have ended. `source`: who has brought that, where it was one alone. */
  constructor(
    private settled: Coverage.Coverage,
    source?: string
  ) {
    if (source !== undefined) this.sources.set(source, settled)
  }

  add(start: number, writer: PartWriter, source: string): void {
    this.writing.add({ start, writer, source })
  }

  /** @see {@link Brought} */
  get brought(): Brought {
    return [...this.sources]
  }

  /** Nothing that was brought counts any more. */
  clear(): void {
    this.writing.clear()
    this.sources.clear()
    this.settled = Coverage.empty
  }

  private with(reached: (writer: PartWriter) => number): Coverage.Coverage {
    let all = this.settled
    for (const { start, writer } of this.writing) all = Coverage.add(all, start, reached(writer))
    return all
  }

  /** With all that has been accepted. */
  get accepted(): Coverage.Coverage {
    return this.with(({ position }) => position)
  }

  /** With all whose write has come back: what a sync issued now covers. */
  get written(): Coverage.Coverage {
    return this.with(({ written }) => written)
  }

  /** Tells the writers, once it is so, that a checkpoint covers what is written now. */
  mark(): () => void {
    const marks = Array.from(this.writing, ({ writer }) => [writer, writer.written] as const)
    return () => {
      for (const [writer, position] of marks) writer.record(position)
    }
  }

  /** Ends one, and takes what it has written as held: so many bytes. */
  settle(writer: PartWriter): Effect.Effect<number, FileError> {
    return Effect.flatMap(Effect.exit(writer.finish), (exit) => {
      for (const one of this.writing) {
        if (one.writer !== writer) continue
        this.writing.delete(one)
        const own = this.sources.get(one.source) ?? Coverage.empty
        this.sources.set(one.source, Coverage.add(own, one.start, writer.written))
        // also where it has failed: what it had accepted beyond that is nowhere
        this.settled = Coverage.add(this.settled, one.start, writer.written)
        return Effect.as(exit, writer.written - one.start)
      }
      return Effect.as(exit, 0)
    })
  }

  /** Writes what has been accepted by now. */
  readonly flush: Effect.Effect<void, FileError> = Effect.suspend(() =>
    Effect.forEach(this.writing, ({ writer }) => writer.flush, { concurrency: "unbounded", discard: true })
  )

  /** Ends all, whatever becomes of what they had accepted. */
  readonly finish: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(this.writing, ({ writer }) => Effect.ignore(writer.finish), {
      concurrency: "unbounded",
      discard: true
    })
  )
}
