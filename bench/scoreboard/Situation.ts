/**
 * Situations in which a download program can deliver wrong bytes, overwrite a file, or leave its directory: what the server
 * does, what lies in the way, and what counts as a right result.
 */
import { Buffer } from "node:buffer"
import type { Script } from "../../test/live/Origin.js"
import type { Cut } from "../../test/live/TlsRelay.js"
import { contentOf } from "../../test/live/origin/Content.js"

export interface Situation {
  readonly name: string
  /** How the server behaves, request by request. */
  readonly script: Script
  readonly size: number
  /** Versions any one of which is a right result, if complete. */
  readonly versions: ReadonlyArray<number>
  readonly connections?: number
  /** Ask for the server's proposal of a name. */
  readonly named?: boolean
  /** The checksum to ask for. */
  readonly sha256?: string
  /** A file of somebody's own under the name. */
  readonly inTheWay?: boolean
  /** Kill it once so many bytes were sent, set the second script, and run it again. */
  readonly killAfter?: { readonly bytes: number; readonly afterwards: Script }
  /** A redirect from an https server down to this one. */
  readonly downgrade?: boolean
  /** The server speaks TLS, through somebody who cuts the connection. */
  readonly tlsCut?: Cut
  /** What it means if the file is delivered after all, where that is wrong whatever its bytes. */
  readonly delivered?: string
}

export const path = "/file.bin"

const size = 3_000_000
const cutAfter = 1_500_000
const cut = { size, cutAfter }
const small = 100_000

const halfUnasked = (): string => {
  const bytes = contentOf(path, 1).slice(small / 2, small)
  return [
    "HTTP/1.1 206 Partial Content",
    `Content-Length: ${bytes.length}`,
    `Content-Range: bytes ${small / 2}-${small - 1}/${small}`,
    `\r\n${bytes.toString("latin1")}`
  ].join("\r\n")
}

const zeros = Buffer.alloc(32).toString("base64")

export const situations: ReadonlyArray<Situation> = [
  { name: "resume: changed, new ETag", script: [cut, { size, version: 2 }], size, versions: [1, 2] },
  {
    name: "resume: changed, Last-Modified only",
    script: [
      { ...cut, validators: "last-modified" },
      { size, version: 2, validators: "last-modified" }
    ],
    size,
    versions: [1, 2]
  },
  {
    name: "resume: changed, If-Range ignored",
    script: [cut, { size, version: 2, ignoreIfRange: true }],
    size,
    versions: [1, 2]
  },
  {
    name: "resume: changed, weak ETag",
    script: [
      { ...cut, validators: "weak" },
      { size, version: 2, validators: "weak" }
    ],
    size,
    versions: [1, 2]
  },
  {
    name: "versions alternate, 4 connections",
    script: Array.from({ length: 60 }, (_, index) => ({
      size: 16 * 2 ** 20,
      version: 1 + (index % 2),
      rate: 4_000_000,
      ignoreIfRange: true
    })),
    size: 16 * 2 ** 20,
    versions: [1, 2],
    connections: 4
  },
  {
    name: "resume: 206 from a wrong start",
    script: [cut, { size, ranges: "wrong-start" }, { size }],
    size,
    versions: [1]
  },
  {
    name: "resume: 206 of a wrong total",
    script: [cut, { size, ranges: "wrong-total" }, { size }],
    size,
    versions: [1]
  },
  {
    name: "resume: 206 shorter than asked",
    script: [cut, { size, rangeLimit: 400_000 }],
    size,
    versions: [1]
  },
  {
    name: "resume: multipart/byteranges",
    script: [cut, { size, ranges: "multipart" }, { size }],
    size,
    versions: [1]
  },
  { name: "206 of a half, unasked", script: { raw: halfUnasked() }, size: small, versions: [1] },
  {
    name: "cut, with Content-Length",
    script: { size: small, cutAfter: small / 2, validators: "none", ranges: "ignored" },
    size: small,
    versions: [1]
  },
  {
    name: "cut, chunked",
    script: { size: small, cutAfter: small / 2, framing: "chunked", validators: "none", ranges: "ignored" },
    size: small,
    versions: [1]
  },
  {
    name: "last chunk missing",
    script: { size: small, framing: "chunked", unfinished: true, validators: "none", ranges: "ignored" },
    size: small,
    versions: [1]
  },
  {
    name: "TLS cut, no Content-Length",
    script: { size: small, framing: "close", validators: "none", ranges: "ignored" },
    size: small,
    versions: [1],
    tlsCut: "between records"
  },
  {
    name: "longer than Content-Length",
    script: { size: small, announced: small / 2, validators: "none", ranges: "ignored" },
    size: small,
    versions: [1]
  },
  {
    name: "two Content-Lengths",
    script: { size: small, headers: [["Content-Length", String(small / 2)]] },
    size: small,
    versions: [1]
  },
  { name: "gzip, not asked for", script: { size: small, coding: "gzip" }, size: small, versions: [1] },
  { name: "503, then fine", script: [{ status: 503 }, { size: small }], size: small, versions: [1] },
  {
    name: "429 with Retry-After: 2",
    script: [{ status: 429, retryAfter: "2" }, { size: small }],
    size: small,
    versions: [1]
  },
  {
    name: "kill -9, then again",
    script: { size, rate: 1_500_000 },
    size,
    versions: [1],
    killAfter: { bytes: cutAfter, afterwards: { size } }
  },
  {
    name: "kill -9, changed, then again",
    script: { size, rate: 1_500_000 },
    size,
    versions: [1, 2],
    killAfter: { bytes: cutAfter, afterwards: { size, version: 2 } }
  },
  {
    name: "name with ../ in it",
    script: { size: small, headers: [["Content-Disposition", 'attachment; filename="../../evil.bin"']] },
    size: small,
    versions: [1],
    named: true
  },
  { name: "somebody's file in the way", script: { size: small }, size: small, versions: [1], inTheWay: true },
  {
    name: "redirect from https to http",
    script: { size: small },
    size: small,
    versions: [1],
    downgrade: true,
    delivered: "FOLLOWED"
  },
  {
    name: "not of the checksum asked for",
    script: { size: small },
    size: small,
    versions: [1],
    sha256: "0".repeat(64),
    delivered: "TAKEN"
  },
  {
    name: "not of its own Repr-Digest",
    script: { size: small, headers: [["Repr-Digest", `sha-256=:${zeros}:`]] },
    size: small,
    versions: [1],
    delivered: "TAKEN"
  }
]
