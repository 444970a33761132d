/** What a suite says of an implementation: the names of the cases that it does not pass. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import type { Case } from "../../../src/programs/testing/Conformance.js"

/** Under TestClock, so that a case which hangs comes to its bound at once. */
export const failing = <R>(cases: ReadonlyArray<Case<R>>) =>
  Effect.gen(function* () {
    const names: Array<string> = []
    for (const { name, run } of cases) {
      const fiber = yield* Effect.fork(Effect.either(run))
      // what hangs is idle; nothing of these worlds waits for anything but other fibers and the clock
      yield* TestClock.adjust("2 minutes")
      if (Either.isLeft(yield* Fiber.join(fiber))) names.push(name)
    }
    return names
  })
