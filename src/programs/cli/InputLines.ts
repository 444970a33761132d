/**
 * The lines of a list as they come, from a file or from stdin, in portions: a list of any length costs as much memory as a
 * portion. What is no text is told as InputText tells it.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { resolve } from "node:path"
import type { Readable } from "node:stream"
import type { UsageError } from "./Failures.js"
import * as InputFile from "./InputFile.js"
import * as InputText from "./InputText.js"
import type { Shape as Surroundings } from "./Surroundings.js"

type Place = Pick<Surroundings, "cwd" | "stdin">

/** Whether the list can be read twice; fails where there is none to be read. */
export const isRegular = (input: string, { cwd }: Place): Effect.Effect<boolean, UsageError> =>
  Effect.gen(function* () {
    if (input === "-") return false
    const name = InputText.nameOf(input)
    const facts = yield* Effect.tryPromise({
      try: () => stat(resolve(cwd, input)),
      catch: (error) => InputText.failed(name, error)
    })
    return facts.isDirectory() ? yield* InputText.directory(name) : facts.isFile()
  })

/** Splits text into lines as it comes; of a line without an end no more is kept than tells that it is too long. */
const splitter = () => {
  let rest = ""
  const keep = (text: string): string => text.slice(0, InputFile.maxLine + 1)
  return {
    next: (text: string): ReadonlyArray<string> => {
      const lines = text.split("\n")
      const last = lines.pop()!
      if (lines.length === 0) {
        rest = keep(rest + last)
        return lines
      }
      lines[0] = keep(rest + lines[0]!)
      rest = keep(last)
      return lines
    },
    end: (): ReadonlyArray<string> => (rest === "" ? [] : [rest])
  }
}

/** Bytes in, lines out. */
const lines = (name: string, bytes: Stream.Stream<Buffer, UsageError>): Stream.Stream<string, UsageError> =>
  Stream.suspend(() => {
    const decoder = new TextDecoder("utf-8", { fatal: true })
    const split = splitter()
    let first = true
    const decode = (chunk: Uint8Array, stream: boolean): Either.Either<string, InputText.Wrong> => {
      const wrong = InputText.binary(chunk, first)
      first = false
      return wrong === undefined
        ? Either.mapLeft(
            Either.try(() => decoder.decode(chunk, { stream })),
            () => InputText.notUtf8
          )
        : Either.left(wrong)
    }
    const orBad = Either.mapLeft((wrong: InputText.Wrong) => InputText.unreadable(name, wrong))
    const told = bytes.pipe(
      Stream.mapEffect((chunk) => orBad(decode(chunk, true))),
      Stream.map((text) => Chunk.unsafeFromArray(split.next(text))),
      Stream.flattenChunks
    )
    const last = Stream.unwrap(
      Effect.map(
        Effect.suspend(() => orBad(decode(new Uint8Array(), false))),
        (text) => Stream.fromIterable([...split.next(text), ...split.end()])
      )
    )
    return Stream.concat(told, last)
  })

/** How many lines at most are read at once, and how long one that has come may wait for others. */
export interface Portions {
  readonly lines: number
  readonly within: `${number} millis` | undefined
}

/** The list in portions; each holds what has been read of it since the last. */
export const portions = (
  input: string,
  { cwd, stdin }: Place,
  { lines: most, within }: Portions
): Stream.Stream<InputFile.List, UsageError> => {
  const name = InputText.nameOf(input)
  const open = (): Readable => (input === "-" ? stdin() : createReadStream(resolve(cwd, input)))
  return Stream.suspend(() => {
    const reader = InputFile.reader()
    const read = lines(
      name,
      Stream.fromAsyncIterable<Buffer, UsageError>(
        { [Symbol.asyncIterator]: () => open()[Symbol.asyncIterator]() },
        (error) => InputText.failed(name, error)
      )
    )
    // the end belongs to the last portion: a short list is checked as a whole
    const all = Stream.concat(read, Stream.make(undefined))
    const grouped = within === undefined ? Stream.grouped(all, most) : Stream.groupedWithin(all, most, within)
    return Stream.map(grouped, (group) => {
      for (const line of group) if (line !== undefined) reader.line(line)
      return reader.take(Chunk.unsafeLast(group) === undefined ? "end" : undefined)
    })
  })
}
