/**
 * What the suites have in common: a case is an effect that fails where a rule is broken, so that any test runner can run it (vitest,
 * node:test, a script). No case knows the implementation; each makes a world of its own and leaves nothing behind.
 *
 * What a suite is given (worlds, and ways to put and read bytes) has no failures: what it can't do is a defect, and fails the case.
 *
 * Cases run under the real clock (`it.live`) or under TestClock: none depends on how long anything takes, but each has a bound, so
 * that what hangs fails.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** An implementation breaks a rule. */
export class ConformanceError extends Schema.TaggedError<ConformanceError>()("ConformanceError", {
  /** The name of the case. */
  rule: Schema.String,
  /** What was seen instead. */
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.rule}: ${this.detail}`
  }
}

/** One rule, tried. */
export interface Case<R = never> {
  /** The rule, as a sentence without a full stop. */
  readonly name: string
  /** Fails where the rule is broken, or where something else goes wrong; may be run any number of times. */
  readonly run: Effect.Effect<void, ConformanceError, R>
}

/** A rule is broken: what was seen. */
class Broken {
  readonly _tag = "Broken"
  constructor(readonly detail: string) {}
}

/** Fails the case unless it is so. */
export const expect = (so: boolean, detail: string): Effect.Effect<void, Broken> =>
  so ? Effect.void : Effect.fail(new Broken(detail))

/** Longer than anything here takes on a machine that is busy. */
const bound = Duration.seconds(60)

/** A case over a world of its own. */
export const caseOf =
  <W, R>(make: Effect.Effect<W, never, R>) =>
  <E, R2 = never>(
    name: string,
    check: (world: W) => Effect.Effect<void, E, R2>
  ): Case<Exclude<R | R2, Scope.Scope>> => ({
    name,
    run: Effect.scoped(Effect.flatMap(make, check)).pipe(
      // what can't be interrupted is left behind: the case has failed anyway
      Effect.disconnect,
      Effect.timeoutFail({
        duration: bound,
        onTimeout: () => new Broken(`it has not ended within ${Duration.toSeconds(bound)} s`)
      }),
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.failCause(cause as Cause.Cause<never>)
          : Effect.fail(new ConformanceError({ rule: name, detail: detailOf(cause) }))
      )
    )
  })

const detailOf = (cause: Cause.Cause<unknown>): string => {
  const failure = Cause.failureOption(cause)
  return failure._tag === "Some" && failure.value instanceof Broken
    ? failure.value.detail
    : Cause.pretty(cause)
}

/** Whether they are the same bytes. */
export const isSame = (one: Uint8Array | undefined, other: Uint8Array): boolean =>
  one !== undefined && one.length === other.length && one.every((byte, i) => byte === other[i])

/** Bytes that tell their place and their version: no two stretches of them are equal by chance. */
export const bytesOf = (length: number, version = 1): Uint8Array => {
  const bytes = new Uint8Array(length)
  let state = (version * 2654435761) >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}
