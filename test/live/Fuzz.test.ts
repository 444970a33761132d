/**
 * A short fuzz run over heads and framing, the same each time; `npm run fuzz` goes where it has not been. SLUICE_SEED chooses
 * another seed.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./fuzz/Fuzz.js"

const seed = Number(process.env["SLUICE_SEED"] ?? 1)
const count = 100

for (const one of [seed]) {
  it.live(
    `${count} answers changed at random, seed ${one}`,
    () =>
      Effect.map(
        run(
          one,
          Array.from({ length: count }, (_, index) => index)
        ),
        ({ delivered, findings, refused }) => {
          console.log(`fuzz seed ${one}: ${count} cases, ${delivered} delivered, ${refused} refused`)
          expect(findings, `npm run fuzz -- --seed ${one} --case CASE`).toEqual([])
          // what refuses everything proves nothing
          expect(delivered).toBeGreaterThan(count / 20)
          expect(refused).toBeGreaterThan(count / 20)
        }
      ),
    120_000
  )
}
