/**
 * What a caller asks for: one URL, a directory, and how to go about it. Decoded once, at the edge; credentials written
 * into the URL are moved to a header there, so that no URL inside sluice carries a secret.
 */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { type ChecksumFile, Expected } from "./Checksum.js"
import type { DownloadError } from "./DownloadError.js"
import { make } from "./DownloadError.js"
import type { DownloadId } from "./DownloadId.js"
import * as FileName from "./FileName.js"
import { printable, redactUrl } from "./Redaction.js"

/** What happens when the final name is taken by a file that this download did not make. */
export const ConflictPolicy = Schema.Literal("rename", "overwrite", "skip", "fail")
export type ConflictPolicy = typeof ConflictPolicy.Type

/**
 * What to do where the same request was completed before and its file is still as it was: `never` fetch it again, without
 * asking the server; only `if-changed`, which the server is asked; `always`, whatever is there. A file that is missing or was
 * altered is fetched again in any case.
 */
export const RefetchPolicy = Schema.Literal("never", "if-changed", "always")
export type RefetchPolicy = typeof RefetchPolicy.Type

/** What each option is where nobody says otherwise. Rows keep only what differs: a default that changes, changes for them too. */
export const defaultOptions = {
  maxRetries: 3,
  retryDelay: 2000,
  timeout: 30_000,
  stallTimeout: 30_000,
  giveUp: 24 * 3_600_000,
  onConflict: "rename",
  refetch: "if-changed",
  checksum: null,
  maxSize: null,
  connections: 4
} as const

const option = <A, I, Name extends keyof typeof defaultOptions>(name: Name, schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(schema, { default: () => defaultOptions[name] as unknown as A })

/** So many connections one download may have; more would help nobody but itself. */
export const maxConnections = 16

/** How to go about a download; stored with its row, as JSON, hence finite. All times in milliseconds. */
export const DownloadOptions = Schema.Struct({
  /** Tries in a row without resumable progress before the download fails. @default 3 */
  maxRetries: option("maxRetries", Schema.NonNegativeInt),
  /** Base of the exponential backoff. @default 2000 */
  retryDelay: option("retryDelay", Schema.NonNegative.pipe(Schema.finite())),
  /** For connecting and for the response head, each. @default 30000 */
  timeout: option("timeout", Schema.Positive.pipe(Schema.finite())),
  /** Without a body byte for so long, the connection is given up. @default 30000 */
  stallTimeout: option("stallTimeout", Schema.Positive.pipe(Schema.finite())),
  /** Waiting (host cooling down, disk full) without progress ends after this. @default 24 h; `get` uses 10 min */
  giveUp: option("giveUp", Schema.NonNegative.pipe(Schema.finite())),
  /** @default "rename" */
  onConflict: option("onConflict", ConflictPolicy),
  /** Whether what is complete already is fetched again. @default "if-changed" */
  refetch: option("refetch", RefetchPolicy),
  /**
   * What the whole file must have before it gets its final name: a digest, or the URL of a list in which it stands. A mismatch
   * is retried from 0, `maxRetries` times; a list that can't be had is a failure like any other, and costs no byte that is there.
   * @default null, nothing but what the server itself announces is compared
   */
  checksum: option("checksum", Schema.NullOr(Expected)),
  /** Bytes that the file may have at most; more ends the download for good. @default null, no limit */
  maxSize: option("maxSize", Schema.NullOr(Schema.NonNegativeInt)),
  /**
   * Connections at most, 1 to 16: a large file from a server that proves ranges is fetched by several where that is faster.
   * @default 4
   */
  connections: option("connections", Schema.Int.pipe(Schema.between(1, maxConnections)))
})
export type DownloadOptions = typeof DownloadOptions.Type

/** The same as a caller may write them: all may be left out, and the list of checksums may be a file. */
export interface RequestOptions extends Partial<Omit<DownloadOptions, "checksum">> {
  /** As in DownloadOptions; also a list in a file of this machine, which is read when the request is made. */
  readonly checksum?: Expected | ChecksumFile | null
}

/** A header field of a request. */
export type Header = readonly [name: string, value: string]

/** A request as callers write it. */
export interface DownloadRequest {
  /** Absolute, http or https. */
  readonly url: string
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
  readonly directory: string
  /** The directory chosen, where the name leads into one below it; else null. */
  readonly root: string | null
  readonly output: string | null
  readonly headers: ReadonlyArray<Header>
  readonly priority: number
  readonly options: DownloadOptions
  readonly tags: ReadonlyArray<string>
  /** Null for none. */
  readonly key: string | null
  /** As JSON gives it back; null for none. */
  readonly meta: unknown
  /** The terminal download that this is one more try of. */
  readonly retries?: DownloadId | undefined
}

const decodeOptions = Schema.decodeUnknownEither(DownloadOptions)

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
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/.test(value)) {
    return Either.left(
      make("InvalidRequest", `the value of the header ${name} has characters that can't be sent`)
    )
  }
  return Either.right([name, value.trim()])
}

/** Options with what they leave open filled in. Thousands of requests mostly have the same: those need be checked once. */
export const acceptOptions = (
  options: RequestOptions | undefined
): Either.Either<DownloadOptions, DownloadError> =>
  Either.mapLeft(decodeOptions(defined(options ?? {})), (error) =>
    make("InvalidRequest", issuesByOption(error).map(issueText).join("; "))
  )

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
  return Either.map(acceptMeta(request.meta), (meta) => ({
    url: url.href,
    ...placed(directory, place),
    headers,
    priority,
    options: options.right,
    tags,
    key,
    meta
  }))
}

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
export const keyOf = (accepted: Pick<Accepted, "url" | "directory" | "output" | "key">): string =>
  // JSON, because names may hold any separator
  accepted.key === null
    ? JSON.stringify([accepted.url, accepted.directory, accepted.output])
    : JSON.stringify([accepted.key])

/** One issue of each option. Of a union, most only say that it is nothing else either: the one about a part that is there tells. */
const issuesByOption = (error: ParseResult.ParseError): ReadonlyArray<ParseResult.ArrayFormatterIssue> => {
  const issues = ParseResult.ArrayFormatter.formatErrorSync(error)
  const options = new Set(issues.map(({ path }) => path[0]))
  return Array.from(options, (option) => {
    const own = issues.filter(({ path }) => path[0] === option)
    return own.find(({ _tag, path }) => path.length > 1 && _tag !== "Missing") ?? own[0]!
  })
}

const issueText = ({ message, path }: ParseResult.ArrayFormatterIssue): string =>
  `the option ${path.join(".")}: ${printable(message)}`

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Without what is undefined, so that it replaces nothing. */
export const defined = <A extends object>(options: A): Partial<A> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<A>
