/**
 * One case of the fuzz run, drawn from a seed and a number: an answer of a known resource, its head and framing changed by
 * grammar and by bytes, its content never. So whatever is delivered can be held against what was served.
 */
import { Seeded } from "../../sim/Seeded.js"
import { contentOf } from "../origin/Content.js"

export interface Case {
  readonly number: number
  /** `whole`: every answer is the changed one. `rest`: an honest answer is cut first, and the rest of it is changed. */
  readonly kind: "whole" | "rest"
  readonly size: number
  /** Bytes held before the changed answer comes. */
  readonly held: number
  /** The changed answer, in the pieces it is written in. */
  readonly pieces: ReadonlyArray<Buffer>
  readonly end: "fin" | "rst" | "stays"
  /** What was changed, for people. */
  readonly changes: ReadonlyArray<string>
}

export const pathOf = (number: number): string => `/fuzz-${number}.bin`
export const etagOf = (number: number, version: number): string => `"fuzz-${number}-version-${version}"`

/** Head and framing may be changed, content may not. */
interface Segment {
  readonly content: boolean
  readonly text: string
}

interface Draft {
  lines: Array<string>
  framing: "length" | "chunked" | "close"
  segments: Array<Segment>
  before: string
  after: string
}

const frame = (random: Seeded, framing: Draft["framing"], body: string): Array<Segment> => {
  if (framing !== "chunked") return [{ content: true, text: body }]
  const segments: Array<Segment> = []
  for (let at = 0; at < body.length;) {
    const size = Math.min(body.length - at, Math.ceil(random.log(1, body.length)))
    const extension = random.chance(0.1) ? ";name=value" : ""
    segments.push(
      { content: false, text: `${size.toString(16)}${extension}\r\n` },
      { content: true, text: body.slice(at, at + size) },
      { content: false, text: "\r\n" }
    )
    at += size
  }
  segments.push({ content: false, text: random.chance(0.1) ? "0\r\nX-Trailer: 1\r\n\r\n" : "0\r\n\r\n" })
  return segments
}

const fields = [
  "Content-Length: 7",
  "Content-Length: -1",
  "content-length: 99999999999999999999",
  "Content-Length: 5, 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip",
  "Transfer-Encoding: identity",
  "Transfer-Encoding : chunked",
  "TRANSFER-ENCODING: Chunked",
  "Content-Encoding: gzip",
  "Content-Encoding: identity",
  "Content-Range: bytes 0-0/1",
  "Content-Type: multipart/byteranges; boundary=x",
  "Connection: close",
  "Connection: keep-alive",
  "Connection: upgrade\r\nUpgrade: x",
  "Keep-Alive: timeout=0",
  'ETag: W/"weak"',
  "Set-Cookie: \x80\xff",
  "X-Folded: a\r\n b",
  "X-Nul: \0",
  " leading: blank",
  "no colon",
  ": no name",
  `X-Long: ${"x".repeat(70_000)}`
]

const statuses = [
  "HTTP/1.0 200 OK",
  "HTTP/1.1 200",
  "HTTP/1.1 206 Partial",
  "HTTP/1.1 204 None",
  "HTTP/1.1 304 Same",
  "HTTP/1.1 416 Range",
  "HTTP/1.1 100 Continue",
  "HTTP/1.1 101 Switch",
  "HTTP/1.1 103 Hints",
  "HTTP/1.1 000 None",
  "HTTP/2.0 200 OK",
  "HTTP/0.9 200 OK",
  "ICY 200 OK",
  "http/1.1 200 OK"
]

type Change = readonly [name: string, apply: (random: Seeded, draft: Draft) => void]

/** Changes the text of one segment that is not content. */
const onFraming = (random: Seeded, draft: Draft, change: (text: string) => string): void => {
  const places = draft.segments.flatMap(({ content }, index) => (content ? [] : [index]))
  if (places.length === 0) return
  const index = random.pick(places)
  draft.segments[index] = { content: false, text: change(draft.segments[index]!.text) }
}

const resize = (random: Seeded, text: string): string =>
  text.replace(/^[0-9a-f]+/i, (hex) =>
    random.pick([
      (Number.parseInt(hex, 16) + random.pick([-1, 1, 2, 16])).toString(16),
      `0${hex}`,
      `-${hex}`,
      `0x${hex}`,
      `${hex} `,
      "",
      "ffffffffffffffff1",
      hex.toUpperCase()
    ])
  )

const somewhere = (random: Seeded, text: string, change: (at: number) => string): string =>
  text.length === 0 ? text : change(random.int(0, text.length - 1))

