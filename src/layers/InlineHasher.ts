/**
 * Digests computed by the engine itself: of bytes in memory, of small files, and of all files where there is nobody else to
 * do it. The disk is the seam's, so that a simulated one is read as well.
 *
 * Between two blocks everything else has its turn, and an interruption finds its way; the digest of a block takes well under a
 * millisecond (md5 and sha-512: about one).
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { createHash, type Hash } from "node:crypto"
import type { Algorithm } from "../domain/Checksum.js"
import * as DownloadError from "../domain/DownloadError.js"
import { sameFile } from "../domain/FileFacts.js"
import { type Hashed, Hasher, type Shape } from "../services/Hasher.js"
import type { Handle, Shape as Disk } from "../services/PartFile.js"

const blockBytes = 512 * 1024

/** By the names that node:crypto knows. */
export const nodeName: Readonly<Record<Algorithm, string>> = {
  "sha-256": "sha256",
  "sha-512": "sha512",
  "sha-1": "sha1",
  md5: "md5"
}

/** A system may forbid an algorithm by policy. */
export const forbidden = (algorithm: Algorithm): DownloadError.DownloadError =>
  DownloadError.make("InvalidRequest", `the option checksum: this system can't compute ${algorithm}`)

export const tooShort = (path: string, found: number, size: number): DownloadError.DownloadError =>
  DownloadError.make("DiskFailed", `${path} has ${found} bytes instead of ${size}`)

export const replaced = (path: string): DownloadError.DownloadError =>
  DownloadError.make("DiskFailed", `${path} was removed or replaced while it was being verified`)

const begin = (algorithms: ReadonlyArray<Algorithm>) =>
  Effect.forEach(algorithms, (algorithm) =>
    Effect.try({
      try: (): readonly [Algorithm, Hash] => [algorithm, createHash(nodeName[algorithm])],
      catch: () => forbidden(algorithm)
    })
  )

const end = (hashes: ReadonlyArray<readonly [Algorithm, Hash]>) =>
  new Map(hashes.map(([algorithm, hash]) => [algorithm, hash.digest("hex")]))

/** Of bytes in memory. */
export const ofChunks = (chunks: ReadonlyArray<Uint8Array>, algorithms: ReadonlyArray<Algorithm>) =>
  Effect.map(begin(algorithms), (hashes) => {
    for (const chunk of chunks) for (const [, hash] of hashes) hash.update(chunk)
    return end(hashes)
  })

const ofHandle = (handle: Handle, { path, size }: Hashed, algorithms: ReadonlyArray<Algorithm>) =>
  Effect.gen(function* () {
    const hashes = yield* begin(algorithms)
    const block = new Uint8Array(Math.min(size, blockBytes))
    for (let position = 0; position < size;) {
      const wanted = block.subarray(0, size - position)
      const read = yield* Effect.mapError(handle.readAt(wanted, position), DownloadError.fromFile)
      if (read === 0) return yield* tooShort(path, position, size)
      for (const [, hash] of hashes) hash.update(wanted.subarray(0, read))
      position += read
    }
    return end(hashes)
  })

export const make = (disk: Pick<Disk, "open">): Shape => ({
  digests: (file, algorithms) =>
    file.handle !== undefined
      ? ofHandle(file.handle, file, algorithms)
      : Effect.gen(function* () {
          const found = yield* Effect.mapError(disk.open(file.path), DownloadError.fromFile)
          if (Option.isNone(found) || !sameFile(found.value.identity, file.identity))
            return yield* replaced(file.path)
          return yield* ofHandle(found.value, file, algorithms)
        }).pipe(Effect.scoped)
})

/** Whoever computes digests for this engine. */
export const hasherFor = (disk: Pick<Disk, "open">): Effect.Effect<Shape> =>
  Effect.map(
    Effect.serviceOption(Hasher),
    Option.getOrElse(() => make(disk))
  )
