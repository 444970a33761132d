/**
 * The checksum that a whole file must have: the digest itself, or the list (SHA256SUMS and the like) it stands in. How it is
 * written, kept, and compared with another. Lists are read by Sums; reading files and computing digests is left to others.
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

/** From the weakest to the strongest. */
const byStrength: ReadonlyArray<Algorithm> = ["md5", "sha-1", "sha-256", "sha-512"]

/** The higher, the stronger. */
export const strength = (algorithm: Algorithm): number => byStrength.indexOf(algorithm)

/** The algorithm whose digests have so many hexadecimal digits. */
export const ofLength = (length: number): Algorithm | undefined =>
  Algorithm.literals.find((algorithm) => digits[algorithm] === length)

/** By a name as people write it: hyphens or not, in any case, `sha2-256` too. */
export const algorithmOf = (text: string): Algorithm | undefined => {
  const name = text
    .toLowerCase()
    .replace(/^sha-?2-(?=256$|512$)/, "sha")
    .replaceAll("-", "")
  return Algorithm.literals.find((literal) => literal.replaceAll("-", "") === name)
}

/** Decoding lowers the case of the digits and checks their number. */
export const Checksum = Schema.Struct({
  algorithm: Algorithm,
  hex: Schema.Lowercase,
  /** The URL of the list it was read from, where it was. */
  from: Schema.optional(Schema.String)
}).pipe(
  Schema.filter(({ algorithm, hex }) =>
    /^[0-9a-f]*$/.test(hex) && hex.length === digits[algorithm]
      ? undefined
      : `a ${algorithm} checksum has ${digits[algorithm]} hexadecimal digits, "${printable(hex, 140)}" has not`
  )
)
export type Checksum = typeof Checksum.Type

const listUrl = (text: string): string | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    return "the list of checksums must have an absolute http:// or https:// URL"
  // it is stored and shown
  return url.username === "" && url.password === ""
    ? undefined
    : "the URL of the list of checksums must not have a user or password: the headers of the download are sent to its own origin"
}

/** A list at a URL, read once the bytes are there; the entry is found by the file's name. */
export const ChecksumList = Schema.Struct({
  url: Schema.String.pipe(Schema.filter(listUrl)),
  /** @default what the entry says, or what its number of digits means; the strongest, where there are several */
  algorithm: Schema.optional(Algorithm)
})
export type ChecksumList = typeof ChecksumList.Type

/** A list in a file of this machine, read when the request is made. A relative path counts from the working directory. */
export interface ChecksumFile {
  /** Its path. */
  readonly file: string
  /** @default as with ChecksumList */
  readonly algorithm?: Algorithm | undefined
}

/** What a row can ask for. */
export const Expected = Schema.Union(Checksum, ChecksumList)
export type Expected = typeof Expected.Type

export const isList = (expected: Expected | ChecksumFile | null): expected is ChecksumList =>
  expected !== null && "url" in expected

export const isFile = (expected: Expected | ChecksumFile | null): expected is ChecksumFile =>
  expected !== null && "file" in expected

const decode = Schema.decodeUnknownEither(Checksum)
const decodeList = Schema.decodeUnknownEither(ChecksumList)

const orSentence = <A>(decoded: Either.Either<A, ParseResult.ParseError>): Either.Either<A, string> =>
  Either.mapLeft(decoded, (error) => ParseResult.ArrayFormatter.formatErrorSync(error)[0]!.message)

/** A digest, if it has as many digits as it must have. */
export const ofHex = (algorithm: Algorithm, hex: string): Either.Either<Checksum, string> =>
  orSentence(decode({ algorithm, hex }))

