/**
 * The simulation, as far as `npm test` runs it. `npm run sim -- --seed S --trace` tells the story of a seed, and
 * `npm run sim -- --seeds A..B` tries more of them.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { run, type Report } from "./Run.js"
import { betrayed, sabotages } from "./Sabotage.js"
import { segmentSabotages } from "./SegmentSabotage.js"

/** Seeds that once broke a promise: an engine interrupted in the instant of its start. */
const regressions = [433, 605, 809]

const seeds = [...Array.from({ length: 45 }, (_, i) => i + 1), ...regressions]

/** Empty if all oracles are content; else what to read, and how to see it happen. */
const complaint = (report: Report): string =>
  report.violations.length === 0
    ? ""
    : [
        `seed ${report.seed} (${report.endings.join(" > ")})`,
        ...report.violations.map(({ oracle, what }) => `  ${oracle} broken: ${what}`),
        ...report.story.slice(-40),
        `replay it with: npm run sim -- --seed ${report.seed} --trace`
      ].join("\n")

// a run never waits for anything real; the test runner wants to be heard in between
afterEach(() => setImmediate())

describe("the engine in a simulated world", () => {
  it.each(seeds)("keeps its promises under seed %i", (seed) => {
    expect(complaint(run(seed))).toBe("")
  })

  it("does the same again under the same seed", () => {
    for (const seed of [4, 14, 42]) {
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
  it.each([...sabotages, ...segmentSabotages])("$what", ({ inside, noticed, options }) => {
    const seen = new Set<string>()
    const broken = inside?.()
    for (let seed = 1; seed <= 10 && !noticed.every((oracle) => seen.has(oracle)); seed++) {
      for (const { oracle } of run(seed, options).violations) seen.add(oracle)
    }
    broken?.mockRestore()
    expect([...seen]).toEqual(expect.arrayContaining([...noticed]))
  })
})

describe("a digest that the server announces makes up for", () => {
  it.each(betrayed)("$what", ({ vary }) => {
    for (let seed = 1; seed <= 5; seed++) expect(complaint(run(seed, { vary }))).toBe("")
  })
})
