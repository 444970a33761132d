/**
 * The outbox: every download that has ended, in the order of endings, and how far each consumer has acknowledged them
 * (PROMISES Q6). Who reads it, and how it becomes a stream, is the business of Consumers.
 *
 * Who may write what: an ending is recorded by the transaction in which its download ends, by whichever engine; a consumer is
 * read and acknowledged by one engine at a time, whose lock says that it lives.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Consumer, ConsumerBusy, ConsumerUnknown, From } from "../domain/Consumer.js"
import type { Ending } from "../domain/Ending.js"
import type { StoreError } from "../domain/StoreError.js"

/** The right to read a consumer. */
export interface Reader {
  readonly name: string
  /** The consumer's key; never used again. */
  readonly key: number
  /** Every ending up to this number was acknowledged when the reader was opened. */
  readonly position: number
  /** Endings up to this number may have been handed out to an earlier reader. */
  readonly delivered: number
}

/** Some of what a consumer has not acknowledged. */
export interface Page {
  /** In the order of endings. */
  readonly endings: ReadonlyArray<Ending>
  /** The last ending that was looked at; undefined if there is nothing more. */
  readonly upTo: number | undefined
  /** Endings of which nothing is left (their rows were deleted by something else than sluice). */
  readonly lost: ReadonlyArray<number>
}

/** @see {@link Outbox} */
export interface Shape {
  /** Makes the consumer if there is none of this name; durable when it returns. */
  readonly register: (name: string, from: From) => Effect.Effect<void, StoreError>
  /** Registers the consumer and becomes its reader; a reader whose engine has died is replaced. */
  readonly open: (name: string, from: From) => Effect.Effect<Reader, StoreError | ConsumerBusy>
  /** Gives the right up. What the database does not take is given up by the engine's end. */
  readonly close: (reader: Reader) => Effect.Effect<void>
  /** What comes after the ending `after` and is not acknowledged, `limit` at most. */
  readonly read: (reader: Reader, after: number, limit: number) => Effect.Effect<Page, StoreError>
  /** Records that endings up to this number are about to be handed out. */
  readonly handOut: (reader: Reader, upTo: number) => Effect.Effect<void, StoreError>
  /** Durable when it returns; many at once share commits. To acknowledge twice does nothing. */
  readonly acknowledge: (reader: Reader, seq: number) => Effect.Effect<void, StoreError>
  /** By name. */
  readonly list: Effect.Effect<ReadonlyArray<Consumer>, StoreError>
  /** Forgets the consumer, and what was kept for it alone. */
  readonly remove: (name: string) => Effect.Effect<void, StoreError | ConsumerBusy | ConsumerUnknown>
  /** Every consumer has acknowledged every ending up to this number; `Number.MAX_SAFE_INTEGER` where there is no consumer. */
  readonly acknowledgedUpTo: Effect.Effect<number, StoreError>
}

/** Layer: SqlStore, whose actor does the writing. */
export class Outbox extends Context.Tag("sluice/Outbox")<Outbox, Shape>() {}
