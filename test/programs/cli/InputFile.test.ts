import * as Either from "effect/Either"
import * as fc from "fast-check"
import { posix } from "node:path"
import { describe, expect, it } from "vitest"
import * as InputFile from "../../../src/programs/cli/InputFile.js"
import { decode } from "../../../src/programs/cli/InputText.js"

const entries = (text: string) => {
  const { entries, problems } = InputFile.parse(text)
  expect(problems).toEqual([])
  return entries
}
const problems = (text: string) => InputFile.parse(text).problems.map(({ line, why }) => `${line}: ${why}`)

const hex = "ab".repeat(32)

describe("a list", () => {
  it("is one URL a line", () => {
    expect(entries("http://a/1\nhttp://a/2").map(({ line, url }) => [line, url])).toEqual([
      [1, "http://a/1"],
      [2, "http://a/2"]
    ])
  })

  it.each(["", "\n", "\n\n\r\n", "# nothing", "   \n\t\n", "  # indented", "\r\n#\r\n"])(
    "may be empty: %j",
    (text) => {
      expect(entries(text)).toEqual([])
    }
  )

  it("has options below a URL, comments and empty lines anywhere, and any line ends", () => {
    const text = [
      "# a list",
      "http://a/1   ",
      "",
      "  out=a b/c = d.iso",
      "\tdir=/some where",
      "  # between",
      ` checksum = sha256=${hex.toUpperCase()}`,
      "  header=X-One: 1",
      "  header=X-Two: a=b: c",
      "http://a/2\thttps://b/2 \thttp://c/2"
    ]
    for (const end of ["\n", "\r\n"]) {
      expect(entries(text.join(end))).toEqual([
        {
          line: 2,
          url: "http://a/1",
          mirrors: [],
          out: { below: ["a b"], name: "c = d.iso" },
          dir: "/some where",
          checksum: { algorithm: "sha-256", hex },
          headers: [
            ["X-One", "1"],
            ["X-Two", "a=b: c"]
          ]
        },
        {
          line: 10,
          url: "http://a/2",
          mirrors: ["https://b/2", "http://c/2"],
          out: undefined,
          dir: undefined,
          checksum: undefined,
          limitRate: undefined,
          headers: []
        }
      ])
    }
  })

  it.each([
    ["http://a/\n split=5", '2: "split" is not an option of lists (out, dir, checksum, limit-rate, header)'],
    [
      "http://a/\n  OUT=x",
      '2: "OUT" is not an option of lists (out, dir, checksum, limit-rate, header); did you mean out?'
    ],
    ["http://a/\n  =x", '2: "" is not an option'],
    ["http://a/\n  out", "2: out has no value; write out=..."],
    ["http://a/\n  out=", "2: out: it is empty"],
    ["http://a/\n  out=a\n  out=b", "3: out: it was given twice"],
    ["http://a/\n  dir=", "2: dir: the directory is empty"],
    ["http://a/\n  checksum=sha-256=00", "2: checksum: a sha-256 checksum has 64 hexadecimal digits"],
    ["http://a/\n  checksum=crc32=00000000", '2: checksum: the checksum algorithm "crc32" is unknown'],
    ["http://a/\n  header=hunter2", "2: header: a header has no name"],
    ["http://a/\n  header=Range: bytes=0-", "2: header: the header Range is set by sluice itself"],
    ["http://a/\n  http://b/", "2: a URL must be at the beginning of its line"],
    ["  out=x\nhttp://a/", "1: an option comes after the URL it is for, and there is none above"],
    ["http://a/ http://b/", "1: there is more than one URL; keep one per line"],
    [`http://a/${"x".repeat(70_000)}`, "1: it is longer than 65536 characters"]
  ])("%j is refused", (text, words) => {
    const found = problems(text)
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(words)
    expect(found[0]).not.toContain("hunter2")
  })

  it("goes on after a mistake, and the options of a bad URL are still its own", () => {
    expect(problems("http://a/ http://b/\n  out=fine\n  bad=1\nhttp://c/\n  out=../x")).toEqual([
      "1: there is more than one URL; keep one per line, or put tabs between a URL and its mirrors",
      '3: "bad" is not an option of lists (out, dir, checksum, limit-rate, header)',
      "5: out: it must stay below the target directory, without .."
    ])
  })

  it("shows nothing of a line that a terminal would obey", () => {
    expect(problems("http://a/\n  \u001b[2J\u202e=1").join()).not.toMatch(/\p{Cc}|\p{Cf}/u)
  })

  it("is read whatever is in it: every line is an entry, a problem, an option, or nothing", () => {
    const word = fc.constantFrom(
      "http://a/",
      "http://b/",
      "  ",
      "\t",
      "out=",
      "dir=",
      "header=",
      "checksum=",
      "md5=",
      "..",
      "/",
      "a",
      "X: y",
      "#",
      "\r",
      "\n",
      "\n",
      "\u0000",
      "\ufeff",
      "\u2028",
      "é",
      "="
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        const text = words.join("")
        const list = InputFile.parse(text)
        const lines = text.split("\n").length
        expect(list.entries.length + list.problems.length).toBeLessThanOrEqual(lines)
        for (const { line } of [...list.entries, ...list.problems]) {
          expect(line).toBeGreaterThanOrEqual(1)
          expect(line).toBeLessThanOrEqual(lines)
        }
        expect(list.problems.map(({ line }) => line)).toEqual(
          list.problems.map(({ line }) => line).sort((a, b) => a - b)
        )
      })
    )
  })
})

