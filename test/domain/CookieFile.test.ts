import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import { type Cookie, format, parse } from "../../src/domain/CookieFile.js"

const cookie: Cookie = {
  domain: "example.org",
  hostOnly: false,
  path: "/",
  secure: true,
  httpOnly: false,
  expires: 2_000_000_000_000,
  name: "n",
  value: "v"
}

describe("a file of cookies", () => {
  it.each<[string, string, ReadonlyArray<Cookie>]>([
    ["one", ".example.org\tTRUE\t/\tTRUE\t2000000000\tn\tv", [cookie]],
    ["of one host", "Example.org\tFALSE\t/\tTRUE\t2000000000\tn\tv", [{ ...cookie, hostOnly: true }]],
    [
      "not for scripts",
      "#HttpOnly_.example.org\tTRUE\t/\tTRUE\t2000000000\tn\tv",
      [{ ...cookie, httpOnly: true }]
    ],
    ["of the session", ".example.org\tTRUE\t/\tTRUE\t0\tn\tv\r\n", [{ ...cookie, expires: undefined }]],
    ["without a value", ".example.org\tTRUE\t/\tTRUE\t0\tn", [{ ...cookie, expires: undefined, value: "" }]],
    ["with fractions of a second", ".example.org\tTRUE\t/\tTRUE\t2000000000.5\tn\tv", [cookie]],
    ["comments", "\uFEFF# Netscape HTTP Cookie File\n\n", []]
  ])("%s", (_, text, expected) => {
    expect(parse(text)).toEqual(Either.right(expected))
  })

  it.each([
    ["a b c secret", "line 1: it has 1 fields between tabs, not 7"],
    ["# x\nh\tyes\t/\tTRUE\t0\tn\tsecret", "line 2: its second and fourth field are not TRUE or FALSE"],
    ["\tTRUE\t/\tTRUE\t0\tn\tsecret", 'line 1: "" is no domain'],
    ["h\tTRUE\tx\tTRUE\t0\tn\tsecret", "line 1: its path does not begin with /"],
    ["h\tTRUE\t/\tTRUE\tsoon\tn\tsecret", 'line 1: "soon" is no time in seconds'],
    ["h\tTRUE\t/\tTRUE\t0\tn\tsecret;x", "line 1: its name or value can't be those of a cookie"],
    ["h\tTRUE\t/\tTRUE\t0\t\tsecret", "line 1: its name or value can't be those of a cookie"]
  ])("%j: %s", (text, why) => {
    expect(parse(text)).toEqual(Either.left(why))
    expect(why).not.toContain("secret")
  })

  it("is read as it was written", () => {
    const cookies = [
      cookie,
      { ...cookie, hostOnly: true, httpOnly: true, expires: undefined },
      { ...cookie, secure: false, path: "/a b", value: "" }
    ]
    expect(parse(format(cookies))).toEqual(Either.right(cookies))
    expect(parse(format([]))).toEqual(Either.right([]))
  })
})
