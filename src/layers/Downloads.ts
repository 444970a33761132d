/**
 * The engine's front: checks requests, records them, and tells of them. Waiting for downloads is Settling's business, what
 * people want of them Intent's, groups are Groups', consumers Consumers'.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as path from "node:path"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { type Completed, completionOf } from "../domain/Completion.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { ofChange } from "../domain/DownloadEvent.js"
import type { DownloadId } from "../domain/DownloadId.js"
import {
  accept,
  type Accepted,
  acceptOptions,
  defined,
  type DownloadRequest
} from "../domain/DownloadRequest.js"
import type { GroupId } from "../domain/Group.js"
import * as Progress from "../domain/Progress.js"
import type { StoreError } from "../domain/StoreError.js"
import { Downloads, type Enqueued, type Shape } from "../services/Downloads.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { Outbox } from "../services/Outbox.js"
import { PartFile } from "../services/PartFile.js"
import { type Enqueued as Recorded, Store } from "../services/Store.js"
import { Supervisor } from "../services/Supervisor.js"
import * as Consumers from "./Consumers.js"
import * as Groups from "./Groups.js"
import * as Intent from "./Intent.js"
import * as Publisher from "./Publisher.js"
import { firstToEnd } from "./Race.js"
import * as Settling from "./Settling.js"

/** Requests recorded by one transaction, so that none takes long. */
const bulk = 500

