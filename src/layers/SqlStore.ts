/**
 * The store actor: the single writer of download state.
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
import * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Mailbox from "effect/Mailbox"
import * as PubSub from "effect/PubSub"
import * as Ref from "effect/Ref"
import { type Download, terminal } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { Message } from "../domain/Message.js"
import { StoreError } from "../domain/StoreError.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { Outbox } from "../services/Outbox.js"
import { type CommitListener, type Counters, type Shape, Store, type StoreChange } from "../services/Store.js"
import { Database } from "./Database.js"
import * as SqlRow from "./SqlRow.js"
import { type Failures, StoreBatch } from "./StoreBatch.js"
import * as StoreConsumers from "./StoreConsumers.js"
import * as StoreGroups from "./StoreGroups.js"
import * as StoreJobs from "./StoreJobs.js"
import * as StoreOutbox from "./StoreOutbox.js"
import * as StoreReads from "./StoreReads.js"

/** What this process believes: the rows it is processing, and totals. */
interface State {
  readonly claimed: HashMap.HashMap<DownloadId, Download>
  readonly counters: Counters
}

interface Job {
  readonly run: (batch: StoreBatch) => Effect.Effect<unknown, Failures>
  readonly done: Deferred.Deferred<unknown, StoreError>
  /** The row it is about: a fenced row fails the job. */
  readonly id?: DownloadId | undefined
  /** Called after the commit, before any job of the transaction is answered. */
  readonly committed?: (() => void) | undefined
}

/** Jobs taken into one transaction at most, so that none takes long. */
const batchSize = 512

const refusals: ReadonlySet<StoreError["reason"]> = new Set<StoreError["reason"]>([
  "Fenced",
  "Refused",
  "NotFound"
])

