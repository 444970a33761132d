/**
 * What a caller asks for: one URL, a directory, and how to go about it (see DownloadOptions). Decoded once, at the edge;
 * credentials written into the URL are moved to a header there, so that no URL inside sluice carries a secret.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import type { DownloadError } from "./DownloadError.js"
import { make } from "./DownloadError.js"
import type { DownloadId } from "./DownloadId.js"
import { acceptOptions, type DownloadOptions, type RequestOptions } from "./DownloadOptions.js"
import * as FileName from "./FileName.js"
import { accept as acceptPieces, type Pieces } from "./Pieces.js"
import { printable, redactUrl } from "./Redaction.js"

/** A header field of a request. */
export type Header = readonly [name: string, value: string]

/** Another URL of the same file. */
export interface Mirror {
  /** Absolute, http or https. */
  readonly url: string
  /** 1 is the best. @default 1, as the URL itself has */
  readonly priority?: number | undefined
}

/** Mirrors that one download can have. */
export const maxMirrors = 1000

/** As RFC 5854 has it. */
export const maxPriority = 999_999

/** A request as callers write it. */
export interface DownloadRequest {
  /** Absolute, http or https. */
  readonly url: string
  /**
   * Other URLs of the same file, 1000 at most, asked where this one fails, and beside it where checksum or validators prove that they
   * have the same bytes. Enqueueing the same again adds mirrors and takes none away. @default none
   */
  readonly mirrors?: ReadonlyArray<string | Mirror> | undefined
  /**
   * Where the file goes; made if its parent exists. A relative one counts from the process's working directory.
   * @default the engine's
   */
  readonly directory?: string | undefined
  /**
   * The final name. It may lead into directories below `directory`, which are made: `sub/name`; never out of it, also not by a
   * symbolic link. @default proposed by the server, see FileName
   */
  readonly output?: string | undefined
  /** Sent with every request to the URL's own origin. Secret while stored; gone with the terminal status. */
  readonly headers?: ReadonlyArray<Header> | undefined
  /** Higher goes first. @default 0 */
  readonly priority?: number | undefined
  /**
   * Names under which it is found and commanded together with others, 16 at most, of 1 to 64 characters each. Enqueueing the
   * same again adds tags and takes none away. @default none
   */
  readonly tags?: ReadonlyArray<string> | undefined
  /**
   * Your own name for this request, 1 to 200 characters: while one with the same key is unfinished, it is the same download,
   * and a request for another URL or destination under it is refused. @default the URL, directory and name together
   */
  readonly key?: string | undefined
  /**
   * Digests of its pieces, 131072 at most, as metalinks have them; they need `options.size`. Where the checksum of the whole is wrong, or there
   * is none, only the wrong pieces are fetched again, from another source if there is one. The same request asked for again changes them
   * from its next try on. @default none
   */
  readonly pieces?: Pieces | undefined
  /** How to go about it. @default the engine's `downloadDefaults`, then those of DownloadOptions */
  readonly options?: RequestOptions | undefined
  /**
   * Anything that JSON can hold, opaque to sluice: it comes back in rows, listings, events and completions. At most 64 KiB
   * as JSON; shown to whoever may see the queue, so no place for secrets. @default none
   */
  readonly meta?: unknown
}

/** A request as the engine keeps it. */
export interface Accepted {
  readonly url: string
  readonly mirrors: ReadonlyArray<Required<Mirror>>
  readonly directory: string
  /** The directory chosen, where the name leads into one below it; else null. */
  readonly root: string | null
  readonly output: string | null
  readonly headers: ReadonlyArray<Header>
  readonly priority: number
  readonly options: DownloadOptions
  /** `options.pieces` says of what kind they are. */
  readonly pieces?: Pieces | undefined
  readonly tags: ReadonlyArray<string>
  /** Null for none. */
  readonly key: string | null
  /** As JSON gives it back; null for none. */
  readonly meta: unknown
  /** The terminal download that this is one more try of. */
  readonly retries?: DownloadId | undefined
}

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Fields that sluice itself is responsible for; a caller's value would break resuming or framing. */
const owned = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "keep-alive",
  "range",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade"
])
/** As paths are written on POSIX and on Windows. */
const absolute = /^(\/|[a-z]:[\\/]|\\\\)/i

