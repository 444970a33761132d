/**
 * A race that leaves nothing behind. `Effect.raceFirst`, when it is interrupted from outside, tells its two fibers and does
 * not wait for them: finalisers around it run beside them, and within a concurrent `forEach` they even live on until the
 * fiber that began the `forEach` ends. Here both have ended when the race has, however it ends.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/** Runs both, and ends as the first to end does, once the other has been interrupted and has ended. */
export const firstToEnd = <A, E, R, A2, E2, R2>(
  one: Effect.Effect<A, E, R>,
  other: Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.flatMap(
    Effect.raceAll<Effect.Effect<Exit.Exit<A | A2, E | E2>, never, R | R2>>([
      Effect.exit(one),
      Effect.exit(other)
    ]),
    (exit) => exit
  )
