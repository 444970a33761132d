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
import * as Network from "./Network.js"
import { Output } from "./Output.js"
import { Refusals } from "./Refusals.js"
import * as Requests from "./Requests.js"
import * as Session from "./Session.js"
import { Surroundings } from "./Surroundings.js"
import * as Target from "./Target.js"

/** Enqueued at once: the first of them start while the rest is still being recorded. */
const slice = 2000

/** Enqueues and awaits; every change is told as it comes. What is refused keeps nothing else from its end. */
const work = (
  wanted: ReadonlyArray<DownloadRequest.DownloadRequest>,
  session: Session.Session,
  into: Target.Asked
) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const target = yield* Target.open(into)
    const ids = new Set<DownloadId>()
    const refusals = new Refusals()
    for (let i = 0; i < wanted.length; i += slice) {
      const taken = refusals.sort(yield* target.enqueueAll(wanted.slice(i, i + slice)))
      yield* session.enqueued(taken, yield* Clock.currentTimeMillis)
      for (const { id } of taken) ids.add(id)
    }
    // what is not all in is not all there is
    if (refusals.count === 0) yield* target.close
    yield* downloads.settleAll(ids, (download) => session.observe([download]))
    return { refusals, asked: ids.size }
  })

/** The program over an engine; what is shown goes through `session` and `display`. */
export const download = (
  wanted: ReadonlyArray<DownloadRequest.DownloadRequest>,
  session: Session.Session,
  display: Display.Display,
  into: Target.Asked
) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const begunAt = yield* Clock.currentTimeMillis
    const { asked, refusals } = yield* Effect.raceFirst(
      work(wanted, session, into),
      Session.show(session, display, downloads)
    )
    if (asked > 0) yield* display.summary(session.tally(), (yield* Clock.currentTimeMillis) - begunAt)
    const refused = refusals.error()
    if (refused !== undefined) return yield* refused
    const { failed, stopped } = session.tally()
    if (failed + stopped > 0) return yield* new Unfinished()
  })

export const get = Effect.fn("sluice.get")(function* (asked: Requests.Asked) {
  const surroundings = yield* Surroundings
  yield* Target.check(asked)
  const wanted = yield* Requests.wanted(asked)
  if (wanted.length === 0) return
  const display = Display.make(yield* Output, asked)
  const session = Session.make(display, "asked")
  const database = Database.locate(asked.db, surroundings)
  yield* Database.prepare(database)
  const network = yield* Network.options(asked.network, asked.transport)
  const engine = yield* Engine.load
  return yield* download(wanted, session, display, asked).pipe(
    Effect.provide(
      engine.layer({ database: database.path, adopt: false, ...Engine.options(asked), ...network })
    ),
    // after the layer has closed: what is said to be saved is saved
    Session.onInterrupt(session, display, Invocation.again(surroundings))
  )
})