describe("out=", () => {
  it.each([
    ["a.iso", [], "a.iso"],
    ["a/b.iso", ["a"], "b.iso"],
    ["./a//b/./c", ["a", "b"], "c"],
    ["...", [], "..."],
    ["a b/c:d", ["a b"], "c:d"]
  ])("%s stays below the target directory", (text, below, name) => {
    expect(Either.getOrThrow(InputFile.outPath(text))).toEqual({ below, name })
  })

  it.each([
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/..",
    "a/",
    "./",
    "//",
    "C:\\x",
    "c:x",
    "a\\..\\x",
    "a\0b",
    "x.sluice-part",
    "x.SLUICE-PART/y",
    "n".repeat(256),
    `${"n".repeat(256)}/x`
  ])("%j is refused", (text) => {
    expect(Either.isLeft(InputFile.outPath(text))).toBe(true)
  })

  it("never leads out, whatever it is", () => {
    const part = fc.constantFrom("..", ".", "a", "", "...", "c:", "\\", "..\\", " ", "~", "b.iso")
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const found = InputFile.outPath(parts.join("/"))
        if (Either.isLeft(found)) return
        const path = posix.join("/target", ...found.right.below, found.right.name)
        expect(path.startsWith("/target/")).toBe(true)
        expect(posix.relative("/target", path).split("/")).toEqual([...found.right.below, found.right.name])
      })
    )
  })
})

describe("the bytes of a list", () => {
  const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
  it("are UTF-8, with or without a mark", () => {
    expect(Either.getOrThrow(decode(Buffer.from("\ufeffhttp://é/")))).toBe("http://é/")
    expect(Either.getOrThrow(decode(bytes()))).toBe("")
  })
  it.each([
    [bytes(0x1f, 0x8b, 8, 0), "is compressed"],
    [Buffer.from("\ufeffhttp://a/", "utf16le"), "is UTF-16"],
    [bytes(0x7f, 0x45, 0x4c, 0x46, 0, 0), "is not a text file"],
    [bytes(0x68, 0xe9, 0x0a), "is not UTF-8 text"]
  ])("%s are something else", (value, words) => {
    expect(Either.match(decode(value), { onLeft: ([why]) => why, onRight: String })).toBe(words)
  })
})