/** From the text `ALGORITHM:HEX` or, as aria2's input files have it, `ALGORITHM=HEX`; left as of `parse`. */
const parseValue = (text: string): Either.Either<Checksum, string> => {
  const parts = /^\s*([A-Za-z0-9-]+)\s*[:=]\s*(\S*)\s*$/.exec(text)
  const known = Algorithm.literals.join(", ")
  if (parts === null)
    return Either.left(
      `"${printable(text, 160)}" is no checksum: write ALGORITHM:HEX, with one of ${known}, or the URL or the path of a list like SHA256SUMS`
    )
  const algorithm = algorithmOf(parts[1]!)
  return algorithm === undefined
    ? Either.left(`the checksum algorithm "${printable(parts[1]!, 40)}" is unknown: use one of ${known}`)
    : ofHex(algorithm, parts[2]!)
}

/** What can only be meant as the name of a file: with a directory or an ending, or called as such lists are. */
const looksLikeFile = (text: string): boolean => /[/\\.]|sums$/i.test(text) && !/\p{Cc}/u.test(text)

/**
 * From what people write: `ALGORITHM:HEX` (or with `=`); or where it stands, as a URL or the path of a file, which
 * `ALGORITHM:` may precede too. The algorithm may be written without its hyphen and in any case. Left is one sentence about
 * what is wrong, without a full stop.
 */
export const parse = (text: string): Either.Either<Checksum | ChecksumList | ChecksumFile, string> => {
  const prefix = /^\s*([A-Za-z0-9-]{2,})\s*[:=]\s*(?!\/\/)/.exec(text)
  const algorithm = prefix === null ? undefined : algorithmOf(prefix[1]!)
  const place = (algorithm === undefined ? text : text.slice(prefix![0].length)).trim()
  const chosen = algorithm === undefined ? {} : { algorithm }
  if (/^https?:\/\//i.test(place)) return orSentence(decodeList({ url: place, ...chosen }))
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) return Either.left(listUrl("")!)
  const meansFile = (prefix === null || algorithm !== undefined) && looksLikeFile(place)
  return meansFile ? Either.right({ file: place, ...chosen }) : parseValue(text)
}

/** As `parse` reads it. */
export const format = (expected: Expected): string =>
  isList(expected)
    ? (expected.algorithm === undefined ? "" : `${expected.algorithm}:`) + expected.url
    : `${expected.algorithm}:${expected.hex}`

/** Whether both ask for the same; a digest that was read from a list is what that list asks for. */
export const same = (a: Expected, b: Expected): boolean => {
  if (isList(a)) {
    return isList(b)
      ? a.url === b.url && a.algorithm === b.algorithm
      : a.url === b.from && (a.algorithm === undefined || a.algorithm === b.algorithm)
  }
  return isList(b) ? same(b, a) : a.algorithm === b.algorithm && a.hex === b.hex
}

/** Enough of a digest to tell it from another by eye. */
const short = (hex: string): string => (hex.length <= 20 ? hex : `${hex.slice(0, 8)}...${hex.slice(-8)}`)

/** In words, after "the". */
const named = (expected: Expected): string =>
  isList(expected)
    ? `checksum of the list ${printable(expected.url)}`
    : `${expected.algorithm} checksum ${short(expected.hex)}`

/**
 * What a file with the digest `found` is to be told; undefined if it is as expected. `whose`: who says so, where that is
 * neither the caller nor a list.
 */
export const fault = (
  expected: Pick<Checksum, "algorithm" | "hex" | "from">,
  found: string,
  whose?: string
): DownloadError | undefined => {
  if (found === expected.hex) return undefined
  const says = whose ?? (expected.from === undefined ? undefined : `as ${printable(expected.from)} lists it`)
  return make(
    "ChecksumMismatch",
    `the ${expected.algorithm} checksum is ${short(found)} instead of ${short(expected.hex)}` +
      (says === undefined ? "" : `, ${says}`)
  )
}

/**
 * What an unfinished download has to verify once the same request came again: what it had, or what is added.
 * Left where the two contradict (one of them is wrong, and nobody here can know which), and where one would have to be
 * added and `closed` says why it is too late for that.
 */
export const merge = (
  had: Expected | null,
  asked: Expected | null,
  closed?: string
): Either.Either<Expected | null, DownloadError> => {
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
          `the same download is unfinished and has the ${named(had)}, not the ${named(asked)}`
        )
      )
}
