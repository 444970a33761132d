import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as path from "node:path"
import { fromKey } from "../../src/domain/DownloadId.js"
import {
  check,
  checkPath,
  fallbackName,
  numbered,
  partName,
  partSuffix,
  propose,
  sanitize
} from "../../src/domain/FileName.js"
import { hostileText } from "./Fixtures.js"

const bytes = (text: string): number => new TextEncoder().encode(text).length
const limit = 225

/** For titles: nothing a terminal would obey. */
const shown = (text: unknown): string =>
  (JSON.stringify(text) ?? "undefined")
    .replaceAll(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`)
    .replaceAll(/(.)\1{20,}/g, "$1...")

const titled = <A extends ReadonlyArray<unknown>>(cases: ReadonlyArray<A>) =>
  cases.map((each) => [each.map(shown).join(" -> "), ...each] as const)

const wellFormed = (text: string): string => text.replaceAll(/\p{Cs}/gu, "")

describe("FileName.sanitize", () => {
  it.each(
    titled([
      ["file.bin", "file.bin"],
      ["日本語.txt", "日本語.txt"],
      ["a b (1).txt", "a b (1).txt"],
      // traversal
      ["../../etc/passwd", "passwd"],
      ["/etc/passwd", "passwd"],
      ["..\\..\\windows\\system32\\x.dll", "x.dll"],
      ["C:\\Users\\x\\a.txt", "a.txt"],
      ["C:a.txt", "C_a.txt"],
      ["\\\\server\\share\\a.txt", "a.txt"],
      ["a.txt:stream", "a.txt_stream"],
      ["a/..", undefined],
      ["a/", undefined],
      [".", undefined],
      ["..", undefined],
      ["...", undefined],
      [". .", undefined],
      ["", undefined],
      [" \t\n", undefined],
      // what terminals and file systems would take for something else
      ["a\u0000.txt", "a.txt"],
      ["a\u001b[2Jb", "a[2Jb"],
      ["a\u009b2Jb", "a2Jb"],
      ["a\r\nb", "ab"],
      ["\u202etxt.exe", "txt.exe"],
      ["a\u2066b\u2069\u200b\ufeff", "ab"],
      ["\u3164", undefined],
      ["a\u{e0041}b", "ab"],
      ["a\ud800b", "a_b"],
      ["e\u200b\u0301", "é"],
      ["e\u0301", "é"],
      ['<>:"|?*', "_______"],
      ["-rf", "_rf"],
      [". -rf", "_rf"],
      [".htaccess", "htaccess"],
      ["a.txt. . ", "a.txt"],
      ["a.\u00a0.\u3000", "a"],
      [`invoice.pdf${" ".repeat(60)}.exe`, "invoice.pdf .exe"],
      // reserved on Windows
      ["con", "_con"],
      ["NUL.txt", "_NUL.txt"],
      ["nul .txt", "_nul .txt"],
      ["com1.tar.gz", "_com1.tar.gz"],
      ["COM¹", "_COM¹"],
      ["conin$", "_conin$"],
      ["console.txt", "console.txt"],
      ["com10", "com10"],
      // ours
      ["a.sluice-part", "a_sluice-part"],
      ["a.SLUICE-PART", "a_SLUICE-PART"],
      [".sluice-part", "sluice-part"]
    ] satisfies ReadonlyArray<readonly [string, string | undefined]>)
  )("%s", (_, proposed, expected) => {
    expect(sanitize(proposed)).toBe(expected)
  })

  it.each([
    ["its extension", `${"x".repeat(300)}.iso`, `${"x".repeat(221)}.iso`],
    ["a double extension", `${"x".repeat(300)}.tar.gz`, `${"x".repeat(218)}.tar.gz`],
    ["no extension that is too long for one", `x.${"y".repeat(300)}`, `x.${"y".repeat(223)}`],
    ["whole characters", `${"界".repeat(100)}.txt`, `${"界".repeat(73)}.txt`],
    ["whole surrogate pairs", `${"😀".repeat(100)}.txt`, `${"😀".repeat(55)}.txt`]
  ])("keeps %s when it cuts", (_, proposed, expected) => {
    expect(sanitize(proposed)).toBe(expected)
    expect(bytes(expected)).toBeLessThanOrEqual(limit)
  })

  it("can't be made to cut a name into one that is not allowed", () => {
    const tail = "y".repeat(30)
    const stem = (length: number): string => "x".repeat(length)
    expect(sanitize(`${stem(limit - partSuffix.length)}${partSuffix}${tail}`)).not.toMatch(/\.sluice-part$/)
    expect(sanitize(`${stem(limit - 1)}.${tail}`)).toBe(stem(limit - 1))
    expect(sanitize(`${stem(limit - 2)} .${tail}`)).toBe(stem(limit - 2))
  })

  const pieces = [
    "/",
    "\\",
    "..",
    ".",
    " ",
    "\u00a0",
    "\t",
    "\0",
    "-",
    ":",
    "con",
    "COM1",
    "nul.",
    "\u202e",
    "\u200b",
    "e",
    "\u0301"
  ]
  const longer = [
    "x".repeat(100),
    "界".repeat(70),
    "😀",
    ".tar",
    ".gz",
    ".txt",
    partSuffix,
    "\ud83d",
    "\ude00",
    "%2F",
    "<",
    "\u0338"
  ]
  const hostile = hostileText([...pieces, ...longer])

  const expectSafe = (name: string): void => {
    expect(name).not.toBe("")
    expect(bytes(name)).toBeLessThanOrEqual(limit)
    expect(path.posix.resolve("/dir", name)).toBe(`/dir/${name}`)
    expect(path.win32.basename(name)).toBe(name)
    expect(name).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}<>:"|?*]/u)
    expect(name).not.toMatch(/^[-. ]|[. ]$/)
    expect(name).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d) *(\.|$)/i)
    expect(name.toLowerCase().endsWith(partSuffix)).toBe(false)
    expect(bytes(partName(numbered(name, 999), fromKey(0)))).toBeLessThanOrEqual(255)
    expect(bytes(partName(name, fromKey(0)))).toBeLessThanOrEqual(255)
    expect(bytes(numbered(name, 2 ** 24))).toBeLessThanOrEqual(255)
    expect(Either.isRight(check(name))).toBe(true)
  }

  it("makes one safe component of anything, and leaves a safe one alone", () => {
    fc.assert(
      fc.property(hostile, (proposed) => {
        const name = sanitize(proposed)
        if (name === undefined) return
        expectSafe(name)
        expect(sanitize(name)).toBe(name)
      }),
      { numRuns: 1500 }
    )
  })

  it("keeps the extension, however long the name", () => {
    const stem = hostile.filter((text) => sanitize(`x${text}`) !== undefined)
    fc.assert(
      fc.property(stem, fc.constantFrom(".iso", ".tar.gz", ".7z", ".日本"), (text, extension) => {
        // what comes last is what counts, and nothing before it changes that
        const name = sanitize(`x${text.replaceAll(/[\\/\p{Cs}]/gu, "")}x${extension}`)
        expect(name?.endsWith(extension)).toBe(true)
      }),
      { numRuns: 500 }
    )
  })

  it("proposes one safe component whatever a server says", () => {
    const quoted = hostile.map((text) => `attachment; filename="${text}"`)
    const extended = hostile.map(
      (text) => `attachment; filename*=UTF-8''${encodeURIComponent(wellFormed(text))}`
    )
    const field = fc.option(fc.oneof(quoted, extended, hostile, fc.string()), { nil: undefined })
    const url = hostile.map((text) => new URL(`http://host/${wellFormed(text)}`).href)
    const encoded = hostile.map((text) => `http://host/${encodeURIComponent(wellFormed(text))}`)
    fc.assert(
      fc.property(field, fc.oneof(url, encoded), (disposition, address) => {
        expectSafe(propose(disposition, address))
      }),
      { numRuns: 1000 }
    )
  })
})

