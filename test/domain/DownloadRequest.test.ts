import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { defaultOptions, type DownloadOptions } from "../../src/domain/DownloadOptions.js"
import { type Accepted, accept, type DownloadRequest, keyOf } from "../../src/domain/DownloadRequest.js"

const request = (changes: Partial<DownloadRequest> = {}): DownloadRequest => ({
  url: "http://host/a.bin",
  directory: "/downloads",
  ...changes
})

const accepted = (changes: Partial<DownloadRequest>): Accepted => Either.getOrThrow(accept(request(changes)))
const refusal = (changes: Partial<DownloadRequest>) =>
  Either.getOrThrow(Either.flip(accept(request(changes))))

describe("DownloadRequest.accept", () => {
  it("fills in the defaults", () => {
    expect(accepted({})).toEqual({
      url: "http://host/a.bin",
      mirrors: [],
      directory: "/downloads",
      meta: null,
      root: null,
      output: null,
      headers: [],
      priority: 0,
      options: defaultOptions,
      tags: [],
      key: null
    })
  })

  it("keeps what was asked for, and takes undefined for not asked", () => {
    const options = {
      maxRetries: 0,
      timeout: undefined,
      onConflict: "skip"
    } as unknown as Partial<DownloadOptions>
    const result = accepted({ output: "b.bin", priority: -7, headers: [["Accept", " a\tb "]], options })
    expect(result).toMatchObject({ output: "b.bin", priority: -7, headers: [["Accept", "a\tb"]] })
    expect(result.options).toEqual({ ...defaultOptions, maxRetries: 0, onConflict: "skip" })
  })

  it.each([
    [" http://host/a ", "http://host/a"],
    ["HTTP://HOST", "http://host/"],
    ["http://host/a#fragment", "http://host/a"],
    ["http://host:80/a b", "http://host/a%20b"],
    ["http://user:pw@host/a", "http://host/a"],
    ["https://bücher.example/", "https://xn--bcher-kva.example/"]
  ])("normalises %j", (url, expected) => {
    expect(accepted({ url }).url).toBe(expected)
  })

  it.each([
    ["", "InvalidUrl"],
    ["host/a", "InvalidUrl"],
    ["//host/a", "InvalidUrl"],
    ["http://", "InvalidUrl"],
    ["http://host:99999/", "InvalidUrl"],
    ["http://[::1", "InvalidUrl"],
    ["http://a b/", "InvalidUrl"],
    ["ftp://host/a", "UnsupportedScheme"],
    ["file:///etc/passwd", "UnsupportedScheme"],
    ["javascript:alert(1)", "UnsupportedScheme"],
    ["data:text/plain,x", "UnsupportedScheme"],
    ["magnet:?xt=urn:btih:x", "UnsupportedScheme"]
  ])("refuses the URL %j: %s", (url, reason) => {
    const error = refusal({ url })
    expect([error.reason, error.kind]).toEqual([reason, "permanent"])
  })

  it.each([
    "http://user:hunter2@ho st/",
    "ftp://user:hunter2@host/",
    "user:hunter2@host/a",
    "http://user:hunter2@host:99999/"
  ])("shows no password of the refused URL %s", (url) => {
    expect(refusal({ url }).detail).not.toContain("hunter2")
  })

  it("shows a refused URL, name or header in one harmless line", () => {
    const hostile = `\u001b[2J\r\n${"x".repeat(5000)}`
    for (const changes of [
      { url: hostile },
      { url: `x:${hostile}` },
      { output: `${hostile}/` },
      { directory: hostile }
    ]) {
      const { detail } = refusal(changes)
      expect(detail).not.toMatch(/\p{Cc}/u)
      expect(detail.length).toBeLessThan(400)
    }
    expect(refusal({ headers: [[hostile, "x"]] }).detail).not.toMatch(/\p{Cc}/u)
  })

  it.each([
    ["", "x"],
    ["A B", "x"],
    ["A:", "x"],
    ["A\r\nB", "x"],
    ["Ä", "x"],
    ["X-A", "a\r\nB: c"],
    ["X-A", "a\nb"],
    ["X-A", "a\u0000b"],
    ["X-A", "a\u007fb"],
    ["X-A", "界"],
    ["Range", "bytes=0-"],
    ["accept-ENCODING", "gzip"],
    ["If-Range", '"a"'],
    ["If-None-Match", "*"],
    ["If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"],
    ["Host", "other"],
    ["Connection", "close"],
    ["Keep-Alive", "timeout=5"],
    ["Content-Length", "5"],
    ["Transfer-Encoding", "chunked"],
    ["TE", "gzip"],
    ["Upgrade", "h2c"],
    ["Expect", "100-continue"]
  ])("refuses the header %j: %j, and shows nothing of its value", (name, value) => {
    const error = refusal({ headers: [[name, `${value} hunter2`]] })
    expect([error.reason, error.kind]).toEqual(["InvalidRequest", "permanent"])
    expect(error.detail).not.toContain("hunter2")
  })

  it.each([
    ["user:pw", "user:pw"],
    ["user", "user:"],
    [":pw", ":pw"],
    ["us%40er:p%3Aw%2F", "us@er:p:w/"],
    ["user:100%", "user:100%"],
    ["n%C3%A9:%E7%95%8C", "né:界"]
  ])("moves the credentials %s into a header", (credentials, expected) => {
    const { headers, url } = accepted({ url: `http://${credentials}@host/`, headers: [["X-A", "1"]] })
    expect(url).toBe("http://host/")
    const basic = `Basic ${Buffer.from(expected, "utf8").toString("base64")}`
    expect(headers).toEqual([
      ["X-A", "1"],
      ["Authorization", basic]
    ])
  })

  it("prefers a header that was given to credentials in the URL", () => {
    const { headers, url } = accepted({
      url: "http://user:pw@host/",
      headers: [["AUTHORIZATION", "Bearer x"]]
    })
    expect(headers).toEqual([["AUTHORIZATION", "Bearer x"]])
    expect(url).not.toContain("pw")
  })

  it.each(["", ".", "downloads", "./downloads", "~/downloads", "a:b", "/a\u0000b"])(
    "refuses the directory %j",
    (directory) => {
      expect(refusal({ directory }).reason).toBe("DestinationUnusable")
    }
  )

  it.each(["/", "/downloads/", "C:\\downloads", "c:/downloads", "\\\\server\\share"])(
    "takes the directory %j",
    (directory) => {
      expect(accepted({ directory }).directory).toBe(directory)
    }
  )

  it.each([
    "",
    "..",
    "/a",
    "a/",
    "a/../b",
    "../a",
    "a/..",
    "C:/a",
    "a\\b/c",
    "a\u0000",
    "x".repeat(300),
    "a.sluice-part"
  ])("refuses the name %j", (output) => {
    expect(refusal({ output }).reason).toBe("DestinationUnusable")
  })

  it("takes a name that leads below the directory for one in that directory", () => {
    const below = { directory: "/downloads/x/y", root: "/downloads", output: "b" }
    expect(accepted({ output: "x/./y//b" })).toMatchObject(below)
    expect(accepted({ directory: "/downloads/", output: "x/y/b" })).toMatchObject({
      ...below,
      root: "/downloads/"
    })
    expect(accepted({ directory: "/", output: "x/b" })).toMatchObject({ directory: "/x", root: "/" })
    expect(accepted({ output: "./b" })).toMatchObject({ directory: "/downloads", root: null, output: "b" })
    // the same destination is the same request
    expect(keyOf(accepted({ output: "x/b" }))).toBe(
      keyOf(accepted({ directory: "/downloads/x", output: "b" }))
    )
  })

  it.each([
    [{ priority: 1.5 }, "priority"],
    [{ priority: Number.NaN }, "priority"],
    [{ priority: Number.POSITIVE_INFINITY }, "priority"],
    [{ options: { maxRetries: -1 } }, "maxRetries"],
    [{ options: { maxRetries: 1.5 } }, "maxRetries"],
    [{ options: { retryDelay: -1 } }, "retryDelay"],
    [{ options: { retryDelay: Number.POSITIVE_INFINITY } }, "retryDelay"],
    [{ options: { timeout: 0 } }, "timeout"],
    [{ options: { timeout: Number.NaN } }, "timeout"],
    [{ options: { stallTimeout: Number.POSITIVE_INFINITY } }, "stallTimeout"],
    [{ options: { giveUp: -1 } }, "giveUp"],
    [{ options: { onConflict: "ask" as "fail" } }, "onConflict"]
  ])("refuses %j", (changes, named) => {
    const error = refusal(changes)
    expect([error.reason, error.kind]).toEqual(["InvalidRequest", "permanent"])
    expect(error.detail).toContain(named)
  })

  it("accepts what it has accepted, unchanged, and never lets a secret stay in the URL", () => {
    const text = fc.string({ maxLength: 8 })
    const credentials = fc.oneof(
      fc.constant(""),
      fc
        .tuple(text, text)
        .map(
          ([a, b]) =>
            `${encodeURIComponent(a.replaceAll(/\p{Cs}/gu, ""))}:hunter2${encodeURIComponent(b.replaceAll(/\p{Cs}/gu, ""))}@`
        )
    )
    const url = fc
      .tuple(fc.constantFrom("http://", "https://", "HTTPS:"), credentials, fc.domain(), text)
      .map((parts) => parts.slice(0, 3).join("") + `/${parts[3]}`)
    const header = fc.tuple(fc.constantFrom("Accept", "X-A", "Cookie"), text)
    fc.assert(
      fc.property(url, fc.array(header, { maxLength: 3 }), (url, headers) => {
        const first = accept(request({ url, headers }))
        if (Either.isLeft(first)) return
        expect(first.right.url).not.toContain("hunter2")
        const again = accept({ ...first.right, output: undefined, key: undefined })
        expect(again).toEqual(first)
      })
    )
  })
})

