/**
 * Reads what people type: durations, header fields, counts. Pure; each parser answers with the value, or with one
 * sentence that says what is wrong and what would be right.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Schema from "effect/Schema"
import * as Checksum from "../../domain/Checksum.js"
import { maxConnections } from "../../domain/DownloadOptions.js"
import * as DownloadRequest from "../../domain/DownloadRequest.js"
import { parseOrigin } from "../../domain/Limits.js"
import * as Milliseconds from "../../domain/Milliseconds.js"
import * as Proxy from "../../domain/Proxy.js"
import { printable, redactUrl } from "../../domain/Redaction.js"

/** A parser of one argument. The left is a sentence without a full stop. */
export type Parser<A> = (text: string) => Either.Either<A, string>

/** @see {@link Milliseconds.parse} */
export const duration: Parser<number> = Milliseconds.parse

/** A duration that is not zero. */
export const positiveDuration: Parser<number> = (text) =>
  Either.flatMap(duration(text), (millis) =>
    millis > 0 ? Either.right(millis) : Either.left(`"${text}" is no time at all; give at least 1ms`)
  )

/** A whole number from `least` on. */
export const count =
  (least: number): Parser<number> =>
  (text) => {
    const number = /^\d{1,15}$/.test(text.trim()) ? Number(text) : -1
    return number >= least
      ? Either.right(number)
      : Either.left(`"${text}" is not a whole number of at least ${least}`)
  }

/** How many connections one download may have. */
export const connections: Parser<number> = (text) =>
  Either.flatMap(count(1)(text), (number) =>
    number <= maxConnections
      ? Either.right(number)
      : Either.left(`${number} connections are too many for one download: ${maxConnections} are the limit`)
  )

/** One of a closed set of words. */
export const choice =
  <A extends string>(words: Schema.Literal<readonly [A, ...ReadonlyArray<A>]>): Parser<A> =>
  (text) =>
    Schema.is(words)(text)
      ? Either.right(text)
      : Either.left(`"${text}" is not one of ${words.literals.join(", ")}`)

/** A directory as typed; an empty one is most likely a variable that was never set. */
export const directory: Parser<string> = (text) =>
  text === "" ? Either.left("the directory is empty; write . for the current one") : Either.right(text)

/** What is kept as it is, and never shown. */
export const secret: Parser<string> = Either.right

/** What is looked at by others. */
export const text: Parser<string> = Either.right

/** @see {@link Proxy.parse} */
export const proxy: Parser<Proxy.Proxy> = Proxy.parse

/** A file as typed. */
export const file: Parser<string> = (text) =>
  text === "" ? Either.left("the file name is empty") : Either.right(text)

/**
 * `Name: value`. What may be in either is decided by the domain; the sentences never repeat a value, since it may
 * be a secret.
 */
export const header: Parser<DownloadRequest.Header> = (text) => {
  const colon = text.indexOf(":")
  if (colon < 1) return Either.left("a header has no name; write it like 'Accept-Language: en'")
  return Either.mapLeft(
    DownloadRequest.checkHeader([text.slice(0, colon).trim(), text.slice(colon + 1).trim()]),
    ({ detail }) => detail
  )
}

/** A whole number; below zero too. */
export const integer: Parser<number> = (text) =>
  /^[+-]?\d{1,15}$/.test(text.trim())
    ? Either.right(Number(text))
    : Either.left(`"${text}" is not a whole number`)

/** A whole number between two, both included. */
export const countWithin =
  (least: number, most: number): Parser<number> =>
  (text) =>
    Either.flatMap(count(least)(text), (number) =>
      number <= most ? Either.right(number) : Either.left(`${number} is too many; the most is ${most}`)
    )

