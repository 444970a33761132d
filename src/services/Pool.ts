/**
 * What a pool offers: so many requests in hand at a time, results and errors as values. How stands in the layer of the same name.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Completed } from "../domain/Completion.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { DownloadRequest } from "../domain/DownloadRequest.js"
import type { StoreError } from "../domain/StoreError.js"

/** What became of one request. */
export type Result =
  | {
      readonly _tag: "Completed"
      readonly request: DownloadRequest
      readonly id: DownloadId
      readonly completed: Completed
    }
  /** `skip` said that it is there already: nothing was recorded or fetched. */
  | { readonly _tag: "Skipped"; readonly request: DownloadRequest }
  /** `id` is null where it was refused, or cancelled before it was recorded. */
  | {
      readonly _tag: "Failed"
      readonly request: DownloadRequest
      readonly id: DownloadId | null
      readonly error: DownloadError
    }

/** Of `make`. */
export interface Options<R = never> {
  /** Requests in hand: submitted, and their results not taken yet. More keep the engine busier; each costs a fiber. */
  readonly capacity: number
  /** Each download may take so long as a whole, where its request does not say (`options.maxTime`). @default no limit */
  readonly maxTime?: Duration.DurationInput | undefined
  /** Asked before a request is recorded; what is there already counts as done. @default nothing is skipped */
  readonly skip?: ((request: DownloadRequest) => Effect.Effect<boolean, never, R>) | undefined
  /**
   * What becomes of unfinished downloads when the pool's scope closes or a `runAll` is interrupted. `leave`: they stay in the
   * engine's queue, as with `Downloads.download`; `cancel`: they are cancelled before that returns. @default "leave"
   */
  readonly onInterrupt?: "leave" | "cancel" | undefined
}

/** How long to wait. */
export interface Patience {
  /** @default as long as it takes */
  readonly timeout?: Duration.DurationInput | undefined
}

/** @see {@link RunOptions.onProgress} */
export interface Progress {
  /** Results so far, those that failed and those that were skipped included. */
  readonly done: number
  /** Requests in all; undefined where they come from a stream. */
  readonly of: number | undefined
  /** Of those, the ones that failed. */
  readonly failed: number
  /** Of those, the ones that were skipped. */
  readonly skipped: number
  /** The one that has just come. */
  readonly result: Result
}

/** @see {@link Pool.runAll} */
export interface RunOptions<E = never, R = never> {
  /** Called after each result, one at a time, in the order in which they come. */
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void, E, R>) | undefined
}

/** A pool. All its members may be used by several fibers at once. */
export interface Pool {
  /**
   * Hands a request in: waits for a free place, and not for the download. True: its result will come by `take`; also where the request is
   * wrong, its directory can't be used or it is skipped. False: no place was free in time, and nothing was recorded.
   */
  readonly submit: (request: DownloadRequest, patience?: Patience) => Effect.Effect<boolean, StoreError>
  /**
   * The next result, in the order in which they come; none when none has come in time, or (after `end`) when all were taken. Fails
   * when the engine's database can't be used any more.
   */
  readonly take: (patience?: Patience) => Effect.Effect<Option.Option<Result>, StoreError>
  /** All that `take` would give, until `end` and the last result. */
  readonly results: Stream.Stream<Result, StoreError>
  /** Says that no more is submitted; what is submitted nevertheless dies, as a mistake in the program. */
  readonly end: Effect.Effect<void>
  /**
   * Runs all of them through the pool: results and errors as values, in the order of the requests. Shares the places with `submit`,
   * and gives no result to `take`. Holds only the results in memory; for a source without end use `submit` and `take`.
   */
  readonly runAll: <E = never, R = never, E2 = never, R2 = never>(
    requests: Iterable<DownloadRequest> | Stream.Stream<DownloadRequest, E, R>,
    options?: RunOptions<E2, R2>
  ) => Effect.Effect<ReadonlyArray<Result>, StoreError | E | E2, R | R2>
  /** Cancels one, if it is in hand here: its result says so. Its part file is gone when this returns. */
  readonly cancel: (id: DownloadId) => Effect.Effect<void, StoreError>
  /**
   * Cancels all that is in hand, and what a running `runAll` has not submitted yet. Their results say so; what is submitted
   * afterwards goes on as ever.
   */
  readonly cancelAll: Effect.Effect<void, StoreError>
  /** Requests in hand that have no result yet, and results that were not taken. */
  readonly size: Effect.Effect<{ readonly unfinished: number; readonly results: number }>
}
