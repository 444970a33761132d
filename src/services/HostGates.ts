/**
 * The doors to all hosts that an engine asks: what passes, what waits, and what servers have said of when to come back.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Queue from "effect/Queue"
import type { Cooling } from "../domain/Host.js"

/** One door, as it is now. */
export interface Gate {
  readonly origin: string
  /** Requests at work. */
  readonly active: number
  /** Requests that wait for a place. */
  readonly waiting: number
  readonly cooling: Cooling | null
}

/** @see {@link HostGates} */
export interface Shape {
  /** Takes over what the database knows of a host; null: it is well. */
  readonly learn: (origin: string, cooling: Cooling | null) => void
  /** What answers have said of their hosts, for the database to know; the oldest is lost where nobody listens. */
  readonly told: Queue.Dequeue<readonly [origin: string, cooling: Cooling]>
  /** When the next request to a host may begin, as far as its rate is concerned, in milliseconds of a clock that nobody sets. */
  readonly nextAt: (origin: string) => number
  /** Doors with somebody at them, or closed. */
  readonly gates: Effect.Effect<ReadonlyArray<Gate>>
}

/** Layers: in front of any Wire. */
export class HostGates extends Context.Tag("sluice/HostGates")<HostGates, Shape>() {}
