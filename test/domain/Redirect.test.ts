import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { headersFor, isRedirect, maxRedirects, next } from "../../src/domain/Redirect.js"

const reasonOf = (from: string, location: string | undefined, count = 0) =>
  Either.match(next(new URL(from), location, count), {
    onLeft: (error) => error.reason as string,
    onRight: (url) => url.href
  })

describe("Redirect.isRedirect", () => {
  it("knows the five statuses that lead elsewhere", () => {
    const all = Array.from({ length: 500 }, (_, i) => i + 100)
    expect(all.filter(isRedirect)).toEqual([301, 302, 303, 307, 308])
  })
})

describe("Redirect.next", () => {
  it.each([
    ["http://a/x", "http://b/y", "http://b/y"],
    ["http://a/x", "https://b/y", "https://b/y"],
    ["https://a/x", "https://b/y", "https://b/y"],
    ["https://a/dir/x", "../y?q=1", "https://a/y?q=1"],
    ["https://a/dir/x?q", "?r", "https://a/dir/x?r"],
    ["https://a/x", "//b/y", "https://b/y"],
    ["http://a/x", " /y ", "http://a/y"],
    ["http://a/x", "/y#fragment", "http://a/y"],
    ["http://a/x", "HTTPS://B/y", "https://b/y"],
    ["http://a/x", "http://user:pw@a/y", "http://a/y"],
    ["http://a/x", "http://user@b/y", "http://b/y"],
    ["http://a/x", "https:\\\\b\\y", "https://b/y"],
    ["http://a/x", undefined, "ProtocolViolation"],
    ["http://a/x", " ", "ProtocolViolation"],
    ["http://a/x", "http://[", "ProtocolViolation"],
    ["http://a/x", "http://host:99999/", "ProtocolViolation"],
    ["https://a/x", "http://a/x", "RedirectRefused"],
    ["https://a/x", "HtTp://b/", "RedirectRefused"],
    ["http://a/x", "file:///etc/passwd", "RedirectRefused"],
    ["http://a/x", "ftp://b/y", "RedirectRefused"],
    ["http://a/x", "data:text/plain,x", "RedirectRefused"],
    ["http://a/x", "javascript:alert(1)", "RedirectRefused"],
    ["http://a/x", "view-source:http://b/", "RedirectRefused"],
    ["http://a/x", "unix:/run/docker.sock", "RedirectRefused"]
  ])("from %s by %j: %s", (from, location, expected) => {
    expect(reasonOf(from, location)).toBe(expected)
  })

  it("follows so many and no more", () => {
    expect(reasonOf("http://a/", "/b", maxRedirects - 1)).toBe("http://a/b")
    expect(reasonOf("http://a/", "/b", maxRedirects)).toBe("TooManyRedirects")
  })

  it("shows neither credentials nor control characters nor more than a line of a refused address", () => {
    const refused = next(new URL("https://a/"), `http://user:hunter2@b/${"x".repeat(5000)}`, 0)
    const scheme = next(new URL("https://a/"), `${"x".repeat(5000)}:y`, 0)
    for (const result of [refused, scheme]) {
      const { detail } = Either.getOrThrow(Either.flip(result))
      expect(detail).not.toContain("hunter2")
      expect(detail.length).toBeLessThan(300)
    }
  })

  it("leads to http or https without credentials and never down, whatever the Location", () => {
    const piece = fc.constantFrom(
      "http:",
      "https:",
      "//",
      "/",
      "\\",
      "user:pw@",
      "host",
      ":80",
      "?",
      "#",
      "..",
      " ",
      "\t",
      "file:"
    )
    const location = fc.oneof(
      fc.array(piece, { maxLength: 6 }).map((parts) => parts.join("")),
      fc.string()
    )
    fc.assert(
      fc.property(fc.constantFrom("http://u:p@a/x", "https://a/x"), location, (from, text) => {
        const result = next(new URL(from), text, 0)
        if (Either.isLeft(result)) return
        expect(["http:", "https:"]).toContain(result.right.protocol)
        expect(from.startsWith("https:") && result.right.protocol === "http:").toBe(false)
        expect(result.right.username + result.right.password + result.right.hash).toBe("")
      }),
      { numRuns: 400 }
    )
  })
})

describe("Redirect.headersFor", () => {
  const headers = [
    ["Authorization", "Bearer x"],
    ["COOKIE", "a=b"],
    ["X-Api-Key", "x"],
    ["Private-Token", "x"],
    ["Proxy-Authorization", "x"],
    ["Accept", "*/*"],
    ["User-Agent", "sluice"]
  ] as const
  const origin = new URL("https://a.test/x")

  it.each([
    ["https://a.test/y", headers],
    ["https://a.test:443/y", headers],
    ["https://b.test/y", headers.slice(5)],
    ["https://sub.a.test/y", headers.slice(5)],
    ["https://a.test.evil/y", headers.slice(5)],
    ["https://a.test:8443/y", headers.slice(5)],
    ["http://a.test/y", headers.slice(5)]
  ])("to %s", (to, expected) => {
    expect(headersFor(origin, new URL(to), headers)).toEqual(expected)
  })
})
