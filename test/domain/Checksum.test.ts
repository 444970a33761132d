import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import {
  type Checksum,
  type ChecksumList,
  Algorithm,
  digits,
  fault,
  format,
  merge,
  parse
} from "../../src/domain/Checksum.js"
import { defaultOptions, DownloadOptions } from "../../src/domain/DownloadOptions.js"
import { accept } from "../../src/domain/DownloadRequest.js"

const sha = (digit: string): Checksum => ({ algorithm: "sha-256", hex: digit.repeat(64) })
const md5: Checksum = { algorithm: "md5", hex: "0123456789abcdef0123456789abcdef" }

const withOptions = (options: unknown) =>
  accept({ url: "http://h/", directory: "/d", options: options as Partial<DownloadOptions> })

describe("Checksum.parse", () => {
  it.each([
    ["md5:0123456789ABCDEF0123456789abcdef", md5],
    ["md5=0123456789abcdef0123456789abcdef", md5],
    [" MD5 = 0123456789abcdef0123456789abcdef ", md5],
    [`sha-256:${"a".repeat(64)}`, sha("a")],
    [`SHA256=${"A".repeat(64)}`, sha("a")],
    [`sha1:${"a".repeat(40)}`, { algorithm: "sha-1", hex: "a".repeat(40) }],
    [`sha-512:${"a".repeat(128)}`, { algorithm: "sha-512", hex: "a".repeat(128) }]
  ] as const)("reads %j", (text, expected) => {
    expect(parse(text)).toEqual(Either.right(expected))
    expect(parse(format(expected))).toEqual(Either.right(expected))
  })

  it.each([
    ["", /is no checksum/],
    ["0123456789abcdef0123456789abcdef", /is no checksum/],
    ["sha-384:00", /"sha-384" is unknown: use one of sha-256, sha-512, sha-1, md5/],
    ["md5:", /md5 checksum has 32 hexadecimal digits/],
    ["md5:0123456789abcdef0123456789abcdeg", /has not/],
    ["md5:0123456789abcdef0123456789abcde", /has not/],
    ["md5:0123456789abcdef 0123456789abcdef", /is no checksum/],
    [`sha-256:${"a".repeat(40)}`, /64/],
    ["md5:\u001b[31m", /md5/]
  ])("refuses %j", (text, expected) => {
    const left = Either.getOrThrow(Either.flip(parse(text)))
    expect(left).toMatch(expected)
    expect(left).not.toContain("\u001b")
  })

  const url = "https://h/d/SHA256SUMS?a=b"
  it.each([
    [url, { url }],
    [` sha256:${url} `, { url, algorithm: "sha-256" }],
    [`SHA-512=${url}`, { url, algorithm: "sha-512" }],
    ["./SHA256SUMS", { file: "./SHA256SUMS" }],
    ["SHA256SUMS", { file: "SHA256SUMS" }],
    ["f.tar.gz.sha256", { file: "f.tar.gz.sha256" }],
    ["md5:sums/a b", { file: "sums/a b", algorithm: "md5" }],
    ["C:\\sums\\a", { file: "C:\\sums\\a" }]
  ])("reads where it stands: %j", (text, expected) => {
    expect(parse(text)).toEqual(Either.right(expected))
    if ("url" in expected) expect(parse(format(expected as ChecksumList))).toEqual(Either.right(expected))
  })

  it.each([
    ["ftp://h/SHA256SUMS", /absolute http/],
    ["sha-256:ftp://h/SHA256SUMS", /absolute http/],
    ["https://u:hunter2@h/SHA256SUMS", /must not have a user or password/],
    ["sha-384:./SHA384SUMS", /"sha-384" is unknown/],
    ["./a\u0007b", /is no checksum/]
  ])("refuses the place %j", (text, expected) => {
    const left = Either.getOrThrow(Either.flip(parse(text)))
    expect(left).toMatch(expected)
    expect(left).not.toContain("hunter2")
  })

  it("knows how long each digest is", () => {
    for (const algorithm of Algorithm.literals) {
      expect(Either.isRight(parse(`${algorithm}:${"0".repeat(digits[algorithm])}`))).toBe(true)
    }
  })
})

