/**
 * Byte ranges on the wire: what to ask for (RFC 9110 section 14.2) and how to read the answer (section 14.4).
 * Parsing is strict: a field that is not exactly the grammar is no evidence of anything.
 */
import * as Option from "effect/Option"

/** `start` to `end`, both inclusive, of a representation of `total` bytes (undefined where the server wrote `*`). */
export interface ContentRange {
  readonly start: number
  readonly end: number
  readonly total: number | undefined
}

/** The Range field that asks for everything from `start` on, or up to `end`, which is not asked for. */
export const from = (start: number, end?: number): string =>
  end === undefined ? `bytes=${start}-` : `bytes=${start}-${end - 1}`

const decimal = /^\d{1,16}$/

/** A whole number of at most 2^53 - 1, written in digits only. */
export const parseLength = (text: string): Option.Option<number> => {
  if (!decimal.test(text)) return Option.none()
  const value = Number(text)
  return Number.isSafeInteger(value) ? Option.some(value) : Option.none()
}

const satisfied = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16}|\*)$/i

/** The Content-Range of a 206. None if malformed, reversed, or beyond its own total. */
export const parseContentRange = (text: string): Option.Option<ContentRange> => {
  const match = satisfied.exec(text.trim())
  if (match === null) return Option.none()
  const start = Number(match[1])
  const end = Number(match[2])
  const total = match[3] === "*" ? undefined : Number(match[3])
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || end < start) return Option.none()
  if (total !== undefined && (!Number.isSafeInteger(total) || end >= total)) return Option.none()
  return Option.some({ start, end, total })
}

const unsatisfied = /^bytes \*\/(\d{1,16})$/i

/** The current length that a 416 reports. */
export const parseUnsatisfied = (text: string): Option.Option<number> => {
  const match = unsatisfied.exec(text.trim())
  return match === null ? Option.none() : parseLength(match[1]!)
}
