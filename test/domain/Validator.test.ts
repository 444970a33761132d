import { describe, expect, it } from "@effect/vitest"
import type { Validator } from "../../src/domain/Validator.js"
import * as Validators from "../../src/domain/Validator.js"
import { fields } from "./Fixtures.js"

const modified = "Sun, 06 Nov 1994 08:00:00 GMT"
const later = "Sun, 06 Nov 1994 09:00:00 GMT"
const at = (time: string): string => `Sun, 06 Nov 1994 ${time} GMT`

const strong: Validator = { etag: '"a"', lastModifiedStrong: false }
const weak: Validator = { etag: 'W/"a"', lastModifiedStrong: false }
const dated: Validator = { lastModified: modified, lastModifiedStrong: true }
const vaguelyDated: Validator = { lastModified: modified, lastModifiedStrong: false }
const weakAndDated: Validator = { ...dated, etag: 'W/"a"' }
const strongAndDated: Validator = { ...dated, etag: '"a"' }
const malformed: Validator = { ...dated, etag: "a" }

describe("Validator.fromHeaders", () => {
  it.each([
    ["a strong tag", { etag: '"a"' }, { etag: '"a"', lastModifiedStrong: false }],
    ["a weak tag", { etag: 'W/"a"' }, { etag: 'W/"a"', lastModifiedStrong: false }],
    ["an empty tag, which is one", { etag: '""' }, { etag: '""', lastModifiedStrong: false }],
    ["a tag sent twice alike", { etag: ['"a"', '"a"'] }, { etag: '"a"', lastModifiedStrong: false }],
    ["tags that contradict", { etag: ['"a"', '"b"'] }, { etag: '"a", "b"', lastModifiedStrong: false }],
    ["no field", {}, { lastModifiedStrong: false }],
    ["a date 60 s old", { "last-modified": modified, date: at("08:01:00") }, dated],
    ["a date 59 s old", { "last-modified": modified, date: at("08:00:59") }, vaguelyDated],
    [
      "a date in the future",
      { "last-modified": later, date: modified },
      { ...vaguelyDated, lastModified: later }
    ],
    ["a date without Date", { "last-modified": modified }, vaguelyDated],
    ["a date and a malformed Date", { "last-modified": modified, date: "now" }, vaguelyDated],
    [
      "dates that contradict",
      { "last-modified": [modified, later], date: later },
      { lastModifiedStrong: false }
    ],
    ["0 for a date", { "last-modified": "0", date: later }, { lastModifiedStrong: false }],
    ["-1 for a date", { "last-modified": "-1", date: later }, { lastModifiedStrong: false }],
    [
      "the epoch for a date",
      { "last-modified": "Thu, 01 Jan 1970 00:00:01 GMT", date: later },
      { lastModified: "Thu, 01 Jan 1970 00:00:01 GMT", lastModifiedStrong: false }
    ],
    [
      "the constant of npm for a date",
      { "last-modified": "Sat, 26 Oct 1985 08:15:00 GMT", date: later },
      { lastModified: "Sat, 26 Oct 1985 08:15:00 GMT", lastModifiedStrong: false }
    ]
  ])("reads %s", (_, given, expected) => {
    expect(Validators.fromHeaders(fields(given))).toEqual(expected)
  })
})

describe("Validator.ifRange", () => {
  it.each([
    ["a strong tag", strong, '"a"'],
    ["a strong tag before a date", strongAndDated, '"a"'],
    ["a strong date alone", dated, modified],
    ["no weak tag", weak, undefined],
    ["no date beside a weak tag", weakAndDated, undefined],
    ["no date beside a field that is no tag", malformed, undefined],
    ["no weak date", vaguelyDated, undefined],
    ["nothing", Validators.none, undefined]
  ])("sends %s", (_, validator, expected) => {
    expect(Validators.ifRange(validator)).toBe(expected)
  })
})

describe("Validator.proves", () => {
  const all = {
    strong,
    weak,
    dated,
    vaguelyDated,
    weakAndDated,
    strongAndDated,
    malformed,
    none: Validators.none
  }
  const proof: Record<keyof typeof all, ReadonlyArray<keyof typeof all>> = {
    strong: ["strong", "strongAndDated"],
    weak: [],
    // what a later response says of its own Date is not needed: the date held was strong when it was received
    dated: ["dated", "vaguelyDated"],
    vaguelyDated: [],
    weakAndDated: ["weakAndDated"],
    strongAndDated: ["strong", "strongAndDated"],
    malformed: ["malformed"],
    none: []
  }

  for (const held of Object.keys(all) as Array<keyof typeof all>) {
    it(`knows what proves ${held}`, () => {
      const proving = (Object.keys(all) as Array<keyof typeof all>).filter((received) =>
        Validators.proves(all[held], all[received])
      )
      expect(proving).toEqual(proof[held])
      expect(Validators.canProve(all[held])).toBe(proof[held].length > 0)
    })
  }

  it.each([
    ["another tag", strong, { ...strong, etag: '"b"' }],
    ["the same tag, weak now", strong, { ...strong, etag: 'W/"a"' }],
    ["another tag with the same date", strongAndDated, { ...strongAndDated, etag: '"b"' }],
    ["no tag but the same date", strongAndDated, dated],
    ["a new tag beside the same date", dated, strongAndDated],
    ["another weak tag beside the same date", weakAndDated, { ...weakAndDated, etag: 'W/"b"' }],
    ["another text that is no tag beside the same date", malformed, { ...malformed, etag: "b" }],
    ["another date", dated, { ...dated, lastModified: later }],
    ["a tag of another case", strong, { ...strong, etag: '"A"' }]
  ])("is not proved by %s", (_, held, received) => {
    expect(Validators.proves(held, received)).toBe(false)
  })
})

describe("digests of the whole", () => {
  const digest = (hex: string, field: "Repr-Digest" | "Content-MD5" = "Repr-Digest") =>
    ({ algorithm: "md5", hex, field }) as const
  const held: Validator = { ...strong, digest: digest("aa") }

  it.each([
    ["the same, and another tag", { etag: '"b"', lastModifiedStrong: false, digest: digest("aa") }, true],
    ["the same alone", { lastModifiedStrong: false, digest: digest("aa", "Content-MD5") }, true],
    ["another, and the same tag", { ...strong, digest: digest("bb") }, false],
    ["none, and the same tag", strong, true],
    [
      "one that can't be compared, and the same tag",
      { ...strong, digest: { ...digest("aa"), algorithm: "sha-1" } },
      true
    ],
    [
      "one that can't be compared, and another tag",
      { ...weak, digest: { ...digest("aa"), algorithm: "sha-1" } },
      false
    ]
  ] as const)("%s", (_, received, proved) => {
    expect(Validators.proves(held, received)).toBe(proved)
  })

  it("can prove a later response only if a 206 may carry them", () => {
    const none = { lastModifiedStrong: false }
    expect(Validators.canProve({ ...none, digest: digest("aa") })).toBe(true)
    expect(Validators.canProve({ ...none, digest: digest("aa", "Content-MD5") })).toBe(false)
    expect(Validators.ifRange({ ...none, digest: digest("aa") })).toBe(undefined)
  })

  it("are learnt from later responses, and kept", () => {
    expect(Validators.joined(strong, held)).toEqual(held)
    expect(Validators.joined(held, { ...strong, digest: digest("bb") })).toBe(held)
    expect(Validators.joined(strong, weak)).toBe(strong)
  })
})
