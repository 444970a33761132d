/**
 * Whether what was completed is still what it was: what is known of a file, and what follows from how it is now. Pure; looking
 * at files and hashing them is left to others.
 *
 * A digest tells, whoever gave it. Where there is none, the file's size, time and inode can only tell that nobody has
 * written to it in the usual way: `intact` is less than `verified`, and is called differently.
 */
import * as Schema from "effect/Schema"
import { type Algorithm, isList, strength } from "./Checksum.js"
import type { Download, FinalRecord } from "./Download.js"
import { type FileFacts, sameFile } from "./FileFacts.js"

/**
 * `verified`: its bytes have the digest that is known. `intact`: none is known; size, time of modification and inode are those
 * recorded. `altered`: it is not what was completed. `missing`: nothing has its name. `unreadable`: nobody can tell.
 */
export const Result = Schema.Literal("verified", "intact", "altered", "missing", "unreadable")
export type Result = typeof Result.Type

/** Whose word it is: the caller's checksum, or what the server announced. */
export const Voucher = Schema.Literal("caller", "server")
export type Voucher = typeof Voucher.Type

/** A digest that the file had when it was completed. */
export interface Known {
  /** By its name in IANA's registry. */
  readonly algorithm: Algorithm
  /** Lower-case hexadecimal digits. */
  readonly hex: string
  /** Whose word it is. */
  readonly by: Voucher
}

/** What has come of verifying a download. */
export interface Verification {
  /** Its row, as it is now. */
  readonly download: Download
  /** The whole path that was looked at. */
  readonly path: string
  /** Whether the file is still what it was. */
  readonly result: Result
  /** The digest that is known; null for none. */
  readonly known: Known | null
  /** The digest that was found, in hexadecimal digits; null where nothing was read. */
  readonly found: string | null
  /** What is wrong, as a sentence without a full stop; null where nothing is. */
  readonly detail: string | null
}

/** The strongest digest known of a completed download. A file that was left alone (`skip`) was never compared with any. */
export const knownOf = ({ options, outcome, validator }: Download): Known | null => {
  if (outcome !== "fetched") return null
  const { checksum } = options
  const digest = validator?.digest
  const all: ReadonlyArray<Known> = [
    ...(checksum === null || isList(checksum)
      ? []
      : [{ algorithm: checksum.algorithm, hex: checksum.hex, by: "caller" as const }]),
    ...(digest === undefined ? [] : [{ algorithm: digest.algorithm, hex: digest.hex, by: "server" as const }])
  ]
  const [first = null] = all
  return all.reduce(
    (best, one) => (best === null || strength(one.algorithm) > strength(best.algorithm) ? one : best),
    first
  )
}

/** What a look at the name tells, before anything is read. */
export type Look =
  | {
      readonly _tag: "Told"
      readonly result: "intact" | "altered" | "missing"
      readonly detail: string | null
    }
  /** Its size is right: its bytes have to be read. */
  | { readonly _tag: "Read" }

const told = (result: "intact" | "altered" | "missing", detail: string | null): Look => ({
  _tag: "Told",
  result,
  detail
})

const kinds: Record<Exclude<FileFacts["kind"], "file">, string> = {
  directory: "it is a directory now",
  symlink: "it is a symbolic link now",
  other: "it is no regular file any more"
}

/** With `known`, only the bytes count: a copy from a backup is as good as the file itself. */
export const look = (record: FinalRecord, facts: FileFacts | undefined, known: Known | null): Look => {
  if (facts === undefined) return told("missing", "there is no such file")
  if (facts.kind !== "file") return told("altered", kinds[facts.kind])
  if (facts.size !== record.size)
    return told("altered", `it has ${facts.size} bytes instead of ${record.size}`)
  if (known !== null) return { _tag: "Read" }
  if (!sameFile(record, facts)) return told("altered", "it is another file than the one that was completed")
  return facts.mtime === record.mtime
    ? told("intact", null)
    : told("altered", "it was written to after it was completed")
}

/** What the digest of its bytes tells. */
export const judge = (known: Known, found: string): Pick<Verification, "result" | "detail"> =>
  found === known.hex
    ? { result: "verified", detail: null }
    : {
        result: "altered",
        detail: `its ${known.algorithm} digest is another than ${known.by === "caller" ? "the one asked for" : "the one the server announced"}`
      }
