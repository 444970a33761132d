/**
 * The identity rule (PROMISES B2, B3 in one place): what to ask for, given the bytes held, and what a response
 * means for them. Pure; the transfer program does exactly what a verdict says and decides nothing itself.
 *
 * Verdicts: keep the bytes held and append the body at a proved offset; start again from 0 with this very body;
 * start again from 0 with a new request; or fail with a typed error. There is no verdict that appends unproved bytes.
 */
import * as Option from "effect/Option"
import { from, parseContentRange, parseLength, parseUnsatisfied } from "./ByteRange.js"
import type { DownloadError } from "./DownloadError.js"
import { fromStatus, make } from "./DownloadError.js"
import type { Headers } from "./Headers.js"
import { contradictory, single } from "./Headers.js"
import { printable } from "./Redaction.js"
import { retryAfterMillis } from "./RetryAfter.js"
import type { Validator } from "./Validator.js"
import * as Validators from "./Validator.js"

/** What is on the disk already: `bytes` from offset 0, of the version that `validator` names. */
export interface Held {
  readonly bytes: number
  readonly total: number | undefined
  readonly validator: Validator
}

export const nothing: Held = { bytes: 0, total: undefined, validator: Validators.none }

/** What the next request asks for. `start` is 0 where nothing could prove that the rest belongs to the bytes held. */
export interface Ask {
  readonly start: number
  readonly headers: ReadonlyArray<readonly [string, string]>
}

/** Plans the request for the missing bytes (RFC 9110 sections 13.1.5 and 14.2). */
export const ask = (held: Held): Ask => {
  const headers: Array<readonly [string, string]> = [["accept-encoding", "identity"]]
  if (held.bytes === 0 || !Validators.canProve(held.validator)) return { start: 0, headers }
  headers.push(["range", from(held.bytes)])
  const ifRange = Validators.ifRange(held.validator)
  if (ifRange !== undefined) headers.push(["if-range", ifRange])
  return { start: held.bytes, headers }
}

/** What to do with a response. `bodyLength` is what the body must have, where it was announced. */
export type Verdict =
  | {
      readonly _tag: "Body"
      /** Where the first body byte goes: 0, or exactly the bytes held. */
      readonly start: number
      readonly bodyLength: number | undefined
      readonly total: number | undefined
      readonly validator: Validator
      /** Why the bytes held are given up, where they are. */
      readonly restart: string | undefined
    }
  | { readonly _tag: "AskAgainFromZero"; readonly why: string }
  | { readonly _tag: "Failed"; readonly error: DownloadError }

const failed = (error: DownloadError): Verdict => ({ _tag: "Failed", error })
const violation = (detail: string): Verdict => failed(make("ProtocolViolation", detail))
const unwanted = (field: string): Verdict =>
  failed(
    make("UnwantedCoding", `the server sent the body with ${printable(field, 60)}, which was not asked for`)
  )

/**
 * Judges the final (not redirecting) response to `asked`, given what is held.
 * `now` is the time of receipt in milliseconds, for Retry-After dates.
 */
export const judge = (held: Held, asked: Ask, status: number, headers: Headers, now: number): Verdict => {
  if (status !== 200 && status !== 206 && status !== 416) {
    return failed(fromStatus(status, retryAfterMillis(single(headers, "retry-after"), now)))
  }
  if (status === 416) return unsatisfied(held, asked, headers)
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
    return asked.start === 0 ? violation(why) : { _tag: "AskAgainFromZero", why }
  }
  const validator = Validators.fromHeaders(headers)
  if (status === 200) {
    const part = mislabelled(headers, length.value)
    if (part !== undefined)
      return asked.start === 0 ? violation(part) : { _tag: "AskAgainFromZero", why: part }
    // the version held has one length only, also where this answer does not say it
    const known = Validators.proves(held.validator, validator) ? held.total : undefined
    const total = length.value ?? known
    return {
      _tag: "Body",
      start: 0,
      bodyLength: total,
      total,
      validator,
      restart:
        asked.start > 0
          ? "the server sent the whole resource anew (it changed, or ranges are not supported)"
          : held.bytes > 0
            ? "nothing could prove that the rest belongs to the part already held"
            : undefined
    }
  }
  return partial(held, asked, headers, length.value, validator)
}

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
  if (asked.start === 0) return violation("the server sent a part (206) though the whole was asked for")
  const range = Option.flatMap(Option.fromNullable(single(headers, "content-range")), parseContentRange)
  if (Option.isNone(range))
    return { _tag: "AskAgainFromZero", why: "the server sent a 206 without a valid Content-Range" }
  const { start, end, total } = range.value
  if (start !== held.bytes) {
    return {
      _tag: "AskAgainFromZero",
      why: `the server sent bytes from ${start} where ${held.bytes} was asked for`
    }
  }
  if (bodyLength !== undefined && bodyLength !== end - start + 1) {
    return { _tag: "AskAgainFromZero", why: "Content-Length and Content-Range of the 206 disagree" }
  }
  if (total !== undefined && held.total !== undefined && total !== held.total) {
    return {
      _tag: "AskAgainFromZero",
      why: `the resource has ${total} bytes now and had ${held.total} before`
    }
  }
  const whole = total ?? held.total
  if (whole === undefined) {
    return { _tag: "AskAgainFromZero", why: "the server does not say how long the resource is" }
  }
  if (end >= whole) {
    return { _tag: "AskAgainFromZero", why: "the range sent lies beyond the end of the resource" }
  }
  if (!Validators.proves(held.validator, validator)) {
    return {
      _tag: "AskAgainFromZero",
      why: "nothing proves that the rest offered belongs to the part already held"
    }
  }
  return {
    _tag: "Body",
    start,
    bodyLength: end - start + 1,
    total: whole,
    validator: held.validator,
    restart: undefined
  }
}

const unsatisfied = (held: Held, asked: Ask, headers: Headers): Verdict => {
  if (asked.start === 0) return failed(fromStatus(416, undefined))
  const total = Option.flatMap(Option.fromNullable(single(headers, "content-range")), parseUnsatisfied)
  return {
    _tag: "AskAgainFromZero",
    why: Option.match(total, {
      onNone: () => "the server can't satisfy the range asked for",
      onSome: (bytes) => `the resource has ${bytes} bytes now, and ${held.bytes} are already held`
    })
  }
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

/** What is wrong with a resource of so many bytes (as far as is known), where at most `limit` are wanted. */
export const sizeFault = (limit: number | null, size: number | undefined): DownloadError | undefined =>
  limit === null || size === undefined || size <= limit
    ? undefined
    : make("TooLarge", `it has ${size} bytes, and at most ${limit} are wanted`)

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