const bytewise = (random: Seeded, text: string): string =>
  somewhere(random, text, (at) =>
    random.pick([
      text.slice(0, at) + String.fromCharCode(random.int(0, 255)) + text.slice(at + 1),
      text.slice(0, at) + text.slice(at + 1),
      text.slice(0, at) + random.pick(["\r", "\n", "\r\n", "\0", " ", ":", "0", "9", "\t"]) + text.slice(at)
    ])
  )

const onLine = (random: Seeded, draft: Draft, change: (line: string) => string): void => {
  const index = random.int(0, draft.lines.length - 1)
  draft.lines[index] = change(draft.lines[index]!)
}

const changes: ReadonlyArray<Change> = [
  [
    "a field more",
    (random, draft) => void draft.lines.splice(random.int(1, draft.lines.length), 0, random.pick(fields))
  ],
  ["a field twice", (random, draft) => void draft.lines.push(random.pick(draft.lines.slice(1)))],
  ["a field less", (random, draft) => void draft.lines.splice(random.int(1, draft.lines.length - 1), 1)],
  ["another status", (random, draft) => void (draft.lines[0] = random.pick(statuses))],
  [
    "a number",
    (random, draft) =>
      onLine(random, draft, (line) =>
        line.replace(/\d+/, (n) => String(Number(n) + random.pick([-1, 1, 10, -10])))
      )
  ],
  ["a byte of the head", (random, draft) => onLine(random, draft, (line) => bytewise(random, line))],
  ["a chunk's size", (random, draft) => onFraming(random, draft, (text) => resize(random, text))],
  ["a byte of the framing", (random, draft) => onFraming(random, draft, (text) => bytewise(random, text))],
  ["no last chunk", (_, draft) => void (draft.framing === "chunked" && draft.segments.pop())],
  [
    "something before",
    (random, draft) =>
      void (draft.before = random.pick([
        "\r\n",
        "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n",
        "x",
        "HTTP/1.1 100 Go\r\n\r\n"
      ]))
  ],
  [
    "something behind",
    (random, draft) =>
      void (draft.after = random.pick([
        "\r\n",
        "x",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "0\r\n\r\n",
        "\0"
      ]))
  ]
]

const render = ({ after, before, lines, segments }: Draft): Buffer =>
  Buffer.from(
    `${before}${lines.join("\r\n")}\r\n\r\n${segments.map(({ text }) => text).join("")}${after}`,
    "latin1"
  )

const cutUp = (random: Seeded, bytes: Buffer): ReadonlyArray<Buffer> => {
  if (bytes.length < 2 || random.chance(0.6)) return [bytes]
  const at = random.int(1, bytes.length - 1)
  return [bytes.subarray(0, at), bytes.subarray(at)]
}

export const draw = (seed: number, number: number): Case => {
  const random = new Seeded(seed).fork(`case ${number}`)
  const kind = random.chance(0.6) ? "whole" : "rest"
  const size = Math.ceil(random.chance(0.2) ? random.log(64 * 1024, 150_000) : random.log(2, 20_000))
  const held = kind === "rest" ? random.int(1, size - 1) : 0
  const body = contentOf(pathOf(number), 1).slice(held, size).toString("latin1")
  const framing = random.weighted({ length: 4, chunked: 5, close: 1 })
  const draft: Draft = {
    framing,
    lines: [
      kind === "whole" ? "HTTP/1.1 200 OK" : "HTTP/1.1 206 Partial Content",
      `ETag: ${etagOf(number, 1)}`,
      ...(kind === "rest" ? [`Content-Range: bytes ${held}-${size - 1}/${size}`] : []),
      ...(framing === "length" ? [`Content-Length: ${body.length}`] : []),
      ...(framing === "chunked" ? ["Transfer-Encoding: chunked"] : [])
    ],
    segments: frame(random, framing, body),
    before: "",
    after: ""
  }
  const applied: Array<string> = []
  // one in ten is left as it is: what always refuses proves nothing
  const count = random.chance(0.1) ? 0 : random.int(1, 3)
  const cut = count > 0 && random.chance(0.1)
  for (let n = 0; n < (cut ? 0 : count); n++) {
    const [name, apply] = random.pick(changes)
    applied.push(name)
    apply(random, draft)
  }
  const rendered = render(draft)
  const bytes = cut ? rendered.subarray(0, random.int(0, rendered.length - 1)) : rendered
  if (cut) applied.push(`cut after ${bytes.length} bytes`)
  const end = random.weighted({ fin: 6, rst: 2, stays: 1 })
  return { number, kind, size, held, pieces: cutUp(random, bytes), end, changes: applied }
}
