/**
 * A bounded pool over an engine: requests in, results and errors out as values, so many at a time and no more.
 *
 * It bounds what one program has in hand, not what the engine works on (that is `concurrency`): who submits waits while all places are
 * taken, so a source of any length is read in bounded memory. Each download is durable in the engine's queue as any other; retries,
 * host limits and verification are the engine's.
 *
 * Tricky interleavings: a place is taken from `submit` until the result has been taken, so results that nobody takes hold the
 * submitters back too, instead of gathering. An interrupted `take` loses no result (a Mailbox keeps it), an interrupted `submit` no
 * place. `cancelAll` draws a line: what was submitted before it ends as `Cancelled`, also what was about to be recorded in that instant.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { DownloadError, make as makeError } from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { DownloadRequest } from "../domain/DownloadRequest.js"
import type { StoreError } from "../domain/StoreError.js"
import { Downloads } from "../services/Downloads.js"
import type { Options, Patience, Pool, Result, RunOptions } from "../services/Pool.js"

import { atOnce } from "./AtOnce.js"
import { firstToEnd } from "./Race.js"

export type { Options, Patience, Pool, Progress, Result, RunOptions } from "../services/Pool.js"

/** So many are cancelled at once. */
const cancelling = 64

const cancelled = (request: DownloadRequest): Result => ({
  _tag: "Failed",
  request,
  id: null,
  error: makeError("Cancelled", "it was cancelled before it was recorded")
})

/** A pool over the engine that is there; see {@link Options}. */
export const make = <R = never>({
  capacity,
  maxTime,
  onInterrupt = "leave",
  skip
}: Options<R>): Effect.Effect<Pool, never, Downloads | Scope.Scope | R> =>
  Effect.gen(function* () {
    if (!(Number.isInteger(capacity) && capacity > 0)) {
      return yield* Effect.die(
        new RangeError(`the capacity of a pool must be a whole number above 0, not ${capacity}`)
      )
    }
    const downloads = yield* Downloads
    const context = yield* Effect.context<R>()
    const places = yield* Effect.makeSemaphore(capacity)
    // never full: each result has its place
    const results = yield* Mailbox.make<Result, StoreError>()
    /** Recorded and unfinished, by how many here ask for it. */
    const inHand = new Map<DownloadId, number>()
    let unfinished = 0
    let untaken = 0
    /** Submitted, and the result not taken; those that wait for a place included. */
    let submitted = 0
    let ended = false
    /** Grows with each `cancelAll`. */
    let era = 0

    const limit = maxTime === undefined ? undefined : Duration.toMillis(maxTime)
    const limited = (request: DownloadRequest): DownloadRequest =>
      limit === undefined || request.options?.maxTime !== undefined
        ? request
        : { ...request, options: { ...request.options, maxTime: limit } }

    /** It may have ended, or been forgotten, in that very instant. */
    const cancel = (id: DownloadId): Effect.Effect<void, StoreError> =>
      Effect.catchIf(
        Effect.asVoid(downloads.cancel(id)),
        ({ reason }) => reason === "NotFound" || reason === "Refused",
        () => Effect.void
      )

    const leave = (id: DownloadId): void => {
      const others = (inHand.get(id) ?? 1) - 1
      if (others === 0) inHand.delete(id)
      else inHand.set(id, others)
    }

    const awaited = (request: DownloadRequest, id: DownloadId): Effect.Effect<Result, StoreError> =>
      downloads.await(id).pipe(
        Effect.map((completed): Result => ({ _tag: "Completed", request, id, completed })),
        Effect.catchTag("DownloadError", (error) =>
          Effect.succeed<Result>({ _tag: "Failed", request, id, error })
        )
      )

    /** From a request to its result. `born`: the era in which it was submitted. */
    const work = (request: DownloadRequest, born: number): Effect.Effect<Result, StoreError> =>
      Effect.gen(function* () {
        if (born !== era) return cancelled(request)
        if (skip !== undefined && (yield* Effect.provide(skip(request), context)))
          return { _tag: "Skipped", request } as const
        return yield* Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            // what is recorded is known here, whatever interrupts meanwhile
            const enqueued = yield* Effect.either(downloads.enqueue(limited(request)))
            if (Either.isLeft(enqueued)) {
              const error = enqueued.left
              if (!(error instanceof DownloadError)) return yield* error
              return { _tag: "Failed", request, id: null, error } as const
            }
            const { id } = enqueued.right
            inHand.set(id, (inHand.get(id) ?? 0) + 1)
            return yield* (born === era ? Effect.void : cancel(id)).pipe(
              Effect.zipRight(restore(awaited(request, id))),
              Effect.onInterrupt(() => (onInterrupt === "cancel" ? Effect.ignore(cancel(id)) : Effect.void)),
              Effect.ensuring(Effect.sync(() => leave(id)))
            )
          })
        )
      })

    const counted = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.acquireUseRelease(
        Effect.sync(() => void unfinished++),
        () => effect,
        () => Effect.sync(() => void unfinished--)
      )

    const fibers = yield* FiberSet.make<void>()
    yield* Effect.addFinalizer(() => results.shutdown)

    /** In a fiber of the pool; the place is given back by whoever takes the result. */
    const working = (request: DownloadRequest, born: number): Effect.Effect<void> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.matchCauseEffect(restore(counted(work(request, born))), {
          onSuccess: (result) => {
            untaken++
            return Effect.asVoid(results.offer(result))
          },
          onFailure: (cause) => Effect.asVoid(results.failCause(cause))
        })
      )

    /** One less is to come. */
    const less = (): void => {
      submitted--
      if (ended && submitted === 0) results.unsafeDone(Exit.void)
    }

    const submit = (
      request: DownloadRequest,
      { timeout }: Patience = {}
    ): Effect.Effect<boolean, StoreError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          if (ended) return yield* Effect.dieMessage("something was submitted to a pool that was ended")
          const born = era
          submitted++
          const [place, interrupted] = yield* within(restore, places.take(1), timeout)
          if (Option.isSome(place) && !interrupted) {
            yield* FiberSet.run(fibers, working(request, born))
            return true
          }
          if (Option.isSome(place)) yield* places.release(1)
          less()
          return interrupted ? yield* Effect.interrupt : false
        })
      )

    const take = ({ timeout }: Patience = {}): Effect.Effect<Option.Option<Result>, StoreError> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const [result, interrupted] = yield* within(restore, results.take, timeout)
          if (interrupted) {
            // nobody gets it now: it goes to the end of the line
            if (Option.isSome(result)) results.unsafeOffer(result.value)
            return yield* Effect.interrupt
          }
          if (Option.isNone(result)) return result
          untaken--
          yield* places.release(1)
          less()
          return result
        })
      ).pipe(Effect.catchTag("NoSuchElementException", () => Effect.succeedNone))

    const end = Effect.sync(() => {
      if (ended) return
      ended = true
      if (submitted === 0) results.unsafeDone(Exit.void)
    })

    const runAll = <E, R2, E2, R3>(
      requests: Iterable<DownloadRequest> | Stream.Stream<DownloadRequest, E, R2>,
      { onProgress }: RunOptions<E2, R3> = {}
    ): Effect.Effect<ReadonlyArray<Result>, StoreError | E | E2, R2 | R3> =>
      Effect.suspend(() => {
        const born = era
        const source: Stream.Stream<DownloadRequest, E, R2> = isStream(requests)
          ? requests
          : Stream.fromIterable(requests)
        const of = isStream(requests) ? undefined : sizeOf(requests)
        const found: Array<Result> = []
        const oneByOne = Effect.unsafeMakeSemaphore(1).withPermits(1)
        let done = 0
        let failed = 0
        let skipped = 0
        const told = (result: Result): Effect.Effect<void, E2, R3> =>
          oneByOne(
            Effect.suspend(() => {
              done++
              if (result._tag === "Failed") failed++
              if (result._tag === "Skipped") skipped++
              return onProgress === undefined
                ? Effect.void
                : onProgress({ done, of, failed, skipped, result })
            })
          )
        return source.pipe(
          Stream.zipWithIndex,
          Stream.mapEffect(
            ([request, index]) =>
              places
                .withPermits(1)(counted(work(request, born)))
                .pipe(
                  Effect.tap((result) => {
                    found[index] = result
                    return told(result)
                  })
                ),
            { concurrency: capacity, unordered: true }
          ),
          Stream.runDrain,
          Effect.map(() => found)
        )
      })

    return {
      submit,
      take,
      results: Stream.repeatEffectOption(
        Effect.flatMap(
          Effect.mapError(take(), Option.some),
          Option.match({ onNone: () => Effect.fail(Option.none()), onSome: Effect.succeed })
        )
      ),
      end,
      runAll,
      cancel: (id) => (inHand.has(id) ? cancel(id) : Effect.void),
      cancelAll: Effect.suspend(() => {
        era++
        return Effect.asVoid(atOnce(Array.from(inHand.keys()), cancel, cancelling))
      }),
      size: Effect.sync(() => ({ unfinished, results: untaken }))
    } satisfies Pool
  })

