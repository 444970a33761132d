/**
 * Whether a whole part has the checksum asked for (PROMISES B4), before anything is done towards its final name. Fetching
 * it again and naming it are left to others.
 *
 * | step | durable after it | a restart |
 * |---|---|---|
 * | all bytes in the part | the last checkpoint; of a large file, all bytes | fetches the rest, if any, and verifies |
 * | digest computed | the same | verifies again: what was found is in no row |
 * | mismatch: Renounced committed (checkpoint 0, no validator) | nothing counts | starts at 0 |
 * | part cut to 0 | the same | the same: the row had given the bytes up before |
 * | last retry used up: part removed | the same | starts at 0; as the mismatch was not counted, it has one more try |
 * | Failed committed, its strike with it | the mismatch counts, whatever progress follows | starts at 0 when due, or has failed |
 * | match: Publishing committed | that this very checksum was verified | goes on with the name (Publisher) |
 *
 * Tricky interleavings: a checksum may be added to the row while its file is verified or just after. So `Publishing`
 * says what was verified, and is not recorded where the row asks for another (see `transition`); the worker
 * then verifies anew. Once `publishing` is recorded, none can be added any more. Hence a publication that a crash
 * has cut short never wants verifying again.
 *
 * The bytes are read back from the file, a block at a time: whatever order they came in, from however many tries, what is
 * verified is what will be published. Between two blocks everything else has its turn, and an interruption finds its
 * way; the digest of a block takes well under a millisecond (md5 and sha-512: about one).
 */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as Checksum from "../domain/Checksum.js"
import * as DownloadError from "../domain/DownloadError.js"
import { Renounced } from "../domain/Message.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Handle } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"

const blockBytes = 512 * 1024

/** By the names that node:crypto knows. */
const nodeName: Readonly<Record<Checksum.Algorithm, string>> = {
  "sha-256": "sha256",
  "sha-512": "sha512",
  "sha-1": "sha1",
  md5: "md5"
}

const hashOf = (algorithm: Checksum.Algorithm) =>
  Effect.try({
    try: () => createHash(nodeName[algorithm]),
    // a system may forbid an algorithm by policy
    catch: () =>
      DownloadError.make("InvalidRequest", `the option checksum: this system can't compute ${algorithm}`)
  })

/** The digest of the first `size` bytes, in hexadecimal. */
const digest = (part: Handle, size: number, algorithm: Checksum.Algorithm) =>
  Effect.gen(function* () {
    const hash = yield* hashOf(algorithm)
    const block = new Uint8Array(Math.min(size, blockBytes))
    for (let position = 0; position < size;) {
      const wanted = block.subarray(0, size - position)
      const read = yield* Effect.mapError(part.readAt(wanted, position), DownloadError.fromFile)
      if (read === 0) {
        return yield* DownloadError.make(
          "DiskFailed",
          `the part file has ${position} bytes instead of ${size}`
        )
      }
      hash.update(wanted.subarray(0, read))
      position += read
    }
    return hash.digest("hex")
  })

/** The same question about bytes in memory that are in no file yet: what is wrong with them, if anything. */
export const faultOf = (chunks: ReadonlyArray<Uint8Array>, checksum: Checksum.Checksum) =>
  Effect.map(hashOf(checksum.algorithm), (hash) => {
    for (const chunk of chunks) hash.update(chunk)
    return Checksum.fault(checksum, hash.digest("hex"))
  })

/**
 * Succeeds if the part's bytes have the checksum, or there is none to have. Else they are given up, durably, and this
 * fails with `ChecksumMismatch`.
 */
export const verify = (
  part: Handle,
  size: number,
  checksum: Checksum.Checksum | null,
  reporter: Reporter
): Effect.Effect<void, DownloadError.DownloadError | StoreError> =>
  Effect.gen(function* () {
    if (checksum === null) return
    reporter.gauge.state = "verifying"
    const fault = Checksum.fault(checksum, yield* digest(part, size, checksum.algorithm))
    if (fault === undefined) return
    yield* reporter.tell(Renounced())
    yield* Effect.mapError(part.truncate(0), DownloadError.fromFile)
    return yield* fault
  })

/** The same question about a file that has its name already. */
export const faultIn = (file: Handle, size: number, checksum: Checksum.Checksum) =>
  Effect.map(digest(file, size, checksum.algorithm), (found) => Checksum.fault(checksum, found))