describe("FileName.propose", () => {
  const url = "http://host/dir/from-url.bin?x=1#y"
  it.each(
    titled([
      [undefined, "from-url.bin"],
      ["attachment", "from-url.bin"],
      ["attachment; filename=a.txt", "a.txt"],
      ['attachment; filename="a b.txt"', "a b.txt"],
      ['ATTACHMENT; FILENAME="a.txt"', "a.txt"],
      ['inline; filename="a\\"b.txt"', "a_b.txt"],
      ["attachment; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"],
      ["attachment; filename*=iso-8859-1'en'na%EFve.txt", "naïve.txt"],
      ["attachment; filename=plain.txt; filename*=UTF-8''ext.txt", "ext.txt"],
      ["attachment; filename*=UTF-8''ext.txt; filename=plain.txt", "ext.txt"],
      ["attachment; filename=plain.txt; filename*=UTF-8''%E4.txt", "plain.txt"],
      ["attachment; filename=plain.txt; filename*=KOI8-R''x.txt", "plain.txt"],
      ["attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"],
      ["attachment; filename*=UTF-8''a%00%0D%0A.txt", "a.txt"],
      ['attachment; filename="../../x.txt"', "x.txt"],
      ['attachment; filename=".."', "from-url.bin"],
      ['attachment; filename=""', "from-url.bin"],
      ["attachment; __proto__=x; filename=a.txt", "a.txt"],
      // as servers write it, though they should not
      ["attachment; filename=a b.txt", "a b.txt"],
      ["attachment; filename=a.txt;", "a.txt"],
      ["attachment;filename = a.txt ; size=3", "a.txt"],
      ["filename=a.txt", "from-url.bin"],
      ['attachment; filename="a;b.txt"', "a;b.txt"],
      ['attachment; filename="a.txt', "from-url.bin"],
      ["attachment; filename*=\"UTF-8''na%C3%AFve.txt\"", "naïve.txt"],
      ["attachment; filename*=UTF-8''a%2", "from-url.bin"],
      ["attachment; filename*=a.txt; filename=b.txt", "b.txt"],
      ["attachment; filename=a.txt; filename=b.txt", "a.txt"],
      ['attachment; filename="C:\\x\\evil.exe"', "C_xevil.exe"],
      ['attachment; filename="a.txt:stream"', "a.txt_stream"],
      ["attachment; filename*=UTF-8''%E2%80%AEgpj.exe", "gpj.exe"],
      ["attachment; filename*=UTF-8''%C0%AE%C0%AE%C0%AFx", "from-url.bin"],
      ["", "from-url.bin"],
      [";;;===", "from-url.bin"],
      ['"', "from-url.bin"]
    ] satisfies ReadonlyArray<readonly [string | undefined, string]>)
  )("from the field %s", (_, field, expected) => {
    expect(propose(field, url)).toBe(expected)
  })

  it.each(
    titled([
      ["http://host", fallbackName],
      ["http://host/dir/", fallbackName],
      ["http://host/..", fallbackName],
      ["http://host/a%2Fb.txt", "b.txt"],
      ["http://host/..%2f..%2fx", "x"],
      ["http://host/%2e%2e%5cx.txt", "x.txt"],
      ["http://host/a%20b.txt", "a b.txt"],
      ["http://host/%E7%95%8C.txt", "界.txt"],
      ["http://host/界.txt", "界.txt"],
      ["http://host/%E9t%E9.txt", "%E9t%E9.txt"],
      ["http://host/100%.txt", "100%.txt"],
      // what can be decoded is, beside what can't
      ["http://host/a%20b%ZZ.txt", "a b%ZZ.txt"],
      ["http://host/a%20%E9.txt", "a%20%E9.txt"],
      ["http://host/a%20b%E9.txt", "a b%E9.txt"],
      ["http://host/a%", "a%"],
      ["http://host/a%2", "a%2"],
      // overlong forms of / and NUL are no UTF-8
      ["http://host/..%C0%AFetc%C0%AFpasswd", "%C0%AFetc%C0%AFpasswd"],
      ["http://host/a%C0%80b", "a%C0%80b"],
      // encoded twice is decoded once
      ["http://host/..%252F..%252Fx", "%2F..%2Fx"],
      ["http://host/C:%5Cx%5Cy.txt", "y.txt"],
      ["http://host/%5C%5Cserver%5Cshare%5Cy.txt", "y.txt"],
      ["http://host/C:evil.txt", "C_evil.txt"],
      ["http://host/file.txt::$DATA", "file.txt__$DATA"],
      ["http://host/%E2%80%AEgpj.exe", "gpj.exe"],
      ["http://host/CON", "_CON"],
      ["http://host/lpt1.txt", "_lpt1.txt"],
      ["http://host/x.%20.%20", "x"],
      ["http://host/00000000000.sluice-part", "00000000000_sluice-part"],
      ["http://host/a?b=/c/d", "a"],
      ["http://host/a%00b", "ab"],
      ["http://host/a;b=c", "a;b=c"]
    ] satisfies ReadonlyArray<readonly [string, string]>)
  )("from the URL %s", (_, address, expected) => {
    expect(propose(undefined, address)).toBe(expected)
  })
})

