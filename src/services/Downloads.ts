/**
 * What programs use: enqueue, await, look, pause, resume, cancel.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadEvent } from "../domain/DownloadEvent.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { DownloadRequest } from "../domain/DownloadRequest.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Enqueued, Filter } from "./Store.js"
import type { Active } from "./Supervisor.js"

/** @see {@link Downloads} */
export interface Shape {
  /**
   * Checks the request and its directory, and records it. When this has returned, the download survives a crash at any
   * later instant. The same request again, while the first is unfinished, attaches to it.
   */
  readonly enqueue: (request: DownloadRequest) => Effect.Effect<Download, DownloadError | StoreError>
  /**
   * The same for many at once, far cheaper than one by one. All requests are checked first: where one is wrong, it fails with
   * what is wrong with the first of those, and nothing is recorded. They are recorded in order, a few hundred in one
   * transaction: what a crash leaves is a beginning of them. Answers come in the order of the requests.
   */
  readonly enqueueAll: (
    requests: Iterable<DownloadRequest>
  ) => Effect.Effect<ReadonlyArray<Enqueued>, DownloadError | StoreError>
  /**
   * Waits until all of them are terminal or paused; each is handed to `onSettled` as it is then, once, in the order in which
   * they get there. Costs no fiber and no memory per download beyond its id.
   */
  readonly settleAll: <E>(
    ids: Iterable<DownloadId>,
    onSettled: (download: Download) => Effect.Effect<void, E>
  ) => Effect.Effect<void, StoreError | E>
  /**
   * Waits until the download is terminal (or paused) and succeeds with it as it is then; inspect `status`. A download that another live
   * engine owns is followed, and taken over when that engine dies.
   */
  readonly await: (id: DownloadId) => Effect.Effect<Download, StoreError>
  readonly get: (id: DownloadId) => Effect.Effect<Option.Option<Download>, StoreError>
  readonly list: (filter?: Filter) => Effect.Effect<ReadonlyArray<Download>, StoreError>
  /** Stops working on it and keeps its part file; when this returns, nothing of it runs any more. */
  readonly pause: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /** Goes on after a pause; ends a backoff or a wait early. */
  readonly resume: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /** Ends it for good and removes its part file; when this returns, nothing of it runs any more. */
  readonly cancel: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /** Waits until nothing is left that this engine would work on. */
  readonly drained: Effect.Effect<void, StoreError>
  /** Rows as they are committed by this process. Slow readers lose the oldest. */
  readonly changes: Stream.Stream<Download>
  /**
   * What happens to downloads, as this process commits it, from the moment the stream runs. Slow readers lose the oldest: who
   * must not miss an ending awaits it.
   */
  readonly events: Stream.Stream<DownloadEvent>
  /** What is being worked on right now. */
  readonly active: Effect.Effect<ReadonlyArray<Active>>
}

/** The download engine. Layer: `layer` of layers/Downloads. */
export class Downloads extends Context.Tag("sluice/Downloads")<Downloads, Shape>() {}
