/**
 * The simulation, as far as `npm test` runs it. `npm run sim -- --seed S --trace` tells the story of a seed, and
 * `npm run sim -- --seeds A..B` tries more of them.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { run } from "./Run.js"
import { noticing } from "./Noticing.js"
import { betrayed, sabotages } from "./Sabotage.js"
import { segmentSabotages } from "./SegmentSabotage.js"
import { complaint } from "./Told.js"

/** Seeds that once broke a promise: an engine interrupted in the instant of its start. */
const regressions = [433, 605, 809]

const seeds = [...Array.from({ length: 15 }, (_, i) => i + 1), ...regressions]

// a run never waits for anything real; the test runner wants to be heard in between
afterEach(() => setImmediate())

describe("the engine in a simulated world", () => {
  it.each(seeds)("keeps its promises under seed %i", (seed) => {
    expect(complaint(run(seed))).toBe("")
  })

  it("does the same again under the same seed", () => {
    for (const seed of [7, 14]) {
      const [first, second] = [run(seed), run(seed)]
      expect(second.fingerprint).toBe(first.fingerprint)
      expect(second.steps).toBe(first.steps)
      expect(second.story).toEqual(first.story)
    }
  })

  it("is another run under another seed", () => {
    expect(new Set([1, 2, 3].map((seed) => run(seed, { steps: 200 }).fingerprint)).size).toBe(3)
  })
})

describe("the oracles notice", () => {
  it.each([...sabotages, ...segmentSabotages])("$what", ({ inside, options, ...search }) => {
    const broken = inside?.()
    const seen = noticing(search, (seed, enough) => run(seed, { ...options, enough }))
    broken?.mockRestore()
    expect(seen).toEqual(expect.arrayContaining([...search.noticed]))
  })
})

describe("a digest that the server announces makes up for", () => {
  it.each(betrayed)("$what", ({ vary }) => {
    for (let seed = 1; seed <= 2; seed++) expect(complaint(run(seed, { vary }))).toBe("")
  })
})
