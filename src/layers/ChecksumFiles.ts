/**
 * Requests whose checksum stands in a file of this machine (SHA256SUMS and the like): the file is read when the request is
 * made, and its digest takes its place, so that neither a restart nor another engine depends on it. It is looked for under
 * the name asked for, then under the last segment of the URL; what a server will propose is not known yet.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { open } from "node:fs/promises"
import { resolve as resolvePath } from "node:path"
import { type Checksum, type ChecksumFile, isFile } from "../domain/Checksum.js"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import type { DownloadRequest } from "../domain/DownloadRequest.js"
import { parseUrl } from "../domain/DownloadRequest.js"
import { fromCode } from "../domain/FileError.js"
import { printable } from "../domain/Redaction.js"
import * as Sums from "../domain/Sums.js"

/** The whole file, if it is as short as such lists are. Fails with what is wrong, as a sentence without a full stop. */
const textOf = (path: string): Effect.Effect<string, string> =>
  Effect.acquireUseRelease(
    Effect.tryPromise(() => open(path, "r")),
    (file) =>
      Effect.tryPromise(async () => {
        if (!(await file.stat()).isFile()) return undefined
        const { buffer, bytesRead } = await file.read(Buffer.alloc(Sums.maxBytes + 1), 0)
        return buffer.subarray(0, bytesRead)
      }),
    (file) => Effect.promise(() => file.close())
  ).pipe(
    Effect.mapError(({ error }) => fromCode((error as NodeJS.ErrnoException).code, "read", path).message),
    Effect.flatMap((bytes) => {
      if (bytes === undefined) return Effect.fail(`${printable(path)} is not a regular file`)
      return bytes.length > Sums.maxBytes
        ? Effect.fail(
            `${printable(path)} has more than ${Sums.maxBytes} bytes: no list of checksums is so long`
          )
        : Effect.succeed(bytes.toString("utf8"))
    })
  )

/** Reads each file once, however many requests name it. Relative ones count from `directory`. */
export const reader = (directory = process.cwd()) => {
  const texts = new Map<string, Either.Either<string, string>>()

  const read = (file: string) =>
    Effect.gen(function* () {
      const path = resolvePath(directory, file)
      const text = texts.get(path) ?? (yield* Effect.either(textOf(path)))
      texts.set(path, text)
      return yield* text
    })

  /** The digest that the file has for a request. Fails with what is wrong, as a sentence without a full stop. */
  const find = (
    { algorithm, file }: ChecksumFile,
    { output, url }: Pick<DownloadRequest, "output" | "url">
  ): Effect.Effect<Checksum, string> =>
    Effect.flatMap(read(file), (text) =>
      Either.mapLeft(Sums.find(text, Sums.namesOf(output, url), algorithm, file), ({ detail }) => detail)
    )

  /** The request with the digest in place of the file. */
  const settle = (request: DownloadRequest): Effect.Effect<DownloadRequest, DownloadError> => {
    const checksum = request.options?.checksum ?? null
    if (!isFile(checksum)) return Effect.succeed(request)
    return Effect.flatMap(parseUrl(request.url), ({ href }) =>
      find(checksum, { output: request.output, url: href }).pipe(
        Effect.mapBoth({
          onFailure: (why) => makeError("InvalidRequest", `the option checksum: ${why}`),
          onSuccess: (found) => ({ ...request, options: { ...request.options, checksum: found } })
        })
      )
    )
  }

  return { find, settle }
}
