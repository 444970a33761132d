/**
 * The Retry-After field (RFC 9110 section 10.2.3): delay-seconds or an HTTP date.
 */
import * as HttpDate from "./HttpDate.js"

/** At most this much is believed, in milliseconds (a week): more is a mistake or an attack. */
const ceiling = 7 * 24 * 3_600_000

/** The wait in milliseconds from `now`; undefined if the field is absent or malformed; never negative. */
export const retryAfterMillis = (field: string | undefined, now: number): number | undefined => {
  if (field === undefined) return undefined
  const text = field.trim()
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, ceiling)
  const at = HttpDate.parse(text)
  return at === undefined ? undefined : Math.min(Math.max(0, at - now), ceiling)
}
