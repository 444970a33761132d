/**
 * `sluice stats`: the queue in numbers: by status, over the last minutes, why downloads failed or wait, the hosts, and the engines; tables
 * for people, or one JSON object. Reads only, by a connection that can't write.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { empty } from "../../domain/Survey.js"
import { Survey } from "../../services/Survey.js"
import * as Database from "./Database.js"
import * as Engine from "./Engine.js"
import * as Events from "./Events.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"
import { Surroundings } from "./Surroundings.js"

/** The arguments of `stats`, read. */
export interface Asked {
  readonly db: string | undefined
  readonly hosts: number
  readonly json: boolean
}

/** The program over a survey; without one, of a queue that was never made. */
export const stats = ({ hosts, json }: Pick<Asked, "json" | "hosts">) =>
  Effect.gen(function* () {
    const output = yield* Output
    const survey = yield* Effect.serviceOption(Survey)
    const report = survey._tag === "None" ? empty : yield* survey.value.report({ hosts })
    const now = yield* Clock.currentTimeMillis
    if (json) return yield* output.out(Events.encode(Events.statistics(report, now)))
    // it measures text, and what does that takes a while to load
    const { page } = yield* Effect.promise(() => import("./StatsPage.js"))
    yield* output.out(page(report, { columns: output.outIsTerminal ? output.columns() : undefined, now }))
  })

export const run = Effect.fn("sluice.stats")(function* (asked: Asked) {
  if (!(yield* Queue.exists(asked.db))) return yield* stats(asked)
  const { path } = Database.locate(asked.db, yield* Surroundings)
  const { layerSurvey } = yield* Engine.load
  yield* Effect.provide(stats(asked), layerSurvey({ database: path }))
})
