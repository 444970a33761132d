/**
 * Bad times that hit everybody at once: hosts that are overloaded or down for a while, a link that is lost and comes back, a disk
 * that fills and empties. Drawn apart from the rest of a scenario.
 */
import type { Seeded } from "./Seeded.js"
import type { Weather } from "./SimWire.js"

/** A host that is overloaded, or down; without a host it is the link, and nobody can be reached. */
export interface Trouble {
  readonly host: string | undefined
  readonly from: number
  readonly until: number
  /** What becomes of requests meanwhile. */
  readonly weather: Weather
}

/** How hosts treat their guests in a storm: 429 and 503, with and without Retry-After, in seconds or as a date; or nobody is there. */
const storms: ReadonlyArray<Weather> = [
  { tooMany: 1 },
  { busy: 1 },
  { busyUntil: 1 },
  { busyUntil: 3, tooMany: 2, busy: 2, none: 2 },
  { refused: 1 },
  { unresolved: 2, refused: 1 }
]

/** A link that is lost. */
const outage: Weather = { offline: 1 }

export const drawTroubles = (random: Seeded, hosts: ReadonlyArray<string>): ReadonlyArray<Trouble> => {
  const drawn = (host: string | undefined, weather: Weather): Trouble => {
    const from = random.log(1, 30_000)
    return { host, from, until: from + random.log(500, 40_000), weather }
  }
  const lost = random.chance(0.2) ? [drawn(undefined, outage)] : []
  return [...lost, ...hosts.flatMap((host) => (random.chance(0.3) ? [drawn(host, random.pick(storms))] : []))]
}

/** A disk that is full again and again. */
export const drawFilling = (
  random: Seeded
): ReadonlyArray<{ readonly at: number; readonly lasts: number }> => {
  if (!random.chance(0.1)) return []
  let free = 0
  return Array.from({ length: random.int(2, 5) }, () => {
    const at = free + random.log(50, 10_000)
    const lasts = random.log(10, 20_000)
    free = at + lasts
    return { at, lasts }
  })
}
