/**
 * What people want of downloads, one or many: pause, resume, cancel, retry, remove, and which goes first.
 *
 * Tricky interleavings: intent is committed before a worker is interrupted, so that its ending finds it in the row. What another
 * live engine owns is asked of that engine, and waited for within a bound; if it dies meanwhile, we are its heir; if somebody
 * asks for something else before it has followed, nobody waits for what will not come. A row that is
 * removed goes before its part: nobody can inherit a part from a row that is gone (a crash between the two leaves the part
 * behind, named for what it is).
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type Desired, type Download, type EngineId, type Status, terminal } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { Header } from "../domain/DownloadRequest.js"
import { CancelRequested, type Message, PauseRequested, ResumeRequested } from "../domain/Message.js"
import type { Affected, Command, Selection } from "../domain/Selection.js"
import { StoreError } from "../domain/StoreError.js"
import { accepting } from "../domain/Transition.js"
import type { Enqueued, Shape as Downloads } from "../services/Downloads.js"
import type { EngineOptionsShape } from "../services/EngineOptions.js"
import type { Shape as Store } from "../services/Store.js"
import type { Shape as Supervisor } from "../services/Supervisor.js"
import { atOnce } from "./AtOnce.js"
import type * as Discarding from "./Discarding.js"
import type * as Inheritance from "./Inheritance.js"

interface Dependencies {
  readonly engine: EngineId
  readonly store: Store
  readonly supervisor: Supervisor
  readonly discarding: ReturnType<typeof Discarding.make>
  readonly inheritance: ReturnType<typeof Inheritance.make>
  readonly options: EngineOptionsShape
  readonly row: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /** One more try of these requests. */
  readonly again: (
    rows: ReadonlyArray<Download>,
    headers: ReadonlyArray<Header> | undefined
  ) => Effect.Effect<ReadonlyArray<Enqueued>, DownloadError | StoreError>
}

/** Rows of one portion of a command for many. */
const portionSize = 1000

/** How often an engine that was asked is looked after, in milliseconds. */
const lookInterval = 50

const messages: Record<Command, Message> = {
  pause: PauseRequested(),
  resume: ResumeRequested(),
  cancel: CancelRequested()
}

/** What is wanted of a row whose owner has taken a command up. */
const wish: Record<Command, Desired> = { pause: "paused", resume: "run", cancel: "cancelled" }

const ended: ReadonlyArray<Status> = ["completed", "failed", "cancelled"]
const unfinished: ReadonlyArray<Status> = ["pending", "processing", "retrying", "waiting", "paused"]

