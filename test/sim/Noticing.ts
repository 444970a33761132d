/**
 * The search for a seed under which a sabotage is noticed. A run that has shown what it was to show is not continued.
 */
import type { Told } from "./Told.js"
import type { Oracle } from "./Watch.js"
import type { Violation } from "./World.js"

/** Whether what was noticed in a run so far is enough. */
export type Enough = (violations: ReadonlyArray<Violation>) => boolean

export interface Search {
  /** Who must notice, in one run or in several. */
  readonly noticed: ReadonlyArray<Oracle>
  /** What they say, where an oracle has several rules. */
  readonly says?: string
  /** The first seed that is worth a try. @default 1 */
  readonly from?: number
}

const tries = 10

/** Those that have noticed. */
export const noticing = (
  { from = 1, noticed, says = "" }: Search,
  run: (seed: number, enough: Enough) => Pick<Told, "violations">
): ReadonlyArray<Oracle> => {
  const seen = new Set<Oracle>()
  const enough: Enough = (violations) => {
    for (const { oracle, what } of violations) if (what.includes(says)) seen.add(oracle)
    return noticed.every((oracle) => seen.has(oracle))
  }
  for (let seed = from; seed < from + tries; seed++) if (enough(run(seed, enough).violations)) break
  return [...seen]
}