/** Tags of one download. */
const maxTags = 16

/** What people type again, in a shell and in JSON: nothing that can't be seen. */
const isLabel = (text: string, length: number): boolean =>
  text.length > 0 && text.length <= length && text.trim() === text && !/\p{Cc}/u.test(text)

const labelRule = (length: number): string =>
  `1 to ${length} characters, no control characters, no blanks at its ends`

/** The largest `meta`, in bytes of UTF-8. */
export const maxMeta = 64 * 1024

/** What JSON makes of a value, so that what is in memory is what will be read back. */
const acceptMeta = (meta: unknown): Either.Either<unknown, DownloadError> => {
  if (meta === undefined || meta === null) return Either.right(null)
  const text = Either.try((): string | undefined => JSON.stringify(meta))
  if (Either.isLeft(text) || text.right === undefined) {
    return Either.left(make("InvalidRequest", "the meta of the request can't be written as JSON"))
  }
  const size = new TextEncoder().encode(text.right).length
  if (size > maxMeta) {
    return Either.left(
      make("InvalidRequest", `the meta of the request has ${size} bytes as JSON; ${maxMeta} are the limit`)
    )
  }
  return Either.right(JSON.parse(text.right))
}

/** Reads a URL that can be downloaded from. It may still carry credentials, and the error shows none. */
export const parseUrl = (text: string): Either.Either<URL, DownloadError> => {
  const raw = text.trim()
  const parsed = Either.try(() => new URL(raw))
  if (Either.isLeft(parsed)) {
    return Either.left(make("InvalidUrl", `"${printable(redactUrl(raw))}" is not a URL`))
  }
  const url = parsed.right
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    return Either.left(
      make(
        "UnsupportedScheme",
        `"${printable(redactUrl(raw))}" has the scheme ${printable(url.protocol.slice(0, -1), 40)}`
      )
    )
  }
  return Either.right(url)
}

