/**
 * The fibers that download: who runs, how many, and how they are stopped.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DownloadId } from "../domain/DownloadId.js"
import type { StopTimeout, StoreError } from "../domain/StoreError.js"
import type { Gauge } from "./Transport.js"

/** A download that is being worked on right now. */
export interface Active {
  /** Which one. */
  readonly id: DownloadId
  /** Bytes as they arrive: changes under the reader's eyes. */
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
  /** Begins to work; nothing if it works already. After a failure it begins anew. */
  readonly start: Effect.Effect<void, StoreError>
  /**
   * Interrupts all work and waits until it has let go, within the bound of the options; checkpoints are made, parts are kept,
   * rows stay this engine's. Nothing if it is stopped already.
   */
  readonly stop: Effect.Effect<void, StopTimeout>
  readonly isRunning: Effect.Effect<boolean>
}

/** Layer: EngineSwitch, over the fibers of Supervisor. */

export class Supervisor extends Context.Tag("sluice/Supervisor")<Supervisor, Shape>() {}
