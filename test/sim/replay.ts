/**
 * `npm run sim -- --seed 7 [--seeds 1..500] [--fleet] [--steps N] [--trace]`: runs seeds and tells what happened; with `--fleet`
 * those of several engines on one database. Exit code 1 when an oracle objects.
 */
import { parseArgs } from "node:util"
import { runFleet } from "./fleet/FleetRun.js"
import { run, type Report } from "./Run.js"

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    steps: { type: "string" },
    fleet: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false }
  }
})

const whole = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Error(`"${text}" is not a whole number`)
  return value
}

const seeds = (): ReadonlyArray<number> => {
  if (values.seed !== undefined) return [whole(values.seed)]
  const [first, last] = (values.seeds ?? "1..50").split("..").map(whole)
  const from = first ?? 1
  return Array.from({ length: (last ?? from) - from + 1 }, (_, i) => from + i)
}

const summary = (report: Omit<Report, "scenario">, millis: number): string => {
  const outcomes = Object.entries(report.outcomes).map(([outcome, count]) => `${count} ${outcome}`)
  return [
    `seed ${report.seed}`,
    report.fingerprint,
    `${report.steps} steps`,
    `${(report.time / 1000).toFixed(1)} s of its time`,
    `${Math.round(millis)} ms of ours`,
    report.endings.join(" > "),
    outcomes.join(", ")
  ].join(" | ")
}

let broken = 0
for (const seed of seeds()) {
  const began = performance.now()
  const report = (values.fleet ? runFleet : run)(seed, {
    ...(values.steps === undefined ? {} : { steps: whole(values.steps) }),
    ...(values.trace ? { onNote: (line: string) => console.log(line) } : {})
  })
  const failed = report.violations.length > 0
  if (failed) broken++
  if (failed && !values.trace && values.seed !== undefined) console.log(report.story.join("\n"))
  if (failed || !values.quiet) console.log(summary(report, performance.now() - began))
  for (const { oracle, what } of report.violations) console.log(`  ${oracle} broken: ${what}`)
}
if (broken > 0) {
  console.log(`${broken} seeds broke a promise`)
  process.exitCode = 1
} else if (values.seed !== undefined) console.log("every oracle is content")