describe("Checksum in options", () => {
  it("is lower-cased, and is nothing by default", () => {
    const accepted = Either.getOrThrow(
      withOptions({ checksum: { algorithm: "sha-256", hex: "A".repeat(64) } })
    )
    expect(accepted.options).toEqual({ ...defaultOptions, checksum: sha("a") })
    expect(Either.getOrThrow(withOptions({})).options.checksum).toBe(null)
    expect(Either.getOrThrow(withOptions({ checksum: null, maxSize: null })).options).toEqual(defaultOptions)
  })

  it.each([
    [{ checksum: { algorithm: "md5", hex: "00" } }, /^the option checksum: a md5 checksum has 32/],
    [
      { checksum: { algorithm: "crc32", hex: "00" } },
      /^the option checksum.algorithm: Expected one of sha-256/
    ],
    [{ checksum: "md5:00" }, /^the option checksum: /],
    [{ checksum: { url: "ftp://h/SUMS" } }, /^the option checksum.url: the list of checksums must have/],
    [{ checksum: { file: "SUMS" } }, /^the option checksum/],
    [{ maxSize: -1 }, /^the option maxSize: /],
    [{ maxSize: 0.5 }, /^the option maxSize: /],
    [{ maxSize: 2 ** 53 }, /^the option maxSize: /],
    [{ maxSize: Infinity }, /^the option maxSize: /]
  ])("refuses %j, and says so once", (options, expected) => {
    const error = Either.getOrThrow(Either.flip(withOptions(options)))
    expect(error.reason).toBe("InvalidRequest")
    expect(error.detail).toMatch(expected)
  })

  it("reads rows that were written before there were checksums, and what it has written itself", () => {
    const decode = Schema.decodeUnknownSync(Schema.parseJson(DownloadOptions))
    const { checksum: _, maxSize: __, ...old } = defaultOptions
    expect(decode(JSON.stringify(old))).toEqual(defaultOptions)
    const now = { ...defaultOptions, checksum: sha("b"), maxSize: 7 }
    expect(decode(JSON.stringify(now))).toEqual(now)
  })
})

describe("Checksum.fault", () => {
  it("is none where the digest is as expected", () => {
    expect(fault(md5, md5.hex)).toBe(undefined)
  })
  it("says whose word it was, where it was not the caller's own", () => {
    expect(fault({ ...md5, from: "http://h/SUMS" }, "0")?.detail).toMatch(/, as http:\/\/h\/SUMS lists it$/)
    expect(fault(md5, "0", "which a bird has sung")?.detail).toMatch(/, which a bird has sung$/)
  })
  it("names the algorithm and both digests, shortened", () => {
    expect(fault(sha("a"), sha("b").hex)).toMatchObject({
      reason: "ChecksumMismatch",
      kind: "transient",
      detail: "the sha-256 checksum is bbbbbbbb...bbbbbbbb instead of aaaaaaaa...aaaaaaaa"
    })
  })
})

describe("Checksum.merge", () => {
  it.each([
    [null, null, null],
    [md5, null, md5],
    [null, md5, md5],
    [md5, { ...md5 }, md5]
  ])("%j and %j make %j", (had, asked, expected) => {
    expect(merge(had, asked)).toEqual(Either.right(expected))
  })
  const list: ChecksumList = { url: "http://h/SUMS" }
  const listed: Checksum = { ...md5, from: list.url }
  it.each([
    [list, { ...list }, list],
    [null, list, list],
    // what was read from the list is what the list asks for
    [listed, list, listed],
    [list, listed, list],
    [listed, md5, listed],
    [listed, { ...list, algorithm: "md5" as const }, listed]
  ])("%j and the list %j make %j", (had, asked, expected) => {
    expect(merge(had, asked)).toEqual(Either.right(expected))
  })
  it.each([
    [list, { url: "http://h/OTHER" }],
    [list, { ...list, algorithm: "md5" as const }],
    [list, md5],
    [listed, { ...list, algorithm: "sha-1" as const }],
    [sha("a"), sha("b")],
    [sha("a"), md5]
  ])("%j and %j contradict", (had, asked) => {
    expect(Either.flip(merge(had, asked))).toMatchObject({
      right: { reason: "ChecksumContradiction", kind: "permanent" }
    })
  })
  it.each([
    [md5, md5, true],
    [md5, null, true],
    [null, null, true],
    [null, md5, false]
  ])("where none can be added, %j and %j: %j", (had, asked, allowed) => {
    const merged = merge(had, asked, "another engine is working on it")
    expect(Either.isRight(merged)).toBe(allowed)
    if (Either.isLeft(merged)) expect(merged.left.detail).toMatch(/without a checksum, and another engine is/)
  })
})
