/**
 * The identity rule (PROMISES B2, B3 in one place): what to ask for, given the bytes held, and what a response
 * means for them. Pure; the transfer program does exactly what a verdict says and decides nothing itself.
 *
 * Verdicts: keep the bytes held and append the body at a proved offset; start again from 0 with this very body;
 * start again from 0 with a new request; or fail with a typed error. There is no verdict that appends unproved bytes.
 */
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { from, parseContentRange, parseLength, parseUnsatisfied } from "./ByteRange.js"
import type { Span } from "./Coverage.js"
import * as Digest from "./Digest.js"
import type { DownloadError } from "./DownloadError.js"
import { fromStatus, make } from "./DownloadError.js"
import type { Headers } from "./Headers.js"
import { contradictory, single } from "./Headers.js"
import { printable } from "./Redaction.js"
import { retryAfterMillis } from "./RetryAfter.js"
import type { Validator } from "./Validator.js"
import * as Validators from "./Validator.js"

/** What is on the disk already: so many bytes of the version that `validator` names, all at the beginning or not. */
export interface Held {
  readonly bytes: number
  readonly total: number | undefined
  readonly validator: Validator
}

export const nothing: Held = { bytes: 0, total: undefined, validator: Validators.none }

/** What the next request asks for: the whole, or a range of it. */
export interface Ask {
  /** Whether a range is asked for. If not, `start` is 0, as nothing is held, or nothing could prove what belongs to it. */
  readonly ranged: boolean
  readonly start: number
  /** Bytes before what is missing that are asked for once more, to be compared with those held. */
  readonly overlap: number
  /** What has to prove that the rest belongs to what is held. */
  readonly proof: "validator" | "digest"
  readonly headers: ReadonlyArray<readonly [string, string]>
}

/** How to ask. */
export interface Asking {
  /** What is missing; without an end, to the end of the resource. @default all beyond the bytes held */
  readonly span?: Span | undefined
  /** Without If-Range: the server answers that with the whole, though nothing has changed. @default false */
  readonly plainly?: boolean | undefined
  /** Whether the whole will be held against a digest before anybody sees it. @default false */
  readonly verified?: boolean | undefined
  /** Another source is asked than the one that has told the validator held. @default false */
  readonly elsewhere?: boolean | undefined
  /** Whether bytes before what is missing are held, with which an overlap could be compared. @default true */
  readonly continues?: boolean | undefined
}

/** Where nothing but a digest can prove the rest, so many of the bytes held are fetched once more and compared. */
export const overlapBytes = 64 * 1024

/**
 * Plans the request for missing bytes (RFC 9110 sections 13.1.5 and 14.2). In order: a validator proves what comes; else
 * the digest of the whole will, and an overlap tells early if it can't; else all is asked for anew. Sources rarely have their tags
 * in common, so another one is better asked for what the digest will prove.
 */
export const ask = (
  held: Held,
  { continues = true, elsewhere = false, plainly, span, verified = false }: Asking = {}
): Ask => {
  const headers: Array<readonly [string, string]> = [["accept-encoding", "identity"]]
  const proved = elsewhere
    ? !verified && Validators.canProveElsewhere(held.validator)
    : Validators.canProve(held.validator)
  const [from_, end] = span ?? [held.bytes, Infinity]
  const overlap = proved || !continues ? 0 : Math.min(from_, overlapBytes)
  const provable = proved || (verified && held.total !== undefined && (overlap > 0 || !continues))
  if (held.bytes === 0 || !provable) {
    return { ranged: false, start: 0, overlap: 0, proof: "validator", headers }
  }
  const start = from_ - overlap
  headers.push(["range", from(start, end === Infinity || end === held.total ? undefined : end)])
  const ifRange = proved && plainly !== true ? Validators.ifRange(held.validator) : undefined
  if (ifRange !== undefined) headers.push(["if-range", ifRange])
  return { ranged: true, start, overlap, proof: proved ? "validator" : "digest", headers }
}

/** What to do with a response. `bodyLength` is what the body must have, where it was announced. */
export type Verdict =
  | {
      readonly _tag: "Body"
      /** Where the first body byte goes: 0 of a new beginning, or exactly what was asked for. */
      readonly start: number
      /** Whether it is the whole, and nothing of what is held counts any more. */
      readonly fresh: boolean
      readonly bodyLength: number | undefined
      readonly total: number | undefined
      readonly validator: Validator
      /** Whether the server has shown that it serves ranges, or says that it does. */
      readonly ranges: boolean
      /** Why the bytes held are given up, where they are. */
      readonly restart: string | undefined
    }
  /** The part has all there is: the resource has come without a length, and ends where the part does. */
  | { readonly _tag: "Complete" }
  /** Nothing has changed, and yet the whole was sent: ask once more, without If-Range. */
  | { readonly _tag: "AskPlainly"; readonly why: string }
  /** `changed`: it is another version, for certain. Else nothing proves that it isn't. */
  | { readonly _tag: "AskAgainFromZero"; readonly why: string; readonly changed: boolean }
  | { readonly _tag: "Failed"; readonly error: DownloadError }

