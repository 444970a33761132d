/**
 * The store actor: the single writer of download state. What it can be asked to do stands in the jobs (StoreEnqueue, Admission,
 * StoreOwners, StoreCommands, StoreGroups); here is how their work is gathered, committed and answered.
 *
 * Everything that changes state is a job in one bounded mailbox. The actor takes all that has gathered, runs it in one immediate transaction (group commit), and only after the commit updates the Ref, answers the askers and
 * publishes the changes: an answer is a promise that a crash can't break.
 *
 * | step | durable after it | after a crash here |
 * |---|---|---|
 * | job in the mailbox | nothing | the asker got no answer: as if never asked |
 * | transaction begun, rows written | nothing | rolled back by SQLite |
 * | COMMIT returned | the batch, all of it | the asker got no answer, the change stands: askers' messages are safe to repeat |
 * | Ref updated, askers answered | the same | nothing to do |
 *
 * Tricky interleavings: from the take to the answers nothing can be interrupted, so an answer is never lost half-way; a
 * job that is refused (wrong status, stale epoch) fails alone, an error of the database rolls all of them back and fails
 * them all; no fiber is forked inside the transaction (it would inherit the connection).
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as HashMap from "effect/HashMap"
import * as Mailbox from "effect/Mailbox"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import type { Download, EngineId } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { StoreError } from "../domain/StoreError.js"
import type { CommitListener, Counters, StoreChange } from "../services/Store.js"
import type { Shape as DatabaseShape } from "./Database.js"
import * as Metrics from "./Metrics.js"
import type * as SqlRow from "./SqlRow.js"
import { type Failures, StoreBatch } from "./StoreBatch.js"
import type { StoreHosts } from "./StoreHosts.js"

/** What this process believes: the rows it is processing, and totals. */
interface State {
  readonly claimed: HashMap.HashMap<DownloadId, Download>
  readonly counters: Counters
}

interface Job {
  readonly run: Work<unknown>
  readonly done: Deferred.Deferred<unknown, StoreError>
  /** The row it is about: a fenced row fails the job. */
  readonly id?: DownloadId | undefined
  /** Called after the commit, before any job of the transaction is answered. */
  readonly committed?: (() => void) | undefined
  /** Rows it may change. @default 1 */
  readonly weight?: number | undefined
}

/** What a job is about. */
type About = Omit<Job, "run" | "done">

/** A piece of work inside a transaction. */
export type Work<A> = (batch: StoreBatch) => Effect.Effect<A, Failures>

/** Jobs taken into one transaction at most, and rows that they may change, so that none takes long. */
const batchSize = 512
const batchWeight = 1000

/** Jobs by transaction, in order. */
const portionsOf = (jobs: Iterable<Job>): ReadonlyArray<ReadonlyArray<Job>> => {
  const portions: Array<Array<Job>> = []
  let weight = Infinity
  for (const job of jobs) {
    weight += job.weight ?? 1
    if (weight > batchWeight) {
      portions.push([])
      weight = job.weight ?? 1
    }
    portions.at(-1)!.push(job)
  }
  return portions
}

const refusals: ReadonlySet<StoreError["reason"]> = new Set<StoreError["reason"]>([
  "Fenced",
  "Refused",
  "NotFound"
])

/** Errors that concern one job and leave the others standing. */
const isRefusal = (error: Failures): error is StoreError =>
  error._tag === "StoreError" && refusals.has(error.reason)

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly database: DatabaseShape
  readonly decode: SqlRow.Decode
  readonly engine: EngineId
  readonly hosts: StoreHosts
  /** Milliseconds between two commits. */
  readonly commitInterval: number
  /** The last things to do in each transaction, when all its rows are written. */
  readonly beforeCommit: ReadonlyArray<Work<void>>
}

