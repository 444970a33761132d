/**
 * Digests of files, computed where they keep nothing else from its turn. Which file it has to be and what its digest
 * means is left to others.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Algorithm } from "../domain/Checksum.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { FileIdentity } from "../domain/FileFacts.js"
import type { Kind } from "../domain/Pieces.js"
import type { Handle } from "./PartFile.js"

/** A file, or its beginning. */
export interface Hashed {
  readonly path: string
  /** The file that has to have that name; another one is an error. */
  readonly identity: FileIdentity
  /** So many bytes, from the first; it is an error if the file has fewer. */
  readonly size: number
  /** The file, where it is open already. */
  readonly handle?: Handle | undefined
}

/** By algorithm, in lower-case hexadecimal digits. */
export type Digests = ReadonlyMap<Algorithm, string>

/** @see {@link Hasher} */
export interface Shape {
  /**
   * Reads the file once, whatever the number of algorithms. Interruption ends it at once, or within a block. Reasons: `DiskFailed` (it
   * can't be read, is too short, or is another file by now), `InvalidRequest` (the system forbids an algorithm).
   */
  readonly digests: (
    file: Hashed,
    algorithms: ReadonlyArray<Algorithm>
  ) => Effect.Effect<Digests, DownloadError>
  /** The digest of each piece of that length, in order; of the last one, which may be shorter, too. As `digests` otherwise. */
  readonly pieces: (file: Hashed, kind: Kind) => Effect.Effect<ReadonlyArray<string>, DownloadError>
}

/** Layers: threads (live). An engine without one hashes by itself, a block at a time (tests, simulation). */
export class Hasher extends Context.Tag("sluice/Hasher")<Hasher, Shape>() {}
