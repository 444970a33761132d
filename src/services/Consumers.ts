/**
 * Completions for consumers: what comes after a download (a converter, an index, an upload) gets every ending at least once, at
 * its own pace, also after a crash between the two.
 */
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Stream from "effect/Stream"
import type { Consumer, ConsumerBusy, ConsumerUnknown, From } from "../domain/Consumer.js"
import type { Ending } from "../domain/Ending.js"
import type { StoreError } from "../domain/StoreError.js"

/** The end of a download, handed to a consumer. */
export interface Delivery extends Ending {
  /**
   * It may have been handed out before, to an earlier reader that did not acknowledge it. False only where it certainly was
   * not.
   */
  readonly redelivered: boolean
  /**
   * Says that the consumer is done with it: when this has returned, it is never handed to this consumer again, crash or not. In
   * any order; many at once share commits; twice does nothing.
   */
  readonly acknowledge: Effect.Effect<void, StoreError>
}

/** @see {@link Consumers.registerConsumer} */
export interface RegisterOptions {
  /**
   * Where a new consumer begins: `now`, with what ends from then on, or `start`, with everything that is still in the database,
   * in the order in which it ended. A known consumer goes on where it is, whatever this says. @default "now"
   */
  readonly from?: From | undefined
}

/** @see {@link Consumers.completions} */
export interface CompletionsOptions extends RegisterOptions {
  /**
   * So many deliveries may be unacknowledged at a time; then the stream waits for an acknowledgement. As many again, 256 at the
   * most, are read ahead. More hide the latency of commits from a consumer that works on many at once; after a crash, so many at
   * the most are delivered again. Who gathers more than this before acknowledging any waits for ever. @default 64
   */
  readonly window?: number | undefined
  /**
   * When this has succeeded, the stream still delivers what has ended by then, and ends: a group's `await`, or `drained`. If
   * it fails, so does the stream. @default the stream never ends
   */
  readonly until?: Effect.Effect<unknown, StoreError> | undefined
}

/** @see {@link Consumers.consume} */
export interface ConsumeOptions<E = never, R = never> extends CompletionsOptions {
  /** Deliveries worked on at a time; the window is at least that. @default 1, in the order of endings */
  readonly concurrency?: number | undefined
  /** When and how often a delivery whose handler has failed is tried again before `consume` fails. @default never */
  readonly retry?: Schedule.Schedule<unknown, E, R> | undefined
}

/** What `Downloads` offers to consumers. */
export interface Consumers {
  /**
   * Every terminal outcome (completed, failed, cancelled), delivered to the consumer of this name at least once and acknowledged
   * one by one. Whoever runs the stream is the consumer's reader until it ends, and the only one: a second one fails with
   * `ConsumerBusy`, while one whose process has died is replaced. What is not acknowledged when the stream ends is delivered
   * again to the next reader. Endings stay in the database until they are asked for, so a slow consumer, or a dead
   * one, slows nothing down. The first time registers the consumer, as the stream begins.
   */
  readonly completions: (
    name: string,
    options?: CompletionsOptions
  ) => Stream.Stream<Delivery, StoreError | ConsumerBusy>
  /**
   * Runs the handler for each delivery, and acknowledges it when the handler has succeeded. A handler that fails, after its
   * retries, ends this with its error; the delivery is not acknowledged, and comes again with the next call. What is to be
   * given up (an incomplete list) is caught in the handler. Goes on until `until`, or for ever.
   */
  readonly consume: <E, R, R2 = never>(
    name: string,
    handler: (delivery: Delivery) => Effect.Effect<unknown, E, R>,
    options?: ConsumeOptions<E, R2>
  ) => Effect.Effect<void, StoreError | ConsumerBusy | E, R | R2>
  /**
   * Registers a consumer without reading: to be done before what it is to hear of is enqueued. Durable when it returns; a known
   * one is left as it is.
   */
  readonly registerConsumer: (name: string, options?: RegisterOptions) => Effect.Effect<void, StoreError>
  /** All consumers, by name: how far they are, how much is waiting for them, and who reads them. */
  readonly consumers: Effect.Effect<ReadonlyArray<Consumer>, StoreError>
  /** Forgets a consumer: what it has not acknowledged is delivered to it no more. Refused while it is being read. */
  readonly removeConsumer: (name: string) => Effect.Effect<void, StoreError | ConsumerBusy | ConsumerUnknown>
}
