/**
 * Ways to frame a body in an answer of HTTP/1.1, right ones and wrong ones, each with what has to be said about it.
 * The same list is sent as whole answers and as answers to a range.
 */

/** What an answer says besides its framing. */
export interface Start {
  /** @default "200 OK" */
  readonly status?: string
  /** Lines, each with its CRLF. */
  readonly fields?: string
}

export interface Framing {
  readonly name: string
  /** The answer, as latin1. */
  readonly raw: (body: string, start?: Start) => string
  /** Of the error; undefined where the body is to be taken. */
  readonly words: string | undefined
  /** How the connection ends. @default "fin" */
  readonly end?: "fin" | "rst" | "stays"
}

const head = (lines: string, { fields = "", status = "200 OK" }: Start = {}, version = "HTTP/1.1"): string =>
  `${version} ${status}\r\n${fields}${lines}\r\n`

const lengthOf = (body: string): string => `Content-Length: ${body.length}\r\n`

const chunk = (data: string, size = data.length.toString(16), more = ""): string =>
  `${size}${more}\r\n${data}\r\n`

const coded = "Transfer-Encoding: chunked\r\n"

/** Lines of the head before the empty one, and the body. */
const plain =
  (lines: (body: string) => string, version?: string) =>
  (body: string, start?: Start): string =>
    head(lines(body), start, version) + body

/** The body in two chunks, changed on the way. */
const chunked =
  (change: (first: string, second: string) => string, lines = coded, version?: string) =>
  (body: string, start?: Start): string =>
    head(lines, start, version) + change(body.slice(0, 100), body.slice(100))

const whole = (first: string, second: string): string => `${chunk(first)}${chunk(second)}0\r\n\r\n`

