/**
 * Redirects (RFC 9110 section 15.4), as PROMISES H2 wants them: bounded, http and https only, never from https
 * down to http, and nothing that may identify the user goes to another origin.
 */
import * as Either from "effect/Either"
import type { DownloadError } from "./DownloadError.js"
import { make } from "./DownloadError.js"
import { printable, redactUrl } from "./Redaction.js"

/** Redirects followed for one request. */
export const maxRedirects = 10

export const isRedirect = (status: number): boolean =>
  status === 301 || status === 302 || status === 303 || status === 307 || status === 308

/**
 * Header fields of the caller that may go to another origin than the one they were given for. An allow-list, because
 * services invent names for credentials (X-Api-Key, PRIVATE-TOKEN ...) faster than a deny-list could follow.
 */
const harmless = new Set([
  "accept",
  "accept-language",
  "user-agent",
  "referer",
  "cache-control",
  "pragma",
  "dnt"
])

/** Whether a header field of this name carries nothing that others must not know. */
export const isHarmless = (name: string): boolean => harmless.has(name.trim().toLowerCase())

/** The header fields for `to`, of those given for `original`. */
export const headersFor = (
  original: URL,
  to: URL,
  headers: ReadonlyArray<readonly [string, string]>
): ReadonlyArray<readonly [string, string]> =>
  original.origin === to.origin ? headers : headers.filter(([name]) => isHarmless(name))

/** Where a redirect leads, or why it is not followed. `count` is the number of redirects followed before this one. */
export const next = (
  from: URL,
  location: string | undefined,
  count: number
): Either.Either<URL, DownloadError> => {
  if (count >= maxRedirects) {
    return Either.left(make("TooManyRedirects", `the server redirected more than ${maxRedirects} times`))
  }
  if (location === undefined || location.trim() === "") {
    return Either.left(make("ProtocolViolation", "the server redirected without saying where to"))
  }
  if (!URL.canParse(location, from.href)) {
    return Either.left(make("ProtocolViolation", "the server redirected to something that is no URL"))
  }
  const to = new URL(location, from)
  if (to.protocol !== "http:" && to.protocol !== "https:") {
    return Either.left(
      make("RedirectRefused", `the server redirected to a ${printable(to.protocol, 40)} address`)
    )
  }
  if (from.protocol === "https:" && to.protocol === "http:") {
    return Either.left(
      make("RedirectRefused", `the server redirected from https down to ${printable(redactUrl(to.href))}`)
    )
  }
  // credentials that a server writes into a Location are the server's idea, not the user's
  to.username = ""
  to.password = ""
  to.hash = ""
  return Either.right(to)
}
