import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { type Algorithm, Algorithm as Algorithms, digits } from "../../src/domain/Checksum.js"
import { find, namesOf, parse } from "../../src/domain/Sums.js"
import { hostileText } from "./Fixtures.js"

const hex = (algorithm: Algorithm, digit = "a"): string => digit.repeat(digits[algorithm])
const sha = hex("sha-256")

const one = (text: string, names = ["f.iso"], algorithm?: Algorithm) =>
  Either.mapLeft(find(text, names, algorithm, "SUMS"), ({ detail, reason }) => {
    expect(reason).toBe("ChecksumUnavailable")
    return detail
  })

describe("a list of checksums", () => {
  it.each([
    ["coreutils, as text", `${sha}  f.iso`],
    ["coreutils, binary", `${sha} *f.iso`],
    ["in capitals, with CRLF", `${sha.toUpperCase()}  f.iso\r\n`],
    ["with a tab", `${sha}\tf.iso`],
    ["among others", `${hex("sha-256", "0")}  g.iso\n\n# comment\n${sha}  f.iso\n${hex("md5")}  h`],
    ["with ./ before it", `${sha}  ./f.iso`],
    ["in a directory", `${sha}  images/x86/f.iso`],
    ["BSD", `SHA256 (f.iso) = ${sha}`],
    ["BSD, with a hyphen", `SHA-256 (f.iso) = ${sha}`],
    ["OpenSSL", `SHA256(f.iso)= ${sha}`],
    ["OpenSSL 3", `SHA2-256(f.iso)= ${sha}`],
    ["a lone digest", `${sha}\n`],
    ["with a byte order mark", `\ufeff${sha}  f.iso\n`],
    [
      "signed",
      `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${sha}  f.iso\n-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n`
    ],
    ["twice alike", `${sha}  f.iso\n${sha}  ./f.iso`]
  ])("%s", (_, text) => {
    expect(one(text)).toEqual(Either.right({ algorithm: "sha-256", hex: sha }))
  })

  it("tells the algorithm by the number of digits, or as the line says", () => {
    for (const algorithm of Algorithms.literals) {
      const expected = Either.right({ algorithm, hex: hex(algorithm) })
      expect(one(`${hex(algorithm)}  f.iso`)).toEqual(expected)
      expect(one(`${algorithm.toUpperCase().replace("-", "")} (f.iso) = ${hex(algorithm)}`)).toEqual(expected)
    }
  })

  it("of several algorithms: the strongest, or the one asked for", () => {
    const text = Algorithms.literals
      .map((name) => `${name.replace("-", "")} (f.iso) = ${hex(name)}`)
      .join("\n")
    expect(one(text)).toEqual(Either.right({ algorithm: "sha-512", hex: hex("sha-512") }))
    expect(one(text, undefined, "md5")).toEqual(Either.right({ algorithm: "md5", hex: hex("md5") }))
  })

  it("is asked for the likeliest name first", () => {
    const text = `${hex("md5", "1")}  a/f.iso\n${hex("md5", "2")}  g.iso`
    expect(one(text, ["g.iso", "f.iso"])).toMatchObject({ right: { hex: hex("md5", "2") } })
    expect(one(text, ["h.iso", "f.iso"])).toMatchObject({ right: { hex: hex("md5", "1") } })
    // a whole name comes before the last component of another
    expect(one(`${text}\n${hex("md5", "3")}  f.iso`, ["f.iso"])).toMatchObject({
      right: { hex: hex("md5", "3") }
    })
  })

  it.each([
    ["", "SUMS has no checksum in it"],
    ["<html><body>404</body></html>", "SUMS has no checksum in it"],
    [`${sha}  g.iso`, 'SUMS has no entry for "f.iso"'],
    [`${sha}  af.iso\n${sha}  f.iso.sig`, 'SUMS has no entry for "f.iso"'],
    [`${sha}\n${sha}  g.iso`, 'SUMS has no entry for "f.iso"'],
    [
      `${"a".repeat(56)}  f.iso`,
      'the entry of SUMS for "f.iso" has 56 hexadecimal digits and can\'t be used'
    ],
    [`SHA384 (f.iso) = ${"a".repeat(96)}`, "has 96 hexadecimal digits and can't be used"],
    [`SHA512 (f.iso) = ${sha}`, "has 64 hexadecimal digits and can't be used"],
    [
      `${sha}  a/f.iso\n${hex("sha-256", "b")}  b/f.iso`,
      'several entries for "f.iso", which contradict each other'
    ]
  ])("%j is refused", (text, words) => {
    expect(Either.getOrThrow(Either.flip(one(text)))).toContain(words)
  })

  it("without the algorithm asked for is refused", () => {
    expect(one(`${sha}  f.iso`, undefined, "md5")).toEqual(
      Either.left('SUMS has no md5 entry for "f.iso": the one it has is of 64 hexadecimal digits, not 32')
    )
  })

  it("gives back whatever name coreutils have written", () => {
    const name = hostileText(["\\", "\n", "\r", " ", "*", "(", ") = ", "#"]).filter(
      // what has no end of its own on a line, or begins like a path
      (text) =>
        text.trim() === text &&
        text !== "" &&
        !/^[*\ufeff]|^\.\/|[\u2028\u2029]/.test(text) &&
        !text.includes("/")
    )
    const escaped = (text: string): string =>
      text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r")
    fc.assert(
      fc.property(name, fc.constantFrom("  ", " *"), (text, mode) => {
        const mark = /[\\\n\r]/.test(text) ? "\\" : ""
        expect(parse(`${mark}${sha}${mode}${escaped(text)}\n`)).toEqual([
          { hex: sha, algorithm: undefined, name: text }
        ])
        expect(parse(`${mark}SHA256 (${escaped(text)}) = ${sha}\n`)).toEqual([
          { hex: sha, algorithm: "sha-256", name: text }
        ])
      })
    )
  })

  it("of hostile text says nothing that can't be compared", () => {
    const text = hostileText([sha, "\n", "  ", " *", "\\", "SHA256 (", ") = ", "f.iso", "./", hex("md5")])
    fc.assert(
      fc.property(text, (list) => {
        const found = find(list, ["f.iso"], undefined, "SUMS")
        if (Either.isRight(found)) expect(found.right.hex).toMatch(/^[0-9a-f]+$/)
        if (Either.isRight(found)) expect(found.right.hex).toHaveLength(digits[found.right.algorithm])
      })
    )
  })
})

describe("the names that a file may have in a list", () => {
  it.each([
    ["a", "http://h/x/b%20c.iso?q=1", ["a", "b c.iso", "b%20c.iso"]],
    ["b.iso", "http://h/b.iso", ["b.iso"]],
    [null, "http://h/%ff", ["%ff"]],
    [undefined, "http://h/", []]
  ])("%j and %s: %j", (name, url, expected) => {
    expect(namesOf(name, url)).toEqual(expected)
  })
})
