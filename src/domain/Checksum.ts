/**
 * A checksum that the whole file must have: how it is written, kept and compared. Reading files and computing digests
 * is left to others.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { type DownloadError, make } from "./DownloadError.js"
import { printable } from "./Redaction.js"

/** By the names that IANA's registry of hash functions and aria2 use. */
export const Algorithm = Schema.Literal("sha-256", "sha-512", "sha-1", "md5").annotations({
  message: () => ({ message: "Expected one of sha-256, sha-512, sha-1, md5", override: true })
})
export type Algorithm = typeof Algorithm.Type

/** Hexadecimal digits of a digest. */
export const digits: Readonly<Record<Algorithm, number>> = {
  "sha-256": 64,
  "sha-512": 128,
  "sha-1": 40,
  md5: 32
}

/** Decoding lowers the case of the digits and checks their number. */
export const Checksum = Schema.Struct({
  algorithm: Algorithm,
  hex: Schema.Lowercase
}).pipe(
  Schema.filter(({ algorithm, hex }) =>
    /^[0-9a-f]*$/.test(hex) && hex.length === digits[algorithm]
      ? undefined
      : `a ${algorithm} checksum has ${digits[algorithm]} hexadecimal digits, "${printable(hex, 140)}" has not`
  )
)
export type Checksum = typeof Checksum.Type

const decode = Schema.decodeUnknownEither(Checksum)

/**
 * From the text `ALGORITHM:HEX` or, as aria2's input files have it, `ALGORITHM=HEX`. The algorithm may be written without
 * its hyphen and in any case. Left is one sentence about what is wrong, without a full stop.
 */
export const parse = (text: string): Either.Either<Checksum, string> => {
  const parts = /^\s*([A-Za-z0-9-]+)\s*[:=]\s*(\S*)\s*$/.exec(text)
  const known = Algorithm.literals.join(", ")
  if (parts === null)
    return Either.left(`"${printable(text, 160)}" is no checksum: write ALGORITHM:HEX, with one of ${known}`)
  const name = parts[1]!.toLowerCase().replaceAll("-", "")
  const algorithm = Algorithm.literals.find((literal) => literal.replaceAll("-", "") === name)
  if (algorithm === undefined)
    return Either.left(`the checksum algorithm "${printable(parts[1]!, 40)}" is unknown: use one of ${known}`)
  return Either.mapLeft(
    decode({ algorithm, hex: parts[2]! }),
    (error) => ParseResult.ArrayFormatter.formatErrorSync(error)[0]!.message
  )
}

/** As `parse` reads it. */
export const format = ({ algorithm, hex }: Checksum): string => `${algorithm}:${hex}`

export const same = (a: Checksum, b: Checksum): boolean => a.algorithm === b.algorithm && a.hex === b.hex

/** Enough of a digest to tell it from another by eye. */
const short = (hex: string): string => (hex.length <= 20 ? hex : `${hex.slice(0, 8)}...${hex.slice(-8)}`)

/** What a file with the digest `found` is to be told; undefined if it is as expected. */
export const fault = (expected: Checksum, found: string): DownloadError | undefined =>
  found === expected.hex
    ? undefined
    : make(
        "ChecksumMismatch",
        `the ${expected.algorithm} checksum is ${short(found)} instead of ${short(expected.hex)}`
      )

/**
 * What an unfinished download has to verify once the same request came again: what it had, or what is added.
 * Left where the two contradict (one of them is wrong, and nobody here can know which), and where one would have to be
 * added and `closed` says why it is too late for that.
 */
export const merge = (
  had: Checksum | null,
  asked: Checksum | null,
  closed?: string
): Either.Either<Checksum | null, DownloadError> => {
  if (had === null && asked !== null && closed !== undefined) {
    return Either.left(
      make("ChecksumContradiction", `the same download is unfinished without a checksum, and ${closed}`)
    )
  }
  return had === null || asked === null || same(had, asked)
    ? Either.right(had ?? asked)
    : Either.left(
        make(
          "ChecksumContradiction",
          `the same download is unfinished and has the ${had.algorithm} checksum ${short(had.hex)}, not the ${asked.algorithm} checksum ${short(asked.hex)}`
        )
      )
}