const make = Effect.gen(function* () {
  const store = yield* Store
  const outbox = yield* Outbox
  const supervisor = yield* Supervisor
  const life = yield* EngineLife
  const disk = yield* PartFile
  const options = yield* EngineOptions
  const { adopt, pollInterval } = options
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

  const { inherit, settleAll } = Settling.make({
    store,
    supervisor,
    life,
    discard: publisher.discard,
    pollInterval,
    adopt
  })

  const orFailure = <A, E>(effect: Effect.Effect<A, E>) => firstToEnd(effect, supervisor.failure)

  const settled = (id: DownloadId): Effect.Effect<Download, StoreError> =>
    Effect.suspend(() => {
      let row: Download | undefined
      return Effect.map(
        orFailure(settleAll([id], (download) => Effect.sync(() => (row = download)))),
        () => row!
      )
    })

  const awaitOne = (id: DownloadId) => Effect.flatMap(settled(id), completionOf)

  /** Checks all of them, in the engine's terms. */
  const acceptAll = (requests: Iterable<DownloadRequest>) =>
    Effect.gen(function* () {
      const accepted: Array<Accepted> = []
      const directories = new Map<string | undefined, string>()
      const known = new Map<DownloadRequest["options"], ReturnType<typeof acceptOptions>>()
      for (const request of requests) {
        const directory =
          directories.get(request.directory) ?? path.resolve(request.directory ?? options.directory)
        directories.set(request.directory, directory)
        const wanted =
          known.get(request.options) ??
          acceptOptions({ ...options.downloadDefaults, ...defined(request.options ?? {}) })
        known.set(request.options, wanted)
        accepted.push(yield* accept({ ...request, directory }, wanted))
      }
      yield* checkDestinations(accepted)
      return accepted
    })

  /** Records them, a portion at a time. */
  const record = <E>(
    accepted: ReadonlyArray<Accepted>,
    store: (portion: ReadonlyArray<Accepted>) => Effect.Effect<ReadonlyArray<Recorded>, E>
  ) =>
    Effect.gen(function* () {
      // whoever stops waiting for the answer does not take the request back: it is recorded, and has to be seen
      const seen = (portion: ReadonlyArray<Accepted>) => Effect.ensuring(store(portion), supervisor.ring)
      const enqueued: Array<Enqueued> = []
      for (let i = 0; i < accepted.length; i += bulk) {
        for (const first of yield* seen(accepted.slice(i, i + bulk))) {
          let answer = first
          if (isEnding(first)) {
            // one that is being cancelled is still there, and will not do what is asked for: once it has let go, a new one will
            yield* supervisor.interrupt(first.download.id)
            answer = (yield* seen([accepted[enqueued.length]!]))[0]!
          }
          enqueued.push({ id: answer.download.id, ...answer })
        }
      }
      return enqueued
    })

  const enqueueAll: Shape["enqueueAll"] = Effect.fn("Downloads.enqueueAll")(function* (requests) {
    return yield* record(yield* acceptAll(requests), (portion) => store.enqueue(portion, { own: !adopt }))
  })

  const enqueue: Shape["enqueue"] = (request) => Effect.flatMap(enqueueAll([request]), orRefused)

  const enqueueInto = Effect.fn("Group.enqueueAll")(function* (
    group: GroupId,
    requests: Iterable<DownloadRequest>
  ) {
    return yield* record(yield* acceptAll(requests), (portion) =>
      store.enqueueInto(group, portion, { own: !adopt })
    )
  })

  const awaitAll: Shape["awaitAll"] = (ids, { onProgress } = {}) =>
    Effect.suspend(() => {
      const asked = Array.from(ids)
      const exits = new Map<DownloadId, Exit.Exit<Completed, DownloadError.DownloadError>>()
      const distinct = new Set(asked)
      return settleAll(distinct, (download) => {
        exits.set(
          download.id,
          Either.match(completionOf(download), { onLeft: Exit.fail, onRight: Exit.succeed })
        )
        return onProgress?.(exits.size, distinct.size) ?? Effect.void
      }).pipe(
        orFailure,
        Effect.map(() => asked.map((id) => exits.get(id)!))
      )
    })

  const progress = Stream.suspend(() => {
    let seen = Progress.nothingSeen
    const next = Effect.gen(function* () {
      const at = yield* Clock.currentTimeMillis
      const idle = seen.progress.size === 0
      seen = Progress.look(seen, yield* supervisor.active, at)
      // the last picture of a busy engine is an empty one
      return idle && seen.progress.size === 0 ? Option.none() : Option.some([...seen.progress.values()])
    })
    return Stream.repeatEffectWithSchedule(next, Schedule.spaced(options.progressInterval)).pipe(
      Stream.filterMap((picture) => picture)
    )
  })

  return Downloads.of({
    enqueue,
    enqueueAll,
    download: (request) => Effect.flatMap(enqueue(request), ({ id }) => awaitOne(id)),
    await: awaitOne,
    awaitAll,
    settled,
    settleAll: (ids, onSettled) => orFailure(settleAll(ids, onSettled)),
    get: store.get,
    status: (id) => Effect.map(row(id), ({ status }) => status),
    list: (filter = {}) => store.list(filter),
    ...Intent.make({ store, supervisor, row, discard: publisher.discard, enqueue }),
    group: Groups.make({ store, options, inherit, enqueueInto, orRefused, orFailure }),
    ...Consumers.make({ store, outbox, pollInterval, orFailure }),
    drained: orFailure(
      Effect.gen(function* () {
        const bell = yield* Effect.makeLatch(false)
        if (store.isAlone) yield* store.onCommit(() => void bell.unsafeOpen())
        while (yield* store.anyLeft({ adopt })) {
          yield* store.isAlone ? bell.await : Effect.sleep(pollInterval)
          yield* bell.close
        }
      }).pipe(Effect.scoped)
    ),
    changes: Stream.map(Stream.fromPubSub(store.changes), ({ after }) => after),
    events: Stream.mapConcat(Stream.fromPubSub(store.changes), ({ after, before }) =>
      ofChange(before, after)
    ),
    progress,
    active: supervisor.active,
    activeCount: Effect.map(supervisor.active, (active) => active.length),
    activeIds: Effect.map(supervisor.active, (active) => active.map(({ id }) => id)),
    start: supervisor.start,
    stop: supervisor.stop,
    isRunning: supervisor.isRunning
  })
})

const isEnding = ({ attached, download, refused }: Recorded): boolean =>
  attached && refused === undefined && download.desired === "cancelled"

/** Of one that was enqueued alone. */
const orRefused = ([enqueued]: ReadonlyArray<Enqueued>): Effect.Effect<
  Enqueued,
  DownloadError.DownloadError
> => (enqueued!.refused === undefined ? Effect.succeed(enqueued!) : Effect.fail(enqueued!.refused))

/** Needs a store and a supervisor over the same database. */
export const layer: Layer.Layer<Downloads, never, Store | Outbox | Supervisor | EngineLife | PartFile> =
  Layer.effect(Downloads, make)