/** Works until its scope closes: then what is in the inbox is still committed. */
export const make = Effect.fnUntraced(function* ({
  beforeCommit,
  commitInterval,
  database,
  decode,
  engine,
  hosts,
  sql
}: Dependencies) {
  const state = yield* Ref.make<State>({
    claimed: HashMap.empty(),
    counters: { enqueued: 0, completed: 0, failed: 0, cancelled: 0 }
  })
  const changes = yield* PubSub.sliding<StoreChange>(4096)
  const clock = yield* Effect.clock
  const inbox = yield* Mailbox.make<Job>({ capacity: batchSize })
  const listeners = new Set<CommitListener>()

  const commit = (jobs: ReadonlyArray<Job>) =>
    Effect.gen(function* () {
      // a clock of the caller's may know parts of milliseconds; rows don't
      const now = Math.floor(yield* Clock.currentTimeMillis)
      const { claimed } = yield* Ref.get(state)
      const batch = new StoreBatch(sql, database.path, engine, now, decode, hosts, HashMap.values(claimed))
      const exits: Array<Exit.Exit<unknown, StoreError>> = []
      for (const job of jobs) {
        exits.push(
          yield* Effect.matchEffect(job.run(batch), {
            onSuccess: (value) => Effect.succeed(Exit.succeed(value)),
            onFailure: (error) => (isRefusal(error) ? Effect.succeed(Exit.fail(error)) : Effect.fail(error))
          })
        )
      }
      yield* batch.flush
      for (const last of beforeCommit) yield* last(batch)
      return { batch, exits }
    }).pipe(database.transact)

  const fencedOff = (id: DownloadId) =>
    Exit.fail(new StoreError({ reason: "Fenced", path: database.path, detail: id }))

  const settle = (jobs: ReadonlyArray<Job>): Effect.Effect<void> =>
    Metrics.timed(clock, Metrics.commitDuration, commit(jobs)).pipe(
      Effect.matchCauseEffect({
        onFailure: (cause) =>
          Effect.forEach(jobs, (job) => Deferred.failCause(job.done, cause), { discard: true }),
        onSuccess: ({ batch, exits }) =>
          Effect.gen(function* () {
            const endings = batch.endings()
            yield* Ref.update(state, (before) => believe(before, batch, endings, engine))
            for (const job of jobs) job.committed?.()
            Metrics.committed(batch, endings)
            yield* PubSub.publishAll(changes, batch.changes())
            for (const listener of listeners) listener(batch)
            for (const [i, { done, id }] of jobs.entries()) {
              const fenced = id !== undefined && batch.fenced.has(id)
              Deferred.unsafeDone(done, fenced ? fencedOff(id) : exits[i]!)
            }
          })
      }),
      Effect.uninterruptible
    )

  const pause = commitInterval === 0 ? Effect.void : Effect.sleep(commitInterval)

  const actor = yield* Effect.uninterruptibleMask((restore) =>
    Effect.iterate(false, {
      while: (ended) => !ended,
      body: () =>
        Effect.flatMap(restore(inbox.takeAll), ([jobs, ended]) =>
          Effect.forEach(portionsOf(jobs), settle, { discard: true }).pipe(
            Effect.zipRight(ended ? Effect.void : pause),
            Effect.as(ended)
          )
        )
    })
  ).pipe(Effect.annotateLogs("module", "sluice/Store"), Effect.forkScoped, Effect.interruptible)

  const notInside = Effect.flatMap(database.isInside, (inside) =>
    inside
      ? new StoreError({
          reason: "Refused",
          path: database.path,
          detail: "it was asked from inside a transaction of the same client, which holds the only connection"
        })
      : Effect.void
  )

  /** Puts a job into the inbox and succeeds with the wait for its answer. */
  const submit = <A>(
    run: Work<A>,
    about: About = {}
  ): Effect.Effect<Effect.Effect<A, StoreError>, StoreError> =>
    Effect.suspend(() => {
      const done = Deferred.unsafeMake<A, StoreError>(FiberId.none)
      // the job is the only one to complete `done`, with what `run` returned
      const job: Job = { ...about, run, done: done as Deferred.Deferred<unknown, StoreError> }
      return Effect.flatMap(Effect.zipRight(notInside, inbox.offer(job)), (accepted) =>
        accepted
          ? Effect.succeed(Deferred.await(done))
          : new StoreError({ reason: "Stopped", path: database.path })
      )
    })

  const ask = <A>(run: Work<A>, about?: About) => Effect.flatten(submit(run, about))

  yield* Effect.addFinalizer(() =>
    inbox.end.pipe(Effect.zipRight(Fiber.await(actor)), Effect.zipRight(PubSub.shutdown(changes)))
  )

  return {
    ask,
    submit,
    changes,
    counters: Effect.map(Ref.get(state), ({ counters }) => counters),
    onCommit: (listener: CommitListener) =>
      Effect.acquireRelease(
        Effect.sync(() => void listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      )
  }
})

const believe = (
  before: State,
  batch: StoreBatch,
  endings: ReturnType<StoreBatch["endings"]>,
  engine: EngineId
): State => {
  let claimed = before.claimed
  for (const ids of [batch.fenced, batch.touched, batch.removed]) {
    for (const id of ids) claimed = HashMap.remove(claimed, id)
  }
  for (const [id, download] of batch.changed) {
    // it is not known how it looks since a statement over many has changed it
    if (batch.touched.has(id)) continue
    claimed =
      download.status === "processing" && download.owner === engine
        ? HashMap.set(claimed, id, download)
        : HashMap.remove(claimed, id)
  }
  const counters = { ...before.counters, enqueued: before.counters.enqueued + batch.inserted }
  for (const [, status] of endings) {
    if (status === "completed" || status === "failed" || status === "cancelled") counters[status] += 1
  }
  return { claimed, counters }
}
