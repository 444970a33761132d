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
import type { Kind } from "../domain/Pieces.js"
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

interface Stretch extends Pick<Hashed, "path" | "size"> {
  /** Where it begins. */
  readonly start: number
  /** As many bytes as the file must have. */
  readonly whole: number
}

const ofHandle = (
  handle: Handle,
  { path, size, start, whole }: Stretch,
  algorithms: ReadonlyArray<Algorithm>
) =>
  Effect.gen(function* () {
    const hashes = yield* begin(algorithms)
    const block = new Uint8Array(Math.min(size, blockBytes))
    for (let position = 0; position < size;) {
      const wanted = block.subarray(0, size - position)
      const read = yield* Effect.mapError(handle.readAt(wanted, start + position), DownloadError.fromFile)
      if (read === 0) return yield* tooShort(path, start + position, whole)
      for (const [, hash] of hashes) hash.update(wanted.subarray(0, read))
      position += read
    }
    return end(hashes)
  })

/** Each piece as a file of its own. */
const piecesOfHandle = (handle: Handle, { path, size }: Hashed, { algorithm, length }: Kind) =>
  Effect.gen(function* () {
    const found: Array<string> = []
    for (let start = 0; start < size; start += length) {
      const piece = { path, size: Math.min(length, size - start), start, whole: size }
      found.push((yield* ofHandle(handle, piece, [algorithm])).get(algorithm)!)
    }
    return found
  })

export const make = (disk: Pick<Disk, "open">): Shape => {
  const opened = <A>(
    file: Hashed,
    use: (handle: Handle) => Effect.Effect<A, DownloadError.DownloadError>
  ): Effect.Effect<A, DownloadError.DownloadError> =>
    file.handle !== undefined
      ? use(file.handle)
      : Effect.gen(function* () {
          const found = yield* Effect.mapError(disk.open(file.path, "read"), DownloadError.fromFile)
          if (Option.isNone(found) || !sameFile(found.value.identity, file.identity))
            return yield* replaced(file.path)
          return yield* use(found.value)
        }).pipe(Effect.scoped)
  return {
    digests: (file, algorithms) =>
      opened(file, (handle) => ofHandle(handle, { ...file, start: 0, whole: file.size }, algorithms)),
    pieces: (file, kind) => opened(file, (handle) => piecesOfHandle(handle, file, kind))
  }
}

/** Whoever computes digests for this engine. */
export const hasherFor = (disk: Pick<Disk, "open">): Effect.Effect<Shape> =>
  Effect.map(
    Effect.serviceOption(Hasher),
    Option.getOrElse(() => make(disk))
  )