const failed = (error: DownloadError): Verdict => ({ _tag: "Failed", error })
const again = (why: string, changed = false): Verdict => ({ _tag: "AskAgainFromZero", why, changed })
const violation = (detail: string): Verdict => failed(make("ProtocolViolation", detail))
const unwanted = (field: string): Verdict =>
  failed(
    make("UnwantedCoding", `the server sent the body with ${printable(field, 60)}, which was not asked for`)
  )

/**
 * Judges the final (not redirecting) response to `asked`, given what is held.
 * `now` is the time of receipt in milliseconds, for Retry-After dates; `place` says where it came from.
 */
export const judge = (
  held: Held,
  asked: Ask,
  status: number,
  headers: Headers,
  now: number,
  place?: Validators.Place
): Verdict => {
  if (status !== 200 && status !== 206 && status !== 416) {
    return failed(fromStatus(status, retryAfterMillis(single(headers, "retry-after"), now)))
  }
  if (status === 416)
    return unsatisfied(held, asked, headers, Validators.fromHeaders(headers, undefined, place))
  const coding = headers.get("content-encoding")?.join(",").trim().toLowerCase()
  if (coding !== undefined && coding !== "" && coding !== "identity") {
    return unwanted(`Content-Encoding: ${coding}`)
  }
  // TE was not sent, so that chunked is the only transfer coding allowed (RFC 9112 section 7)
  const transfer = headers.get("transfer-encoding")?.join(",").trim().toLowerCase()
  if (transfer !== undefined && transfer !== "chunked" && transfer !== "identity") {
    return unwanted(`Transfer-Encoding: ${transfer}`)
  }
  const length = contentLength(headers)
  if (length._tag === "Malformed")
    return violation("the server sent a malformed or contradictory Content-Length")
  if (headers.get("content-type")?.some((value) => /^\s*multipart\/byteranges/i.test(value))) {
    const why = "the server answered with multipart/byteranges, which was not asked for"
    return asked.ranged ? again(why) : violation(why)
  }
  const digest = Digest.fromHeaders(status, headers)
  if (Either.isLeft(digest)) return violation(digest.left)
  const validator = Validators.fromHeaders(headers, digest.right, place)
  if (status === 200) {
    const part = mislabelled(headers, length.value)
    if (part !== undefined) return asked.ranged ? again(part) : violation(part)
    if (
      asked.ranged &&
      asked.headers.some(([name]) => name === "if-range") &&
      same(held, length.value, validator)
    )
      return { _tag: "AskPlainly", why: "the server sent the whole resource, though it has not changed" }
    // the version held has one length only, also where this answer does not say it
    const known = Validators.proves(held.validator, validator) ? held.total : undefined
    const total = length.value ?? known
    return {
      _tag: "Body",
      start: 0,
      fresh: true,
      bodyLength: total,
      total,
      validator,
      ranges: servesRanges(headers),
      restart: asked.ranged
        ? "the server sent the whole resource anew (it changed, or ranges are not supported)"
        : held.bytes > 0
          ? "nothing could prove that the rest belongs to the part already held"
          : undefined
    }
  }
  return partial(held, asked, headers, length.value, validator)
}

/** The very version that is held, as its strong tag says. */
const same = (held: Held, total: number | undefined, validator: Validator): boolean =>
  Validators.strongTag(held.validator) !== undefined &&
  Validators.proves(held.validator, validator) &&
  (total === undefined || held.total === undefined || total === held.total)

const servesRanges = (headers: Headers): boolean =>
  headers.get("accept-ranges")?.some((value) => /(^|,)\s*bytes\s*(,|$)/i.test(value)) === true
/** Some caches hand on a part that they have got as if it were the whole, its Content-Range still there. */
const mislabelled = (headers: Headers, length: number | undefined): string | undefined => {
  const range = Option.flatMap(Option.fromNullable(single(headers, "content-range")), parseContentRange)
  if (Option.isNone(range)) return undefined
  const { end, start, total } = range.value
  const whole = start === 0 && (total === undefined || end === total - 1)
  return whole || (length !== undefined && length !== end - start + 1)
    ? undefined
    : `the server sent bytes ${start} to ${end} as if they were the whole`
}

