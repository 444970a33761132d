/**
 * Seeds that are too many for `npm test`: with those there, 120 of one engine and 80 of several. `npm run sim` runs any others.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { runFleet } from "./fleet/FleetRun.js"
import { run } from "./Run.js"
import { betrayed } from "./Sabotage.js"

const seeds = (first: number, last: number) => Array.from({ length: last + 1 - first }, (_, i) => first + i)

afterEach(() => setImmediate())

describe("a campaign", () => {
  it.each(seeds(16, 120))("of one engine, seed %i", (seed) => {
    expect(run(seed).violations).toEqual([])
  })

  it.each(betrayed)("of one engine where $what", ({ vary }) => {
    for (let seed = 3; seed <= 10; seed++) expect(run(seed, { vary }).violations).toEqual([])
  })

  it.each(seeds(9, 80))("of several engines, seed %i", (seed) => {
    expect(runFleet(seed).violations).toEqual([])
  })
})
