/**
 * Cookies as lines of a file, as Netscape had it and curl, wget and browsers' exports have it still: seven fields between tabs (domain,
 * whether names below it count, path, whether TLS is needed, expiry in seconds or 0 for the session, name, value), `#HttpOnly_` before a
 * domain, comments. Pure; which cookie goes where is left to a jar.
 */
import * as Either from "effect/Either"
import { printable } from "./Redaction.js"

export interface Cookie {
  /** In lower case, without a leading dot. */
  readonly domain: string
  /** For this host alone, and not for those below. */
  readonly hostOnly: boolean
  readonly path: string
  readonly secure: boolean
  readonly httpOnly: boolean
  /** Milliseconds since 1970; undefined: of the session. */
  readonly expires: number | undefined
  readonly name: string
  readonly value: string
}

/** Longer ones are no dates. */
const maxSeconds = 8.64e12

const truth = (text: string): boolean | undefined =>
  /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : undefined

/** The left is a sentence without a full stop that shows no value. */
const lineOf = (text: string): Either.Either<Cookie, string> => {
  const httpOnly = text.startsWith("#HttpOnly_")
  const fields = (httpOnly ? text.slice("#HttpOnly_".length) : text).split("\t")
  const [domain = "", below = "", path = "", secure = "", expiry = "", name = "", value = ""] = fields
  if (fields.length < 6 || fields.length > 7)
    return Either.left(`it has ${fields.length} fields between tabs, not 7`)
  const [isBelow, isSecure] = [truth(below), truth(secure)]
  if (isBelow === undefined || isSecure === undefined)
    return Either.left("its second and fourth field are not TRUE or FALSE")
  if (!/^\.?[^\s.][^\s]*$/.test(domain)) return Either.left(`"${printable(domain, 40)}" is no domain`)
  if (!path.startsWith("/")) return Either.left("its path does not begin with /")
  const seconds = /^-?\d{1,15}(\.\d+)?$/.test(expiry) ? Math.trunc(Number(expiry)) : NaN
  if (Number.isNaN(seconds) || seconds > maxSeconds)
    return Either.left(`"${printable(expiry, 40)}" is no time in seconds`)
  // oxlint-disable-next-line no-control-regex
  if (name === "" || /[\0-\x1f\x7f;]/.test(name + value))
    return Either.left("its name or value can't be those of a cookie")
  return Either.right({
    domain: domain.replace(/^\./, "").toLowerCase(),
    hostOnly: !isBelow,
    path,
    secure: isSecure,
    httpOnly,
    expires: seconds <= 0 ? undefined : seconds * 1000,
    name,
    value
  })
}

/** The left says which line is wrong, and how. */
export const parse = (text: string): Either.Either<ReadonlyArray<Cookie>, string> => {
  const cookies: Array<Cookie> = []
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    if (line.trim() === "" || (line.startsWith("#") && !line.startsWith("#HttpOnly_"))) continue
    const cookie = lineOf(line)
    if (Either.isLeft(cookie)) return Either.left(`line ${index + 1}: ${cookie.left}`)
    cookies.push(cookie.right)
  }
  return Either.right(cookies)
}

const shown = (is: boolean): string => (is ? "TRUE" : "FALSE")

/** What `parse` reads. */
export const format = (cookies: Iterable<Cookie>): string => {
  const lines = [
    "# Netscape HTTP Cookie File",
    "# Written by sluice; whoever has it is whom the cookies say.",
    ""
  ]
  for (const { domain, expires, hostOnly, httpOnly, name, path, secure, value } of cookies)
    lines.push(
      [
        `${httpOnly ? "#HttpOnly_" : ""}${hostOnly ? "" : "."}${domain}`,
        shown(!hostOnly),
        path,
        shown(secure),
        expires === undefined ? "0" : String(Math.max(1, Math.floor(expires / 1000))),
        name,
        value
      ].join("\t")
    )
  return `${lines.join("\n")}\n`
}
