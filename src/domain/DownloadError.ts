/**
 * Why a download (or one try of it) did not succeed: one tagged error with a closed set of reasons, each with its
 * kind (try again, wait, or end) and with what a person can do about it.
 *
 * Kinds: `transient` consumes a retry; `wait` consumes none and ends by the give-up limit; `permanent` ends the
 * download at once. Nothing else in sluice decides what is retried.
 */
import * as Schema from "effect/Schema"
import { DownloadId } from "./DownloadId.js"
import type { FileError, FileErrorReason } from "./FileError.js"

/** What follows from a failed try: another one, a wait that consumes no retry, or the end. */
export type Kind = "transient" | "wait" | "permanent"

interface Rule {
  readonly kind: Kind
  readonly advice: string
}

const transient = (advice: string): Rule => ({ kind: "transient", advice })
const wait = (advice: string): Rule => ({ kind: "wait", advice })
const permanent = (advice: string): Rule => ({ kind: "permanent", advice })

const again = "run the same command again to go on"

const rules = {
  // the network
  ConnectionRefused: transient("check the address and port, or that the server is running"),
  ConnectionReset: transient(again),
  ConnectTimeout: transient("check the network, or allow more time with --timeout"),
  HeadersTimeout: transient("the server is slow to answer; allow more time with --timeout"),
  Stalled: transient("no byte came for too long; allow more with --stall-timeout"),
  TooSlow: transient(
    "the server was slower than --low-speed-limit for too long; what came is kept, and the next try goes on from there"
  ),
  DnsFailed: transient("check the host name and the network"),
  TlsFailed: permanent(
    "the server's certificate or TLS setup can't be trusted; check the URL and the clock, or name its authority with --cacert"
  ),
  ClientCertificate: permanent("give a certificate that the server accepts with --cert and --key"),
  ProxyFailed: transient(
    "check the proxy: --proxy, or the variables http_proxy, https_proxy, all_proxy and no_proxy"
  ),
  ProxyRefused: permanent(
    "the proxy does not let this through; give it credentials (--proxy http://user:password@host:port), or go without it for this host (--no-proxy)"
  ),
  Network: transient(again),
  // what the server said
  ServerError: transient("the server is in trouble; try again later"),
  TooManyRequests: transient("the server asks for fewer requests; try again later"),
  HostBusy: wait("all connections to this host are in use; sluice goes on by itself"),
  HostCooling: wait("the server asked to wait; sluice goes on by itself"),
  NotFound: permanent("check the URL"),
  Gone: permanent("the server says it was removed for good"),
  Unauthorized: permanent("the server wants credentials, or other ones; pass them with --user or --bearer"),
  Forbidden: permanent("the server refuses this request; check credentials or permissions"),
  BadStatus: permanent("the server refuses this request; check the URL"),
  // the message
  Truncated: transient(again),
  ProtocolViolation: transient("the server (or something in between) sends malformed answers"),
  IdentityLost: transient("the resource changes while it is being fetched; try again later"),
  ChecksumMismatch: transient(
    "the server sends other bytes than those the checksum is of; check the checksum, or fetch from another source"
  ),
  ChecksumUnavailable: permanent("check the list of checksums, or give the checksum itself"),
  TooLarge: permanent("allow more with --max-size, if you trust the server"),
  WrongSize: permanent("the server has another file; check the size, or fetch from another source"),
  UnwantedCoding: permanent(
    "the server compresses what was asked for uncompressed; fetch it from another source"
  ),
  TooManyRedirects: permanent("the server redirects in a circle; check the URL"),
  RedirectRefused: permanent(
    "the redirect leads where sluice does not follow; fetch that address directly if you trust it"
  ),
  // the request
  InvalidUrl: permanent("give an absolute http:// or https:// URL"),
  UnsupportedScheme: permanent("only http:// and https:// can be fetched"),
  InvalidRequest: permanent("correct the option or header named above"),
  ChecksumContradiction: permanent(
    "let the unfinished download end, or cancel it if its checksum is the wrong one; then ask again"
  ),
  // this machine's network
  Offline: wait("check this machine's network; sluice goes on by itself"),
  // the disk
  DiskFull: wait("free some space; sluice goes on by itself"),
  DestinationUnusable: permanent("choose another directory or name, or correct its permissions"),
  DestinationExists: permanent("remove the file, choose another --output, or another --on-conflict"),
  DiskFailed: transient("check the disk"),
  // a destination of the program's own
  SinkFailed: transient("check the store that the results go to; sluice tries again by itself"),
  SinkRefused: permanent("the program's store does not take this result; its message says why"),
  SinkMissing: wait("start the program that this destination belongs to; the download waits for it"),
  // what people want
  Cancelled: permanent("enqueue it again to start anew"),
  Paused: permanent("resume it to go on"),
  // the engine
  GaveUp: permanent("try again later"),
  DiskStayedFull: permanent("free some space, then try again"),
  TimedOut: permanent(`allow more with --max-time, or ${again} with what is here`),
  CrashedTooOften: permanent(
    "the engine died again and again while fetching this; look at its log, then retry"
  ),
  Defect: permanent("this is a bug in sluice; please report it with the message above")
} satisfies Record<string, Rule>

