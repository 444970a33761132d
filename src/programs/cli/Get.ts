/**
 * `sluice get`: downloads what it is given, and waits. Everything that can be checked without the engine is checked
 * for all URLs before anything starts. Only downloads asked for here are worked on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DownloadError } from "../../domain/DownloadError.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import type * as DownloadRequest from "../../domain/DownloadRequest.js"
import { Downloads } from "../../services/Downloads.js"
import * as Database from "./Database.js"
import * as Display from "./Display.js"
import * as Engine from "./Engine.js"
import { Unfinished, UsageError } from "./Failures.js"
import * as Invocation from "./Invocation.js"
import { Output } from "./Output.js"
import * as Requests from "./Requests.js"
import * as Session from "./Session.js"
import { Surroundings } from "./Surroundings.js"

/** Enqueued at once: the first of them start while the rest is still being recorded. */
const slice = 2000

/** A request that contradicts a download which is unfinished. */
interface Refusal {
  readonly url: string
  readonly error: DownloadError
}

/** The refusals told one by one; further ones are counted. */
const shown = 10

/** What was asked for and can't be, in one message. */
const refused = ([first, ...others]: readonly [Refusal, ...ReadonlyArray<Refusal>]): UsageError => {
  const all = [first, ...others]
  const told = all.slice(0, shown).map(({ error, url }) => `\n        ${url}: ${error.detail}`)
  const rest = all.length > shown ? `\n        and ${all.length - shown} more` : ""
  return new UsageError({
    reason: first.error.reason,
    message:
      others.length === 0
        ? `${first.url}: ${first.error.detail}`
        : `${all.length} downloads were not taken in:${told.join("")}${rest}`,
    advice: first.error.advice
  })
}

/** Enqueues and awaits; every change is told as it comes. What is refused keeps nothing else from its end. */
const work = (wanted: ReadonlyArray<DownloadRequest.DownloadRequest>, session: Session.Session) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const ids = new Set<DownloadId>()
    const refusals: Array<Refusal> = []
    for (let i = 0; i < wanted.length; i += slice) {
      const enqueued = yield* downloads.enqueueAll(wanted.slice(i, i + slice))
      const taken = enqueued.filter(({ refused }) => refused === undefined)
      yield* session.enqueued(taken, yield* Clock.currentTimeMillis)
      for (const { id } of taken) ids.add(id)
      for (const { download, refused } of enqueued) {
        if (refused !== undefined) refusals.push({ url: download.url, error: refused })
      }
    }
    yield* downloads.settleAll(ids, (download) => session.observe([download]))
    return { refusals, asked: ids.size }
  })

/** The program over an engine; what is shown goes through `session` and `display`. */
export const download = (
  wanted: ReadonlyArray<DownloadRequest.DownloadRequest>,
  session: Session.Session,
  display: Display.Display
) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const begunAt = yield* Clock.currentTimeMillis
    const { asked, refusals } = yield* Effect.raceFirst(
      work(wanted, session),
      Session.show(session, display, downloads)
    )
    if (asked > 0) yield* display.summary(session.tally(), (yield* Clock.currentTimeMillis) - begunAt)
    const [first, ...others] = refusals
    if (first !== undefined) return yield* refused([first, ...others])
    const { failed, stopped } = session.tally()
    if (failed + stopped > 0) return yield* new Unfinished()
  })

export const get = Effect.fn("sluice.get")(function* (asked: Requests.Asked) {
  const surroundings = yield* Surroundings
  const wanted = yield* Requests.wanted(asked)
  if (wanted.length === 0) return
  const display = Display.make(yield* Output, asked)
  const session = Session.make(display, "asked")
  const database = Database.locate(asked.db, surroundings)
  yield* Database.prepare(database)
  const engine = yield* Engine.load
  return yield* download(wanted, session, display).pipe(
    Effect.provide(engine.layer({ database: database.path, adopt: false, ...Engine.options(asked) })),
    // after the layer has closed: what is said to be saved is saved
    Session.onInterrupt(session, display, Invocation.again(surroundings))
  )
})
