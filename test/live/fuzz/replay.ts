/**
 * `npm run fuzz -- --seed N [--case M] [--cases COUNT]`: runs cases of a seed (by chance, if none is given); one alone is shown
 * as it goes over the wire. Exit code 1 when something was delivered that should not have been.
 */
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import { draw } from "./Case.js"
import { run } from "./Fuzz.js"
import { read } from "./Reference.js"

const { values } = parseArgs({
  options: { seed: { type: "string" }, case: { type: "string" }, cases: { type: "string", default: "2000" } }
})

const whole = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Error(`"${text}" is not a whole number`)
  return value
}

const seed = values.seed === undefined ? Date.now() % 1_000_000 : whole(values.seed)
const numbers =
  values.case === undefined
    ? Array.from({ length: whole(values.cases) }, (_, index) => index)
    : [whole(values.case)]

if (values.case !== undefined) {
  const one = draw(seed, whole(values.case))
  const { pieces, ...rest } = one
  const bytes = Buffer.concat(pieces)
  const reading = read(bytes, one.end === "fin")
  console.log(rest)
  console.log(JSON.stringify(bytes.subarray(0, 2000).toString("latin1")))
  console.log(
    reading._tag === "Wrong"
      ? `a second reading: ${reading.why}`
      : `a second reading: status ${reading.status}, ${reading.body.length} bytes by ${reading.framing}`
  )
}

const { delivered, findings, refused } = await Effect.runPromise(run(seed, numbers))
console.log(`seed ${seed}: ${numbers.length} cases, ${delivered} delivered, ${refused} refused`)
for (const { case: number, changes, what } of findings) {
  console.log(`  case ${number} (${changes.join(", ")}): ${what}`)
  console.log(`    npm run fuzz -- --seed ${seed} --case ${number}`)
}
if (findings.length > 0) process.exitCode = 1
