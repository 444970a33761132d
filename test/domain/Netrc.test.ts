import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import { find, parse } from "../../src/domain/Netrc.js"

const read = (text: string) =>
  Either.map(parse(text), (entries) =>
    entries.map(({ login, machine, password }) => [machine, login, Redacted.value(password)])
  )

describe("a netrc", () => {
  it.each<[string, string, ReadonlyArray<ReadonlyArray<string | undefined>>]>([
    ["on one line", "machine h login u password p", [["h", "u", "p"]]],
    [
      "on several, with tabs and CRLF",
      "machine H.org\r\n\tlogin u\r\n\tpassword p\r\n",
      [["h.org", "u", "p"]]
    ],
    [
      "several, and a default",
      "machine a login b\nmachine c password d\ndefault login e password f",
      [
        ["a", "b", ""],
        ["c", "", "d"],
        [undefined, "e", "f"]
      ]
    ],
    [
      "comments, and passwords that look like some",
      "# machine x\n  # login y\nmachine a login b password #c",
      [["a", "b", "#c"]]
    ],
    ["words in quotes", 'machine a login "b c" password "d\\"\\\\ e"', [["a", "b c", 'd"\\ e']]],
    [
      "keywords as values",
      "machine machine login login password password",
      [["machine", "login", "password"]]
    ],
    [
      "macros are passed over",
      "machine a login b\nmacdef init\n machine x\n password y\n\npassword c",
      [["a", "b", "c"]]
    ],
    ["accounts too", "machine a account z login b password c", [["a", "b", "c"]]],
    ["nothing", "\uFEFF\n\n", []]
  ])("%s", (_, text, expected) => {
    expect(read(text)).toEqual(Either.right(expected))
  })

  it.each([
    ["machine", "line 1: nothing stands behind machine"],
    ["\nlogin secret", "line 2: login stands before the first machine"],
    [
      "machine a\npasswort secret",
      "line 2: a word that is neither machine, default, login, password, account nor macdef"
    ],
    ['machine a password "secret', "line 1: a quote has no end"]
  ])("%j: %s", (text, why) => {
    expect(read(text)).toEqual(Either.left(why))
    expect(why).not.toContain("secret")
  })

  it("whatever it holds, is read without a throw", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string(), (text) => {
        parse(text)
      })
    )
  })

  it("has the first of a name, and its default only where that is wanted", () => {
    const entries = Either.getOrThrow(parse("machine a login 1\nmachine a login 2\ndefault login 3"))
    expect(find(entries, "A", true)?.login).toBe("1")
    expect(find(entries, "b", true)?.login).toBe("3")
    expect(find(entries, "b", false)).toBeUndefined()
    expect(find(entries, "b.a", false)).toBeUndefined()
  })
})
