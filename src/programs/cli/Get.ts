/**
 * `sluice get`: downloads what it is given, and waits. Everything that can be checked without the engine is checked
 * for all URLs before anything starts. Only downloads asked for here are worked on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DownloadId } from "../../domain/DownloadId.js"
import type * as DownloadRequest from "../../domain/DownloadRequest.js"
import { Downloads } from "../../services/Downloads.js"
import * as Database from "./Database.js"
import * as Display from "./Display.js"
import * as Engine from "./Engine.js"
import { Unfinished } from "./Failures.js"
import * as Invocation from "./Invocation.js"
import { Output } from "./Output.js"
import * as Requests from "./Requests.js"
import * as Session from "./Session.js"
import { Surroundings } from "./Surroundings.js"

/** Enqueued at once: the first of them start while the rest is still being recorded. */
const slice = 2000

/** Enqueues and awaits; every change is told as it comes. */
const work = (wanted: ReadonlyArray<DownloadRequest.DownloadRequest>, session: Session.Session) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const ids = new Set<DownloadId>()
    for (let i = 0; i < wanted.length; i += slice) {
      const enqueued = yield* downloads.enqueueAll(wanted.slice(i, i + slice))
      yield* session.enqueued(enqueued, yield* Clock.currentTimeMillis)
      for (const { download, refused } of enqueued) {
        if (refused !== undefined) return yield* refused
        ids.add(download.id)
      }
    }
    yield* downloads.settleAll(ids, (download) => session.observe([download]))
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
    yield* Effect.raceFirst(work(wanted, session), Session.show(session, display, downloads))
    yield* display.summary(session.tally(), (yield* Clock.currentTimeMillis) - begunAt)
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
