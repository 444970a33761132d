/**
 * The seeds that are too many for `npm test`: with those there, 200 of one engine and 200 of several.
 */
import { setImmediate } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import { runFleet } from "./fleet/FleetRun.js"
import { run } from "./Run.js"

const from = (first: number) => Array.from({ length: 201 - first }, (_, i) => first + i)

afterEach(() => setImmediate())

describe("a campaign", () => {
  it.each(from(46))("of one engine, seed %i", (seed) => {
    expect(run(seed).violations).toEqual([])
  })

  it.each(from(21))("of several engines, seed %i", (seed) => {
    expect(runFleet(seed).violations).toEqual([])
  })
})
