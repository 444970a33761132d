/**
 * Several engines on one database, as far as `npm test` runs them. `npm run sim -- --fleet --seed S --trace` tells the story of a
 * seed, and `npm run sim -- --fleet --seeds A..B` tries more of them.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { runFleet, type FleetReport } from "./FleetRun.js"
import { fleetSabotages } from "./FleetSabotage.js"

/** Seeds that once broke a promise. */
const regressions = [38]

const seeds = [...new Set([...Array.from({ length: 20 }, (_, i) => i + 1), ...regressions])]

const complaint = (report: FleetReport): string =>
  report.violations.length === 0
    ? ""
    : [
        `seed ${report.seed} (${report.endings.join(" > ")})`,
        ...report.violations.map(({ oracle, what }) => `  ${oracle} broken: ${what}`),
        ...report.story.slice(-40),
        `replay it with: npm run sim -- --fleet --seed ${report.seed} --trace`
      ].join("\n")

// a run never waits for anything real; the test runner wants to be heard in between
afterEach(() => setImmediate())

describe("several engines on one database", () => {
  it.each(seeds)("keep their promises under seed %i", (seed) => {
    expect(complaint(runFleet(seed))).toBe("")
  })

  it("do the same again under the same seed", () => {
    for (const seed of [3, 7]) {
      const [first, second] = [runFleet(seed), runFleet(seed)]
      expect(second.fingerprint).toBe(first.fingerprint)
      expect(second.steps).toBe(first.steps)
    }
  })
})

describe("the oracles over several engines notice", () => {
  it.each(fleetSabotages)("$what", ({ noticed, options }) => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 8 && !seen.has(noticed); seed++) {
      for (const { oracle } of runFleet(seed, { ...options, steps: 100_000 }).violations) seen.add(oracle)
    }
    expect([...seen]).toContain(noticed)
  })
})
