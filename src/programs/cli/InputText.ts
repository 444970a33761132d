/**
 * The text of a list, from a file or from stdin, read to its end. What is no text is told from one that only has mistakes:
 * nobody should read a hundred complaints about the lines of an archive.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { createReadStream } from "node:fs"
import { resolve } from "node:path"
import type { Readable } from "node:stream"
import { UsageError } from "./Failures.js"
import type { Shape as Surroundings } from "./Surroundings.js"

/** A list is held in memory; this is about two million URLs. */
export const maxBytes = 256 * 1024 * 1024

const bad = (message: string, advice = "give a text file with one URL per line"): UsageError =>
  new UsageError({ reason: "BadInput", message, advice })

/** How people call it. */
export const nameOf = (input: string): string => (input === "-" ? "the list on stdin" : `the list ${input}`)

export const directory = (name: string): UsageError => bad(`${name} is a directory`)

/** Of an error of the stream that the list is read from. */
export const failed = (name: string, error: unknown, option = "--input"): UsageError => {
  const code = error instanceof Error && "code" in error ? error.code : undefined
  if (code === "ENOENT" || code === "ENOTDIR") return bad(`${name} is not there`, `check ${option}`)
  if (code === "EISDIR") return directory(name)
  const why = code ?? (error instanceof Error ? error.message : error)
  return bad(`${name} can't be read (${String(why)})`, "check its permissions")
}

/** What a list is instead of text. */
export type Wrong = readonly [why: string, advice?: string]

export const notUtf8: Wrong = ["is not UTF-8 text"]

/** What these bytes are, if they are no text; `first`: of the list. */
export const binary = (bytes: Uint8Array, first: boolean): Wrong | undefined => {
  const [one, two] = first ? bytes : []
  if (one === 0x1f && two === 0x8b)
    return ["is compressed", "uncompress it, for example: zcat FILE | sluice get --input -"]
  if ((one === 0xff && two === 0xfe) || (one === 0xfe && two === 0xff))
    return ["is UTF-16", "save it as UTF-8"]
  return bytes.includes(0) ? ["is not a text file"] : undefined
}

export const unreadable = (name: string, [why, advice]: Wrong): UsageError => bad(`${name} ${why}`, advice)

const ofLists = { maxBytes, option: "--input", tooLarge: "split it" }

/** All of a stream. Interruption lets go of it. */
export const collect = (
  name: string,
  open: () => Readable,
  limit = ofLists
): Effect.Effect<Buffer, UsageError> =>
  Effect.async((resume) => {
    const stream = open()
    const chunks: Array<Buffer> = []
    let length = 0
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= limit.maxBytes) return
      stream.destroy()
      resume(Effect.fail(bad(`${name} is larger than ${limit.maxBytes / 1024 ** 2} MiB`, limit.tooLarge)))
    })
    stream.on("end", () => resume(Effect.sync(() => Buffer.concat(chunks))))
    stream.on("error", (error) => resume(Effect.fail(failed(name, error, limit.option))))
    return Effect.sync(() => void stream.destroy())
  })

/** UTF-8, with or without a byte order mark; the left is a sentence. */
export const decode = (bytes: Uint8Array): Either.Either<string, Wrong> => {
  const wrong = binary(bytes, true)
  if (wrong !== undefined) return Either.left(wrong)
  // it leaves the mark out by itself
  return Either.mapLeft(
    Either.try(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
    () => notUtf8
  )
}

/** The text of the file, or of stdin for `-`. */
export const read = (
  input: string,
  { cwd, stdin }: Pick<Surroundings, "cwd" | "stdin">
): Effect.Effect<string, UsageError> => {
  const name = nameOf(input)
  return collect(name, input === "-" ? stdin : () => createReadStream(resolve(cwd, input))).pipe(
    Effect.flatMap((bytes) => Either.mapLeft(decode(bytes), (wrong) => unreadable(name, wrong)))
  )
}
