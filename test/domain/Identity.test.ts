/**
 * The identity rule: tables of what a server may answer to each kind of held part, and properties against a second,
 * independent reading of the RFCs.
 */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import {
  ask,
  bodyFault,
  announcedFault,
  bodyLimit,
  type Held,
  judge,
  nothing,
  limitOf,
  sizeFault,
  type Verdict
} from "../../src/domain/Identity.js"
import type { Validator } from "../../src/domain/Validator.js"
import { fields } from "./Fixtures.js"

const modified = "Sun, 06 Nov 1994 08:00:00 GMT"
const date = "Sun, 06 Nov 1994 09:00:00 GMT"

const validators = {
  strong: { etag: '"a"', lastModifiedStrong: false },
  weak: { etag: 'W/"a"', lastModifiedStrong: false },
  dated: { lastModified: modified, lastModifiedStrong: true },
  vaguelyDated: { lastModified: modified, lastModifiedStrong: false },
  weakAndDated: { etag: 'W/"a"', lastModified: modified, lastModifiedStrong: true },
  none: { lastModifiedStrong: false }
} satisfies Record<string, Validator>

/** The response fields of the version that each validator names. */
const sameVersion: Record<keyof typeof validators, Record<string, string>> = {
  strong: { etag: '"a"' },
  weak: { etag: 'W/"a"' },
  dated: { "last-modified": modified, date },
  vaguelyDated: { "last-modified": modified, date: modified },
  weakAndDated: { etag: 'W/"a"', "last-modified": modified, date },
  none: {}
}

const held = (validator: Validator, bytes = 50, total: number | undefined = 100): Held => ({
  bytes,
  total,
  validator
})

type Fields = Parameters<typeof fields>[0]

const answer = (part: Held, status: number, headers: Fields): Verdict =>
  judge(part, ask(part), status, fields(headers), 0)

/** A verdict in a few words: `append`, `replace`, `again`, or the reason of the failure. */
const summary = (verdict: Verdict): string => {
  switch (verdict._tag) {
    case "Body":
      return `${verdict.fresh ? "replace" : "append"} ${verdict.bodyLength ?? "?"} of ${verdict.total ?? "?"}`
    case "AskAgainFromZero":
      return "again"
    case "AskPlainly":
      return "plainly"
    case "Complete":
      return "complete"
    case "Failed":
      return verdict.error.reason
  }
}

describe("Identity.ask", () => {
  const plain = [["accept-encoding", "identity"]]
  it.each([
    ["nothing", nothing, 0, plain],
    ["a strong tag", held(validators.strong), 50, [...plain, ["range", "bytes=50-"], ["if-range", '"a"']]],
    ["a strong date", held(validators.dated), 50, [...plain, ["range", "bytes=50-"], ["if-range", modified]]],
    [
      "a strong date beside a weak tag",
      held(validators.weakAndDated),
      50,
      [...plain, ["range", "bytes=50-"]]
    ],
    ["a weak tag", held(validators.weak), 0, plain],
    ["a weak date", held(validators.vaguelyDated), 0, plain],
    ["no validator", held(validators.none), 0, plain],
    ["a strong tag of no bytes", held(validators.strong, 0), 0, plain]
  ])("with %s", (_, part, start, headers) => {
    expect(ask(part)).toEqual({ ranged: start > 0, start, overlap: 0, proof: "validator", headers })
  })
})

describe("Identity.judge: the whole (200) where a part was asked for", () => {
  it.each([
    ["the version held", { etag: '"a"', "content-length": "100" }, "plainly"],
    ["another version, its length unsaid", { etag: '"b"', "transfer-encoding": "chunked" }, "replace ? of ?"],
    [
      "a part that pretends to be the whole",
      { "content-length": "50", "content-range": "bytes 50-99/100" },
      "again"
    ]
  ] as const)("%s", (_, headers, expected) => {
    expect(summary(answer(held(validators.strong), 200, headers))).toBe(expected)
  })

  it("the version held, its length unsaid, though If-Range was not sent", () => {
    const part = held(validators.strong)
    const headers = fields({ etag: '"a"', "transfer-encoding": "chunked" })
    const verdict = judge(part, ask(part, { plainly: true }), 200, headers, 0)
    expect(summary(verdict)).toBe("replace 100 of 100")
  })

  it("a part that pretends to be the whole, where that was asked for", () => {
    for (const length of [{ "content-length": "50" }, {}])
      expect(summary(answer(nothing, 200, { ...length, "content-range": "bytes 0-49/100" }))).toBe(
        "ProtocolViolation"
      )
  })
})