describe("FileName.check", () => {
  it("takes a name as it is", () => {
    for (const name of ["a", "a b.txt", ".hidden", "-", "con", "日本語", "x".repeat(limit), "a\\b", "..."]) {
      expect(check(name)).toEqual(Either.right(name))
    }
  })

  it.each(
    titled([
      [""],
      ["."],
      [".."],
      ["/a"],
      ["a/b"],
      ["a/"],
      ["../a"],
      ["a\0"],
      ["x".repeat(limit + 1)],
      ["界".repeat(76)],
      ["a.sluice-part"]
    ])
  )("refuses %s", (_, name) => {
    expect(Either.isLeft(check(name))).toBe(true)
  })
})

describe("FileName.checkPath", () => {
  it.each([
    ["a", [], "a"],
    ["sub/a", ["sub"], "a"],
    ["./x//y/./z", ["x", "y"], "z"],
    [".hidden/con", [".hidden"], "con"]
  ])("%s", (text, below, name) => {
    expect(checkPath(text)).toEqual(Either.right({ below, name }))
  })

  it.each(
    titled([
      ["/a"],
      ["//a"],
      ["../a"],
      ["a/../b"],
      ["a/.."],
      ["a/"],
      ["."],
      ["./"],
      ["C:/a"],
      ["c:a/b"],
      ["a\\b/c"],
      ["a\0/b"],
      [`${"x".repeat(300)}/a`],
      [`a/${"x".repeat(300)}`],
      ["x.sluice-part/a"],
      ["a/b.sluice-part"]
    ])
  )("refuses %s", (_, text) => {
    expect(Either.isLeft(checkPath(text))).toBe(true)
  })

  it("leads below, or is refused, whatever it is", () => {
    const piece = fc.constantFrom("..", ".", "/", "a", "\\", "C:", " ", "\0", "%2e", "b.txt")
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const checked = checkPath(pieces.join(""))
        if (Either.isLeft(checked)) return
        const { below, name } = checked.right
        expect(path.posix.resolve("/dir", ...below, name).startsWith("/dir/")).toBe(true)
        expect(path.win32.join("D:\\dir", ...below, name).startsWith("D:\\dir\\")).toBe(true)
      })
    )
  })
})

describe("FileName.numbered and partName", () => {
  it.each([
    ["a.txt", "a (1).txt"],
    ["a.tar.gz", "a (1).tar.gz"],
    ["a.b.gz", "a.b (1).gz"],
    ["a", "a (1)"],
    [".hidden", ".hidden (1)"],
    ["a.", "a. (1)"]
  ])("%s is numbered %s", (name, expected) => {
    expect(numbered(name, 1)).toBe(expected)
  })

  it("names the unfinished file", () => {
    expect(partName("a.txt")).toBe("a.txt.sluice-part")
    expect(partName("a.txt", "id")).toBe("a.txt.id.sluice-part")
  })
})