/** Checks a field that a caller wants to be sent. The error does not show its value, which may be a secret. */
export const checkHeader = ([name, value]: Header): Either.Either<Header, DownloadError> => {
  if (!token.test(name))
    return Either.left(make("InvalidRequest", `"${printable(name)}" is not a header name`))
  if (owned.has(name.toLowerCase()))
    return Either.left(make("InvalidRequest", `the header ${name} is set by sluice itself`))
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for: they would split the head
  if (/[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/.test(value)) {
    return Either.left(
      make("InvalidRequest", `the value of the header ${name} has characters that can't be sent`)
    )
  }
  return Either.right([name, value.trim()])
}

const none: ReadonlyArray<Mirror> = []

/** Checks a further source. It must have no credentials: fields that are secret go to the first URL's origin only. */
export const acceptMirror = (mirror: string | Mirror): Either.Either<Required<Mirror>, DownloadError> => {
  const { priority = 1, url: text } = typeof mirror === "string" ? { url: mirror } : mirror
  if (!Number.isSafeInteger(priority) || priority < 1 || priority > maxPriority)
    return Either.left(
      make("InvalidRequest", `the priority of a mirror is a number from 1 to ${maxPriority}`)
    )
  return Either.flatMap(parseUrl(text), (url) => {
    // headers go to the download's own origin only, so that nothing could be made of them
    if (url.username !== "" || url.password !== "")
      return Either.left(
        make(
          "InvalidRequest",
          `the mirror ${printable(redactUrl(url.href))} must not have a user or password`
        )
      )
    url.hash = ""
    return Either.right({ url: url.href, priority })
  })
}

/**
 * Checks and normalises a request. The error is permanent and speaks of the first thing that is wrong. `options`: what
 * `acceptOptions` made of the request's, where that is known already.
 */
export const accept = (
  request: DownloadRequest,
  options = acceptOptions(request.options)
): Either.Either<Accepted, DownloadError> => {
  const parsed = parseUrl(request.url)
  if (Either.isLeft(parsed)) return Either.left(parsed.left)
  const url = parsed.right
  const headers: Array<Header> = []
  for (const field of request.headers ?? []) {
    const checked = checkHeader(field)
    if (Either.isLeft(checked)) return Either.left(checked.left)
    headers.push(checked.right)
  }
  if (
    (url.username !== "" || url.password !== "") &&
    !headers.some(([name]) => name.toLowerCase() === "authorization")
  ) {
    const user = decode(url.username)
    headers.push(["Authorization", `Basic ${Encoding.encodeBase64(`${user}:${decode(url.password)}`)}`])
  }
  // to set them takes time, and most have none
  if (url.username !== "") url.username = ""
  if (url.password !== "") url.password = ""
  if (url.href.includes("#")) url.hash = ""
  const mirrors: Array<Required<Mirror>> = []
  for (const mirror of request.mirrors ?? none) {
    const accepted = acceptMirror(mirror)
    if (Either.isLeft(accepted)) return Either.left(accepted.left)
    mirrors.push(accepted.right)
  }
  if (mirrors.length > maxMirrors)
    return Either.left(make("InvalidRequest", `a download can have ${maxMirrors} mirrors at most`))
  const { directory = "" } = request
  if (!absolute.test(directory) || directory.includes("\u0000")) {
    return Either.left(
      make("DestinationUnusable", `the directory "${printable(directory)}" is not an absolute path`)
    )
  }
  let place: FileName.Below | undefined
  if (request.output !== undefined) {
    const name: Either.Either<FileName.Below, string> = request.output.includes("/")
      ? FileName.checkPath(request.output)
      : Either.map(FileName.check(request.output), (name) => ({ below: [], name }))
    if (Either.isRight(name)) place = name.right
    else {
      return Either.left(
        make("DestinationUnusable", `the name "${printable(request.output)}" can't be used: ${name.left}`)
      )
    }
  }
  const priority = request.priority ?? 0
  if (!Number.isSafeInteger(priority))
    return Either.left(make("InvalidRequest", "the priority must be a whole number"))
  const tags = [...new Set(request.tags ?? [])]
  if (tags.length > maxTags)
    return Either.left(
      make("InvalidRequest", `a download can have ${maxTags} tags at most, not ${tags.length}`)
    )
  const badTag = tags.find((tag) => !isLabel(tag, 64))
  if (badTag !== undefined)
    return Either.left(
      make("InvalidRequest", `the tag "${printable(badTag)}" can't be used: ${labelRule(64)}`)
    )
  const { key = null } = request
  if (key !== null && !isLabel(key, 200))
    return Either.left(make("InvalidRequest", `the key "${printable(key)}" can't be used: ${labelRule(200)}`))
  if (Either.isLeft(options)) return Either.left(options.left)
  const pieces = request.pieces === undefined ? undefined : acceptPieces(request.pieces, options.right.size)
  if (pieces !== undefined && Either.isLeft(pieces)) return Either.left(make("InvalidRequest", pieces.left))
  return Either.map(acceptMeta(request.meta), (meta) => ({
    url: url.href,
    mirrors,
    ...placed(directory, place),
    headers,
    priority,
    ...(pieces === undefined
      ? { options: options.right }
      : { options: { ...options.right, pieces: kindOf(pieces.right) }, pieces: pieces.right }),
    tags,
    key,
    meta
  }))
}

const kindOf = ({ algorithm, length }: Pieces) => ({ algorithm, length })

/** The directory that the file really goes to, and its name there. */
const placed = (
  directory: string,
  place: FileName.Below | undefined
): Pick<Accepted, "directory" | "root" | "output"> =>
  place === undefined || place.below.length === 0
    ? { directory, root: null, output: place?.name ?? null }
    : {
        directory: `${directory.replace(/(?<!\/)\/+$/, "")}/${place.below.join("/")}`,
        root: directory,
        output: place.name
      }

/** What makes two requests the same while the first is unfinished (PROMISES Q4): the caller's key, else sources and destination. */
export const keyOf = ({
  directory,
  key,
  options: { destination },
  output,
  url
}: Pick<Accepted, "url" | "directory" | "output" | "key" | "options">): string =>
  // JSON, because names may hold any separator; the lengths of the lists tell the four kinds apart
  JSON.stringify([
    ...(key === null ? [url, directory, output] : [key]),
    ...(destination === null ? [] : [destination])
  ])

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
