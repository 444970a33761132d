import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Download } from "../../src/domain/Download.js"
import { defaultOptions, type DownloadOptions } from "../../src/domain/DownloadOptions.js"
import type { FileFacts } from "../../src/domain/FileFacts.js"
import { conditions, judge, type Kept, keptName, plan } from "../../src/domain/Refetch.js"
import { fromHeaders, none, type Validator } from "../../src/domain/Validator.js"
import { download, fields, record, strong, unprovable } from "./Fixtures.js"

const { name: _name, ...identity } = record
const facts: FileFacts = { kind: "file", ...identity }
const sha = (digit: string) => ({ algorithm: "sha-256", hex: digit.repeat(64) }) as const
const dated: Validator = { lastModified: "Wed, 01 Jan 2020 00:00:00 GMT", lastModifiedStrong: true }

const earlier = (changes: Partial<Download> = {}, options: Partial<DownloadOptions> = {}): Download =>
  download({
    status: "completed",
    outcome: "fetched",
    publishing: record,
    filename: record.name,
    validator: strong,
    options: { ...defaultOptions, ...options },
    ...changes
  })
const asked = (options: Partial<DownloadOptions> = {}): Download =>
  download({ options: { ...defaultOptions, ...options } })

describe("Refetch.plan", () => {
  const tagOf = (one: Download, other: Download, found: FileFacts | undefined = facts) =>
    plan(one, other, found)._tag

  it("asks about a file that is as it was recorded, unless nothing was ever said to ask with", () => {
    expect(plan(asked(), earlier(), facts)).toEqual({ _tag: "Ask", record, validator: strong })
    expect(tagOf(asked(), earlier({ validator: unprovable }))).toBe("Ask")
    expect(tagOf(asked(), earlier({ validator: dated }))).toBe("Ask")
    expect(tagOf(asked(), earlier({ validator: null }))).toBe("Unchanged")
    expect(tagOf(asked(), earlier({ validator: none }))).toBe("Unchanged")
    expect(tagOf(asked(), earlier({ validator: { etag: "no tag", lastModifiedStrong: false } }))).toBe(
      "Unchanged"
    )
    expect(tagOf(asked({ refetch: "never" }), earlier())).toBe("Unchanged")
  })

  it.each([
    ["gone", undefined],
    ["longer", { ...facts, size: 101 }],
    ["touched", { ...facts, mtime: "1700000000000000001" }],
    ["another file", { ...facts, ino: "11" }],
    ["born later", { ...facts, birth: "5" }],
    ["a link", { ...facts, kind: "symlink" as const }],
    ["a directory", { ...facts, kind: "directory" as const }]
  ])("fetches where the file is %s", (_, found) => {
    for (const refetch of ["never", "if-changed"] as const) {
      expect(plan(asked({ refetch }), earlier(), found)._tag).toBe("Fetch")
    }
  })

  it("does not mind that its device has another number since", () => {
    expect(tagOf(asked(), earlier(), { ...facts, dev: "99" })).toBe("Ask")
  })

  it("verifies a checksum that the file was not found to have, and asks nobody about one that it was", () => {
    const checksum = sha("a")
    expect(tagOf(asked({ checksum }), earlier())).toBe("Verify")
    expect(tagOf(asked({ checksum }), earlier({}, { checksum: sha("b") }))).toBe("Verify")
    expect(tagOf(asked({ checksum }), earlier({}, { checksum }))).toBe("Unchanged")
    expect(tagOf(asked({ checksum, refetch: "never" }), earlier())).toBe("Verify")
    expect(tagOf(asked(), earlier({}, { checksum }))).toBe("Ask")
  })

  it.each([
    ["skipped", { outcome: "skipped" }],
    ["not completed", { status: "failed", outcome: null }],
    ["of another URL", { url: "http://origin.test/other.bin" }],
    ["for another directory", { directory: "/elsewhere" }],
    ["of another name", { output: "x" }],
    ["without a record", { publishing: null }]
  ] satisfies ReadonlyArray<readonly [string, Partial<Download>]>)(
    "knows nothing of one that was %s",
    (_, changes) => {
      expect(keptName(asked(), earlier(changes))).toBeUndefined()
      expect(tagOf(asked(), earlier(changes))).toBe("Fetch")
    }
  )

  it("with `always`, nothing that is there will do", () => {
    expect(keptName(asked({ refetch: "always" }), earlier())).toBeUndefined()
  })
})