/** A name that people give: a tag, a group, a key. */
export const label =
  (most: number): Parser<string> =>
  (text) => {
    const name = text.trim()
    if (name === "") return Either.left("the name is empty")
    if (name.length > most) return Either.left(`it has ${name.length} characters; ${most} are the limit`)
    return /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)
      ? Either.left("it has characters that can't be seen")
      : Either.right(name)
  }

const unitExponent: Record<string, number> = { "": 0, k: 1, m: 2, g: 3, t: 4 }

/** `500K`, `8MiB`, `1.5G`, or plain bytes. K is 1024 bytes, M is 1024 K and so on, with or without B or iB. */
export const size: Parser<number> = (text) => {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(?:b|([kmgt])(?:i?b)?)?$/i.exec(text.trim())
  if (match === null) {
    return Either.left(
      `"${text}" is not a size; write one like 500K, 8MiB or 1.5G (a plain number is bytes, K is 1024)`
    )
  }
  const bytes = Math.round(Number(match[1]) * 1024 ** unitExponent[(match[2] ?? "").toLowerCase()]!)
  return Number.isSafeInteger(bytes) ? Either.right(bytes) : Either.left(`"${text}" is too large`)
}

/** A size that is not zero. */
export const positiveSize: Parser<number> = (text) =>
  Either.flatMap(size(text), (bytes) =>
    bytes > 0 ? Either.right(bytes) : Either.left(`"${text}" is nothing at all; give at least 1 byte`)
  )

/** Bytes per second, or `off`. */
export const rate: Parser<number | "off"> = (text) =>
  text.trim().toLowerCase() === "off"
    ? Either.right("off")
    : Either.mapLeft(positiveSize(text), (why) => `${why}, or off`)

/** `https://example.org`, as far as its port. */
export const origin: Parser<string> = parseOrigin

/** `ALGO:HEX`, or as aria2's lists have it, `ALGO=HEX`; or where it stands, as a URL or a file. */
/** What can be downloaded from; without a user, as nothing would be sent there. */
export const url: Parser<string> = (text) =>
  Either.flatMap(
    Either.mapLeft(DownloadRequest.parseUrl(text), ({ detail }) => detail),
    ({ href, password, username }) =>
      username === "" && password === ""
        ? Either.right(href)
        : Either.left(`${printable(redactUrl(href))} must not have a user or password`)
  )

export const checksum: Parser<Checksum.Expected | Checksum.ChecksumFile> = Checksum.parse

/** On or off. */
export const boolean: Parser<boolean> = (text) => {
  const word = text.trim().toLowerCase()
  if (word === "true" || word === "1") return Either.right(true)
  if (word === "false" || word === "0") return Either.right(false)
  return Either.left(`"${text}" is neither true nor false (nor 1 or 0)`)
}

/** `USER:PASSWORD`, as the field that carries it. The password may be empty and may hold colons. */
export const user: Parser<DownloadRequest.Header> = (text) =>
  text.indexOf(":") < 1
    ? Either.left("it must be a user and a password, like USER:PASSWORD (the password may be empty)")
    : Either.right(["Authorization", `Basic ${Encoding.encodeBase64(text)}`])

/** A bearer token (RFC 6750), as the field that carries it. */
export const bearer: Parser<DownloadRequest.Header> = (text) =>
  /^[\x21-\x7e]+$/.test(text.trim())
    ? Either.right(["Authorization", `Bearer ${text.trim()}`])
    : Either.left("a token is not empty, and has neither spaces nor characters beyond ASCII")

export const userAgent: Parser<DownloadRequest.Header> = (text) =>
  Either.mapLeft(DownloadRequest.checkHeader(["User-Agent", text.trim()]), ({ detail }) => detail)

/** The page that led here. User, password and fragment are not for others to know (RFC 9110 section 10.1.3). */
export const referer: Parser<DownloadRequest.Header> = (text) => {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return Either.left("it is not an absolute http:// or https:// URL")
  }
  url.username = ""
  url.password = ""
  url.hash = ""
  return Either.right(["Referer", url.href])
}
