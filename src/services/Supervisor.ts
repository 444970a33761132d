/**
 * The fibers that download: who runs, how many, and how they are stopped.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DownloadId } from "../domain/DownloadId.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Gauge } from "./Transport.js"

/** A download that is being worked on right now. */
export interface Active {
  readonly id: DownloadId
  readonly gauge: Readonly<Gauge>
}

/** @see {@link Supervisor} */
export interface Shape {
  /** There may be something to do: look at the store. */
  readonly ring: Effect.Effect<void>
  /** Interrupts the fiber of a download, if it has one, and waits until it has let go of everything. */
  readonly interrupt: (id: DownloadId) => Effect.Effect<void>
  /** A snapshot, in order of start. */
  readonly active: Effect.Effect<ReadonlyArray<Active>>
  /** Fails when the engine can't go on (the store is broken); never succeeds. */
  readonly failure: Effect.Effect<never, StoreError>
}

export class Supervisor extends Context.Tag("sluice/Supervisor")<Supervisor, Shape>() {}
