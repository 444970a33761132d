/**
 * Whether a whole part has the size and checksum asked for and the digest that the server announced (PROMISES B4), before anything is done towards its
 * final name. Fetching it again, naming it, and how digests are computed are left to others; where digests of its pieces are known, so is
 * giving up only the wrong ones (Repair).
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
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { Renounced } from "../domain/Message.js"
import type { Brought, Pieces } from "../domain/Pieces.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Digests, Shape as Hasher } from "../services/Hasher.js"
import type { Handle } from "../services/PartFile.js"
import type { Reporter } from "../services/Transport.js"
import { ofChunks } from "./InlineHasher.js"
import type { Part, Repair } from "./Repair.js"

type Failures = DownloadError.DownloadError | StoreError

/** What a file has to have: as the caller says, and as the server does. Both have to hold. */
export interface Wanted {
  readonly checksum: Checksum.Checksum | null
  readonly digest: Digest | undefined
}

/** Of which algorithms the digests are needed. */
const algorithmsOf = ({ checksum, digest }: Wanted): ReadonlyArray<Algorithm> => [
  ...new Set([checksum, digest].flatMap((one) => (one === null || one === undefined ? [] : [one.algorithm])))
]

/** What is wrong with a file of a length that nobody has announced. */
const sizeFault = (expected: number | null, size: number): DownloadError.DownloadError | undefined =>
  expected === null || expected === size
    ? undefined
    : DownloadError.make("ChecksumMismatch", `it has ${size} bytes instead of ${expected}`)

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

/** Where the digests of the pieces come from, and who has brought the bytes. */
export interface Piecewise {
  readonly download: Download
  readonly pieces: Effect.Effect<Pieces, Failures>
  readonly brought: Brought
}

export const make = (hasher: Hasher, repair: Repair) => {
  const renounced = (handle: Handle, reporter: Reporter) =>
    Effect.zipRight(reporter.tell(Renounced()), Effect.mapError(handle.truncate(0), DownloadError.fromFile))

  const digests = ({ handle, path, size }: Part, algorithms: ReadonlyArray<Algorithm>) =>
    algorithms.length === 0
      ? Effect.succeed<Digests>(new Map())
      : hasher.digests({ path, size, handle, identity: handle.identity }, algorithms)

  return {
    /** What is wrong with a file that has its name already. */
    faultIn: (part: Part, checksum: Checksum.Checksum) =>
      Effect.map(digests(part, [checksum.algorithm]), (found) =>
        faultIn({ checksum, digest: undefined }, found)
      ),

    /** Whether all pieces of such a file are right. */
    hasPieces: (part: Part, pieces: Pieces) =>
      Effect.map(repair.look(part, pieces), (wrong) => wrong.length === 0),

    /**
     * Succeeds if the part's bytes have what is wanted, or that is nothing. Else they are given up, durably, or as many of them as
     * are in wrong pieces, and this fails with `ChecksumMismatch`.
     */
    verify: (
      part: Part,
      wanted: Wanted,
      { brought, download, pieces }: Piecewise,
      reporter: Reporter
    ): Effect.Effect<void, Failures> =>
      Effect.gen(function* () {
        const { options } = download
        const short = sizeFault(options.size, part.size)
        const algorithms = short === undefined ? algorithmsOf(wanted) : []
        const piecewise = short === undefined && options.pieces !== null
        if (short === undefined && algorithms.length === 0 && !piecewise) return
        reporter.gauge.state = "verifying"
        const fault = short ?? faultIn(wanted, yield* digests(part, algorithms))
        // right as a whole; the pieces can say no more
        if (fault === undefined && (wanted.checksum !== null || !piecewise)) return
        if (piecewise) {
          const known = yield* pieces
          const wrong = yield* repair.look(part, known)
          if (wrong.length > 0) {
            const { error, left } = yield* repair.giveUp(download, part, known, wrong, brought, reporter)
            if (left === 0) yield* renounced(part.handle, reporter)
            return yield* error
          }
        }
        if (fault === undefined) return
        yield* renounced(part.handle, reporter)
        return yield* fault
      })
  }
}

export type Verifier = ReturnType<typeof make>