describe("Refetch.conditions", () => {
  it.each([
    [strong, [["if-none-match", '"v1"']]],
    [unprovable, [["if-none-match", 'W/"v1"']]],
    [{ ...dated, etag: '"v1"' }, [["if-none-match", '"v1"']]],
    [dated, [["if-modified-since", dated.lastModified]]],
    [{ ...dated, etag: "no tag" }, [["if-modified-since", dated.lastModified]]],
    [none, []]
  ])("%j", (validator, expected) => {
    expect(conditions(validator)).toEqual(expected)
  })
})

describe("Refetch.judge", () => {
  const kept = (validator: Validator): Kept => ({ record, validator })
  const both: Validator = { ...dated, etag: '"v1"' }
  const date = dated.lastModified!
  const later = "Thu, 02 Jan 2020 00:00:00 GMT"

  it.each([
    ["304", strong, 304, {}, "Unchanged"],
    ["304 with the same tag, weak now", strong, 304, { etag: 'W/"v1"' }, "Unchanged"],
    ["304 that names another version", strong, 304, { etag: '"v2"' }, "AskPlainly"],
    ["200 with the same tag", strong, 200, { etag: '"v1"' }, "Unchanged"],
    ["200 with the same weak tag", unprovable, 200, { etag: 'W/"v1"' }, "Unchanged"],
    ["200 with another tag", strong, 200, { etag: '"v2"' }, "Changed"],
    ["200 with a tag that is none", strong, 200, { etag: "v1" }, "Changed"],
    ["200 with the same date", dated, 200, { "last-modified": date }, "Unchanged"],
    ["200 with another date", dated, 200, { "last-modified": later }, "Changed"],
    ["200 with an older date", dated, 200, { "last-modified": "Tue, 31 Dec 2019 00:00:00 GMT" }, "Changed"],
    [
      "200 with the same tag and another date",
      both,
      200,
      { etag: '"v1"', "last-modified": later },
      "Unchanged"
    ],
    ["200 with another tag and the same date", both, 200, { etag: '"v2"', "last-modified": date }, "Changed"],
    ["200 without the tag, the same date", both, 200, { "last-modified": date }, "Unchanged"],
    ["200 without the tag, another date", both, 200, { "last-modified": later }, "Changed"],
    ["200 that says nothing any more", both, 200, {}, "Unchanged"],
    ["200 of another length", strong, 200, { etag: '"v1"', "content-length": "99" }, "Changed"],
    ["200 of the same length", none, 200, { "content-length": "100" }, "Unchanged"],
    [
      "200 of another length, coded",
      strong,
      200,
      { etag: '"v1"', "content-length": "9", "content-encoding": "gzip" },
      "Unchanged"
    ],
    ["200 of a malformed length", strong, 200, { etag: '"v1"', "content-length": "-1" }, "Unchanged"],
    ["400", strong, 400, {}, "AskPlainly"],
    ["412", strong, 412, {}, "AskPlainly"],
    ["501", strong, 501, {}, "AskPlainly"],
    ["206", strong, 206, {}, "Failed"],
    ["404", strong, 404, {}, "Failed"],
    ["503", strong, 503, {}, "Failed"]
  ] satisfies ReadonlyArray<readonly [string, Validator, number, Record<string, string>, string]>)(
    "%s",
    (_, validator, status, headers, expected) => {
      expect(judge(kept(validator), false, status, fields(headers), 0)._tag).toBe(expected)
    }
  )

  it("asks once without conditions, not in circles", () => {
    for (let status = 200; status < 600; status++) {
      expect(judge(kept(strong), true, status, fields({ etag: '"v2"' }), 0)._tag).toBe(
        status === 200 ? "Changed" : "Failed"
      )
    }
  })

  it("keeps to what the server asks for", () => {
    const verdict = judge(kept(strong), false, 503, fields({ "retry-after": "7" }), 0)
    expect(verdict).toMatchObject({ _tag: "Failed", error: { retryAfter: 7000 } })
  })

  it("never takes a version for changed that is described as it was before", () => {
    const tag = fc.constantFrom('"a"', 'W/"a"', "junk", undefined)
    const day = fc.constantFrom(date, later, "junk", undefined)
    fc.assert(
      fc.property(tag, day, (etag, modified) => {
        const headers = fields({ etag, "last-modified": modified, "content-length": "100" })
        expect(judge(kept(fromHeaders(headers)), true, 200, headers, 0)._tag).toBe("Unchanged")
      })
    )
  })
})
