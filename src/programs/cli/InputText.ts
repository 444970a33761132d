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

/** All of a stream. Interruption lets go of it. */
const collect = (name: string, open: () => Readable): Effect.Effect<Buffer, UsageError> =>
  Effect.async((resume) => {
    const stream = open()
    const chunks: Array<Buffer> = []
    let length = 0
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= maxBytes) return
      stream.destroy()
      resume(Effect.fail(bad(`${name} is larger than ${maxBytes / 1024 ** 2} MiB`, "split it")))
    })
    stream.on("end", () => resume(Effect.sync(() => Buffer.concat(chunks))))
    stream.on("error", (error: NodeJS.ErrnoException) => {
      const { code } = error
      if (code === "ENOENT" || code === "ENOTDIR")
        resume(Effect.fail(bad(`${name} is not there`, "check --input")))
      else if (code === "EISDIR") resume(Effect.fail(bad(`${name} is a directory`)))
      else
        resume(Effect.fail(bad(`${name} can't be read (${code ?? error.message})`, "check its permissions")))
    })
    return Effect.sync(() => void stream.destroy())
  })

/** UTF-8, with or without a byte order mark; the left is a sentence. */
export const decode = (bytes: Uint8Array): Either.Either<string, readonly [why: string, advice?: string]> => {
  const [first, second] = bytes
  if (first === 0x1f && second === 0x8b)
    return Either.left(["is compressed", "uncompress it, for example: zcat FILE | sluice get --input -"])
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff))
    return Either.left(["is UTF-16", "save it as UTF-8"])
  if (bytes.includes(0)) return Either.left(["is not a text file"])
  // it leaves the mark out by itself
  return Either.mapLeft(
    Either.try(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes)),
    () => ["is not UTF-8 text"] as const
  )
}

/** The text of the file, or of stdin for `-`. */
export const read = (
  input: string,
  { cwd, stdin }: Pick<Surroundings, "cwd" | "stdin">
): Effect.Effect<string, UsageError> => {
  const name = nameOf(input)
  return collect(name, input === "-" ? stdin : () => createReadStream(resolve(cwd, input))).pipe(
    Effect.flatMap((bytes) => Either.mapLeft(decode(bytes), ([why, advice]) => bad(`${name} ${why}`, advice)))
  )
}
