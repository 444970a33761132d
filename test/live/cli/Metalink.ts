/**
 * Metalink documents about what the origin serves.
 */
import { createHash } from "node:crypto"
import { contentOf } from "../origin/Content.js"

export interface Described {
  readonly name: string
  /** Whose content, and how much of it. */
  readonly path: string
  readonly size: number
  /** From the best to the worst, unless `priorities` says otherwise. */
  readonly urls: ReadonlyArray<string>
  readonly priorities?: ReadonlyArray<number>
  /** A digest of the whole. @default that of the content; null for none */
  readonly hash?: string | null
  /** The length of pieces whose digests are told. */
  readonly pieces?: number
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const piecesOf = ({ path, pieces, size }: Described): string => {
  if (pieces === undefined) return ""
  const hashes: Array<string> = []
  for (let at = 0; at < size; at += pieces)
    hashes.push(`<hash>${sha256(contentOf(path, 1).slice(at, Math.min(size, at + pieces)))}</hash>`)
  return `<pieces length="${pieces}" type="sha-256">${hashes.join("")}</pieces>`
}

const fileOf = (file: Described): string => {
  const { hash = contentOf(file.path, 1).sha256(file.size), name, priorities, size, urls } = file
  return `  <file name="${name}">
    <size>${size}</size>
    ${hash === null ? "" : `<hash type="sha-256">${hash}</hash>`}${piecesOf(file)}
${urls.map((url, i) => `    <url priority="${priorities?.[i] ?? i + 1}">${url}</url>`).join("\n")}
  </file>`
}

/** A document of these files. */
export const metalink = (...files: ReadonlyArray<Described>): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
${files.map(fileOf).join("\n")}
</metalink>
`

/** How an origin serves a text. */
export const served = (text: string) => ({
  raw: `HTTP/1.1 200 OK\r\nContent-Type: application/metalink4+xml\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
})
