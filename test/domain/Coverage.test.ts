import { describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import * as Coverage from "../../src/domain/Coverage.js"

const size = 40
const spans = fc.array(fc.tuple(fc.nat(size), fc.nat(size)), { maxLength: 12 })

/** The plainest thing that could be right: a set of offsets. */
const offsets = (list: ReadonlyArray<readonly [number, number]>): Set<number> =>
  new Set(
    list.flatMap(([start, end]) => Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i))
  )

const build = (list: ReadonlyArray<readonly [number, number]>): Coverage.Coverage =>
  list.reduce<Coverage.Coverage>((all, [start, end]) => Coverage.add(all, start, end), Coverage.empty)

describe("Coverage", () => {
  it("is what was added, in order, apart from each other, however it came", () => {
    fc.assert(
      fc.property(spans, (list) => {
        const coverage = build(list)
        expect(offsets(coverage)).toEqual(offsets(list))
        expect(Schema.is(Coverage.Coverage)(coverage)).toBe(true)
        expect(Coverage.count(coverage)).toBe(offsets(list).size)
        expect(Coverage.endOf(coverage)).toBe(Math.max(0, ...Array.from(offsets(list), (at) => at + 1)))
      })
    )
  })

  it("and its gaps make up the whole, and have nothing in common", () => {
    fc.assert(
      fc.property(spans, fc.nat(size + 5), (list, total) => {
        const coverage = build(list)
        const missing = offsets(Coverage.gaps(coverage, total))
        const held = offsets(coverage)
        for (let at = 0; at < total; at++) expect(missing.has(at)).toBe(!held.has(at))
        expect([...missing].every((at) => at < total)).toBe(true)
      })
    )
  })

  it("of an unknown length goes on for ever", () => {
    expect(Coverage.gaps(Coverage.prefix(5), Infinity)).toEqual([[5, Infinity]])
    expect(Coverage.gaps([[2, 5]], Infinity)).toEqual([
      [0, 2],
      [5, Infinity]
    ])
  })

  it("knows whether it is one piece at the beginning", () => {
    expect(Coverage.isPrefix(Coverage.empty)).toBe(true)
    expect(Coverage.isPrefix(Coverage.prefix(3))).toBe(true)
    expect(Coverage.isPrefix([[1, 3]])).toBe(false)
    expect(
      Coverage.isPrefix([
        [0, 1],
        [2, 3]
      ])
    ).toBe(false)
  })

  it.each([
    ["out of order", "[[5,6],[1,2]]"],
    ["touching", "[[1,2],[2,3]]"],
    ["overlapping", "[[1,5],[3,9]]"],
    ["empty", "[[1,1]]"],
    ["backwards", "[[4,1]]"],
    ["negative", "[[-1,1]]"]
  ])("that is %s is refused where it is read", (_, text) => {
    expect(Schema.is(Coverage.Coverage)(JSON.parse(text))).toBe(false)
  })
})