const partial = (
  held: Held,
  asked: Ask,
  headers: Headers,
  bodyLength: number | undefined,
  validator: Validator
): Verdict => {
  if (!asked.ranged) return violation("the server sent a part (206) though the whole was asked for")
  const range = Option.flatMap(Option.fromNullable(single(headers, "content-range")), parseContentRange)
  if (Option.isNone(range)) return again("the server sent a 206 without a valid Content-Range")
  const { start, end, total } = range.value
  if (start !== asked.start)
    return again(`the server sent bytes from ${start} where ${asked.start} was asked for`)
  if (bodyLength !== undefined && bodyLength !== end - start + 1)
    return again("Content-Length and Content-Range of the 206 disagree")
  if (total !== undefined && held.total !== undefined && total !== held.total)
    return again(`the resource has ${total} bytes now and had ${held.total} before`, true)
  const whole = total ?? held.total
  if (whole === undefined) return again("the server does not say how long the resource is")
  if (end >= whole) return again("the range sent lies beyond the end of the resource")
  if (Validators.refutes(held.validator, validator))
    return again(
      Digest.agree(held.validator.digest, validator.digest) === false
        ? "the digest sent now is of another version than the part already held"
        : "the validators of the resource have changed",
      true
    )
  if (asked.proof === "validator" && !Validators.proves(held.validator, validator))
    return again("nothing proves that the rest offered belongs to the part already held")
  return {
    _tag: "Body",
    start,
    fresh: false,
    bodyLength: end - start + 1,
    total: whole,
    validator: Validators.joined(held.validator, validator),
    ranges: true,
    restart: undefined
  }
}

const unsatisfied = (held: Held, asked: Ask, headers: Headers, validator: Validator): Verdict => {
  if (!asked.ranged) return failed(fromStatus(416, undefined))
  const total = Option.getOrUndefined(
    Option.flatMap(Option.fromNullable(single(headers, "content-range")), parseUnsatisfied)
  )
  if (total === undefined) return again("the server can't satisfy the range asked for")
  if (total === held.bytes && held.total === undefined && same(held, total, validator))
    return { _tag: "Complete" }
  return again(
    `the resource has ${total} bytes now, and ${held.bytes} are already held`,
    held.total !== undefined && total !== held.total
  )
}

type Length = { readonly _tag: "Ok"; readonly value: number | undefined } | { readonly _tag: "Malformed" }

/** Content-Length, ignored beside Transfer-Encoding as RFC 9112 section 6.3 says. */
const contentLength = (headers: Headers): Length => {
  if (headers.has("transfer-encoding")) return { _tag: "Ok", value: undefined }
  if (contradictory(headers, "content-length")) return { _tag: "Malformed" }
  const text = single(headers, "content-length")
  if (text === undefined) return { _tag: "Ok", value: undefined }
  return Option.match(parseLength(text), {
    onNone: (): Length => ({ _tag: "Malformed" }),
    onSome: (value): Length => ({ _tag: "Ok", value })
  })
}

/** Whether nothing but the connection's end tells where the body ends (RFC 9112 section 6.3, the last rule). */
export const endsWithConnection = (headers: Headers): boolean =>
  !headers.has("content-length") && !headers.has("transfer-encoding")

/** What is wrong with a resource of so many bytes (as far as is known), where at most `limit` are wanted. */
export const sizeFault = (limit: number | null, size: number | undefined): DownloadError | undefined =>
  limit === null || size === undefined || size <= limit
    ? undefined
    : make("TooLarge", `it has ${size} bytes, and at most ${limit} are wanted`)

/** What is wrong with a resource of which this is announced, where so much is wanted. */
export const announcedFault = (
  { maxSize, size }: { readonly maxSize: number | null; readonly size: number | null },
  announced: number | undefined
): DownloadError | undefined =>
  size === null || announced === undefined || announced === size
    ? sizeFault(maxSize, announced)
    : make("WrongSize", `it has ${announced} bytes instead of ${size}`)

/** The most that is wanted. */
export const limitOf = ({
  maxSize,
  size
}: {
  readonly maxSize: number | null
  readonly size: number | null
}): number | null => (maxSize === null || size === null ? (maxSize ?? size) : Math.min(maxSize, size))

/** What is wrong with a body that brings so many bytes, of which no more than `free` fit into the directory. */
export const roomFault = (directory: string, missing: number, free: number): DownloadError | undefined =>
  missing <= free
    ? undefined
    : make(
        "DiskFull",
        `the disk is full: ${missing} bytes are missing, and ${free} are free in ${printable(directory, 1000)}`
      )

/**
 * Where a body has to end that starts at this offset, in bytes of it, and what it means if it goes on: it was announced to,
 * or no more is wanted.
 */
export const bodyLimit = (
  announced: number | undefined,
  start: number,
  limit: number | null
): { readonly bytes: number; readonly excess: () => DownloadError } | undefined => {
  if (announced !== undefined) {
    return {
      bytes: announced,
      excess: () => make("ProtocolViolation", `the server sent more than the ${announced} bytes it announced`)
    }
  }
  return limit === null
    ? undefined
    : {
        bytes: Math.max(0, limit - start),
        excess: () => make("TooLarge", `it has more than the ${limit} bytes wanted`)
      }
}

/**
 * Whether a body that ended is what was announced. `received` counts the bytes of this body.
 * Undefined means yes.
 */
export const bodyFault = (announced: number | undefined, received: number): DownloadError | undefined => {
  if (announced === undefined || announced === received) return undefined
  return received < announced
    ? make("Truncated", `the connection ended after ${received} of ${announced} bytes`)
    : make("ProtocolViolation", `the server sent more than the ${announced} bytes it announced`)
}