/** Errors that concern one job and leave the others standing. */
const isRefusal = (error: Failures): error is StoreError =>
  error._tag === "StoreError" && refusals.has(error.reason)

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const database = yield* Database
  const life = yield* EngineLife
  const { id: engine } = life
  const { commitInterval } = yield* EngineOptions
  const state = yield* Ref.make<State>({
    claimed: HashMap.empty(),
    counters: { enqueued: 0, completed: 0, failed: 0, cancelled: 0 }
  })
  const changes = yield* PubSub.sliding<StoreChange>(4096)
  const inbox = yield* Mailbox.make<Job>({ capacity: batchSize })

  const listeners = new Set<CommitListener>()

  const groups = StoreGroups.make(sql, database.path)
  const outbox = StoreOutbox.make(sql)

  const decode = SqlRow.decode(database.path)

  const commit = (jobs: ReadonlyArray<Job>) =>
    Effect.gen(function* () {
      // a clock of the caller's may know parts of milliseconds; rows don't
      const now = Math.floor(yield* Clock.currentTimeMillis)
      const { claimed } = yield* Ref.get(state)
      const batch = new StoreBatch(sql, database.path, engine, now, decode, HashMap.values(claimed))
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
      yield* groups.count(batch)
      yield* outbox.settle(batch)
      return { batch, exits }
    }).pipe(database.transact)

  const fencedOff = (id: DownloadId) =>
    Exit.fail(new StoreError({ reason: "Fenced", path: database.path, detail: id }))

  const settle = (jobs: ReadonlyArray<Job>): Effect.Effect<void> =>
    jobs.length === 0
      ? Effect.void
      : commit(jobs).pipe(
          Effect.matchCauseEffect({
            onFailure: (cause) =>
              Effect.forEach(jobs, (job) => Deferred.failCause(job.done, cause), { discard: true }),
            onSuccess: ({ batch, exits }) =>
              Effect.gen(function* () {
                yield* Ref.update(state, (before) => believe(before, batch, engine))
                for (const job of jobs) job.committed?.()
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
          Effect.as(Effect.zipRight(settle(Chunk.toReadonlyArray(jobs)), ended ? Effect.void : pause), ended)
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
    run: (batch: StoreBatch) => Effect.Effect<A, Failures>,
    about: Pick<Job, "id" | "committed"> = {}
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

  const ask = <A>(
    run: (batch: StoreBatch) => Effect.Effect<A, Failures>,
    about?: Pick<Job, "id" | "committed">
  ) => Effect.flatten(submit(run, about))

  const apply = (id: DownloadId, message: Message) => (batch: StoreBatch) =>
    Effect.flatMap(batch.load(id), (download) => batch.apply(download, message))

  const jobs = StoreJobs.make({ sql, engine })
  const reads = StoreReads.make({ sql, database, decode, engine, group: groups.byId })

  let registered = false
  /** For jobs that make this engine an owner: before it owns its first row, it is listed, for its heirs to find. */
  const askAsOwner: typeof ask = (run, about) =>
    Effect.tap(
      ask((batch) => (registered ? run(batch) : Effect.zipRight(jobs.register, run(batch))), about),
      () => Effect.sync(() => (registered = true))
    )

  const shape: Shape = {
    enqueue: Effect.fn("Store.enqueue")((requests, { own }) =>
      own ? askAsOwner(jobs.enqueue(requests, true)) : ask(jobs.enqueue(requests, false))
    ),
    claim: ({ adopt, limit, onClaimed }) => {
      let claimed: ReadonlyArray<Download> = []
      const run = (batch: StoreBatch) =>
        Effect.tap(jobs.claim(limit, adopt)(batch), (rows) => Effect.sync(() => (claimed = rows)))
      return askAsOwner(run, { committed: () => onClaimed(claimed) })
    },
    tell: (id, message) => ask(apply(id, message), { id }),
    note: (id, message) => submit(apply(id, message), { id }),
    get: reads.get,
    getAll: reads.getAll,
    standings: reads.standings,
    list: reads.list,
    nextDue: ({ adopt }) => reads.nextDue(adopt),
    anyLeft: ({ adopt }) => reads.anyLeft(adopt),
    otherOwners: reads.otherOwners,
    openGroup: (name) => ask(() => groups.open(name)),
    group: reads.group,
    sealGroup: (id) => ask(groups.seal(id)),
    enqueueInto: Effect.fn("Store.enqueueInto")((id, requests, { own }) =>
      Effect.flatten(askAsOwner((batch) => groups.fill(id, batch, jobs.enqueue(requests, own)(batch))))
    ),
    strangers: reads.strangers,
    remove: (id) => ask(outbox.removing(id, jobs.remove(id)), { id }),
    disown: (owner) => untilEmpty(ask(jobs.disown(owner))),
    adopt: (id) => askAsOwner(jobs.adopt(id), { id }),
    release: Effect.suspend(() => {
      // no longer listed after this: whatever it may still come to own has to list it again
      registered = false
      return Effect.asVoid(untilEmpty(ask(jobs.disown(engine))))
    }),
    isAlone: database.path === ":memory:",
    externalVersion: reads.externalVersion,
    onCommit: (listener) =>
      Effect.acquireRelease(
        Effect.sync(() => void listeners.add(listener)),
        () => Effect.sync(() => listeners.delete(listener))
      ),
    changes,
    counters: Effect.map(Ref.get(state), ({ counters }) => counters)
  }
  // what is in the inbox is still committed; then the actor ends by itself
  yield* Effect.addFinalizer(() =>
    inbox.end.pipe(Effect.zipRight(Fiber.await(actor)), Effect.zipRight(PubSub.shutdown(changes)))
  )
  const consumers = StoreConsumers.make({ sql, database, decode, life, outbox, ask, askListed: askAsOwner })
  return Context.make(Store, shape).pipe(Context.add(Outbox, consumers))
})

/** Rows leave a departed engine a thousand at a time, so that no transaction is long; only the cancelled ones are kept. */
const untilEmpty = (
  step: Effect.Effect<StoreJobs.Disowned, StoreError>
): Effect.Effect<ReadonlyArray<Download>, StoreError> =>
  Effect.gen(function* () {
    const cancelled: Array<Download> = []
    for (let more = true; more;) {
      const portion = yield* step
      cancelled.push(...portion.cancelled)
      more = portion.more
    }
    return cancelled
  })

const believe = (before: State, batch: StoreBatch, engine: Download["owner"]): State => {
  let claimed = before.claimed
  const counters = { ...before.counters, enqueued: before.counters.enqueued + batch.inserted }
  for (const id of batch.fenced) claimed = HashMap.remove(claimed, id)
  for (const [id, download] of batch.changed) {
    claimed =
      download.status === "processing" && download.owner === engine
        ? HashMap.set(claimed, id, download)
        : HashMap.remove(claimed, id)
    const status = download.status
    // one that had ended before has only given something away, as its part to a new try
    const hadEnded = terminal.has(batch.before.get(id)?.status ?? "pending")
    if (!hadEnded && (status === "completed" || status === "failed" || status === "cancelled")) {
      counters[status] += 1
    }
  }
  return { claimed, counters }
}

/** Needs an open database and this engine's id. */
export const layer: Layer.Layer<Store | Outbox, StoreError, SqlClient.SqlClient | Database | EngineLife> =
  Layer.scopedContext(make)
