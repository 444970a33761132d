/**
 * Where the verified bytes of a download go: under a name in its directory (files), or into a sink of the program's own.
 *
 * `Sink` is what a program writes, and all that it has to know. `Destination` is what the engine has of it: batching, bounds and
 * retries are between the two, in `layers/BatchedSink`; what a crash leaves stands in `layers/Delivery`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { SinkError } from "../domain/SinkError.js"

/** One finished download, verified. */
export interface Item {
  /** Its name in the sink: the request's `key`, or its URL (without credentials and fragment) where it has none. */
  readonly key: string
  /** All of it. Not to be changed. */
  readonly bytes: Uint8Array
  /** Its row as it was when its bytes were there: `meta`, `tags`, `url`, `validator`. */
  readonly download: Download
}

/**
 * A store of the program's own. The rules:
 *
 * - `write` succeeds only when all of the batch is durable: its downloads are completed upon that, and never fetched again.
 * - `write` is idempotent by key. A crash between it and the database has the same batch, or another one with some of the same items,
 *   written again; the later bytes of a key replace the earlier.
 * - A batch that fails may be in the store in part, or not at all: it is written again, or its members one by one.
 * - `missing` tells the truth about what is durable: a key that it leaves out counts as done, and is not fetched.
 * - Both may be interrupted when their time is over, and say what is wrong as a `SinkError`.
 *
 * `write` is never called while another `write` runs, and no batch has a key twice. `missing` may be called meanwhile.
 */
export interface Sink<R = never> {
  /** Succeeds when all of the batch is durable; each key at most once, one write at a time. */
  readonly write: (batch: ReadonlyArray<Item>) => Effect.Effect<void, SinkError, R>
  /** Those of the keys that are not there. */
  readonly missing: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>, SinkError, R>
}

/** What becomes of an item in no batch yet when its download is interrupted. */
export type Interrupted = "withdraw" | "finish"

/** What the engine hands bytes to. */
export interface SinkDestination {
  readonly _tag: "Sink"
  /** Rows say by it where they go. */
  readonly name: string
  /** So many downloads may wait for their batch, beside those that are at work. */
  readonly waiting: number
  /** The largest item, in bytes. */
  readonly maxItem: number
  /** Whether it is there already. */
  readonly has: (key: string) => Effect.Effect<boolean, DownloadError>
  /**
   * Succeeds when the item is durable. `read` is run once there is room for so many bytes. Can be interrupted, also in an uninterruptible
   * region, while it waits for room or a batch: then `onInterrupt` is asked what to do; an item whose batch is being written is waited for.
   */
  readonly deliver: <E>(
    item: Omit<Item, "bytes"> & { readonly size: number; readonly read: Effect.Effect<Uint8Array, E> },
    onInterrupt: Effect.Effect<Interrupted>
  ) => Effect.Effect<void, DownloadError | E>
}

/** Files, or a sink. */
export type Shape = { readonly _tag: "Files" } | SinkDestination

/** Where an engine's downloads go whose request does not say. Layers: `files`, `memory`, `batched` of `layers/Destinations`. */
export class Destination extends Context.Reference<Destination>()("sluice/Destination", {
  defaultValue: (): Shape => ({ _tag: "Files" })
}) {}
