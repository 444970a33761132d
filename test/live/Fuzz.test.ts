/**
 * A short fuzz run over heads and framing. The seed is another one each time, and printed; SLUICE_SEED repeats one.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./fuzz/Fuzz.js"

const seed = Number(process.env["SLUICE_SEED"] ?? Date.now() % 1_000_000)
const count = 250

for (const one of [1, seed]) {
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