describe("Identity.judge: the whole (200)", () => {
  it.each([
    ["a length", { "content-length": "100" }, "replace 100 of 100"],
    ["an empty body", { "content-length": "0" }, "replace 0 of 0"],
    ["no length", {}, "replace ? of ?"],
    ["chunks", { "transfer-encoding": "chunked" }, "replace ? of ?"],
    [
      "chunks and a length, which counts for nothing",
      { "transfer-encoding": "Chunked", "content-length": "7" },
      "replace ? of ?"
    ],
    ["the same length twice", { "content-length": ["100", "100"] }, "replace 100 of 100"],
    [
      "a Content-Range that does not belong there",
      { "content-length": "100", "content-range": "bytes 50-99/100" },
      "replace 100 of 100"
    ],
    [
      "a part that is the whole",
      { "content-length": "100", "content-range": "bytes 0-99/100" },
      "replace 100 of 100"
    ],
    [
      "Content-Encoding: identity",
      { "content-encoding": "Identity", "content-length": "100" },
      "replace 100 of 100"
    ],
    ["an empty Content-Encoding", { "content-encoding": "", "content-length": "100" }, "replace 100 of 100"],
    ["two lengths", { "content-length": ["100", "99"] }, "ProtocolViolation"],
    ["a list of lengths", { "content-length": "100, 100" }, "ProtocolViolation"],
    ["a negative length", { "content-length": "-1" }, "ProtocolViolation"],
    ["a signed length", { "content-length": "+100" }, "ProtocolViolation"],
    ["garbage for a length", { "content-length": "many" }, "ProtocolViolation"],
    ["an empty length", { "content-length": "" }, "ProtocolViolation"],
    ["a length beyond 2^53", { "content-length": "99999999999999999999" }, "ProtocolViolation"],
    ["gzip", { "content-encoding": "gzip", "content-length": "100" }, "UnwantedCoding"],
    ["two codings in two fields", { "content-encoding": ["identity", "br"] }, "UnwantedCoding"],
    ["a gzip transfer coding", { "transfer-encoding": "gzip, chunked" }, "UnwantedCoding"],
    [
      "a gzip transfer coding in its own field",
      { "transfer-encoding": ["gzip", "chunked"] },
      "UnwantedCoding"
    ]
  ] satisfies ReadonlyArray<readonly [string, Fields, string]>)("%s", (_, headers, expected) => {
    expect(summary(answer(nothing, 200, headers))).toBe(expected)
    expect(summary(answer(held(validators.strong), 200, headers))).toBe(expected)
    expect(summary(answer(held(validators.none), 200, headers))).toBe(expected)
  })

  it("names the version received, and why the bytes held are given up", () => {
    const fresh = { etag: '"b"', "content-length": "100" }
    expect(answer(nothing, 200, fresh)).toMatchObject({ validator: { etag: '"b"' }, restart: undefined })
    expect(answer(held(validators.strong), 200, fresh)).toMatchObject({
      validator: { etag: '"b"' },
      restart: expect.stringContaining("anew")
    })
    expect(answer(held(validators.weak), 200, fresh)).toMatchObject({
      restart: expect.stringContaining("nothing could prove")
    })
  })
})

