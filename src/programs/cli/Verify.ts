/**
 * `sluice verify`: reads completed files again and compares them with what is known of them; a line for each, as it comes, or
 * one JSON object. Changes nothing, and needs no engine.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Verification } from "../../domain/Verification.js"
import { Result } from "../../domain/Verification.js"
import { Downloads } from "../../services/Downloads.js"
import * as Events from "./Events.js"
import { Unfinished, UsageError } from "./Failures.js"
import { printable } from "./Format.js"
import * as Ids from "./Ids.js"
import { Output } from "./Output.js"
import * as Queue from "./Queue.js"
import * as Which from "./Which.js"

/** The arguments of `verify`, read. */
export interface Asked {
  readonly ids: ReadonlyArray<string>
  readonly tag: string | undefined
  readonly group: string | undefined
  readonly db: string | undefined
  readonly json: boolean
}

const width = Math.max(...Result.literals.map((word) => word.length))

const line = ({ detail, path, result }: Verification): string =>
  `${result.padEnd(width)}  ${printable(path)}${detail === null ? "" : `: ${printable(detail)}`}\n`

/** The downloads meant by ids; one that is not completed has no file to verify. */
const byIds = (ids: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const rows = yield* Ids.resolve(ids)
    const other = rows.find(({ status }) => status !== "completed")
    if (other !== undefined) {
      return yield* new UsageError({
        reason: "NotCompleted",
        message: `${other.id} is ${other.status}, not completed: there is nothing to verify`,
        advice: "sluice ls --status completed lists what there is to verify; nothing was verified"
      })
    }
    return { ids: rows.map(({ id }) => id) }
  })

const selectionOf = ({ group, ids, tag }: Pick<Asked, "ids" | "tag" | "group">) => {
  if (ids.length === 0) return Which.select({ group, tag })
  return tag === undefined && group === undefined
    ? byIds(ids)
    : Effect.fail(
        new UsageError({
          reason: "Contradiction",
          message: "ids and --tag or --group were both given, and it is not clear which downloads are meant",
          advice: "give ids, or --tag and --group, or nothing for all; nothing was verified"
        })
      )
}

const summary = (counts: ReadonlyMap<Result, number>): string => {
  const parts = Result.literals.flatMap((result) => {
    const count = counts.get(result) ?? 0
    const what =
      result === "intact" ? "intact (no digest is known: only size, time and inode were compared)" : result
    return count === 0 ? [] : [`${count} ${what}`]
  })
  return `sluice: ${parts.length === 0 ? "nothing was completed; there is nothing to verify" : parts.join(", ")}\n`
}

/** The program over a queue. */
export const verify = (asked: Pick<Asked, "ids" | "tag" | "group" | "json">) =>
  Effect.gen(function* () {
    const output = yield* Output
    const downloads = yield* Downloads
    const selection = yield* selectionOf(asked)
    const counts = new Map<Result, number>()
    const found = selection === undefined ? Stream.empty : downloads.verify(selection)
    yield* Stream.runForEach(found, (verification) =>
      Effect.gen(function* () {
        counts.set(verification.result, (counts.get(verification.result) ?? 0) + 1)
        const now = yield* Clock.currentTimeMillis
        yield* output.out(
          asked.json ? Events.encode(Events.verification(verification, now)) : line(verification)
        )
      })
    )
    if (!asked.json) yield* output.err(summary(counts))
    if (counts.has("altered") || counts.has("missing") || counts.has("unreadable"))
      return yield* new Unfinished()
  })

export const run = Effect.fn("sluice.verify")(function* (asked: Asked) {
  const queue = yield* Queue.open(asked.db)
  yield* Effect.provide(verify(asked), queue)
})
