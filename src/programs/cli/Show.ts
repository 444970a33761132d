/**
 * `sluice show ID`: one download in full, with its tries: a page for people, or one JSON object. Reads only.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Downloads } from "../../services/Downloads.js"
import * as Events from "./Events.js"
import { UsageError } from "./Failures.js"
import * as Ids from "./Ids.js"
import * as LeftAlone from "./LeftAlone.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"

/** The arguments of `show`, read. */
export interface Asked {
  readonly ids: ReadonlyArray<string>
  readonly db: string | undefined
  readonly json: boolean
}

/** The program over a queue. */
export const show = ({ ids, json }: Pick<Asked, "ids" | "json">) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const output = yield* Output
    const rows = yield* Ids.resolve(ids)
    const now = yield* Clock.currentTimeMillis
    const leftAlone = LeftAlone.among(yield* downloads.hosts, now)
    for (const [index, download] of rows.entries()) {
      const attempts = yield* downloads.attempts(download.id)
      if (json) {
        yield* output.out(Events.encode(Events.shown(download, attempts, leftAlone(download))))
        continue
      }
      // it measures text, and what does that takes a while to load
      const { page } = yield* Effect.promise(() => import("./DetailPage.js"))
      const manner = {
        columns: output.outIsTerminal ? output.columns() : undefined,
        color: output.outColor,
        now,
        cooling: leftAlone(download)
      }
      yield* output.out((index === 0 ? "" : "\n") + page(download, attempts, manner))
    }
  })

export const run = Effect.fn("sluice.show")(function* (asked: Asked) {
  if (asked.ids.length === 0) {
    return yield* new UsageError({
      reason: "NoDownload",
      message: "it is not said which download to show",
      advice: "give its id, or the first characters of it; sluice ls lists what there is"
    })
  }
  const queue = yield* Queue.open(asked.db)
  yield* Effect.provide(show(asked), queue)
})