export const make = (dependencies: Dependencies) => {
  const { again, discarding, engine, inheritance, options, row, store, supervisor } = dependencies

  /** Whether what was asked of another engine has come true. */
  const isDone = (command: Command, { status }: Download): boolean =>
    terminal.has(status) || (command === "pause" ? status === "paused" : command === "resume")

  /** Asks the live owner of a download, and waits until it has followed. */
  const ask = (command: Command, { id, owner }: Download): Effect.Effect<Download, StoreError> =>
    Effect.gen(function* () {
      yield* store.command(command, [id])
      const deadline = (yield* Clock.currentTimeMillis) + options.shutdownTimeout
      for (;;) {
        // before the row: what is not asked any more has been taken up by the time the row is read, or replaced
        const asked = Option.contains(yield* store.asked(id), command)
        const current = yield* row(id)
        if (!asked && current.desired !== wish[command] && !terminal.has(current.status)) {
          return yield* new StoreError({
            reason: "Refused",
            path: "of this engine",
            detail: `another command was given since: ${id} is ${current.status}`
          })
        }
        if (current.owner !== owner && !isDone(command, current)) return yield* give(command, id)
        const done = isDone(command, current) && !asked
        // a cancelled one's part goes after its row says so, and before we do
        if (done && !(current.status === "cancelled" && current.part !== null)) return current
        if (owner !== null && (yield* inheritance.from(owner))) {
          // what it was asked for has been done by its heir
          const inherited = yield* row(id)
          return isDone(command, inherited) ? yield* discarding.one(inherited) : yield* give(command, id)
        }
        if ((yield* Clock.currentTimeMillis) >= deadline) {
          if (done) return yield* discarding.one(current)
          return yield* new StoreError({ reason: "Unanswered", path: "of this engine", detail: id })
        }
        yield* Effect.sleep(lookInterval)
      }
    })

  /** Gives one download a command, and succeeds when it has been followed. */
  const give = (command: Command, id: DownloadId): Effect.Effect<Download, StoreError> =>
    Effect.gen(function* () {
      const download = yield* row(id)
      const foreign = download.owner !== null && download.owner !== engine
      if (foreign && !(yield* inheritance.from(download.owner))) return yield* ask(command, download)
      const told = yield* Effect.either(store.tell(id, messages[command]))
      if (Either.isLeft(told)) {
        // another engine has claimed it since we looked: then that one is asked
        const current = told.left.reason === "Fenced" ? yield* row(id) : download
        return yield* current.owner === download.owner ? told.left : give(command, id)
      }
      if (command !== "resume") yield* supervisor.interrupt(id)
      return yield* Effect.flatMap(row(id), discarding.one)
    })

  const resume = Effect.fn("Downloads.resume")(function* (id: DownloadId) {
    yield* Effect.zipRight(give("resume", id), store.adopt(id)).pipe(
      // also for a caller who stops waiting: what it has asked for is done all the same
      Effect.ensuring(supervisor.ring)
    )
    return yield* row(id)
  })

  const retry: Downloads["retry"] = Effect.fn("Downloads.retry")(function* (id, { headers } = {}) {
    const download = yield* row(id)
    if (download.status === "completed") {
      return yield* new StoreError({
        reason: "Refused",
        path: "of this engine",
        detail: `${id} is completed; to fetch it anew, enqueue its URL with refetch "always"`
      })
    }
    if (!terminal.has(download.status) && headers === undefined) {
      return { id, attached: true, download: yield* resume(id) }
    }
    const enqueued = (yield* again([download], headers))[0]!
    if (enqueued.refused !== undefined) return yield* enqueued.refused
    // attaching alone would let a backoff run its time
    return enqueued.attached && enqueued.download.status !== "processing"
      ? { ...enqueued, download: yield* resume(enqueued.id) }
      : enqueued
  })

  const remove = Effect.fn("Downloads.remove")(function* (id: DownloadId) {
    if (!terminal.has((yield* row(id)).status)) yield* give("cancel", id)
    const { removed, withPart } = yield* store.forget([id])
    if (removed === 0) {
      return yield* new StoreError({
        reason: "Refused",
        path: "of this engine",
        detail: `${id} goes on: only what has ended can be removed`
      })
    }
    yield* Effect.forEach(withPart, discarding.part, { discard: true })
  })

  /** Does something for all of a selection, a portion at a time, by age. */
  const forAll = (
    { status, ...selection }: Selection,
    allowed: ReadonlyArray<Status>,
    work: (ids: ReadonlyArray<DownloadId>) => Effect.Effect<Affected, StoreError>
  ): Effect.Effect<Affected, StoreError> =>
    Effect.gen(function* () {
      const wanted = status === undefined ? allowed : allowed.filter((one) => status.includes(one))
      let affected: Affected = { changed: 0, asked: 0 }
      let after: DownloadId | undefined
      do {
        const { ids, next } = yield* store.page({ ...selection, status: wanted }, after)
        for (let i = 0; i < ids.length; i += portionSize) {
          const { asked, changed } = yield* work(ids.slice(i, i + portionSize))
          affected = { changed: affected.changed + changed, asked: affected.asked + asked }
        }
        after = next
      } while (after !== undefined)
      return affected
    })

  const giveAll = (command: Command) => (selection: Selection) =>
    Effect.gen(function* () {
      // what dead engines own is nobody's
      yield* inheritance.until(Effect.succeed(false))
      return yield* forAll(selection, accepting(messages[command]._tag), (ids) =>
        Effect.gen(function* () {
          const { asked, atWork, changed, spoiled } = yield* store.command(command, ids)
          if (command !== "resume") {
            yield* atOnce(atWork, supervisor.interrupt)
          }
          yield* Effect.forEach(spoiled, discarding.one, { discard: true })
          return { asked, changed }
        })
      )
    }).pipe(Effect.ensuring(supervisor.ring))

  /** Tries again what can be; one request that can't be accepted any more does not hold up the others. */
  const retryPortion = (ids: ReadonlyArray<DownloadId>) =>
    Effect.gen(function* () {
      const rows = (yield* store.getAll(ids)).filter(({ retriedAs }) => retriedAs === null)
      const enqueued = yield* again(rows, undefined).pipe(
        Effect.catchTag("DownloadError", () =>
          Effect.forEach(rows, (one) =>
            again([one], undefined).pipe(
              Effect.catchTag("DownloadError", (error) =>
                Effect.as(Effect.logWarning(`${one.id} is not tried again: ${error.message}`), [])
              )
            )
          ).pipe(Effect.map((answers) => answers.flat()))
        )
      )
      return { changed: enqueued.filter(({ refused }) => refused === undefined).length, asked: 0 }
    })

  return {
    pause: Effect.fn("Downloads.pause")((id: DownloadId) => give("pause", id)),
    resume,
    cancel: Effect.fn("Downloads.cancel")((id: DownloadId) => give("cancel", id)),
    retry,
    remove,
    pauseAll: Effect.fn("Downloads.pauseAll")(giveAll("pause")),
    resumeAll: Effect.fn("Downloads.resumeAll")(giveAll("resume")),
    cancelAll: Effect.fn("Downloads.cancelAll")(giveAll("cancel")),
    retryAll: Effect.fn("Downloads.retryAll")((selection: Selection) =>
      forAll(selection, ["failed", "cancelled"], retryPortion)
    ),
    removeAll: Effect.fn("Downloads.removeAll")((selection: Selection) =>
      forAll(selection, ended, (ids) =>
        Effect.gen(function* () {
          const { removed, withPart } = yield* store.forget(ids)
          yield* Effect.forEach(withPart, discarding.part, { discard: true })
          return { changed: removed, asked: 0 }
        })
      )
    ),
    move: Effect.fn("Downloads.move")((selection: Selection, priority: number) =>
      // no row can be read again that has another
      Number.isSafeInteger(priority)
        ? forAll(selection, unfinished, (ids) =>
            Effect.map(store.move(ids, priority), (changed) => ({ changed, asked: 0 }))
          )
        : new StoreError({
            reason: "Refused",
            path: "of this engine",
            detail: `${priority} is no priority: it must be a whole number`
          })
    )
  } satisfies Partial<Downloads>
}