const right: ReadonlyArray<Omit<Framing, "words">> = [
  { name: "length", raw: plain(lengthOf) },
  { name: "length-stays", raw: plain(lengthOf), end: "stays" },
  { name: "length-close", raw: plain((body) => `Connection: close\r\n${lengthOf(body)}`) },
  { name: "length-crlf", raw: (body, start) => `${plain(lengthOf)(body, start)}\r\n` },
  { name: "no-reason", raw: (body, start) => plain(lengthOf)(body, start).replace(/^(\S+ \d+).*/, "$1") },
  { name: "http-1.0", raw: plain(lengthOf, "HTTP/1.0") },
  { name: "until-close", raw: plain(() => "Connection: close\r\n") },
  { name: "until-close-1.0", raw: plain(() => "", "HTTP/1.0") },
  { name: "chunks", raw: chunked(whole), end: "stays" },
  {
    name: "chunk-extensions",
    raw: chunked((a, b) => `${chunk(a, undefined, ';a=b;c="d e"')}${chunk(b)}0;x\r\n\r\n`)
  },
  { name: "chunk-zeros", raw: chunked((a, b) => `${chunk(a, "0000064")}${chunk(b)}000\r\n\r\n`) },
  { name: "trailers", raw: chunked((a, b) => `${chunk(a)}${chunk(b)}0\r\nX-Digest: 1\r\nX-B: 2\r\n\r\n`) },
  {
    name: "early-hints",
    raw: (body, start) =>
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${plain(lengthOf)(body, start)}`
  }
]

const wrong: ReadonlyArray<
  readonly [name: string, words: string, raw: Framing["raw"], end?: Framing["end"]]
> = [
  // lengths
  ["two-lengths", "a second Content-Length", plain((body) => lengthOf(body) + lengthOf(`${body}x`))],
  ["two-equal-lengths", "a second Content-Length", plain((body) => lengthOf(body) + lengthOf(body))],
  ["lengths-in-one", "a malformed field", plain(({ length }) => `Content-Length: ${length}, ${length}\r\n`)],
  [
    "negative-length",
    "Invalid character in Content-Length",
    plain(({ length }) => `Content-Length: -${length}\r\n`)
  ],
  [
    "signed-length",
    "Invalid character in Content-Length",
    plain(({ length }) => `Content-Length: +${length}\r\n`)
  ],
  [
    "hex-length",
    "Invalid character in Content-Length",
    plain(({ length }) => `Content-Length: 0x${length.toString(16)}\r\n`)
  ],
  ["garbage-length", "Invalid character in Content-Length", plain(() => "Content-Length: many\r\n")],
  ["empty-length", "Empty Content-Length", plain(() => "Content-Length: \r\n")],
  ["huge-length", "a malformed field", plain(() => "Content-Length: 99999999999999999999999\r\n")],
  ["unsafe-length", "Content-Length", plain(() => "Content-Length: 9007199254740993\r\n")],
  ["spaced-length", "Invalid header field char", plain(({ length }) => `Content-Length : ${length}\r\n`)],
  ["longer", "more than", (body, start) => `${plain(lengthOf)(body, start)}more`],
  [
    "longer-close",
    "more than",
    (body, start) => `${plain((b) => `Connection: close\r\n${lengthOf(b)}`)(body, start)}more`
  ],
  [
    "longer-by-an-answer",
    "more than",
    (body, start) => plain(lengthOf)(body, start) + head("Content-Length: 4\r\n") + "evil",
    "stays"
  ],
  ["shorter", "before the body was complete", plain((body) => lengthOf(`${body}x`))],
  ["shorter-reset", "reset during the body", plain((body) => lengthOf(`${body}x`)), "rst"],
  ["until-reset", "reset during the body", plain(() => ""), "rst"],
  // chunks
  ["no-chunk-size", "Invalid character in chunk size", chunked((a, b) => `${chunk(a, "")}${whole(a, b)}`)],
  [
    "negative-chunk",
    "Invalid character in chunk size",
    chunked((a, b) => `${chunk(a, "-64")}${chunk(b)}0\r\n\r\n`)
  ],
  [
    "prefixed-chunk",
    "Invalid character in chunk size",
    chunked((a, b) => `${chunk(a, "0x64")}${chunk(b)}0\r\n\r\n`)
  ],
  ["huge-chunk", "Chunk size overflow", chunked((a) => chunk(a, "fffffffffffffffff"))],
  ["endless-chunk", "before the body was complete", chunked((a) => chunk(a, "fffffffffffffff"))],
  ["chunk-longer", "chunk data", chunked((a, b) => `${chunk(a, "63")}${chunk(b)}0\r\n\r\n`)],
  ["chunk-shorter", "chunk data", chunked((a, b) => `${chunk(a, "65")}${chunk(b)}0\r\n\r\n`)],
  ["chunk-line-feeds", "Missing expected CR", chunked((a, b) => whole(a, b).replaceAll("\r\n", "\n"))],
  ["no-last-chunk", "before the body was complete", chunked((a, b) => chunk(a) + chunk(b))],
  ["half-last-chunk", "before the body was complete", chunked((a, b) => `${chunk(a)}${chunk(b)}0\r\n`)],
  [
    "length-in-trailer",
    "Content-Length can't be present",
    chunked((a, b) => `${chunk(a)}${chunk(b)}0\r\nContent-Length: 1\r\n\r\n`)
  ],
  [
    "endless-trailers",
    "longer than 64 KiB",
    chunked((a, b) => `${chunk(a)}${chunk(b)}0\r\n${"X-Trailer: 12345678\r\n".repeat(5000)}\r\n`),
    "stays"
  ],
  // codings
  [
    "length-and-chunks",
    "a Transfer-Encoding beside it",
    (body, start) => chunked(whole, lengthOf(body) + coded)(body, start)
  ],
  [
    "chunks-and-length",
    "Content-Length can't be present",
    (body, start) => chunked(whole, coded + lengthOf(body))(body, start)
  ],
  ["chunks-in-1.0", "Transfer-Encoding in an answer of HTTP/1.0", chunked(whole, coded, "HTTP/1.0")],
  ["coded-gzip", "Transfer-Encoding: gzip, chunked", chunked(whole, "Transfer-Encoding: gzip, chunked\r\n")],
  [
    "chunked-gzip",
    "Transfer-Encoding: chunked, gzip",
    chunked(whole, "Transfer-Encoding: chunked, gzip\r\n")
  ],
  ["chunked-twice", "Transfer-Encoding: chunked,chunked", chunked(whole, coded + coded)],
  ["unknown-coding", "Transfer-Encoding: xchunked", chunked(whole, "Transfer-Encoding: xchunked\r\n")],
  [
    "identity-and-length",
    "Content-Length",
    plain((body) => `Transfer-Encoding: identity\r\n${lengthOf(body)}`)
  ],
  // protocols
  ["http-0.9", "Expected HTTP/", (body) => `<${body}`],
  ["http-1.2", "Invalid HTTP version", plain(lengthOf, "HTTP/1.2")],
  ["http-2.0", "another protocol", plain(lengthOf, "HTTP/2.0")],
  ["version-0.9", "another protocol", plain(lengthOf, "HTTP/0.9")],
  ["shoutcast", "Expected HTTP/", plain(lengthOf, "ICY")],
  ["rtsp", "another protocol", plain(lengthOf, "RTSP/1.0")],
  [
    "four-digits",
    "Invalid response status",
    (body, start) => plain(lengthOf)(body, { ...start, status: "2000 OK" })
  ],
  [
    "two-digits",
    "Invalid status code",
    (body, start) => plain(lengthOf)(body, { ...start, status: "20 OK" })
  ],
  [
    "status-zero",
    "a status that no answer can have",
    (body, start) => plain(lengthOf)(body, { ...start, status: "000 OK" })
  ],
  // heads
  [
    "line-feeds",
    "Missing expected CR",
    (body, start) => head(lengthOf(body), start).replaceAll("\r\n", "\n") + body
  ],
  ["one-line-feed", "Missing expected CR", plain((body) => `X-A: 1\n${lengthOf(body)}`)],
  ["carriage-return", "Missing expected LF", plain((body) => `X-A: 1\r${lengthOf(body)}`)],
  ["folded", "Unexpected whitespace", plain((body) => `X-A: 1\r\n Content-Length: 9\r\n${lengthOf(body)}`)],
  ["folded-length", "Invalid header value char", plain(({ length }) => `Content-Length:\r\n ${length}\r\n`)],
  ["nul-in-value", "Invalid header value char", plain((body) => `X-A: a\0b\r\n${lengthOf(body)}`)],
  ["nul-in-name", "Invalid header token", plain((body) => `X\0A: b\r\n${lengthOf(body)}`)],
  ["control-character", "Invalid header value char", plain((body) => `X-A: a\x01b\r\n${lengthOf(body)}`)],
  ["no-colon", "Invalid header token", plain((body) => `nothing\r\n${lengthOf(body)}`)],
  ["no-name", "Invalid header token", plain((body) => `: x\r\n${lengthOf(body)}`)],
  ["half-a-head", "before it answered", (body, start) => head(lengthOf(body), start).slice(0, -2)],
  [
    "half-a-head-reset",
    "before it answered",
    (body, start) => head(lengthOf(body), start).slice(0, -2),
    "rst"
  ],
  ["nothing", "before it answered", () => "", "fin"],
  ["nothing-reset", "before it answered", () => "", "rst"],
  ["endless-line", "longer than 64 KiB", plain(() => `X-A: ${"x".repeat(1 << 20)}\r\n`), "stays"],
  ["endless-head", "longer than 64 KiB", plain(() => "X-A: 12345678\r\n".repeat(50_000)), "stays"],
  // interim answers
  [
    "continue",
    "an interim answer that nobody asked for",
    (body, start) => `HTTP/1.1 100 Continue\r\n\r\n${plain(lengthOf)(body, start)}`
  ],
  [
    "upgrade",
    "an interim answer that nobody asked for",
    (body) => `HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n${body}`
  ],
  [
    "switch",
    "a status that no answer can have",
    (body, start) => `HTTP/1.1 101 Switching\r\n\r\n${plain(lengthOf)(body, start)}`
  ],
  [
    "endless-hints",
    "interim answers without end",
    () => "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(2000),
    "stays"
  ]
]

export const framings: ReadonlyArray<Framing> = [
  ...right.map((one) => ({ ...one, words: undefined })),
  ...wrong.map(([name, words, raw, end = "fin"]) => ({ name, words, raw, end }))
]
