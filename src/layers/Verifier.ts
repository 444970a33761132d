/**
 * Whether a whole part has the checksum asked for and the digest that the server announced (PROMISES B4), before anything is done towards its final name. Fetching
 * it again, naming it, and how digests are computed are left to others.
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
 * The bytes are read back from the file: whatever order they came in, from however many tries, what is verified is what will
 * be published.
 */
import * as Effect from "effect/Effect"
import type { Algorithm } from "../domain/Checksum.js"
import * as Checksum from "../domain/Checksum.js"
import type { Digest } from "../domain/Digest.js"
import * as DownloadError from "../domain/DownloadError.js"
import { Renounced } from "../domain/Message.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Digests, Shape as Hasher } from "../services/Hasher.js"
import type { Handle } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"
import { ofChunks } from "./InlineHasher.js"

/** What a file has to have: as the caller says, and as the server does. Both have to hold. */
export interface Wanted {
  readonly checksum: Checksum.Checksum | null
  readonly digest: Digest | undefined
}

/** Of which algorithms the digests are needed. */
const algorithmsOf = ({ checksum, digest }: Wanted): ReadonlyArray<Algorithm> => [
  ...new Set([checksum, digest].flatMap((one) => (one === null || one === undefined ? [] : [one.algorithm])))
]

const faultIn = ({ checksum, digest }: Wanted, found: Digests): DownloadError.DownloadError | undefined => {
  const wrong = checksum === null ? undefined : Checksum.fault(checksum, found.get(checksum.algorithm)!)
  if (wrong !== undefined || digest === undefined) return wrong
  return Checksum.fault(
    digest,
    found.get(digest.algorithm)!,
    `which the server itself announced (${digest.field})`
  )
}

/** What is wrong with bytes in memory that are in no file yet, if anything. */
export const faultOf = (chunks: ReadonlyArray<Uint8Array>, wanted: Wanted) =>
  Effect.map(ofChunks(chunks, algorithmsOf(wanted)), (found) => faultIn(wanted, found))

/** A whole part. */
export interface Part {
  readonly handle: Handle
  readonly path: string
  readonly size: number
}

export const make = (hasher: Hasher) => ({
  /** What is wrong with a file that has its name already. */
  faultIn: ({ handle, path, size }: Part, checksum: Checksum.Checksum) =>
    Effect.map(
      hasher.digests({ path, size, handle, identity: handle.identity }, [checksum.algorithm]),
      (found) => faultIn({ checksum, digest: undefined }, found)
    ),
  /**
   * Succeeds if the part's bytes have what is wanted, or that is nothing. Else they are given up, durably, and this fails with
   * `ChecksumMismatch`.
   */
  verify: (
    { handle, path, size }: Part,
    wanted: Wanted,
    reporter: Reporter
  ): Effect.Effect<void, DownloadError.DownloadError | StoreError> =>
    Effect.gen(function* () {
      const algorithms = algorithmsOf(wanted)
      if (algorithms.length === 0) return
      reporter.gauge.state = "verifying"
      const found = yield* hasher.digests({ path, size, handle, identity: handle.identity }, algorithms)
      const fault = faultIn(wanted, found)
      if (fault === undefined) return
      yield* reporter.tell(Renounced())
      yield* Effect.mapError(handle.truncate(0), DownloadError.fromFile)
      return yield* fault
    })
})

export type Verifier = ReturnType<typeof make>
