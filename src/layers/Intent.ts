/**
 * What people want of a download: pause, resume, cancel, retry, remove.
 *
 * Tricky interleavings: intent is committed before the worker is interrupted, so that its ending finds it in the row. A row
 * is removed before its part: nobody can inherit a part from a row that is gone (a crash between the two leaves the part
 * behind, named for what it is).
 */
import * as Effect from "effect/Effect"
import { type Download, terminal } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { DownloadRequest } from "../domain/DownloadRequest.js"
import { CancelRequested, PauseRequested, Renounced, ResumeRequested } from "../domain/Message.js"
import { StoreError } from "../domain/StoreError.js"
import type { Enqueued, Shape as Downloads } from "../services/Downloads.js"
import type { Shape as Store } from "../services/Store.js"
import type { Shape as Supervisor } from "../services/Supervisor.js"

interface Dependencies {
  readonly store: Store
  readonly supervisor: Supervisor
  readonly row: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /** Removes the part of a download that will not go on. */
  readonly discard: (download: Download) => Effect.Effect<void>
  readonly enqueue: (request: DownloadRequest) => Effect.Effect<Enqueued, DownloadError | StoreError>
}

export const make = ({ discard, enqueue, row, store, supervisor }: Dependencies) => {
  const current = (id: DownloadId) => Effect.zipRight(supervisor.interrupt(id), row(id))

  const resume = Effect.fn("Downloads.resume")(function* (id: DownloadId) {
    yield* Effect.zipRight(store.tell(id, ResumeRequested()), store.adopt(id)).pipe(
      // also for a caller who stops waiting: what it has asked for is done all the same
      Effect.ensuring(supervisor.ring)
    )
    return yield* row(id)
  })

  const cancel = Effect.fn("Downloads.cancel")(function* (id: DownloadId) {
    const download = yield* row(id)
    if (download.part !== null && download.status !== "processing" && !terminal.has(download.status)) {
      // nobody may take it up while its part is removed, and a crash must not leave a part that no row will ask for
      const paused = yield* store.tell(id, PauseRequested())
      if (paused.status === "paused") yield* discard(yield* store.tell(id, Renounced()))
    }
    yield* store.tell(id, CancelRequested())
    // what is being worked on loses its part with the worker; what ended between the looks above loses it here
    const ended = yield* current(id)
    if (ended.status === "cancelled") yield* discard(ended)
    return ended
  })

  const retry: Downloads["retry"] = Effect.fn("Downloads.retry")(function* (id, options = {}) {
    const download = yield* row(id)
    const { headers } = options
    if (download.status === "completed") {
      return yield* new StoreError({
        reason: "Refused",
        path: "of this engine",
        detail: `${id} is completed; to fetch it anew, enqueue its URL again`
      })
    }
    if (!terminal.has(download.status) && headers === undefined) {
      return { id, attached: true, download: yield* resume(id) }
    }
    const { directory, meta, options: how, output, priority, url } = download
    const enqueued = yield* enqueue({
      url,
      directory,
      output: output ?? undefined,
      headers: headers ?? [],
      priority,
      options: how,
      meta
    })
    // attaching alone would let a backoff run its time
    return enqueued.attached && enqueued.download.status !== "processing"
      ? { ...enqueued, download: yield* resume(enqueued.id) }
      : enqueued
  })

  return {
    pause: Effect.fn("Downloads.pause")(function* (id: DownloadId) {
      yield* store.tell(id, PauseRequested())
      return yield* current(id)
    }),
    resume,
    cancel,
    retry,
    remove: Effect.fn("Downloads.remove")(function* (id: DownloadId) {
      const download = yield* row(id)
      if (!terminal.has(download.status)) yield* cancel(id)
      const removed = yield* store.remove(id)
      if (removed.status !== "completed") yield* discard(removed)
    })
  } satisfies Partial<Downloads>
}
