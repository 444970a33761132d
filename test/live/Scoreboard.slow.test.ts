/**
 * The scoreboard's own column: whatever servers do there, the command delivers no wrong bytes, overwrites nobody's file and
 * comes to an end.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Contestant from "../../bench/scoreboard/Contestant.js"
import { play } from "../../bench/scoreboard/Play.js"
import { situations } from "../../bench/scoreboard/Situation.js"

/** Not verified yet. */
const open: ReadonlySet<string> = new Set(["not of its own Repr-Digest"])

describe("the command does no harm", () => {
  for (const situation of situations.filter(({ name }) => !open.has(name))) {
    it.live(
      situation.name,
      () =>
        Effect.gen(function* () {
          const { text, verdict } = yield* play(yield* Contestant.sluice, situation)
          expect(["ok", "refused", "impossible"], text).toContain(verdict)
        }),
      180_000
    )
  }
})
