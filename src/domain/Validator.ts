/**
 * Validators: what proves that two responses speak of the same bytes (RFC 9110 section 8.8).
 *
 * A digest of the whole is the best there is, where both responses carry one of the same algorithm: equal, it proves the
 * version whatever the tags say, and different, it refutes it, whatever they say.
 *
 * A strong ETag proves it. Last-Modified proves it only where it is strong in the sense of section 8.8.2.2, and
 * nothing says that the server's file times and its Date come from the same clock, so the section's other
 * branch is taken: "enough difference", for which RFC 7232 named 60 seconds. A weak ETag proves nothing, nor does a
 * date before 1990: those are the constants that build tools stamp on every file they make.
 */
import * as Schema from "effect/Schema"
import * as Digests from "./Digest.js"
import type { Headers } from "./Headers.js"
import { single } from "./Headers.js"
import * as HttpDate from "./HttpDate.js"

/** The validators of a response, as received. */
export const Validator = Schema.Struct({
  /**
   * The ETag field, verbatim: the tag with its quotes, W/ prefix included where it is weak. A field that is no entity
   * tag is kept too: it can't prove anything, but a change of it contradicts.
   */
  etag: Schema.optional(Schema.String),
  /** The Last-Modified field, verbatim. */
  lastModified: Schema.optional(Schema.String),
  /** Whether `lastModified` was at least 60 s older than the response's Date, and no build tool's constant. */
  lastModifiedStrong: Schema.Boolean,
  /**
   * The path of the address that answered, where redirects had led to another than was asked for: validators speak of
   * one resource only. Neither its host (mirrors) nor its query (signatures, which differ each time).
   */
  path: Schema.optional(Schema.String),
  /** Which of several sources has said so (`Source.keyOf`), where it is not the download's own URL. */
  source: Schema.optional(Schema.String),
  /** What the server says that the whole has; the file is compared with it before it gets its name. */
  digest: Schema.optional(Digests.Digest)
})
export type Validator = typeof Validator.Type

export const none: Validator = { lastModifiedStrong: false }

// RFC 9110 section 8.8.3: etagc is any visible character but the double quote, plus obs-text
const entityTag = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/

const oldest = Date.UTC(1990)

/** Where a response has come from, as far as that matters to what validators say: see there. */
export type Place = Pick<Validator, "path" | "source">

/** From a response's fields, and its digest of the whole; a malformed date counts as absent. */
export const fromHeaders = (headers: Headers, digest?: Digests.Digest, place: Place = {}): Validator => {
  const etag = single(headers, "etag") ?? headers.get("etag")?.join(", ")
  const lastModified = single(headers, "last-modified")
  const modifiedAt = HttpDate.parse(lastModified ?? "")
  const date = HttpDate.parse(single(headers, "date") ?? "")
  return {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined || modifiedAt === undefined ? {} : { lastModified }),
    lastModifiedStrong:
      modifiedAt !== undefined && date !== undefined && modifiedAt >= oldest && date - modifiedAt >= 60_000,
    ...(digest === undefined ? {} : { digest }),
    ...place
  }
}

/** The strong entity tag, if there is one. */
export const strongTag = (validator: Validator): string | undefined =>
  validator.etag !== undefined && entityTag.test(validator.etag) && !validator.etag.startsWith("W/")
    ? validator.etag
    : undefined

const strongDate = (validator: Validator): string | undefined =>
  validator.lastModifiedStrong ? validator.lastModified : undefined

/** Whether a later response can be proved to continue what was held under this validator. */
export const canProve = (validator: Validator): boolean =>
  strongDate(validator) !== undefined || canProveElsewhere(validator)

/** As `canProve`, where another source is asked. */
export const canProveElsewhere = (validator: Validator): boolean =>
  strongTag(validator) !== undefined ||
  (validator.digest !== undefined && Digests.isOfParts(validator.digest))

/**
 * The If-Range value: a strong ETag, or a strong date where there is no ETag field at all (RFC 9110 section 13.1.5
 * forbids a date beside any entity tag, and a weak tag always).
 */
export const ifRange = (validator: Validator): string | undefined =>
  strongTag(validator) ?? (validator.etag === undefined ? strongDate(validator) : undefined)

/**
 * Whether `received` proves the version that `held` came from. Digests that can be compared decide. Else strong tags decide where `held` has one: equal is
 * proof, different or missing is not. Else the same strong date of the same source is proof, unless the tags contradict it.
 */
export const proves = (held: Validator, received: Validator): boolean => {
  const agree = Digests.agree(held.digest, received.digest)
  if (agree !== undefined) return agree
  if (held.path !== received.path) return false
  const tag = strongTag(held)
  if (tag !== undefined) return strongTag(received) === tag
  // mirrors of one file may well have its date in common, and so may two versions that were made in the same second
  if (held.source !== received.source) return false
  const date = strongDate(held)
  if (date === undefined) return false
  const weaklyDifferent = held.etag !== received.etag
  return received.lastModified === date && !weaklyDifferent
}

/** Whether `received` speaks of another version for certain: a field that both have differs, of the same source, or the digest. */
export const refutes = (held: Validator, received: Validator): boolean => {
  const agree = Digests.agree(held.digest, received.digest)
  if (agree !== undefined) return !agree
  return (
    held.path === received.path &&
    held.source === received.source &&
    ((held.etag !== undefined && received.etag !== undefined && held.etag !== received.etag) ||
      (held.lastModified !== undefined &&
        received.lastModified !== undefined &&
        held.lastModified !== received.lastModified))
  )
}

/** What is known of a version after one more response that proved to be of it: a digest that only that one carried counts too. */
export const joined = (held: Validator, received: Validator): Validator =>
  held.digest === undefined && received.digest !== undefined ? { ...held, digest: received.digest } : held