describe("Identity.judge: a part (206)", () => {
  const range = { "content-range": "bytes 50-99/100" }
  const good = { ...sameVersion.strong, ...range }

  for (const name of Object.keys(validators) as Array<keyof typeof validators>) {
    const provable = name === "strong" || name === "dated" || name === "weakAndDated"
    it(`${provable ? "continues" : "does not continue"} what was held under ${name}`, () => {
      const verdict = answer(held(validators[name]), 206, {
        ...sameVersion[name],
        ...range,
        "content-length": "50"
      })
      expect(summary(verdict)).toBe(provable ? "append 50 of 100" : "ProtocolViolation")
    })
  }

  it.each([
    ["no Content-Length", good, "append 50 of 100"],
    ["chunks", { ...good, "transfer-encoding": "chunked", "content-length": "7" }, "append 50 of 100"],
    ["a short part", { ...good, "content-range": "bytes 50-59/100" }, "append 10 of 100"],
    ["a total of *, known before", { ...good, "content-range": "bytes 50-99/*" }, "append 50 of 100"],
    ["beyond a total known before", { ...good, "content-range": "bytes 50-100/*" }, "again"],
    ["another start, lower", { ...good, "content-range": "bytes 49-99/100" }, "again"],
    ["another start, higher", { ...good, "content-range": "bytes 51-99/100" }, "again"],
    ["from 0", { ...good, "content-range": "bytes 0-99/100" }, "again"],
    ["another total", { ...good, "content-range": "bytes 50-99/101" }, "again"],
    ["no Content-Range", { ...sameVersion.strong }, "again"],
    ["a malformed Content-Range", { ...good, "content-range": "bytes 50-99" }, "again"],
    ["two Content-Ranges", { ...good, "content-range": ["bytes 50-99/100", "bytes 50-98/100"] }, "again"],
    ["a Content-Length that disagrees", { ...good, "content-length": "49" }, "again"],
    ["another tag", { ...good, etag: '"b"' }, "again"],
    ["the tag, weak now", { ...good, etag: 'W/"a"' }, "again"],
    ["no tag", range, "again"],
    ["two tags", { ...good, etag: ['"a"', '"b"'] }, "again"],
    ["the tag without quotes", { ...good, etag: "a" }, "again"],
    ["multipart", { ...good, "content-type": "multipart/byteranges; boundary=x" }, "again"],
    [
      "multipart, in capitals and second",
      { ...good, "content-type": ["text/plain", " Multipart/ByteRanges"] },
      "again"
    ],
    ["gzip", { ...good, "content-encoding": "gzip" }, "UnwantedCoding"],
    ["a gzip transfer coding", { ...good, "transfer-encoding": "gzip, chunked" }, "UnwantedCoding"],
    ["a malformed Content-Length", { ...good, "content-length": "x" }, "ProtocolViolation"],
    ["two Content-Lengths", { ...good, "content-length": ["50", "51"] }, "ProtocolViolation"]
  ] satisfies ReadonlyArray<readonly [string, Fields, string]>)("with %s", (_, headers, expected) => {
    expect(summary(answer(held(validators.strong), 206, headers))).toBe(expected)
  })

  it("learns the total where it was not known, and never goes on without one", () => {
    const part: Held = { bytes: 50, total: undefined, validator: validators.strong }
    expect(summary(answer(part, 206, good))).toBe("append 50 of 100")
    expect(summary(answer(part, 206, { ...good, "content-range": "bytes 50-99/*" }))).toBe("again")
  })

  it("keeps the validator the bytes held came with", () => {
    const part = held({ ...validators.strong, lastModified: modified })
    expect(answer(part, 206, good)).toMatchObject({ validator: part.validator })
  })

  it.each([
    ["another date", { ...range, "last-modified": date, date }],
    ["no date", range],
    ["a tag that was not there before", { ...range, "last-modified": modified, date, etag: '"a"' }]
  ])("does not continue what was held under a date with %s", (_, headers) => {
    expect(summary(answer(held(validators.dated), 206, headers))).toBe("again")
  })

  it("is a violation where the whole was asked for", () => {
    expect(summary(answer(nothing, 206, { ...good, "content-range": "bytes 0-99/100" }))).toBe(
      "ProtocolViolation"
    )
    expect(summary(answer(nothing, 206, { "content-type": "multipart/byteranges" }))).toBe(
      "ProtocolViolation"
    )
  })
})

