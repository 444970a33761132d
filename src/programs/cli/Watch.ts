/**
 * `sluice watch`: a live view of the engines that work on a queue, from another terminal. It reads the database and nothing else, by
 * a connection that can't write; it looks when something has been committed, four times a second at most, and once a second
 * in any case, as an engine's death commits nothing.
 *
 * What costs more than a glance (counting) is done the less often the longer it takes: with a million rows it stays below a
 * few percent of one processor.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { StoreError } from "../../domain/StoreError.js"
import { firstToEnd } from "../../layers/Race.js"
import { Survey, type Shape } from "../../services/Survey.js"
import * as Database from "./Database.js"
import * as Engine from "./Engine.js"
import * as Events from "./Events.js"
import * as Keys from "./Keys.js"
import type { Meter } from "./Meter.js"
import { measure } from "./Meter.js"
import * as Output from "./Output.js"
import * as Progress from "./Progress.js"
import * as Queue from "./Queue.js"
import { Surroundings } from "./Surroundings.js"
import { Watched } from "./Watched.js"

/** The arguments of `watch`, read. */
export interface Asked {
  readonly db: string | undefined
  readonly json: boolean
}

/** Milliseconds between two looks at whether there is something new. */
const interval = 250
/** An engine that was killed is seen after this. */
const patience = 1000
/** Between two lines where there is no terminal, and between two objects. */
const lineInterval = 10_000
const objectInterval = 1000

/** Counting takes one part in so many of the time, and is done so often at most. */
const light = { share: 25, least: 1000 }
const full = { share: 200, least: 60_000 }

/** Reads what is new into `watched`; true where anything may have changed. */
const looking = (survey: Shape, watched: Watched) =>
  Effect.gen(function* () {
    let version = -1
    let at = -Infinity
    let position = yield* survey.position
    /** When each is due. */
    let lightAt = 0
    let fullAt = -Infinity
    let first = true
    /** Something has changed since the last count. */
    let stale = false
    const timed = <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.gen(function* () {
        const begin = yield* Clock.currentTimeMillis
        const result = yield* effect
        const end = yield* Clock.currentTimeMillis
        return [result, end - begin, end] as const
      })
    const look = Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const current = yield* survey.version
      const changed = current !== version
      // the last change of a series is counted too, when it is time
      stale ||= changed
      const counting = stale && now >= lightAt
      if (!changed && !counting && now - at < patience) return false
      version = current
      at = now
      const glance = yield* survey.glance(position)
      position = glance.position
      watched.look(glance)
      // what is drawn first does not wait for the counting
      if (first) {
        first = false
        version = -1
        at = -Infinity
        return true
      }
      if (now >= fullAt) {
        const [counts, cost, end] = yield* timed(survey.counts)
        watched.counts = counts
        fullAt = end + Math.max(full.least, cost * full.share)
        lightAt = end + light.least
        stale = false
        return true
      }
      if (counting) {
        stale = false
        const [unfinished, cost, end] = yield* timed(survey.unfinished)
        watched.unfinishedCounted(unfinished)
        lightAt = end + Math.max(light.least, cost * light.share)
      }
      return changed || counting
    })
    return { look }
  })

const every = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<never, E, R> =>
  effect.pipe(Effect.repeat(Schedule.spaced(interval)), Effect.zipRight(Effect.never))

/** Drawn in place on a terminal. */
const draw = (
  output: Output.Shape,
  watched: Watched,
  look: Effect.Effect<boolean, StoreError>,
  path: string
) =>
  Effect.gen(function* () {
    const [WatchPage, Columns] = yield* Effect.promise(() =>
      Promise.all([import("./WatchPage.js"), import("./Columns.js")])
    )
    yield* Progress.guard(output)
    let meter: Meter | undefined
    let widest = 0
    return yield* every(
      Effect.gen(function* () {
        yield* look
        const now = yield* Clock.currentTimeMillis
        meter = measure(meter, watched.active, watched.arrived, now)
        const { color } = output
        const columns = output.columns()
        const rows = Math.max(1, output.rows() - 1)
        const page = WatchPage.page(watched, meter, { color, columns, rows, now, path, widest })
        widest = page.widest
        yield* output.frame({ lines: page.lines, rows: Columns.rows })
      })
    )
  }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(output.unsafeErase)))

/** A line now and then; at once, when an engine comes or goes. */
const tell = (output: Output.Shape, watched: Watched, look: Effect.Effect<boolean, StoreError>) =>
  Effect.gen(function* () {
    const { sentence } = yield* Effect.promise(() => import("./WatchPage.js"))
    let meter: Meter | undefined
    let told = ""
    let toldAt = -Infinity
    let engines = -1
    return yield* every(
      Effect.gen(function* () {
        yield* look
        const now = yield* Clock.currentTimeMillis
        meter = measure(meter, watched.active, watched.arrived, now)
        if (watched.counts === undefined) return
        if (watched.engines.length === engines && now - toldAt < lineInterval) return
        const line = sentence(watched, meter)
        if (line === told) return
        engines = watched.engines.length
        told = line
        toldAt = now
        yield* output.out(`${line}\n`)
      })
    )
  })

/** An object for each change, one a second at most. */
const objects = (output: Output.Shape, watched: Watched, look: Effect.Effect<boolean, StoreError>) =>
  Effect.suspend(() => {
    let meter: Meter | undefined
    let toldAt = -Infinity
    let isNew = true
    let engines = -1
    return every(
      Effect.gen(function* () {
        isNew = (yield* look) || isNew || watched.engines.length !== engines
        const now = yield* Clock.currentTimeMillis
        meter = measure(meter, watched.active, watched.arrived, now)
        const { counts } = watched
        if (counts === undefined || !isNew || now - toldAt < objectInterval) return
        isNew = false
        toldAt = now
        engines = watched.engines.length
        yield* output.out(Events.encode(Events.watched(watched, counts, meter, now)))
      })
    )
  })

/** The program over a survey, until q is typed or it is interrupted. */
export const watch = ({ json, path }: { readonly json: boolean; readonly path: string }) =>
  Effect.gen(function* () {
    const output = yield* Output.Output
    const survey = yield* Survey
    const watched = new Watched()
    const { look } = yield* looking(survey, watched)
    if (json) return yield* objects(output, watched, look)
    if (!output.errIsTerminal) return yield* tell(output, watched, look)
    return yield* draw(output, watched, look, path)
  })

/** Waits until there is a queue to look at. */
const appears = (db: string | undefined, path: string) =>
  Effect.gen(function* () {
    if (yield* Queue.exists(db)) return
    yield* (yield* Output.Output).err(`sluice: there is no queue yet (${path}); looking on\n`)
    yield* Effect.repeat(Queue.exists(db), {
      until: (there: boolean) => there,
      schedule: Schedule.spaced(patience)
    })
  })

export const run = Effect.fn("sluice.watch")(function* ({ db, json }: Asked) {
  const surroundings = yield* Surroundings
  const output = yield* Output.Output
  const { path } = Database.locate(db, surroundings)
  const looks = Effect.gen(function* () {
    yield* appears(db, path)
    const { layerSurvey } = yield* Engine.load
    return yield* Effect.provide(watch({ json, path }), layerSurvey({ database: path }))
  })
  const interactive = output.errIsTerminal && !json
  return yield* interactive ? firstToEnd(looks, Effect.scoped(Keys.quit(surroundings.stdin()))) : looks
})