describe("DownloadRequest.keyOf", () => {
  const key = (changes: Partial<DownloadRequest>): string => keyOf(accepted(changes))

  it("is the same for the same source and destination, whatever else differs", () => {
    const same = [
      {},
      { url: "HTTP://host:80/a.bin#x" },
      { url: "http://user:pw@host/a.bin" },
      { headers: [["X-A", "1"]] as const },
      { priority: 5, options: { maxRetries: 9 } }
    ]
    expect(new Set(same.map(key)).size).toBe(1)
  })

  it("differs by URL, directory and name, also where a name holds a separator", () => {
    const different = [
      {},
      { url: "http://host/b.bin" },
      { url: "https://host/a.bin" },
      { url: "http://host/a.bin?" },
      { directory: "/other" },
      { output: "a.bin" },
      { directory: "/downloads\nx" },
      { directory: "/downloads", output: "x\n" },
      { directory: "/downloads\nx", output: "y" },
      { directory: "/downloads", output: "x\ny" },
      { directory: '/downloads","x' }
    ]
    expect(new Set(different.map(key)).size).toBe(different.length)
  })

  it("holds no secret", () => {
    expect(key({ url: "http://user:hunter2@host/a.bin", headers: [["Cookie", "hunter2"]] })).not.toContain(
      "hunter2"
    )
  })
})
