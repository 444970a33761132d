import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import { serializeDictionary } from "structured-headers"
import type { Algorithm } from "../../src/domain/Checksum.js"
import { Algorithm as Algorithms, digits } from "../../src/domain/Checksum.js"
import { agree, type Digest, fromHeaders } from "../../src/domain/Digest.js"
import { fields, hostileText } from "./Fixtures.js"

const bytesOf = (algorithm: Algorithm, fill = 1): Buffer => Buffer.alloc(digits[algorithm] / 2, fill)
const base64 = (algorithm: Algorithm, fill?: number): string => bytesOf(algorithm, fill).toString("base64")
const hex = (algorithm: Algorithm, fill?: number): string => bytesOf(algorithm, fill).toString("hex")
const sf = (key: string, algorithm: Algorithm, fill?: number): string => `${key}=:${base64(algorithm, fill)}:`

const read = (status: number, values: Parameters<typeof fields>[0]) => fromHeaders(status, fields(values))
const found = (algorithm: Algorithm, field: Digest["field"], fill?: number) =>
  Either.right({ algorithm, hex: hex(algorithm, fill), field })
const none = Either.right(undefined)

describe("a digest of the whole", () => {
  it.each([
    [{ "repr-digest": sf("sha-256", "sha-256") }, "sha-256", "Repr-Digest"],
    [{ "repr-digest": sf("sha", "sha-1") }, "sha-1", "Repr-Digest"],
    [{ "repr-digest": `unixsum=1, ${sf("md5", "md5")};a=1, id-crc=?1` }, "md5", "Repr-Digest"],
    [{ "repr-digest": [sf("md5", "md5"), sf("sha-512", "sha-512")] }, "sha-512", "Repr-Digest"],
    [{ digest: `SHA-256=${base64("sha-256")}` }, "sha-256", "Digest"],
    [{ digest: `md5=${base64("md5")} , id-sha-512=${base64("sha-512")}` }, "sha-512", "Digest"],
    [{ digest: `UNIXsum=30637, sha=${base64("sha-1")}` }, "sha-1", "Digest"],
    [
      { digest: `sha-256=${base64("sha-256")}`, "repr-digest": sf("sha-256", "sha-256") },
      "sha-256",
      "Repr-Digest"
    ],
    [{ "content-md5": base64("md5"), digest: `sha-256=${base64("sha-256")}` }, "sha-256", "Digest"]
  ] as const)("%j on a 200", (values, algorithm, field) => {
    expect(read(200, values)).toEqual(found(algorithm, field))
  })

  it("is in Repr-Digest and Digest on a 206 too, in those of the content on a 200 only", () => {
    expect(read(206, { "repr-digest": sf("md5", "md5") })).toEqual(found("md5", "Repr-Digest"))
    expect(read(206, { digest: `md5=${base64("md5")}` })).toEqual(found("md5", "Digest"))
    expect(read(200, { "content-digest": sf("md5", "md5") })).toEqual(found("md5", "Content-Digest"))
    expect(read(200, { "content-md5": base64("md5") })).toEqual(found("md5", "Content-MD5"))
    expect(read(206, { "content-digest": sf("md5", "md5"), "content-md5": base64("md5") })).toEqual(none)
  })

  it.each([
    {},
    { "repr-digest": "" },
    { "repr-digest": "sha-256" },
    { "repr-digest": `SHA-256=:${base64("sha-256")}:` },
    { "repr-digest": `sha-256=${base64("sha-256")}` },
    { "repr-digest": `sha-256="${base64("sha-256")}"` },
    // too short, of something unknown, and a list of them
    { "repr-digest": sf("sha-256", "md5") },
    { "repr-digest": sf("sha-384", "sha-512") },
    { "repr-digest": `sha-256=(:${base64("sha-256")}:)` },
    // one member that is malformed spoils the field
    { "repr-digest": `${sf("sha-256", "sha-256")}, md5=:` },
    { "repr-digest": [sf("sha-256", "sha-256"), "md5=,"] },
    { digest: "sha-256=abc" },
    { digest: `sha-256:${base64("sha-256")}` },
    { digest: `sha-256=${hex("sha-256")}` },
    { "content-md5": hex("md5") },
    { "content-md5": `"${base64("md5")}"` }
  ])("is not in %j", (values) => {
    expect(read(200, values)).toEqual(none)
  })

  it.each([
    [{ digest: [`md5=${base64("md5")}`, `md5=${base64("md5", 2)}`] }, "two md5 digests in Digest"],
    [{ "content-md5": [base64("md5"), base64("md5", 2)] }, "two md5 digests in Content-MD5"],
    [
      { "repr-digest": [sf("sha-256", "sha-256"), sf("sha-256", "sha-256", 2)] },
      "two sha-256 digests in Repr-Digest"
    ],
    [
      // also where a stronger one stands beside them
      { "repr-digest": `${sf("sha-512", "sha-512")}, ${sf("md5", "md5")}`, "content-md5": base64("md5", 2) },
      "the md5 digests in Repr-Digest and Content-MD5"
    ]
  ])("is refused where %j contradicts itself", (values, words) => {
    expect(Either.getOrThrow(Either.flip(read(200, values)))).toContain(words)
  })

  it("comes back from whatever was written, by the strongest algorithm", () => {
    const known = { "sha-256": "sha-256", "sha-512": "sha-512", sha: "sha-1", md5: "md5" } as const
    const keys = fc.uniqueArray(fc.constantFrom("sha-256", "sha-512", "sha", "md5"), { minLength: 1 })
    fc.assert(
      fc.property(keys, fc.nat(255), (some, fill) => {
        const entries = some.map((key) => [key, bytesOf(known[key], fill)] as const)
        const dictionary = serializeDictionary(
          new Map(entries.map(([key, bytes]) => [key, [new Uint8Array(bytes).buffer, new Map()]]))
        )
        const strongest = (["sha-512", "sha-256", "sha", "md5"] as const).find((key) => some.includes(key))!
        const algorithm = known[strongest]
        expect(read(206, { "repr-digest": dictionary })).toEqual(found(algorithm, "Repr-Digest", fill))
        const old = entries.map(([key, bytes]) => `${key.toUpperCase()}=${bytes.toString("base64")}`)
        expect(read(206, { digest: old.join(",") })).toEqual(found(algorithm, "Digest", fill))
      })
    )
  })

  it("of hostile fields is none, or has the right number of digits", () => {
    const text = hostileText(["sha-256", "md5", "=", ":", ",", ";", "(", base64("md5"), sf("md5", "md5")])
    fc.assert(
      fc.property(text, text, text, fc.constantFrom(200, 206), (repr, old, md5, status) => {
        const values = { "repr-digest": repr, "content-digest": repr, digest: old, "content-md5": md5 }
        const digest = Either.getOrElse(read(status, values), () => undefined)
        if (digest === undefined) return
        expect(Algorithms.literals).toContain(digest.algorithm)
        expect(digest.hex).toMatch(new RegExp(`^[0-9a-f]{${digits[digest.algorithm]}}$`))
      })
    )
  })
})

describe("two digests", () => {
  const digest = (algorithm: Algorithm, fill: number): Digest => ({
    algorithm,
    hex: hex(algorithm, fill),
    field: "Digest"
  })
  it.each([
    [undefined, digest("md5", 1), undefined],
    [digest("md5", 1), digest("sha-1", 1), undefined],
    [digest("md5", 1), { ...digest("md5", 1), field: "Repr-Digest" as const }, true],
    [digest("md5", 1), digest("md5", 2), false]
  ])("%j and %j: %j", (one, other, expected) => {
    expect([agree(one, other), agree(other, one)]).toEqual([expected, expected])
  })
})
