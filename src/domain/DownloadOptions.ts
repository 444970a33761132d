/**
 * How to go about a download: tries, times, limits and policies, their defaults, and the check of what a caller wrote. What is
 * to be downloaded, and to where, is the request's (see DownloadRequest).
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { type ChecksumFile, Expected } from "./Checksum.js"
import type { DownloadError } from "./DownloadError.js"
import { make } from "./DownloadError.js"
import { Rate } from "./Limits.js"
import { Kind } from "./Pieces.js"
import { printable } from "./Redaction.js"

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
  maxTime: null,
  onConflict: "rename",
  refetch: "if-changed",
  checksum: null,
  size: null,
  pieces: null,
  maxSize: null,
  connections: 4,
  limitRate: null,
  lowSpeedLimit: null,
  lowSpeedTime: 10_000,
  destination: null
} as const

/** What a sink is called in rows. */
const SinkName = Schema.String.pipe(
  Schema.filter((name) => /^[\w.:-]{1,64}$/.test(name), {
    message: () => "the name of a destination is 1 to 64 letters, digits and . _ : -"
  })
)

// name and schema belong together by being written in one line below, which a type can't tell; a test decodes all defaults
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
  /**
   * The download as a whole may take so long: all tries, and the pauses and waits between them, from when it is first taken up. Time in the
   * queue before that does not count. The engine's restart does not start it anew, somebody who asks again (the same request,
   * resume, retry) does. Then it fails with `TimedOut`; what has come is kept for a retry. @default null, no limit
   */
  maxTime: option("maxTime", Schema.NullOr(Schema.Positive.pipe(Schema.finite()))),
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
  /**
   * Bytes that the file must have, where they are known beforehand: a source that announces another length has another file, and is
   * asked for nothing. @default null, whatever the server says
   */
  size: option("size", Schema.NullOr(Schema.NonNegativeInt)),
  /**
   * Of what kind the digests of its pieces are, which are stored beside the row: where the whole is wrong (or no checksum is asked for),
   * they tell which bytes are, and only those are fetched again. Given as `pieces` of the request. @default null, none
   */
  pieces: option("pieces", Schema.NullOr(Kind)),
  /** Bytes that the file may have at most; more ends the download for good. @default null, no limit */
  maxSize: option("maxSize", Schema.NullOr(Schema.NonNegativeInt)),
  /**
   * Connections at most, 1 to 16: a large file from a server that proves ranges is fetched by several where that is faster.
   * @default 4
   */
  connections: option("connections", Schema.Int.pipe(Schema.between(1, maxConnections))),
  /**
   * Bytes per second that this download may bring at most, all its connections together. Limits of the engine, the host and
   * those set while it runs hold beside it. @default null, no limit
   */
  limitRate: option("limitRate", Schema.NullOr(Rate)),
  /**
   * A connection that brings fewer bytes per second than this over `lowSpeedTime` is given up, and replaced: its rest is fetched by
   * another, in this try or the next. Time in which we ourselves hold it back does not count. @default null, no limit
   */
  lowSpeedLimit: option("lowSpeedLimit", Schema.NullOr(Rate)),
  /** @default 10000 */
  lowSpeedTime: option("lowSpeedTime", Schema.Positive.pipe(Schema.finite())),
  /**
   * The name of the sink that the bytes are handed to instead of getting a final name; null for a file. Only an engine that has a
   * sink of that name works it off; in another one it waits (`SinkMissing`). @default the engine's destination
   */
  destination: option("destination", Schema.NullOr(SinkName))
})
export type DownloadOptions = typeof DownloadOptions.Type

/** The same as a caller may write them: all may be left out, and the list of checksums may be a file. */
export interface RequestOptions extends Partial<Omit<DownloadOptions, "checksum" | "pieces">> {
  /** As in DownloadOptions; also a list in a file of this machine, which is read when the request is made. */
  readonly checksum?: Expected | ChecksumFile | null
}

const decodeOptions = Schema.decodeUnknownEither(DownloadOptions)

/** Options with what they leave open filled in. Thousands of requests mostly have the same: those need be checked once. */
export const acceptOptions = (
  options: RequestOptions | undefined
): Either.Either<DownloadOptions, DownloadError> =>
  Either.mapLeft(decodeOptions(defined(options ?? {})), (error) =>
    make("InvalidRequest", issuesByOption(error).map(issueText).join("; "))
  )

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

/** Without what is undefined, so that it replaces nothing. */
export const defined = <A extends object>(options: A): Partial<A> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<A>