/** A code of a closed set; each has its kind and its advice. */
export type Reason = keyof typeof rules

/** Every reason there is, in the order of the table. */
export const reasons = Object.keys(rules) as ReadonlyArray<Reason>

export const Reason: Schema.Schema<Reason> = Schema.Literal(...reasons)

/** One try failed, or the download as a whole. */
export class DownloadError extends Schema.TaggedError<DownloadError>()("DownloadError", {
  reason: Reason,
  /** What happened, as a sentence without a full stop; free of secrets. */
  detail: Schema.String,
  /** The HTTP status, where one was the cause. */
  status: Schema.optional(Schema.Int),
  /** For `HostCooling`: how many milliseconds the server asked to wait. */
  retryAfter: Schema.optional(Schema.Number),
  /** Where it happened, if not at the download's own host: redirects may lead to others. */
  origin: Schema.optional(Schema.String),
  /** Which download it is about, where it is the download's end rather than one try's. */
  download: Schema.optional(DownloadId),
  url: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return this.url === undefined ? this.detail : `${this.url}: ${this.detail}`
  }
  get kind(): Kind {
    return rules[this.reason].kind
  }
  /** What a person can do about it. */
  get advice(): string {
    return rules[this.reason].advice
  }
}

/** The kind of a reason without an error at hand. */
export const kindOf = (reason: Reason): Kind => rules[reason].kind

export const adviceOf = (reason: Reason): string => rules[reason].advice

export const make = (
  reason: Reason,
  detail: string,
  more: { readonly status?: number; readonly retryAfter?: number; readonly origin?: string } = {}
): DownloadError => new DownloadError({ reason, detail, ...more })

const fromFileReason: Record<FileErrorReason, Reason> = {
  Exists: "DestinationExists",
  Missing: "DestinationUnusable",
  NotPermitted: "DestinationUnusable",
  ReadOnly: "DestinationUnusable",
  NoSpace: "DiskFull",
  IsDirectory: "DestinationUnusable",
  NotADirectory: "DestinationUnusable",
  NotAFile: "DestinationUnusable",
  NameTooLong: "DestinationUnusable",
  FileTooLarge: "DestinationUnusable",
  NoHardLinks: "DestinationUnusable",
  Outside: "DestinationUnusable",
  TooManyOpenFiles: "DiskFailed",
  Changed: "DiskFailed",
  Io: "DiskFailed"
}

/** What a disk error means for the download it happened to. */
export const fromFile = (error: FileError): DownloadError =>
  make(fromFileReason[error.reason], `${error.message}${goneDirectory(error)}`)

/** It was there when the download was asked for: what is made or synced lacks nothing but its directory. */
const goneDirectory = ({ operation, reason }: FileError): string => {
  if (reason !== "Missing" || (operation !== "create" && operation !== "sync")) return ""
  return `; ${operation === "create" ? "its" : "the"} directory was moved, renamed or removed since the download began`
}

/**
 * What a response status means, for every status that is not a body to keep (RFC 9110 section 15).
 * `retryAfter` is the parsed Retry-After in milliseconds, if one was sent.
 */
export const fromStatus = (status: number, retryAfter: number | undefined): DownloadError => {
  const answered = `the server answered ${status}`
  const name = statusNames[status]
  const detail = name === undefined ? answered : `${answered} (${name})`
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    if (retryAfter !== undefined) {
      return make("HostCooling", `${detail} and asked to wait ${Math.ceil(retryAfter / 1000)} s`, {
        status,
        retryAfter
      })
    }
    return make(status === 429 ? "TooManyRequests" : "ServerError", detail, { status })
  }
  if (status === 404) return make("NotFound", detail, { status })
  if (status === 410) return make("Gone", detail, { status })
  if (status === 401) return make("Unauthorized", detail, { status })
  if (status === 403) return make("Forbidden", detail, { status })
  if (status === 407)
    return make("ProxyRefused", "the proxy wants credentials, or others: it answered 407", { status })
  return make(status >= 400 ? "BadStatus" : "ProtocolViolation", detail, { status })
}

const statusNames: Record<number, string> = {
  400: "bad request",
  401: "unauthorized",
  403: "forbidden",
  404: "not found",
  407: "proxy authentication required",
  408: "request timeout",
  410: "gone",
  416: "range not satisfiable",
  421: "misdirected request",
  425: "too early",
  429: "too many requests",
  451: "unavailable for legal reasons",
  500: "internal server error",
  502: "bad gateway",
  503: "service unavailable",
  504: "gateway timeout"
}
