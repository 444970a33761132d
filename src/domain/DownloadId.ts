/**
 * The name of a download: 11 characters of Crockford's base 32, lower case.
 *
 * Behind it stands a whole number below 2^53 that grows with time, so that the database keeps downloads in order of
 * age under an integer key. The digits are written least significant first, so that ids made at the same
 * time differ in their first characters, and a short prefix is enough to name one (as with git).
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const digits = "0123456789abcdefghjkmnpqrstvwxyz"
const length = 11

/** 11 characters; decodes and checks. */
export const DownloadId = Schema.String.pipe(
  Schema.pattern(/^[0-9a-hjkmnp-tv-z]{11}$/),
  Schema.brand("DownloadId")
)
export type DownloadId = typeof DownloadId.Type

/** The id for a key (a whole number from 0 to 2^53 - 1). */
export const fromKey = (key: number): DownloadId => {
  let text = ""
  let rest = key
  for (let i = 0; i < length; i++) {
    text += digits[rest % 32]!
    rest = Math.floor(rest / 32)
  }
  return text as DownloadId
}

/** The key behind an id. */
export const toKey = (id: DownloadId): number => {
  let key = 0
  for (let i = length - 1; i >= 0; i--) key = key * 32 + digits.indexOf(id[i]!)
  return key
}

/** A text with the letters that look like digits as these. */
export const tolerant = (text: string): string =>
  text.trim().toLowerCase().replaceAll("o", "0").replaceAll(/[il]/g, "1")

/** Reads an id as a person may type it: any case, and o, i, l for 0, 1, 1. */
export const parse = (text: string): Option.Option<DownloadId> => {
  const clean = tolerant(text)
  return Schema.is(DownloadId)(clean) && toKey(clean) <= Number.MAX_SAFE_INTEGER
    ? Option.some(clean)
    : Option.none()
}

/**
 * Which keys have an id that begins so, as a person may type it: those that leave `rest` when divided by `modulus`. Undefined if
 * no id does.
 */
export const keysOf = (prefix: string): { readonly modulus: number; readonly rest: number } | undefined => {
  const clean = tolerant(prefix)
  if (clean.length === 0 || clean.length > length || !/^[0-9a-hjkmnp-tv-z]+$/.test(clean)) return undefined
  // the 11th digit counts 2^50 to 2^53, beyond which no key is
  const rest = toKey(clean.padEnd(length, "0") as DownloadId)
  return rest > Number.MAX_SAFE_INTEGER ? undefined : { modulus: Math.min(32 ** clean.length, 2 ** 53), rest }
}

/** Milliseconds since the epoch that keys count from: 2020-01-01. 41 bits of them last until 2089. */
const epoch = 1_577_836_800_000

/**
 * The next key: time in its upper 41 bits, 12 random bits below, and always above `last`,
 * also when the clock went backwards or several are made within one millisecond.
 */
export const nextKey = (last: number, now: number, random: number): number =>
  Math.max(last + 1, Math.max(0, now - epoch) * 4096 + Math.floor(random * 4096))
