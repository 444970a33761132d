/**
 * The engine's front: checks requests, speaks to the store and the supervisor. Waiting for downloads is Settling's business.
 *
 * Tricky interleavings: intent (pause, cancel) is committed before the worker is interrupted, so that its ending finds it in
 * the row.
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
import type { StoreError } from "../domain/StoreError.js"
import { Downloads } from "../services/Downloads.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { PartFile } from "../services/PartFile.js"
import { type Enqueued, Store } from "../services/Store.js"
import { Supervisor } from "../services/Supervisor.js"
import * as Publisher from "./Publisher.js"
import { firstToEnd } from "./Race.js"
import * as Settling from "./Settling.js"

/** Requests recorded by one transaction, so that none takes long. */
const bulk = 500

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

  /** Each directory once, however many files go there. */
  const checkDestinations = (accepted: ReadonlyArray<Accepted>) =>
    Effect.gen(function* () {
      const seen = new Set<string>()
      for (const one of accepted) {
        if (one.output === null && seen.has(one.directory)) continue
        seen.add(one.directory)
        yield* checkDestination(one)
      }
    })

  const row = (id: DownloadId) =>
    Effect.flatMap(
      store.get(id),
      Option.match({
        onNone: () => Effect.fail(Settling.notFound(id)),
        onSome: Effect.succeed
      })
    )

  const { settleAll } = Settling.make({
    store,
    supervisor,
    life,
    discard: publisher.discard,
    pollInterval
  })

  const awaitOne = (id: DownloadId): Effect.Effect<Download, StoreError> =>
    Effect.suspend(() => {
      let settled: Download | undefined
      return Effect.map(
        settleAll([id], (download) => Effect.sync(() => (settled = download))),
        () => settled!
      )
    })

  const orFailure = <A, E>(effect: Effect.Effect<A, E>) => firstToEnd(effect, supervisor.failure)

  const current = (id: DownloadId) => Effect.zipRight(supervisor.interrupt(id), row(id))

  return Downloads.of({
    enqueue: Effect.fn("Downloads.enqueue")(function* (request) {
      const accepted = yield* accept({ ...request, directory: path.resolve(request.directory) })
      yield* checkDestination(accepted)
      const [enqueued] = yield* store.enqueue([accepted], { own: !adopt })
      yield* supervisor.ring
      return enqueued!.download
    }),
    enqueueAll: Effect.fn("Downloads.enqueueAll")(function* (requests) {
      const accepted: Array<Accepted> = []
      const directories = new Map<string, string>()
      for (const request of requests) {
        const directory = directories.get(request.directory) ?? path.resolve(request.directory)
        directories.set(request.directory, directory)
        accepted.push(yield* accept({ ...request, directory }))
      }
      yield* checkDestinations(accepted)
      const enqueued: Array<Enqueued> = []
      for (let i = 0; i < accepted.length; i += bulk) {
        enqueued.push(...(yield* store.enqueue(accepted.slice(i, i + bulk), { own: !adopt })))
        yield* supervisor.ring
      }
      return enqueued
    }),
    settleAll: (ids, onSettled) => orFailure(settleAll(ids, onSettled)),
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
