/**
 * What is told of a run, of one engine or of several, and the complaint about one in which a promise was broken.
 */
import type { Violation } from "./World.js"

export interface Told {
  readonly seed: number
  readonly violations: ReadonlyArray<Violation>
  readonly fingerprint: string
  readonly steps: number
  /** Virtual milliseconds. */
  readonly time: number
  /** How the processes ended, in order. */
  readonly endings: ReadonlyArray<string>
  /** How many downloads ended how. */
  readonly outcomes: Readonly<Record<string, number>>
  /** The last lines of the story. */
  readonly story: ReadonlyArray<string>
}

/** Empty if all oracles are content; else what to read, and how to see it happen: `options` of the replay beside the seed. */
export const complaint = ({ endings, seed, story, violations }: Told, options = ""): string =>
  violations.length === 0
    ? ""
    : [
        `seed ${seed} (${endings.join(" > ")})`,
        ...violations.map(({ oracle, what }) => `  ${oracle} broken: ${what}`),
        ...story.slice(-40),
        `replay it with: npm run sim -- ${options}--seed ${seed} --trace`
      ].join("\n")