describe("Identity.judge: neither whole nor part", () => {
  it("asks again from 0 after a 416, unless 0 was asked for", () => {
    expect(answer(held(validators.strong), 416, { "content-range": "bytes */40" })).toEqual({
      _tag: "AskAgainFromZero",
      why: "the resource has 40 bytes now, and 50 are already held",
      changed: true
    })
    expect(summary(answer(held(validators.strong), 416, {}))).toBe("again")
    expect(summary(answer(nothing, 416, { "content-range": "bytes */0" }))).toBe("BadStatus")
  })

  it("takes a 200 with multipart/byteranges for no body", () => {
    const headers = { "content-type": "multipart/byteranges; boundary=x", "content-length": "100" }
    expect(summary(answer(nothing, 200, headers))).toBe("ProtocolViolation")
    expect(summary(answer(held(validators.strong), 200, headers))).toBe("again")
  })

  it.each([
    [204, "ProtocolViolation"],
    [203, "ProtocolViolation"],
    [302, "ProtocolViolation"],
    [304, "ProtocolViolation"],
    [400, "BadStatus"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "NotFound"],
    [410, "Gone"],
    [412, "BadStatus"],
    [429, "TooManyRequests"],
    [500, "ServerError"],
    [503, "ServerError"]
  ])("fails by the status %s, body or not", (status, reason) => {
    for (const part of [nothing, held(validators.strong)]) {
      const headers = { "content-length": "100", "content-range": "bytes 50-99/100", etag: '"a"' }
      expect(summary(answer(part, status, headers))).toBe(reason)
    }
  })

  it("takes Retry-After for a wait, unless it contradicts itself", () => {
    expect(answer(nothing, 503, { "retry-after": "7" })).toMatchObject({
      error: { reason: "HostCooling", retryAfter: 7000 }
    })
    expect(summary(answer(nothing, 503, { "retry-after": ["7", "8"] }))).toBe("ServerError")
  })

  it("shows nothing of a hostile field that a terminal would obey", () => {
    const verdict = answer(nothing, 200, { "content-encoding": `\u009b31m${"x".repeat(500)}` })
    const detail = verdict._tag === "Failed" ? verdict.error.detail : ""
    expect(detail).toContain("?31m")
    expect(detail.length).toBeLessThan(200)
  })
})

describe("Identity.bodyFault", () => {
  it.each([
    [100, 100, undefined],
    [undefined, 7, undefined],
    [0, 0, undefined],
    [100, 99, "Truncated"],
    [100, 0, "Truncated"],
    [100, 101, "ProtocolViolation"],
    [0, 1, "ProtocolViolation"]
  ])("announced %s, received %s", (announced, received, expected) => {
    expect(bodyFault(announced, received)?.reason).toBe(expected)
  })
})

/** What the RFCs say of a 206, read a second time and differently: the part a body may be appended as, or undefined. */
const appendable = (
  part: Held,
  status: number,
  headers: Record<string, string>
): readonly [number, number] | undefined => {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers["content-range"] ?? "")
  if (status !== 206 || match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  const totals = [part.total, match[3] === "*" ? undefined : Number(match[3])].filter(
    (total) => total !== undefined
  )
  const whole = totals[0]
  if (whole === undefined || totals.some((total) => total !== whole) || last >= whole || last < first)
    return undefined
  if (first !== part.bytes || first === 0) return undefined
  const length = headers["content-length"]
  const chunked = headers["transfer-encoding"] === "chunked"
  if (length !== undefined && !chunked && length !== String(last - first + 1)) return undefined
  if (headers["content-encoding"] !== undefined || (headers["transfer-encoding"] !== undefined && !chunked))
    return undefined
  if (headers["content-type"] === "multipart/byteranges") return undefined
  const { etag, lastModified, lastModifiedStrong } = part.validator
  const proved = etag?.startsWith('"')
    ? headers["etag"] === etag
    : lastModifiedStrong && headers["last-modified"] === lastModified && headers["etag"] === etag
  return proved ? [last - first + 1, whole] : undefined
}

