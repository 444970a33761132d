/**
 * What digests of servers mean to the identity rule; the rest of the rule has its own table.
 */
import { describe, expect, it } from "@effect/vitest"
import type { Digest } from "../../src/domain/Digest.js"
import { ask, type Held, judge, nothing } from "../../src/domain/Identity.js"
import { fields } from "./Fixtures.js"

const base64 = (fill: number): string => Buffer.alloc(32, fill).toString("base64")
const digest = (fill: number): Digest => ({
  algorithm: "sha-256",
  hex: Buffer.alloc(32, fill).toString("hex"),
  field: "Repr-Digest"
})
const repr = (fill: number) => ({ "repr-digest": `sha-256=:${base64(fill)}:` })

const held = (validator: Held["validator"]): Held => ({ bytes: 40, total: 100, validator })
const part = { "content-range": "bytes 40-99/100", "content-length": "60" }

const answer = (to: Held, status: number, values: Parameters<typeof fields>[0]) =>
  judge(to, ask(to), status, fields(values), 0)

describe("a digest of the whole", () => {
  it("belongs to the version of a 200, and is asked to be continued by a plain range", () => {
    const verdict = answer(nothing, 200, { "content-length": "100", ...repr(1) })
    expect(verdict).toMatchObject({ _tag: "Body", start: 0, validator: { digest: digest(1) } })
    const asked = ask(held({ lastModifiedStrong: false, digest: digest(1) }))
    expect(asked.start).toBe(40)
    expect(asked.headers).toEqual([
      ["accept-encoding", "identity"],
      ["range", "bytes=40-"]
    ])
  })

  it.each([
    ["equal, without any tag", { digest: digest(1) }, repr(1), "Body"],
    ["equal, and the tag changed", { etag: '"a"', digest: digest(1) }, { etag: '"b"', ...repr(1) }, "Body"],
    [
      "different, and the tag the same",
      { etag: '"a"', digest: digest(1) },
      { etag: '"a"', ...repr(2) },
      "AskAgainFromZero"
    ],
    ["missing, and the tag the same", { etag: '"a"', digest: digest(1) }, { etag: '"a"' }, "Body"],
    ["missing, and nothing else to prove it", { digest: digest(1) }, {}, "AskAgainFromZero"],
    [
      "of the part alone, and nothing else",
      { digest: digest(1) },
      { "content-digest": repr(1)["repr-digest"] },
      "AskAgainFromZero"
    ]
  ] as const)("on a 206: %s", (_, validator, values, expected) => {
    const verdict = answer(held({ lastModifiedStrong: false, ...validator }), 206, { ...part, ...values })
    expect(verdict._tag).toBe(expected)
  })

  it("says why, where it is the one to refute", () => {
    const to = held({ etag: '"a"', lastModifiedStrong: false, digest: digest(1) })
    expect(answer(to, 206, { ...part, etag: '"a"', ...repr(2) })).toEqual({
      _tag: "AskAgainFromZero",
      why: "the digest sent now is of another version than the part already held",
      changed: true
    })
  })

  it("that only the rest carries is learnt", () => {
    const to = held({ etag: '"a"', lastModifiedStrong: false })
    expect(answer(to, 206, { ...part, etag: '"a"', ...repr(1) })).toMatchObject({
      validator: { etag: '"a"', digest: digest(1) }
    })
  })

  it("that contradicts another of the same response is a broken answer", () => {
    expect(
      answer(nothing, 200, { "content-length": "1", ...repr(1), digest: `sha-256=${base64(2)}` })
    ).toMatchObject({
      _tag: "Failed",
      error: { reason: "ProtocolViolation" }
    })
  })
})
