/**
 * What servers say of how many requests they still permit: `RateLimit` (IETF draft httpapi-ratelimit-headers, as a list of
 * policies since its version 8, as a dictionary before), its older single fields, and GitHub's `X-RateLimit-*`. Only "none
 * left, until then" matters here; how much is left is the server's business.
 */
import type { Headers } from "./Headers.js"
import { single } from "./Headers.js"
import { retryAfterMillis } from "./RetryAfter.js"

const seconds = (text: string | undefined): number | undefined =>
  text !== undefined && /^\s*\d{1,12}(\.\d+)?\s*$/.test(text) ? Number(text) * 1000 : undefined

/** `remaining=0, reset=12`, or `"default";r=0;t=12` for each policy: the longest wait of those with nothing left. */
const structured = (field: string): number | undefined => {
  const waits = field.split(/,(?=\s*")/).flatMap((policy) => {
    const value = (name: string) => seconds(new RegExp(`(?:^|[;,\\s])${name}=(\\d+)`, "i").exec(policy)?.[1])
    const left = value("r") ?? value("remaining")
    const wait = value("t") ?? value("reset")
    return left === 0 && wait !== undefined ? [wait] : []
  })
  return waits.length === 0 ? undefined : Math.max(...waits)
}

/** A time of day is told by some in seconds since the epoch, by others in seconds from now. */
const epoch = 1_000_000_000_000

/**
 * Until nothing more is permitted, in milliseconds from `now`: what Retry-After says, or else that none is left. Undefined where
 * neither is said.
 */
export const waitOf = (status: number, headers: Headers, now: number): number | undefined => {
  const asked =
    status === 429 || status === 503 ? retryAfterMillis(single(headers, "retry-after"), now) : undefined
  if (asked !== undefined) return asked
  const field = headers.get("ratelimit")?.join(", ")
  const told = field === undefined ? undefined : structured(field)
  if (told !== undefined) return told
  for (const prefix of ["ratelimit", "x-ratelimit", "x-rate-limit"]) {
    if (seconds(single(headers, `${prefix}-remaining`)) !== 0) continue
    const reset = seconds(single(headers, `${prefix}-reset`))
    if (reset === undefined) continue
    return reset >= epoch ? Math.max(0, reset - now) : reset
  }
  return undefined
}
