import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { printable, redactUrl } from "../../src/domain/Redaction.js"

describe("redactUrl", () => {
  it.each([
    ["http://user:hunter2@host/path?q#f", "http://host/path?q"],
    ["http://hunter2@host/", "http://host/"],
    ["http://:hunter2@host/", "http://host/"],
    ["http://user:p@ss:hunter2@host/", "http://host/"],
    ["ftp://user:hunter2@host/", "ftp://host/"],
    ["sftp://user:hunter2@host/x", "sftp://host/x"],
    ["user:hunter2@host/path", "user:host/path"],
    ["1user:hunter2@host", "1user:host"],
    ["/home/me@work/file", "/home/me@work/file"],
    ["me@work", "me@work"],
    ["//user:hunter2@host/", "//host/"],
    ["http://user:hun/ter2@host/", "http://host/"],
    ["http://user:hun ter2@ho st/", "http://ho st/"],
    ["http://user:x@hunter2@ho st/", "http://ho st/"],
    ["http://host/@scope/package", "http://host/@scope/package"],
    ["http://host/a?email=a@b", "http://host/a?email=a@b"],
    ["no url at all", "no url at all"],
    ["", ""]
  ])("shows %s as %s", (text, expected) => {
    expect(redactUrl(text)).toBe(expected)
  })

  it("never shows a password, wherever the URL is broken", () => {
    const noise = fc.string({ maxLength: 5 })
    const scheme = fc.constantFrom("http://", "https://", "HTTP://", "ftp://", "x:", "http:/", "//", "")
    fc.assert(
      fc.property(
        scheme,
        noise,
        noise,
        fc.constantFrom("host/", "ho st", "[::1]/", "host:99999/", ""),
        (start, a, b, host) => {
          const text = `${start}user:${a}hunter2${b}@${host}`
          // what a parser takes for path, query or fragment is no password
          const path =
            URL.canParse(text) && new URL(text).host !== "" && !new URL(text).password.includes("hunter2")
          expect(path || !redactUrl(text).includes("hunter2")).toBe(true)
        }
      ),
      { numRuns: 500 }
    )
  })
})

describe("printable", () => {
  it("takes the sting out of what a terminal would obey", () => {
    expect(printable("a\u001b[31mb\u009b31mc\r\nd\u202ee\u200bf\u2028g\ud800")).toBe("a?[31mb?31mc??d?e?f?g?")
    expect(printable("naïve 界 😀")).toBe("naïve 界 😀")
  })

  it("cuts what is long", () => {
    expect(printable("x".repeat(300))).toBe(`${"x".repeat(200)}…`)
    expect(printable("x".repeat(50), 40)).toBe(`${"x".repeat(40)}…`)
    expect(printable("x".repeat(40), 40)).toBe("x".repeat(40))
    expect(printable(`${"x".repeat(39)}😀`, 40)).toBe(`${"x".repeat(39)}?…`)
  })
})