/**
 * What `waiting` brings, unless the time is over before that, and whether the caller was interrupted meanwhile: also what comes in the
 * very instant of either is there.
 */
const within = <A, E>(
  restore: <B, E2, R>(effect: Effect.Effect<B, E2, R>) => Effect.Effect<B, E2, R>,
  waiting: Effect.Effect<A, E>,
  timeout: Duration.DurationInput | undefined
): Effect.Effect<readonly [Option.Option<A>, interrupted: boolean], E> =>
  Effect.suspend(() => {
    let found = Option.none<A>()
    const noting = Effect.uninterruptibleMask((inner) =>
      Effect.map(inner(waiting), (a) => {
        found = Option.some(a)
      })
    )
    return Effect.matchCauseEffect(
      restore(timeout === undefined ? noting : firstToEnd(noting, Effect.sleep(timeout))),
      {
        onSuccess: () => Effect.succeed([found, false] as const),
        onFailure: (cause) =>
          Cause.isInterruptedOnly(cause) ? Effect.succeed([found, true] as const) : Effect.failCause(cause)
      }
    )
  })

const isStream = <E, R>(
  requests: Iterable<DownloadRequest> | Stream.Stream<DownloadRequest, E, R>
): requests is Stream.Stream<DownloadRequest, E, R> => Stream.StreamTypeId in requests

/** Of what can be counted without being used up. */
const sizeOf = (requests: Iterable<DownloadRequest>): number | undefined =>
  Array.isArray(requests) ? requests.length : requests instanceof Set ? requests.size : undefined
