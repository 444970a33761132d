/**
 * Bringing the missing bytes of one download into its part file, whatever the means.
 *
 * It is the engine's own (the transfer program); a transport of somebody else's is a `Wire`, below it.
 *
 * A transport obeys the identity rule, reports through the `Reporter` it is given, and leaves naming conflicts,
 * publishing, retries and state to others.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Digest } from "../domain/Digest.js"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { Message } from "../domain/Message.js"
import type { Brought } from "../domain/Pieces.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Validator } from "../domain/Validator.js"
import type { Handle } from "./PartFile.js"

/** Bytes as they arrive: volatile, for progress displays only. Mutable on purpose: it is written per chunk. */
export interface Gauge {
  /** Bytes held in the part file, synced or not. */
  received: number
  total: number | undefined
  /** What the download is doing, in a word or two. */
  state: string
}

/** How a transport speaks of one claim of one download. */
export interface Reporter {
  /** Commits a message; fails when the claim is no longer ours. */
  readonly tell: (message: Message) => Effect.Effect<Download, StoreError>
  /** Sends a message without waiting for its commit; a later `tell` is ordered after it. */
  readonly note: (message: Message) => Effect.Effect<void, StoreError>
  /** Commits two messages that belong together, mostly at once: succeeds with the row after the second if both stand. */
  readonly tellBoth: (first: Message, second: Message) => Effect.Effect<Download, StoreError>
  readonly gauge: Gauge
}

/** All bytes are in the part file (not necessarily synced), or there was nothing to do. */
export type Transferred =
  | {
      readonly _tag: "Fetched"
      readonly part: Handle
      readonly partName: string
      /** The name it is to get. */
      readonly filename: string
      readonly size: number
      /** What the server says that the whole has, if it does. */
      readonly digest: Digest | undefined
      /** Which source has brought what, as far as it is known. */
      readonly brought: Brought
    }
  /** The name is taken and the policy is to leave it alone. */
  | { readonly _tag: "Skipped"; readonly filename: string }

/** All bytes of a small file, in memory: nothing of them is in any file or row yet. */
export interface Whole {
  readonly _tag: "Whole"
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly size: number
  /** The name it is to get. */
  readonly filename: string
  readonly validator: Validator
}

/** There is more to it: `rest` is as `transfer`. `abandon` lets go of what was begun, also where `rest` never ran. */
export interface Begun {
  readonly _tag: "Begun"
  readonly rest: Effect.Effect<Transferred, DownloadError | StoreError, Scope.Scope>
  readonly abandon: Effect.Effect<void>
}

/** @see {@link Transport} */
export interface Shape {
  /**
   * Begins a claimed download: a small file may come whole at once, which costs a fraction of a transfer. Can be
   * interrupted while it waits, also in an uninterruptible region; what it succeeds with is not lost there.
   */
  readonly begin: (
    download: Download,
    reporter: Reporter
  ) => Effect.Effect<Whole | Begun, DownloadError | StoreError>
  /**
   * Completes the part file of a claimed download. The part stays open until the scope closes. On failure and on
   * interruption, what has arrived is synced and checkpointed before this ends, and no socket or descriptor is left.
   */
  readonly transfer: (
    download: Download,
    reporter: Reporter
  ) => Effect.Effect<Transferred, DownloadError | StoreError, Scope.Scope>
}

/** Layers: http. */
export class Transport extends Context.Tag("sluice/Transport")<Transport, Shape>() {}
