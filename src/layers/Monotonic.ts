/**
 * Milliseconds of a clock that nobody sets: a step of the wall clock must neither fire a timeout nor switch it off, nor make
 * a rate of what came in no time.
 */
import type * as Clock from "effect/Clock"

export const monotonicOf = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)
