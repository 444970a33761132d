/**
 * Admission as a value: in which order lines are served, and what caps let begin.
 */
import { describe, expect, it } from "vitest"
import * as Admission from "../../src/domain/Admission.js"
import type { Download } from "../../src/domain/Download.js"
import { inOrder } from "../../src/domain/Turns.js"
import { download } from "./Fixtures.js"

const tagged = (...tags: ReadonlyArray<string>): Download => download({ tags })

const lines = [
  { atWork: 2, rows: ["a1", "a2"] },
  { atWork: 0, rows: ["b1", "b2", "b3", "b4"] },
  { atWork: 1, rows: ["c1"] }
]

describe("lines", () => {
  it("are served in turn", () => {
    expect(inOrder(lines, "turn")).toEqual(["a1", "b1", "c1", "a2", "b2", "b3", "b4"])
  })

  it("or first the host of which fewest are at work, those that begin now included", () => {
    expect(inOrder(lines, "fewest")).toEqual(["b1", "b2", "c1", "a1", "b3", "a2", "b4"])
  })
})

describe("a cap", () => {
  const image = Admission.atMost(2, ({ tags }) => tags.find((tag) => tag === "image"))

  it("counts what has the same name, and nothing that has none", () => {
    const atWork = [tagged("image"), tagged("page"), tagged("page")]
    expect(image(tagged("image"), atWork)).toBe(true)
    expect(image(tagged("image"), [...atWork, tagged("image", "x")])).toBe(false)
    expect(image(tagged("page"), [...atWork, ...atWork, ...atWork])).toBe(true)
  })

  it("holds with others together", () => {
    const both = Admission.every(image, ({ priority }) => priority >= 0)
    expect(both(tagged("image"), [])).toBe(true)
    expect(both({ ...tagged("image"), priority: -1 }, [])).toBe(false)
  })
})
