/**
 * Digests that servers send of what they send: Repr-Digest and Content-Digest (RFC 9530), and the older Digest (RFC 3230) and
 * Content-MD5 (RFC 1864). What comes out is a digest of the WHOLE representation, or nothing; comparing it with bytes, and
 * two responses by it, is left to others.
 *
 * Repr-Digest and Digest speak of the whole, on a 200 as on a 206. Content-Digest and Content-MD5 speak of the content of this
 * very message, which is the whole on a 200 only. No content coding is ever accepted, so that none has to be told apart here.
 * What is malformed, or of an algorithm that nobody here knows, is no evidence of anything.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { parseDictionary } from "structured-headers"
import { Algorithm, digits, strength } from "./Checksum.js"
import type { Headers } from "./Headers.js"

/** The field a digest came in, as it is written. */
export const Field = Schema.Literal("Repr-Digest", "Digest", "Content-Digest", "Content-MD5")
export type Field = typeof Field.Type

/** What the server says that the whole file has. */
export const Digest = Schema.Struct({ algorithm: Algorithm, hex: Schema.String, field: Field })
export type Digest = typeof Digest.Type

const make = (algorithm: Algorithm, bytes: Uint8Array, field: Field): ReadonlyArray<Digest> =>
  bytes.length * 2 === digits[algorithm]
    ? [{ algorithm, hex: Buffer.from(bytes).toString("hex"), field }]
    : []

/** The names of RFC 9530's registry that are known here; `sha` is SHA-1. */
const byKey: ReadonlyMap<string, Algorithm> = new Map([
  ["sha-512", "sha-512"],
  ["sha-256", "sha-256"],
  ["sha", "sha-1"],
  ["md5", "md5"]
])

/** One line of a dictionary of byte sequences. Undefined if it is malformed: then the whole field counts as absent. */
const structured = (line: string, field: Field): ReadonlyArray<Digest> | undefined => {
  const parsed = Either.try(() => parseDictionary(line))
  if (Either.isLeft(parsed)) return undefined
  return Array.from(parsed.right).flatMap(([key, [value]]) => {
    const algorithm = byKey.get(key)
    return algorithm !== undefined && value instanceof ArrayBuffer
      ? make(algorithm, new Uint8Array(value), field)
      : []
  })
}

/** Strictly base64 (RFC 4648 section 4), of so many bytes at most as the longest digest has. */
const fromBase64 = (text: string): Uint8Array | undefined =>
  text.length <= 88 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)
    ? Buffer.from(text, "base64")
    : undefined

/** RFC 3230's `SHA-256=base64,MD5=base64`, names in any case; `id-` says that no content coding is included, and none is. */
const instance = (line: string): ReadonlyArray<Digest> =>
  line.split(",").flatMap((part) => {
    const equals = part.indexOf("=")
    const name = part.slice(0, equals).trim().toLowerCase().replace(/^id-/, "")
    const algorithm = equals < 0 ? undefined : byKey.get(name)
    const bytes = fromBase64(part.slice(equals + 1).trim())
    return algorithm === undefined || bytes === undefined ? [] : make(algorithm, bytes, "Digest")
  })

const md5 = (line: string): ReadonlyArray<Digest> => {
  const bytes = fromBase64(line.trim())
  return bytes === undefined ? [] : make("md5", bytes, "Content-MD5")
}

const ofDictionary = (headers: Headers, name: string, field: Field): ReadonlyArray<Digest> => {
  const lines = (headers.get(name) ?? []).map((line) => structured(line, field))
  return lines.every((digests) => digests !== undefined) ? lines.flat() : []
}

/** All that a response says about the whole representation. */
const announced = (status: number, headers: Headers): ReadonlyArray<Digest> => [
  ...(headers.has("repr-digest") ? ofDictionary(headers, "repr-digest", "Repr-Digest") : []),
  ...(headers.get("digest") ?? []).flatMap(instance),
  ...(status === 200 && headers.has("content-digest")
    ? ofDictionary(headers, "content-digest", "Content-Digest")
    : []),
  ...(status === 200 ? (headers.get("content-md5") ?? []).flatMap(md5) : [])
]

/**
 * The digest of the whole that a response carries, by the strongest algorithm; undefined if it carries none. Left is what is
 * wrong where it says two things of one algorithm, as a sentence without a full stop.
 */
export const fromHeaders = (status: number, headers: Headers): Either.Either<Digest | undefined, string> => {
  const found = announced(status, headers)
  let best = found[0]
  for (const one of found) {
    const other = found.find(({ algorithm, hex }) => algorithm === one.algorithm && hex !== one.hex)
    if (other !== undefined)
      return Either.left(
        one.field === other.field
          ? `the server sent two ${one.algorithm} digests in ${one.field}, which contradict each other`
          : `the ${one.algorithm} digests in ${one.field} and ${other.field} contradict each other`
      )
    if (strength(one.algorithm) > strength(best!.algorithm)) best = one
  }
  return Either.right(best)
}

/** Whether a 206 of the same server may carry it too, as far as its field tells. */
export const isOfParts = ({ field }: Digest): boolean => field === "Repr-Digest" || field === "Digest"

/** Whether two digests speak of the same bytes; undefined if they can't be compared. */
export const agree = (one: Digest | undefined, other: Digest | undefined): boolean | undefined =>
  one === undefined || other === undefined || one.algorithm !== other.algorithm
    ? undefined
    : one.hex === other.hex
