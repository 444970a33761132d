/**
 * `sluice run`: works off everything in the queue that no other engine owns, and ends when nothing is left, or stays
 * (`--watch`) until it is told to end.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { terminal } from "../../domain/Download.js"
import { Downloads } from "../../services/Downloads.js"
import * as Database from "./Database.js"
import * as Display from "./Display.js"
import * as Engine from "./Engine.js"
import { Unfinished } from "./Failures.js"
import * as Invocation from "./Invocation.js"
import * as Network from "./Network.js"
import { Output } from "./Output.js"
import * as Session from "./Session.js"
import { Surroundings } from "./Surroundings.js"

/** The arguments of `run`, read. */
export interface Asked extends Display.Options, Engine.Asked {
  readonly network: Network.Asked
  readonly db: string | undefined
  /** Stay when nothing is left. */
  readonly watch: boolean
}

/** So many of the last downloads are looked at once more at the end. */
const lookBack = 10_000

/**
 * Waits until the queue is empty. A reader of changes that fell behind has lost some; what ended meanwhile is read from
 * the database at the end, so that no failure goes unnoticed; other engines' failures are theirs to tell.
 */
const work = (session: Session.Session, begunAt: number) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    yield* downloads.drained
    const last = yield* downloads.list({ status: Array.from(terminal), limit: lookBack, here: true })
    yield* session.observe(last.filter(({ finishedAt }) => finishedAt !== null && finishedAt >= begunAt))
  })

/** How often an engine that has nothing to do is looked after. */
const watchInterval = "1 second"

/** Stays; ends only with the engine, which says that its database can't be used any more. */
const stay = Effect.flatMap(Downloads, ({ drained }) =>
  Effect.zipRight(Effect.repeat(drained, Schedule.spaced(watchInterval)), Effect.never)
)

/** The program over an engine that adopts and does not end by itself. */
export const watch = (session: Session.Session, display: Display.Display) =>
  Effect.flatMap(Downloads, (downloads) => Effect.raceFirst(stay, Session.show(session, display, downloads)))

/** The program over an engine that adopts; what is shown goes through `session` and `display`. */
export const drain = (session: Session.Session, display: Display.Display, begunAt: number) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    yield* Effect.raceFirst(work(session, begunAt), Session.show(session, display, downloads))
    yield* display.summary(session.tally(), (yield* Clock.currentTimeMillis) - begunAt)
    if (session.tally().failed > 0) return yield* new Unfinished()
  })

export const run = Effect.fn("sluice.run")(function* (asked: Asked) {
  const surroundings = yield* Surroundings
  const network = yield* Network.options(asked.network, asked.transport)
  const display = Display.make(yield* Output, asked)
  const session = Session.make(display, asked.watch ? "whatever comes" : "everything")
  const database = Database.locate(asked.db, surroundings)
  yield* Database.prepare(database)
  const engine = yield* Engine.load
  // before the engine is there: it begins as soon as its layer is built
  const begunAt = yield* Clock.currentTimeMillis
  return yield* (asked.watch ? watch(session, display) : drain(session, display, begunAt)).pipe(
    Effect.provide(
      engine.layer({ database: database.path, adopt: true, ...Engine.options(asked), ...network })
    ),
    Session.onInterrupt(session, display, Invocation.again(surroundings))
  )
})
