/**
 * A second opinion on answers: the message grammar of RFC 9112, read strictly and without any regard to speed. What it does
 * not call complete, nobody may deliver.
 */

export interface Complete {
  readonly _tag: "Complete"
  readonly status: number
  /** Names in lower case. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>
  readonly body: Buffer
  readonly framing: "length" | "chunked" | "close"
  /** Something other than line ends lies behind it. */
  readonly excess: boolean
}

/** `Wrong`: malformed, or cut. */
export type Reading = Complete | { readonly _tag: "Wrong"; readonly why: string }

const wrong = (why: string): Reading => ({ _tag: "Wrong", why })

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// visible characters, obs-text, blanks and tabs
const text = /^[\t\x20-\x7e\x80-\xff]*$/

// what the reason phrase says is of no interest to anybody
const statusLine = /^HTTP\/1\.([01]) (\d{3})(?: [^\r\n]*)?$/

/** Lines up to an empty one, each ended by CRLF; undefined if there is no such end. */
const section = (
  bytes: string,
  from: number
): { readonly lines: ReadonlyArray<string>; readonly next: number } | undefined => {
  const lines: Array<string> = []
  for (let at = from; ;) {
    const end = bytes.indexOf("\r\n", at)
    if (end === -1) return undefined
    if (end === at) return { lines, next: end + 2 }
    lines.push(bytes.slice(at, end))
    at = end + 2
  }
}

const fieldsOf = (lines: ReadonlyArray<string>): Array<readonly [string, string]> | undefined => {
  const fields: Array<readonly [string, string]> = []
  for (const line of lines) {
    const colon = line.indexOf(":")
    const name = line.slice(0, colon)
    const value = line.slice(colon + 1)
    if (colon < 1 || !token.test(name) || !text.test(value)) return undefined
    fields.push([name.toLowerCase(), value.replaceAll(/^[\t ]+|[\t ]+$/g, "")])
  }
  return fields
}

const onlyLineEnds = (rest: string): boolean => /^[\r\n]*$/.test(rest)

/** Reads what one connection brought in answer to one GET. `fin`: it was closed in an orderly way after it. */
export const read = (answer: Buffer, fin: boolean): Reading => {
  const bytes = answer.toString("latin1")
  let at = /^[\r\n]*/.exec(bytes)![0].length
  for (;;) {
    const head = section(bytes, at)
    if (head === undefined) return wrong("no end of the head")
    const [first = "", ...lines] = head.lines
    const match = statusLine.exec(first)
    if (match === null) return wrong("no status line")
    const fields = fieldsOf(lines)
    if (fields === undefined) return wrong("a malformed field")
    const status = Number(match[2])
    if (status <= 101) return wrong(`status ${status}`)
    if (status < 200) {
      at = head.next
      continue
    }
    return bodyOf(bytes, head.next, status, fields, match[1] === "0", fin)
  }
}

const bodyOf = (
  bytes: string,
  from: number,
  status: number,
  fields: Complete["fields"],
  old: boolean,
  fin: boolean
): Reading => {
  const complete = (body: string, framing: Complete["framing"], next: number): Reading => ({
    _tag: "Complete",
    status,
    fields,
    framing,
    body: Buffer.from(body, "latin1"),
    excess: !onlyLineEnds(bytes.slice(next))
  })
  if (status === 204 || status === 304) return complete("", "length", from)
  const codings = fields.filter(([name]) => name === "transfer-encoding").map(([, value]) => value)
  const lengths = fields.filter(([name]) => name === "content-length").map(([, value]) => value)
  if (codings.length > 0 && (lengths.length > 0 || old))
    return wrong("a coding beside a length, or in HTTP/1.0")
  if (codings.length > 0 && codings.join(",").toLowerCase() === "chunked") {
    const chunks = chunksOf(bytes, from)
    return typeof chunks === "string" ? wrong(chunks) : complete(chunks.body, "chunked", chunks.next)
  }
  if (codings.length > 0 && codings.join(",").toLowerCase() !== "identity") return wrong("an unknown coding")
  if (lengths.length > 1) return wrong("two lengths")
  const [length] = lengths
  if (length === undefined) return fin ? complete(bytes.slice(from), "close", bytes.length) : wrong("cut")
  if (!/^\d+$/.test(length) || !Number.isSafeInteger(Number(length))) return wrong("a malformed length")
  const end = from + Number(length)
  return end > bytes.length
    ? wrong("shorter than its length")
    : complete(bytes.slice(from, end), "length", end)
}

const chunksOf = (bytes: string, from: number): { readonly body: string; readonly next: number } | string => {
  let body = ""
  for (let at = from; ;) {
    const end = bytes.indexOf("\r\n", at)
    if (end === -1) return "no end of a chunk's line"
    const line = /^([0-9a-f]{1,16}|0+)(?:[\t ]*;[\t\x20-\x7e\x80-\xff]*)?$/i.exec(bytes.slice(at, end))
    if (line === null) return "a malformed chunk size"
    const size = Number.parseInt(line[1]!, 16)
    at = end + 2
    if (size === 0) {
      const trailers = section(bytes, at)
      if (trailers === undefined) return "no end of the trailers"
      const fields = fieldsOf(trailers.lines)
      return fields === undefined ? "a malformed trailer" : { body, next: trailers.next }
    }
    if (at + size + 2 > bytes.length) return "a chunk that was cut"
    if (bytes.slice(at + size, at + size + 2) !== "\r\n") return "a chunk of another size"
    body += bytes.slice(at, at + size)
    at += size + 2
  }
}
