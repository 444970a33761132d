/**
 * Which response a behaviour gives to a request: pure, apart from making the bytes. Sending it, at what pace and how far,
 * is the connection's business.
 */
import { gzipSync } from "node:zlib"
import type { Behaviour } from "./Behaviour.js"
import type { Content } from "./Content.js"
import { contentOf } from "./Content.js"

/** Header names in lower case; the last value of a repeated field. */
export type RequestHeaders = Readonly<Partial<Record<string, string>>>

/** A body of `length` bytes. */
export interface Body {
  readonly length: number
  readonly slice: (start: number, end: number) => Buffer
}

export interface Response {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Body
}

export const defaultSize = 1 << 20

export const etagOf = (path: string, behaviour: Behaviour): string =>
  `${behaviour.validators === "weak" ? "W/" : ""}"${Buffer.from(path).toString("base64url")}-${behaviour.version ?? 1}"`

export const lastModifiedOf = (behaviour: Behaviour): string =>
  new Date(
    behaviour.lastModified ?? Date.UTC(2020, 0, 1) + (behaviour.version ?? 1) * 24 * 3_600_000
  ).toUTCString()

const bytes = (buffer: Buffer): Body => ({
  length: buffer.length,
  slice: (start, end) => buffer.subarray(start, end)
})

const corrupted = (content: Content, at: ReadonlyArray<number>): Content =>
  at.length === 0
    ? content
    : {
        ...content,
        slice: (start, end) => {
          const bytes = content.slice(start, end)
          for (const offset of at) if (offset >= start && offset < end) bytes[offset - start]! ^= 0xff
          return bytes
        }
      }

const part = (content: Content, from: number, to: number): Body => ({
  length: to - from,
  slice: (start, end) => content.slice(from + start, from + end)
})

const bare = (behaviour: Behaviour, status: number): Response => {
  const text = behaviour.filler === undefined ? `this is status ${status}\n` : "x".repeat(behaviour.filler)
  return {
    status,
    headers: [
      ["Content-Type", "text/plain"],
      ...(behaviour.retryAfter === undefined ? [] : [["Retry-After", behaviour.retryAfter] as const]),
      ...(behaviour.redirect === undefined ? [] : [["Location", behaviour.redirect] as const])
    ],
    body: bytes(Buffer.from(status === 204 || status === 304 ? "" : text))
  }
}

/** The range asked for, as [from, to), where there is one to obey. */
const rangeOf = (
  path: string,
  behaviour: Behaviour,
  headers: RequestHeaders,
  size: number
): readonly [number, number] | undefined => {
  const { range } = headers
  const match = range === undefined ? null : /^bytes=(\d+)-(\d*)$/.exec(range)
  if (match === null || behaviour.ranges === "ignored") return undefined
  const ifRange = headers["if-range"]
  const strong = behaviour.validators !== "weak" && ifRange === etagOf(path, behaviour)
  if (ifRange !== undefined && behaviour.ignoreIfRange !== true) {
    if (!strong && ifRange !== lastModifiedOf(behaviour)) return undefined
  }
  const from = Number(match[1])
  const to = match[2] === "" ? size : Math.min(size, Number(match[2]) + 1)
  return [from, Math.min(to, from + (behaviour.rangeLimit ?? Infinity))]
}

/** The answer to the question of a cache, where it is asked and the version is the one asked about. */
const revalidated = (path: string, behaviour: Behaviour, headers: RequestHeaders): Response | undefined => {
  const { conditions = "obeyed" } = behaviour
  const [tag, since] = [headers["if-none-match"], headers["if-modified-since"]]
  if (conditions === "ignored" || (tag === undefined && since === undefined)) return undefined
  if (conditions === "refused") return bare({}, 412)
  const bareTag = (text: string): string => text.replace(/^W\//, "")
  const current = etagOf(path, behaviour)
  if (conditions === "contradicted")
    return { ...bare({}, 304), headers: [["ETag", etagOf(path, { ...behaviour, version: 99 })]] }
  const matches = tag === undefined ? since === lastModifiedOf(behaviour) : bareTag(tag) === bareTag(current)
  return matches ? { ...bare({}, 304), headers: [["ETag", current]] } : undefined
}

export const respond = (path: string, behaviour: Behaviour, headers: RequestHeaders): Response => {
  const status = behaviour.status ?? (behaviour.redirect === undefined ? undefined : 302)
  if (status !== undefined) return bare(behaviour, status)
  const size = behaviour.size ?? defaultSize
  const content = corrupted(contentOf(path, behaviour.version ?? 1), behaviour.corrupt ?? [])
  const notModified = revalidated(path, behaviour, headers)
  if (notModified !== undefined) return notModified
  const validators = behaviour.validators ?? "both"
  const fields: Array<readonly [string, string]> = []
  if (validators === "both" || validators === "etag" || validators === "weak") {
    fields.push(["ETag", etagOf(path, behaviour)])
  }
  if (validators === "both" || validators === "last-modified") {
    fields.push(["Last-Modified", lastModifiedOf(behaviour)])
  }
  const type = ["Content-Type", behaviour.type ?? "application/octet-stream"] as const
  if (behaviour.coding === "gzip") {
    fields.push(type, ["Content-Encoding", "gzip"])
    return { status: 200, headers: fields, body: bytes(gzipSync(content.slice(0, size))) }
  }
  const { ranges } = behaviour
  const asked = ranges === "unasked" ? ([0, size] as const) : rangeOf(path, behaviour, headers, size)
  if (asked === undefined) {
    const accept = ranges === "ignored" ? [] : [["Accept-Ranges", "bytes"] as const]
    return { status: 200, headers: [...fields, type, ...accept], body: part(content, 0, size) }
  }
  const [from, to] = asked
  if (from >= size || ranges === "unsatisfiable") {
    return { status: 416, headers: [["Content-Range", `bytes */${size}`]], body: bytes(Buffer.alloc(0)) }
  }
  const total = ranges === "wrong-total" ? size + 1 : size
  const start = ranges === "wrong-start" ? from + 1 : from
  const contentRange = `bytes ${start}-${to - 1}/${total}`
  if (ranges === "multipart") {
    const boundary = "THIS_STRING_SEPARATES"
    const head = `--${boundary}\r\nContent-Type: ${type[1]}\r\nContent-Range: ${contentRange}\r\n\r\n`
    const whole = Buffer.concat([
      Buffer.from(head),
      content.slice(from, to),
      Buffer.from(`\r\n--${boundary}--\r\n`)
    ])
    fields.push(["Content-Type", `multipart/byteranges; boundary=${boundary}`])
    return { status: 206, headers: fields, body: bytes(whole) }
  }
  return {
    status: 206,
    headers: [...fields, type, ["Content-Range", contentRange]],
    body: part(content, start, to)
  }
}
