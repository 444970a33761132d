import { describe, expect, it } from "@effect/vitest"
import { Agent, errors } from "undici"
import type { Reason } from "../../src/domain/DownloadError.js"
import { codeOf, isDeath, toDownloadError, noNameServer } from "../../src/layers/UndiciError.js"
import type { Phase } from "../../src/services/Wire.js"

const coded = (code: string, message = "secret-token") => Object.assign(new Error(message), { code })

const table: ReadonlyArray<readonly [code: string, phase: Phase, reason: Reason]> = [
  ["ECONNREFUSED", "connecting", "ConnectionRefused"],
  ["ETIMEDOUT", "connecting", "ConnectTimeout"],
  ["ETIMEDOUT", "body", "Network"],
  ["ENETUNREACH", "connecting", "Offline"],
  ["EHOSTUNREACH", "connecting", "Network"],
  ["EMFILE", "connecting", "Network"],
  ["ENOTFOUND", "connecting", "DnsFailed"],
  ["EAI_AGAIN", "connecting", "DnsFailed"],
  [noNameServer, "connecting", "Offline"],
  ["ECONNRESET", "connecting", "ConnectionReset"],
  ["ECONNRESET", "awaiting-head", "ConnectionReset"],
  ["EPIPE", "awaiting-head", "ConnectionReset"],
  ["ECONNRESET", "body", "ConnectionReset"],
  ["ECONNABORTED", "body", "ConnectionReset"],
  ["UND_ERR_SOCKET", "awaiting-head", "ConnectionReset"],
  ["UND_ERR_SOCKET", "body", "Truncated"],
  ["CERT_HAS_EXPIRED", "connecting", "TlsFailed"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "connecting", "TlsFailed"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "connecting", "TlsFailed"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "connecting", "TlsFailed"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "connecting", "TlsFailed"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "connecting", "TlsFailed"],
  ["EPROTO", "connecting", "TlsFailed"],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "awaiting-head", "ClientCertificate"],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", "connecting", "ClientCertificate"],
  ["ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "body", "ConnectionReset"],
  ["UND_ERR_HEADERS_OVERFLOW", "awaiting-head", "ProtocolViolation"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "awaiting-head", "ProtocolViolation"],
  ["UND_ERR_RES_CONTENT_LENGTH_MISMATCH", "body", "Truncated"],
  ["UND_ERR_CONNECT_TIMEOUT", "connecting", "ConnectTimeout"],
  ["UND_ERR_HEADERS_TIMEOUT", "awaiting-head", "HeadersTimeout"],
  ["UND_ERR_BODY_TIMEOUT", "body", "Stalled"],
  ["UND_ERR_INVALID_ARG", "connecting", "InvalidUrl"],
  ["E_NEVER_HEARD_OF", "body", "Network"]
]

describe("toDownloadError", () => {
  for (const [code, phase, reason] of table) {
    it(`${code} while ${phase} is ${reason}`, () => {
      const error = toDownloadError(coded(code), "host.test:81", phase)
      expect(error.reason).toBe(reason)
      expect(error.detail).toContain("host.test:81")
      expect(error.detail).not.toContain("secret-token")
    })
  }

  it("reads the parser's reason, as its errors have no code", () => {
    const parser = (reason: string) => {
      const error = new Error(`Response does not match the HTTP/1.1 protocol (${reason})`)
      error.name = "HTTPParserError"
      return error
    }
    expect(toDownloadError(parser("Invalid EOF state"), "h", "body").reason).toBe("Truncated")
    expect(toDownloadError(parser("Invalid character in chunk size"), "h", "body").reason).toBe(
      "ProtocolViolation"
    )
    expect(toDownloadError(parser("Invalid EOF state"), "h", "awaiting-head").reason).toBe(
      "ProtocolViolation"
    )
    expect(isDeath(parser("Expected HTTP/"))).toBe(false)
  })

  it("names an unknown code", () => {
    expect(toDownloadError(coded("E_ODD"), "h", "body").detail).toContain("E_ODD")
  })

  it("takes what is neither an error nor coded", () => {
    expect(toDownloadError("odd", "h", "body").reason).toBe("Network")
    expect(toDownloadError(new Error("odd"), "h", "body").detail).toContain("odd")
  })

  it("calls an answer that is no answer malformed, not a dead connection", () => {
    const error = new errors.SocketError("bad response")
    expect(isDeath(error)).toBe(false)
    expect(toDownloadError(error, "h", "awaiting-head").reason).toBe("ProtocolViolation")
    expect(isDeath(new errors.SocketError("other side closed"))).toBe(true)
  })

  it("prefers a refusal among several attempts to connect", () => {
    const attempts = new AggregateError([coded("ENETUNREACH"), coded("ECONNREFUSED")])
    expect(codeOf(attempts)).toBe("ECONNREFUSED")
    expect(codeOf(new AggregateError([new Error("?"), coded("ETIMEDOUT")]))).toBe("ETIMEDOUT")
  })

  it("knows a closed dispatcher's error", async () => {
    const agent = new Agent()
    await agent.destroy()
    const error = await agent
      .request({ origin: "http://127.0.0.1:1", path: "/", method: "GET" })
      .catch((e: unknown) => e)
    expect(toDownloadError(error, "h", "connecting").detail).toContain("UND_ERR_DESTROYED")
  })
})
