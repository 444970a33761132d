/**
 * The transport of object-wire.ts keeps the rules of one.
 */
import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { WireConformance } from "sluice/testing"
import { layer, memory } from "./object-wire.js"

const { objects, put } = memory()

const cases = WireConformance.cases({
  make: Effect.succeed({
    put: (name, bytes) =>
      Effect.as(
        Effect.sync(() => put(name, bytes)),
        `https://bucket.test/${name}`
      ),
    cut: (name, bytes, after) =>
      Effect.as(
        Effect.sync(() => put(name, bytes, after)),
        `https://bucket.test/${name}`
      ),
    absent: "https://bucket.test/nothing"
  })
})

for (const { name, run } of cases) it.live(name, () => Effect.provide(run, layer(objects)))
