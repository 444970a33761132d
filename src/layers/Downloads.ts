/**
 * The engine's front: checks requests, speaks to the store and the supervisor, and waits on behalf of callers.
 *
 * Tricky interleavings: waiting listens before it looks, so a change between the two is not missed. A download that another
 * live engine owns can only be looked at (its commits are another process's); so it is polled, and adopted when its
 * owner's lock is free. Intent (pause, cancel) is committed before the worker is interrupted, so that its ending finds
 * it in the row.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as path from "node:path"
import * as Stream from "effect/Stream"
import { type Download, terminal } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { ofChange } from "../domain/DownloadEvent.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { accept, type Accepted } from "../domain/DownloadRequest.js"
import { CancelRequested, PauseRequested, Renounced, ResumeRequested } from "../domain/Message.js"
import { StoreError } from "../domain/StoreError.js"
import { Downloads } from "../services/Downloads.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { PartFile } from "../services/PartFile.js"
import { Store } from "../services/Store.js"
import { Supervisor } from "../services/Supervisor.js"
import * as Publisher from "./Publisher.js"
import { firstToEnd } from "./Race.js"

const make = Effect.gen(function* () {
  const store = yield* Store
  const supervisor = yield* Supervisor
  const life = yield* EngineLife
  const disk = yield* PartFile
  const { adopt, pollInterval } = yield* EngineOptions
  const publisher = Publisher.make(disk)

  /** The directory is there and can be written to, and the name asked for is no directory. */
  const checkDestination = ({ directory, output }: Accepted) =>
    Effect.gen(function* () {
      yield* disk.ensureDirectory(directory)
      if (output === null) return
      const taken = yield* disk.facts(path.join(directory, output))
      if (Option.exists(taken, (facts) => facts.kind === "directory")) {
        return yield* DownloadError.make(
          "DestinationUnusable",
          `${path.join(directory, output)} is a directory`
        )
      }
    }).pipe(Effect.catchTag("FileError", (error) => Effect.fail(DownloadError.fromFile(error))))

  const row = (id: DownloadId) =>
    Effect.flatMap(
      store.get(id),
      Option.match({
        onNone: () => Effect.fail(new StoreError({ reason: "NotFound", path: "of this engine", detail: id })),
        onSome: Effect.succeed
      })
    )

  const settled = (download: Download): boolean =>
    terminal.has(download.status) || download.status === "paused"

  /** Makes the download this engine's if its owner is gone; false while another engine lives for it. */
  const inherit = (download: Download) =>
    Effect.gen(function* () {
      if (download.owner !== null && (yield* life.isAlive(download.owner))) return false
      if (download.owner !== null) {
        yield* Effect.flatMap(store.disown(download.owner), Effect.forEach(publisher.discard))
      }
      yield* store.adopt(download.id)
      yield* supervisor.ring
      return true
    })

  /** Looks once, and waits for a reason to look again. */
  const look = (id: DownloadId) =>
    Effect.gen(function* () {
      const changed = yield* store.nextChange(id)
      const download = yield* row(id)
      if (settled(download)) return download
      if (download.owner === life.id) yield* changed
      else if (!(yield* inherit(download))) yield* Effect.sleep(pollInterval)
      return undefined
    })

  const awaitOne = (id: DownloadId): Effect.Effect<Download, StoreError> =>
    Effect.gen(function* () {
      for (;;) {
        const settledRow = yield* Effect.scoped(look(id))
        if (settledRow !== undefined) return settledRow
      }
    })

  const orFailure = <A>(effect: Effect.Effect<A, StoreError>) => firstToEnd(effect, supervisor.failure)

  const current = (id: DownloadId) => Effect.zipRight(supervisor.interrupt(id), row(id))

  return Downloads.of({
    enqueue: Effect.fn("Downloads.enqueue")(function* (request) {
      const accepted = yield* accept({ ...request, directory: path.resolve(request.directory) })
      yield* checkDestination(accepted)
      const [enqueued] = yield* store.enqueue([accepted], { own: !adopt })
      yield* supervisor.ring
      return enqueued!.download
    }),
    await: (id) => orFailure(awaitOne(id)),
    get: store.get,
    list: (filter = {}) => store.list(filter),
    pause: Effect.fn("Downloads.pause")(function* (id) {
      yield* store.tell(id, PauseRequested())
      return yield* current(id)
    }),
    resume: Effect.fn("Downloads.resume")(function* (id) {
      yield* store.tell(id, ResumeRequested())
      yield* store.adopt(id)
      yield* supervisor.ring
      return yield* row(id)
    }),
    cancel: Effect.fn("Downloads.cancel")(function* (id) {
      const download = yield* row(id)
      if (download.part !== null && download.status !== "processing" && !terminal.has(download.status)) {
        // nobody may take it up while its part is removed, and a crash must not leave a part that no row will ask for
        const paused = yield* store.tell(id, PauseRequested())
        if (paused.status === "paused") yield* publisher.discard(yield* store.tell(id, Renounced()))
      }
      yield* store.tell(id, CancelRequested())
      // what is being worked on loses its part with the worker; what ended between the looks above loses it here
      const ended = yield* current(id)
      if (ended.status === "cancelled") yield* publisher.discard(ended)
      return ended
    }),
    drained: orFailure(
      Effect.gen(function* () {
        while (yield* store.anyLeft({ adopt })) {
          yield* Effect.sleep(pollInterval)
        }
      })
    ),
    changes: Stream.map(Stream.fromPubSub(store.changes), ({ after }) => after),
    events: Stream.mapConcat(Stream.fromPubSub(store.changes), ({ after, before }) =>
      ofChange(before, after)
    ),
    active: supervisor.active
  })
})

/** Needs a store and a supervisor over the same database. */
export const layer: Layer.Layer<Downloads, never, Store | Supervisor | EngineLife | PartFile> = Layer.effect(
  Downloads,
  make
)
