/**
 * Several engines on one database, as far as `npm test` runs them. `npm run sim -- --fleet --seed S --trace` tells the story of a
 * seed, and `npm run sim -- --fleet --seeds A..B` tries more of them.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { noticing } from "../Noticing.js"
import { complaint } from "../Told.js"
import { runFleet } from "./FleetRun.js"
import { fleetSabotages } from "./FleetSabotage.js"
import { hostSabotages } from "./HostSabotage.js"

/** Seeds that once broke a promise; the last two: rows taken over that nobody was told of, and a pause that another command replaced. */
const regressions = [38, 106, 128]

const seeds = [...new Set([...Array.from({ length: 8 }, (_, i) => i + 1), ...regressions])]

// a run never waits for anything real; the test runner wants to be heard in between
afterEach(() => setImmediate())

describe("several engines on one database", () => {
  it.each(seeds)("keep their promises under seed %i", (seed) => {
    expect(complaint(runFleet(seed), "--fleet ")).toBe("")
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
  it.each([...fleetSabotages, ...hostSabotages])("$what", ({ options, ...search }) => {
    const seen = noticing(search, (seed, enough) => runFleet(seed, { ...options, enough, steps: 100_000 }))
    expect(seen).toEqual(expect.arrayContaining([...search.noticed]))
  })
})
