/**
 * What stops the benchmark: something it needs is missing, or a result is not what was served.
 */
import * as Data from "effect/Data"

export class Failure extends Data.TaggedError("Failure")<{ readonly message: string }> {}
