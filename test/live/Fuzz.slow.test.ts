/**
 * A long fuzz run over heads and framing: see Fuzz.test.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./fuzz/Fuzz.js"

const seed = Number(process.env["SLUICE_SEED"] ?? 1)
const [rounds, count] = [2, 800]

it.live(
  `${rounds * count} answers changed at random, seeds from ${seed}`,
  () =>
    Effect.gen(function* () {
      for (let round = 0; round < rounds; round++) {
        const { delivered, findings, refused } = yield* run(
          seed + round,
          Array.from({ length: count }, (_, index) => index)
        )
        console.log(`fuzz seed ${seed + round}: ${count} cases, ${delivered} delivered, ${refused} refused`)
        expect(findings, `npm run fuzz -- --seed ${seed + round} --case CASE`).toEqual([])
      }
    }),
  600_000
)