describe("Identity, whatever a server answers", () => {
  const small = fc.integer({ min: 0, max: 4 })
  const heldPart: fc.Arbitrary<Held> = fc.record({
    bytes: small,
    total: fc.option(fc.integer({ min: 4, max: 6 }), { nil: undefined }),
    validator: fc.constantFrom(...Object.values(validators))
  })
  /** What a server that plays by the rules sends: the rest of the same version. */
  const rest = (part: Held): Record<string, string> => {
    const name = (Object.keys(validators) as Array<keyof typeof validators>).find(
      (key) => validators[key] === part.validator
    )!
    return {
      ...sameVersion[name],
      "content-range": `bytes ${part.bytes}-${(part.total ?? 6) - 1}/${part.total ?? 6}`
    }
  }
  const rangeField = fc
    .tuple(small, fc.integer({ min: 0, max: 6 }), fc.constantFrom("4", "5", "6", "*"))
    .map(([start, end, total]) => `bytes ${start}-${end}/${total}`)
  const anyValue: Record<string, fc.Arbitrary<string | undefined>> = {
    "content-range": fc.oneof(rangeField, fc.constant(undefined)),
    "content-length": fc.constantFrom("0", "1", "2", "3", "4", "5", "-1", "x"),
    "transfer-encoding": fc.constantFrom("chunked", "gzip, chunked"),
    "content-encoding": fc.constant("gzip"),
    "content-type": fc.constant("multipart/byteranges"),
    etag: fc.constantFrom('"a"', '"b"', 'W/"a"', "a", undefined),
    "last-modified": fc.constantFrom(modified, date, undefined),
    date: fc.constantFrom(date, undefined)
  }
  /** Up to three fields of that are replaced, added or left out. */
  const changes = fc
    .subarray(Object.keys(anyValue), { maxLength: 3 })
    .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), anyValue[name]!))))
  const answers = fc.tuple(heldPart, changes).map(([part, changed]) => {
    const all = { ...rest(part), ...Object.fromEntries(changed) }
    const headers = Object.fromEntries(
      Object.entries(all).filter((field): field is [string, string] => field[1] !== undefined)
    )
    return [part, headers] as const
  })
  const status = fc.oneof(
    { weight: 9, arbitrary: fc.constant(206) },
    fc.constantFrom(200, 416, 204, 302, 404, 429, 503)
  )

  it("appends exactly what is proved to be the rest of the same version, and never asks in circles", () => {
    let appended = 0
    fc.assert(
      fc.property(answers, status, ([part, headers], status) => {
        const asked = ask(part)
        const verdict = judge(part, asked, status, fields(headers), 0)
        const expected = asked.start === 0 ? undefined : appendable(part, status, headers)
        if (expected !== undefined) {
          appended++
          expect(verdict).toMatchObject({
            _tag: "Body",
            start: part.bytes,
            bodyLength: expected[0],
            total: expected[1]
          })
          return
        }
        if (verdict._tag === "Body") expect([verdict.start, status]).toEqual([0, 200])
        if (verdict._tag === "AskAgainFromZero") expect(asked.start).toBeGreaterThan(0)
      }),
      { numRuns: 5000 }
    )
    // else the property has not looked at what it is about
    expect(appended).toBeGreaterThan(100)
  })

  it("asks for a range only where an answer to it could be proved", () => {
    fc.assert(
      fc.property(heldPart, (part) => {
        const { headers, start } = ask(part)
        const names = headers.map(([name]) => name)
        expect(names.includes("range")).toBe(start > 0)
        expect(start === 0 || start === part.bytes).toBe(true)
        const ifRange = headers.find(([name]) => name === "if-range")?.[1]
        expect(ifRange?.startsWith("W/") ?? false).toBe(false)
      })
    )
  })
})

describe("Identity.sizeFault", () => {
  it.each([
    [null, undefined, true],
    [null, 1e15, true],
    [10, undefined, true],
    [10, 10, true],
    [10, 11, false],
    [0, 0, true],
    [0, 1, false]
  ])("at most %j, and it has %j: %j", (limit, size, allowed) => {
    const fault = sizeFault(limit, size)
    expect(fault === undefined).toBe(allowed)
    if (fault !== undefined) expect([fault.reason, fault.kind]).toEqual(["TooLarge", "permanent"])
  })
})

describe("Identity.announcedFault", () => {
  it.each([
    [null, null, 5, undefined],
    [null, 5, 5, undefined],
    [null, 5, undefined, undefined],
    [null, 5, 4, "WrongSize"],
    [null, 5, 6, "WrongSize"],
    [4, 5, 5, "TooLarge"],
    [4, null, 5, "TooLarge"]
  ] as const)("at most %s, exactly %s, announced %s: %s", (maxSize, size, announced, reason) => {
    expect(announcedFault({ maxSize, size }, announced)?.reason).toBe(reason)
  })

  it("limits a body whose length is not announced by the lesser of both", () => {
    expect([limitOf({ maxSize: 4, size: 5 }), limitOf({ maxSize: null, size: 5 })]).toEqual([4, 5])
    expect([limitOf({ maxSize: 4, size: null }), limitOf({ maxSize: null, size: null })]).toEqual([4, null])
  })
})

describe("Identity.bodyLimit", () => {
  it.each([
    [undefined, 0, null, undefined, undefined],
    [7, 0, null, 7, "ProtocolViolation"],
    [7, 3, 100, 7, "ProtocolViolation"],
    [undefined, 0, 10, 10, "TooLarge"],
    [undefined, 4, 10, 6, "TooLarge"],
    [undefined, 12, 10, 0, "TooLarge"]
  ])("announced %j from %j, at most %j: ends after %j with %j", (announced, start, limit, bytes, reason) => {
    const bound = bodyLimit(announced, start, limit)
    expect([bound?.bytes, bound?.excess().reason]).toEqual([bytes, reason])
  })
})
