/**
 * The queue as a command sees it that downloads nothing itself: an engine that is never started, over the database. What
 * was never made is an empty queue, and looking at it, or commanding it, does not make it.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { StoreError } from "../../domain/StoreError.js"
import { Downloads } from "../../services/Downloads.js"
import * as Database from "./Database.js"
import * as Engine from "./Engine.js"
import { Surroundings } from "./Surroundings.js"

/** Whether another engine lives that can take up what is nobody's. */
export const isAttended: Effect.Effect<boolean, StoreError, Downloads | Surroundings> = Effect.gen(
  function* () {
    const { pid } = yield* Surroundings
    const { engines } = yield* (yield* Downloads).stats
    return engines.some((engine) => engine.alive && engine.pid !== pid)
  }
)

/** Takes up nothing that is not its own, and does not work on that either. */
const idle = { adopt: false, autoStart: false } as const

/** Whether there is a database; fails where one was named that is not there. */
export const exists = (db: string | undefined): Effect.Effect<boolean, StoreError, Surroundings> =>
  Effect.gen(function* () {
    const database = Database.locate(db, yield* Surroundings)
    const there = yield* Database.exists(database)
    if (there || database.isDefault) return there
    return yield* new StoreError({
      reason: "Unavailable",
      path: database.path,
      detail: "there is no such file"
    })
  })

/** The queue in the database that is there, or an empty one in memory. */
export const open = (
  db: string | undefined
): Effect.Effect<Layer.Layer<Downloads, StoreError>, StoreError, Surroundings> =>
  Effect.gen(function* () {
    const there = yield* exists(db)
    const { path } = Database.locate(db, yield* Surroundings)
    const engine = yield* Engine.load
    return there ? engine.layer({ database: path, ...idle }) : engine.layerMemory(idle)
  })

/**
 * The queue to add to; the database is made if it is missing. What is added is nobody's at once, so that a running engine
 * need not wait for the end of a long list.
 */
export const openToAdd = (
  db: string | undefined
): Effect.Effect<Layer.Layer<Downloads, StoreError>, StoreError, Surroundings> =>
  Effect.gen(function* () {
    const database = Database.locate(db, yield* Surroundings)
    yield* Database.prepare(database)
    const engine = yield* Engine.load
    return engine.layer({ database: database.path, adopt: true, autoStart: false })
  })
