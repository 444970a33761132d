/**
 * What undici, node:net and node:tls report, as DownloadErrors. Pure: a table over error codes and how far the exchange
 * had come. Details name the host and the code, and nothing else of the request: an address may carry secrets.
 */
import type { DownloadError, Reason } from "../domain/DownloadError.js"
import { make } from "../domain/DownloadError.js"
import type { Phase } from "../services/Wire.js"
import { ProxyError } from "./ProxyError.js"

/** What the operating system calls a connection that the other side has broken off. */
const resets: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED"])

/** What TlsCarrier finds: the end of a connection that TLS had not announced. */
export const unannounced = "TLS_END_UNANNOUNCED"

/** OpenSSL's verdicts on certificates, and everything else that makes a TLS handshake fail. */
const tls =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_TO_|ERROR_IN_)|SELF_SIGNED|^(EPROTO|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|OCSP_.*)$/

/** Not HTTP/1.1. The parser's errors have no code of their own, only llhttp's reason in the message. */
export const isMalformed = (error: unknown): error is Error =>
  error instanceof Error &&
  (error.name === "HTTPParserError" ||
    /^bad (response|upgrade)/.test(error.message) ||
    // undici's own doubts about a status that no final answer has (000, 101)
    codeOf(error) === "ERR_ASSERTION")

/** What is wrong, in the parser's words. */
const wrong = ({ message }: Error): string => {
  if (message.startsWith("bad ")) return "an interim answer that nobody asked for"
  return /\((.*)\)$/.exec(message)?.[1]?.slice(0, 200) ?? "a status that no answer can have"
}

/** The code of an error; of several attempts to connect (RFC 8305), the one that says most. */
export const codeOf = (error: unknown): string | undefined => {
  if (error instanceof AggregateError) {
    const codes = error.errors.map(codeOf)
    return codes.find((code) => code === "ECONNREFUSED") ?? codes.find((code) => code !== undefined)
  }
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
}

/** Whether the connection was broken off, as opposed to closed in an orderly way. */
export const isReset = (error: unknown): boolean => resets.has(codeOf(error) ?? "")

/** Whether the other side ended it by an alert of TLS. What follows looks like a reset, and says less. */
export const isAlert = (error: unknown): boolean => /^ERR_SSL_.*_ALERT_/.test(codeOf(error) ?? "")

/** Whether the connection died, as opposed to a message that is wrong or a peer that can't be reached. */
export const isDeath = (error: unknown): boolean =>
  isReset(error) ||
  codeOf(error) === unannounced ||
  (codeOf(error) === "UND_ERR_SOCKET" && !isMalformed(error))

/** Fewer bytes than Content-Length, or no last chunk. */
const endedEarly = (error: unknown): boolean =>
  codeOf(error) === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" ||
  (isMalformed(error) && /\bEOF\b/.test(error.message))

/** What Resolver makes of EAI_AGAIN where no other name can be resolved either: then it is not that name's fault. */
export const noNameServer = "NO_NAME_SERVER"

/** What a connector says of an address of the other family than the one asked for. */
export const wrongFamily = "WRONG_FAMILY"

/** What a server's alerts say of the client certificate (RFC 8446 section 6.2), shown or not. */
const unidentified =
  /^ERR_SSL_.*ALERT_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_(REVOKED|EXPIRED|UNKNOWN)|UNKNOWN_CA|ACCESS_DENIED)$/

/** Reasons and what happened, for codes that mean the same at any time. `%` stands for the host. */
const plain: Partial<Record<string, readonly [Reason, string]>> = {
  ECONNREFUSED: ["ConnectionRefused", "% refused the connection"],
  ENETUNREACH: ["Offline", "% can't be reached: there is no route to its network"],
  ENETDOWN: ["Offline", "% can't be reached: the network is down"],
  [noNameServer]: ["Offline", "the host name % could not be resolved: no name server answers"],
  EHOSTUNREACH: ["Network", "% can't be reached: there is no route to it"],
  [wrongFamily]: ["DnsFailed", "% is not an address of the family asked for (-4 or -6)"],
  UND_ERR_HEADERS_OVERFLOW: ["ProtocolViolation", "the head of the answer from % is longer than 64 KiB"],
  // undici takes what is malformed behind a Content-Length for a wrong length, and forgets what it was
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: [
    "ProtocolViolation",
    "the answer from % is not valid HTTP/1.1: a second Content-Length, a Transfer-Encoding beside it, or a malformed field behind it"
  ],
  UND_ERR_INVALID_ARG: ["InvalidUrl", "the request to % has an address or a header that can't be sent"],
  UND_ERR_NOT_SUPPORTED: ["InvalidUrl", "the request to % has a header that can't be sent"],
  // a dispatcher of the caller's may have timeouts of its own
  UND_ERR_CONNECT_TIMEOUT: ["ConnectTimeout", "% did not accept the connection in time"],
  UND_ERR_HEADERS_TIMEOUT: ["HeadersTimeout", "% did not answer in time"],
  UND_ERR_BODY_TIMEOUT: ["Stalled", "no byte came from % for too long"]
}

/** `host` is the name (and port) that the request was for, `phase` how far the exchange had come. */
export const toDownloadError = (error: unknown, host: string, phase: Phase): DownloadError => {
  if (error instanceof ProxyError) return error.failure
  const code = codeOf(error)
  const body = phase === "body"
  if (body && endedEarly(error)) {
    return make("Truncated", `${host} closed the connection before the body was complete`)
  }
  if (isMalformed(error)) {
    return make("ProtocolViolation", `the answer from ${host} is not valid HTTP/1.1: ${wrong(error)}`)
  }
  if (code === undefined) {
    const text = error instanceof Error ? error.message : String(error)
    return make("Network", `the exchange with ${host} failed: ${text.slice(0, 200)}`)
  }
  if (isDeath(error)) return death(error, host, phase)
  if (/^(ENOTFOUND|ENODATA|ESERVFAIL|EAI_.*)$/.test(code)) {
    return make("DnsFailed", `the host name ${host} could not be resolved (${code})`)
  }
  if (unidentified.test(code)) {
    return make(
      "ClientCertificate",
      code.endsWith("REQUIRED")
        ? `${host} wants a client certificate`
        : `${host} does not accept the client certificate, or wants one (${code})`
    )
  }
  if (tls.test(code)) {
    return body
      ? make("ConnectionReset", `the secure connection to ${host} broke during the body (${code})`)
      : make("TlsFailed", `no secure connection to ${host} could be made (${code})`)
  }
  if (code === "ETIMEDOUT") {
    return phase === "connecting"
      ? make("ConnectTimeout", `${host} did not accept the connection in time`)
      : make("Network", `${host} does not react any more`)
  }
  const [reason, text] = plain[code] ?? ["Network", `the exchange with % failed (${code})`]
  return make(reason, text.replace("%", host))
}

const death = (error: unknown, host: string, phase: Phase): DownloadError => {
  switch (phase) {
    case "connecting":
      return make("ConnectionReset", `the connection to ${host} was closed while it was being made`)
    case "awaiting-head":
      return make("ConnectionReset", `${host} closed the connection before it answered`)
    case "body":
      if (codeOf(error) === unannounced) {
        return make(
          "Truncated",
          `${host} ended the secure connection without saying that this is the end (close_notify), so what came may not be all`
        )
      }
      return isReset(error)
        ? make("ConnectionReset", `the connection to ${host} was reset during the body`)
        : make("Truncated", `${host} closed the connection before the body was complete`)
  }
}
