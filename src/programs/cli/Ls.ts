/**
 * `sluice ls`: what is in the database, as a table or as lines of JSON. Reads only: nothing is started, and a default
 * database that was never made is an empty one.
 */
import * as Effect from "effect/Effect"
import type { Status } from "../../domain/Download.js"
import { StoreError } from "../../domain/StoreError.js"
import { Store } from "../../services/Store.js"
import * as Database from "./Database.js"
import * as Engine from "./Engine.js"
import * as Events from "./Events.js"
import { Output } from "./Output.js"
import { Surroundings } from "./Surroundings.js"

/** The arguments of `ls`, read. */
export interface Asked {
  readonly db: string | undefined
  /** Empty for all. */
  readonly status: ReadonlyArray<Status>
  readonly limit: number
  readonly json: boolean
}

/** The program over a store. */
export const list = (asked: Asked) =>
  Effect.gen(function* () {
    const store = yield* Store
    const output = yield* Output
    // one more than wanted tells whether there are more
    const found = yield* store.list({
      ...(asked.status.length > 0 ? { status: asked.status } : {}),
      limit: asked.limit + 1
    })
    const shown = found.slice(-asked.limit)
    if (asked.json)
      yield* output.out(shown.map((download) => Events.encode(Events.listed(download))).join(""))
    else if (shown.length > 0) {
      // it measures text, and what does that takes a while to load
      const { table } = yield* Effect.promise(() => import("./Table.js"))
      yield* output.out(table(shown, output.outIsTerminal ? output.columns() : undefined))
    }
    if (found.length > shown.length) {
      yield* output.err(
        `sluice: only the newest ${shown.length} are shown; there are more (--limit, --status)\n`
      )
    }
  })

export const ls = Effect.fn("sluice.ls")(function* (asked: Asked) {
  const database = Database.locate(asked.db, yield* Surroundings)
  if (!(yield* Database.exists(database))) {
    if (database.isDefault) return
    return yield* new StoreError({
      reason: "Unavailable",
      path: database.path,
      detail: "there is no such file"
    })
  }
  const engine = yield* Engine.load
  yield* Effect.provide(list(asked), engine.layerStore({ database: database.path }))
})
