/**
 * `sluice stats`: the queue in numbers, the hosts that are left alone for a while, and the engines; tables for people, or
 * one JSON object. Reads only.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Downloads } from "../../services/Downloads.js"
import * as Events from "./Events.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"
import { Surroundings } from "./Surroundings.js"

/** The arguments of `stats`, read. */
export interface Asked {
  readonly db: string | undefined
  readonly json: boolean
}

/** The program over a queue. */
export const stats = ({ json }: Pick<Asked, "json">) =>
  Effect.gen(function* () {
    const output = yield* Output
    const { pid } = yield* Surroundings
    const all = yield* (yield* Downloads).stats
    // this process has an engine too, which does nothing
    const others = { ...all, engines: all.engines.filter((engine) => engine.pid !== pid) }
    const now = yield* Clock.currentTimeMillis
    if (json) return yield* output.out(Events.encode(Events.statistics(others, now)))
    // it measures text, and what does that takes a while to load
    const { page } = yield* Effect.promise(() => import("./StatsPage.js"))
    yield* output.out(page(others, { columns: output.outIsTerminal ? output.columns() : undefined, now }))
  })

export const run = Effect.fn("sluice.stats")(function* (asked: Asked) {
  const queue = yield* Queue.open(asked.db)
  yield* Effect.provide(stats(asked), queue)
})
