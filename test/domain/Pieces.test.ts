import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as Coverage from "../../src/domain/Coverage.js"
import * as Pieces from "../../src/domain/Pieces.js"

const md5 = (digit: string) => digit.repeat(32)
const pieces = { algorithm: "md5", length: 4, hashes: ["a", "b", "c"].map(md5) } as const

describe("pieces", () => {
  it("are taken in lower case, where they fit the size", () => {
    expect(Pieces.accept({ ...pieces, hashes: ["A", "b", "C"].map(md5) }, 9)).toEqual(Either.right(pieces))
    expect(Pieces.accept({ ...pieces, hashes: [] }, 0)).toEqual(Either.right({ ...pieces, hashes: [] }))
  })

  it.each([
    [pieces, null, "pieces need the size"],
    [pieces, 8, "3 pieces of 4 bytes were given, and 8 bytes make 2"],
    [pieces, 13, "13 bytes make 4"],
    [{ ...pieces, length: 0 }, 9, "a positive length"],
    [{ ...pieces, length: 1.5 }, 9, "a positive length"],
    [{ ...pieces, hashes: ["a", "b", "x"].map(md5) }, 9, "is no md5 digest"],
    [{ ...pieces, hashes: ["a", "b", ""].map(md5) }, 9, "is no md5 digest"],
    [
      { ...pieces, length: 1, hashes: Array.from({ length: Pieces.maxPieces + 1 }, () => md5("a")) },
      Pieces.maxPieces + 1,
      "131072 pieces at most"
    ]
  ])("are refused with a sentence", (given, size, why) => {
    expect(Either.getOrThrow(Either.flip(Pieces.accept(given, size)))).toContain(why)
  })

  it("are wrong where their digests are others, or missing; the last one ends with the file", () => {
    expect(Pieces.wrong(pieces, 9, pieces.hashes)).toEqual([])
    expect(Pieces.wrong(pieces, 9, [md5("a"), md5("x")])).toEqual([
      [4, 8],
      [8, 9]
    ])
  })

  it("that are wrong are given up, and nothing else", () => {
    const length = 7
    fc.assert(
      fc.property(fc.nat(200), fc.uniqueArray(fc.nat(30)), (size, which) => {
        const spans = which
          .filter((i) => i * length < size)
          .sort((a, b) => a - b)
          .map((i) => [i * length, Math.min(size, (i + 1) * length)] as const)
        const kept = Pieces.without(size, spans)
        expect(Coverage.count(kept)).toBe(size - spans.reduce((sum, [from, to]) => sum + to - from, 0))
        for (const [from, to] of spans)
          expect(kept.some(([start, end]) => start < to && end > from)).toBe(false)
      })
    )
  })

  it("have been sent by who has sent all of one, alone; the worst first", () => {
    const spans = [
      [0, 4],
      [4, 8],
      [8, 12]
    ] as const
    const brought = (a: Coverage.Coverage, b: Coverage.Coverage) =>
      [
        ["a", a],
        ["b", b]
      ] as const
    expect(Pieces.senders(spans, brought([[0, 4]], [[4, 12]]))).toEqual(["b", "a"])
    expect(Pieces.senders(spans, brought([[0, 6]], [[6, 12]]))).toEqual(["a", "b"])
    // a piece of two, one of which a part is unknown, one of which nothing is known
    expect(Pieces.senders([[4, 8]], brought([[0, 6]], [[6, 12]]))).toEqual([])
    expect(Pieces.senders([[4, 8]], brought([[0, 6]], []))).toEqual([])
    expect(Pieces.senders(spans, [])).toEqual([])
  })
})
