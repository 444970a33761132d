/**
 * Makes Effect's TestClock quick, for tests in which nothing real is waited for: before each virtual wake-up it looks three times
 * whether all fibers are suspended, and lets a timer of a real millisecond pass in between. One turn of the event loop does
 * the same there, for a tenth of the time. Not for tests that do real IO: those may not use the TestClock anyway.
 */
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"

const turn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** What the clock is made of, as far as it is changed here; Effect's types do not tell. */
interface Innards {
  yieldTimer: Effect.Effect<void>
  run: (to: (now: number) => number) => Effect.Effect<void>
}

const clock = Effect.runSync(
  Effect.provide(TestClock.testClock(), TestContext.TestContext)
) as TestClock.TestClock & Partial<Innards>
const innards = Object.getPrototypeOf(clock) as Innards
const { run } = innards
if (typeof run !== "function" || clock.yieldTimer === undefined) {
  throw new Error("Effect's TestClock is made in another way now: adapt or remove test/QuickTestClock.ts")
}
// files of one worker share Effect, and this is run before each of them
if (run.name !== "runQuickly") {
  innards.run = function runQuickly(this: Innards, to) {
    this.yieldTimer = turn
    return run.call(this, to)
  }
}
