/**
 * The engine's front: checks requests, records them, and tells of them. Waiting for downloads is Settling's business, what
 * people want of them Intent's, groups are Groups', consumers Consumers', looking again at what was completed Verification's.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Attempt } from "../domain/Attempt.js"
import { type Completed, completionOf } from "../domain/Completion.js"
import type { Download } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { ofChange } from "../domain/DownloadEvent.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { Rate } from "../domain/Limits.js"
import * as Progress from "../domain/Progress.js"
import type { StoreError } from "../domain/StoreError.js"
import { Bandwidth } from "../services/Bandwidth.js"
import { Destination } from "../services/Destination.js"
import { Downloads, type Shape } from "../services/Downloads.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { Outbox } from "../services/Outbox.js"
import { PartFile } from "../services/PartFile.js"
import { Store } from "../services/Store.js"
import { Supervisor } from "../services/Supervisor.js"
import * as Consumers from "./Consumers.js"
import * as Discarding from "./Discarding.js"
import * as Groups from "./Groups.js"
import * as Inheritance from "./Inheritance.js"
import * as HostEvents from "./HostEvents.js"
import * as InlineHasher from "./InlineHasher.js"
import * as Intent from "./Intent.js"
import { firstToEnd } from "./Race.js"
import * as Requests from "./Requests.js"
import * as Settling from "./Settling.js"
import * as SourceAdding from "./SourceAdding.js"
import * as Verification from "./Verification.js"

const make = Effect.gen(function* () {
  const store = yield* Store
  const outbox = yield* Outbox
  const supervisor = yield* Supervisor
  const bandwidth = yield* Bandwidth
  const life = yield* EngineLife
  const disk = yield* PartFile
  const options = yield* EngineOptions
  const { adopt, pollInterval } = options
  const discarding = Discarding.make(disk, store)
  const hasher = yield* InlineHasher.hasherFor(disk)
  const hostEvents = yield* HostEvents.make(store)
  const inheritance = Inheritance.make({ store, life, discarding, ring: supervisor.ring })

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
    inheritance,
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

  const { again, enqueue, enqueueAll, enqueueInto, enqueueStream } = Requests.make({
    store,
    supervisor,
    disk,
    options,
    destination: yield* Destination
  })

  const attempts: Shape["attempts"] = (id) =>
    Effect.gen(function* () {
      const current = yield* row(id)
      const ended = yield* store.attempts(id)
      return current.attemptStartedAt === null
        ? ended
        : [...ended, attemptOf(current, current.attemptStartedAt)]
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
    enqueueStream,
    download: (request) => Effect.flatMap(enqueue(request), ({ id }) => awaitOne(id)),
    await: awaitOne,
    awaitAll,
    settled,
    settleAll: (ids, onSettled) => orFailure(settleAll(ids, onSettled)),
    get: store.get,
    status: (id) => Effect.map(row(id), ({ status }) => status),
    list: (filter = {}) => store.list(filter),
    find: store.find,
    attempts,
    stats: store.stats,
    ...Intent.make({ engine: life.id, store, supervisor, discarding, inheritance, options, row, again }),
    ...SourceAdding.make({ engine: life.id, store, supervisor, inheritance, options, row }),
    ...Verification.make({ store, disk, hasher }),
    limits: store.limits,
    limit: (limited, rate) =>
      rate === null || Schema.is(Rate)(rate)
        ? Effect.tap(store.limit(limited, rate), bandwidth.govern)
        : DownloadError.make("InvalidRequest", `a limit is a whole number of bytes per second, not ${rate}`),
    group: Groups.make({ store, options, inherit, enqueueInto, orRefused: Requests.orRefused, orFailure }),
    ...Consumers.make({ store, outbox, pollInterval, orFailure }),
    drained: orFailure(
      Effect.gen(function* () {
        const bell = yield* Effect.makeLatch(false)
        const anyLeft = store.anyLeft({ adopt })
        // what an engine has left that died a moment ago is in the queue as well
        const adopted =
          adopt && !store.isAlone ? Effect.zipRight(inheritance.until(anyLeft), anyLeft) : anyLeft
        if (store.isAlone) yield* store.onCommit(() => void bell.unsafeOpen())
        while ((yield* anyLeft) || (yield* adopted)) {
          yield* store.isAlone ? bell.await : Effect.sleep(pollInterval)
          yield* bell.close
        }
      }).pipe(Effect.scoped)
    ),
    changes: Stream.map(Stream.fromPubSub(store.changes), ({ after }) => after),
    events: Stream.mapConcat(Stream.fromPubSub(store.changes), ({ after, before }) =>
      ofChange(before, after)
    ),
    hostEvents,
    hosts: store.closed,
    progress,
    active: supervisor.active,
    activeCount: Effect.map(supervisor.active, (active) => active.length),
    activeIds: Effect.map(supervisor.active, (active) => active.map(({ id }) => id)),
    start: supervisor.start,
    stop: supervisor.stop,
    isRunning: supervisor.isRunning
  })
})

/** The try that goes on. */
const attemptOf = (download: Download, startedAt: number): Attempt => ({
  number: download.attempt,
  source: download.url,
  engine: download.owner,
  pid: download.pid,
  startedAt,
  endedAt: null,
  status: download.status,
  fromBytes: download.attemptFrom,
  toBytes: download.checkpoint,
  failure: null,
  nextAttemptAt: null
})

/** Needs a store and a supervisor over the same database. */
export const layer: Layer.Layer<
  Downloads,
  never,
  Store | Outbox | Supervisor | EngineLife | PartFile | Bandwidth
> = Layer.scoped(Downloads, make)
