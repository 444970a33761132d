/**
 * A consumer: a name under which somebody gets the ends of downloads, one by one, and how far it has acknowledged them; and
 * what can go wrong with it.
 */
import * as Schema from "effect/Schema"
import { EngineId } from "./Download.js"

/** Where a new consumer begins: with what ends from now on, or with everything that is still in the database. */
export type From = "now" | "start"

/** A consumer as it stands. */
export interface Consumer {
  /** By which it is found again, also by another process. */
  readonly name: string
  /** Every ending up to this number is acknowledged. */
  readonly position: number
  /** Endings that it has not acknowledged; counted as far as `maxBehind`, which then means "at least". */
  readonly behind: number
  /** The engine that reads it, if one does: its lock is held. */
  readonly reader: EngineId | null
  /** The process of that engine, where it is known. */
  readonly pid: number | null
  /** When it was registered, in milliseconds since the epoch. */
  readonly createdAt: number
}

/** How far the endings behind a consumer are counted. */
export const maxBehind = 10_000

/** Somebody reads this consumer, and nobody else may, nor remove it, as long as they do. */
export class ConsumerBusy extends Schema.TaggedError<ConsumerBusy>()("ConsumerBusy", {
  name: Schema.String,
  reader: EngineId,
  pid: Schema.NullOr(Schema.Int),
  /** It is this very engine that reads it. */
  here: Schema.Boolean
}) {
  override get message(): string {
    const who = this.here
      ? "another reader of this engine"
      : this.pid === null
        ? `the engine ${this.reader}`
        : `process ${this.pid} (engine ${this.reader})`
    return `the consumer ${JSON.stringify(this.name)} is being read by ${who}`
  }
  get advice(): string {
    return "a consumer has one reader at a time: end that one first, or read under another name"
  }
}

/** There is no consumer of this name. */
export class ConsumerUnknown extends Schema.TaggedError<ConsumerUnknown>()("ConsumerUnknown", {
  name: Schema.String
}) {
  override get message(): string {
    return `there is no consumer ${JSON.stringify(this.name)}`
  }
  get advice(): string {
    return "list what there is with sluice consumers ls"
  }
}
