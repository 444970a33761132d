/**
 * `sluice consumers ls` and `sluice consumers rm NAME...`: who is to hear of the ends of downloads, and how far they are. Starts
 * nothing; what is removed is forgotten, and refused while somebody reads it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Consumer, ConsumerUnknown, maxBehind } from "../../domain/Consumer.js"
import { StoreError } from "../../domain/StoreError.js"
import { Outbox } from "../../services/Outbox.js"
import * as Database from "./Database.js"
import * as Engine from "./Engine.js"
import * as Events from "./Events.js"
import { UsageError } from "./Failures.js"
import * as Format from "./Format.js"
import { Output } from "./Output.js"
import type { Column } from "./Table.js"
import { Surroundings } from "./Surroundings.js"

/** What can be done with consumers. */
export const actions = ["ls", "rm"] as const

/** The arguments of `consumers`, read. */
export interface Asked {
  readonly db: string | undefined
  readonly json: boolean
  /** What follows the command: the action, and its names. */
  readonly words: ReadonlyArray<string>
}

const usage = (message: string, advice = "see sluice consumers --help") =>
  new UsageError({ reason: "BadArguments", message, advice })

const unknown = ({ message }: ConsumerUnknown) => usage(Format.printable(message), "see sluice consumers ls")

const quoted = (text: string): string => Format.printable(JSON.stringify(text))

const head: ReadonlyArray<Column> = [
  { heading: "NAME", side: "right" },
  { heading: "BEHIND", side: "left" },
  { heading: "POSITION", side: "left" },
  { heading: "READER", side: "right" }
]

const cells = ({ behind, name, pid, position, reader }: Consumer): ReadonlyArray<string> => [
  Format.printable(name),
  `${behind}${behind >= maxBehind ? "+" : ""}`,
  String(position),
  reader === null ? "-" : pid === null ? reader : `process ${pid}`
]

/** All consumers, over an outbox. */
export const list = ({ json }: Pick<Asked, "json">) =>
  Effect.gen(function* () {
    const consumers = yield* (yield* Outbox).list
    const output = yield* Output
    if (json) {
      const at = yield* Clock.currentTimeMillis
      yield* output.out(consumers.map((one) => Events.encode(Events.consumer(one, at))).join(""))
    } else if (consumers.length > 0) {
      const { render } = yield* Effect.promise(() => import("./Table.js"))
      yield* output.out(
        render(head, consumers.map(cells), output.outIsTerminal ? output.columns() : undefined)
      )
    }
  })

/** Forgets these, in their order; the first that can't be forgotten ends it. */
export const remove = (names: ReadonlyArray<string>, { json }: Pick<Asked, "json">) =>
  Effect.gen(function* () {
    const outbox = yield* Outbox
    const output = yield* Output
    for (const name of names) {
      yield* outbox.remove(name).pipe(
        Effect.catchTags({
          ConsumerBusy: ({ message }) => usage(Format.printable(message), "end its reader first"),
          ConsumerUnknown: unknown
        })
      )
      yield* json
        ? output.out(Events.encode(Events.consumerRemoved(name, yield* Clock.currentTimeMillis)))
        : output.err(`sluice: the consumer ${quoted(name)} is forgotten\n`)
    }
  })

/** What is asked for, in words. */
const parse = ([action = "ls", ...names]: Asked["words"]): Effect.Effect<
  ReadonlyArray<string> | "ls",
  UsageError
> => {
  switch (action) {
    case "ls":
      return names.length === 0 ? Effect.succeed("ls") : usage("consumers ls takes no names")
    case "rm":
      return names.length > 0
        ? Effect.succeed(names)
        : usage("consumers rm: the name of a consumer is missing")
    default:
      return usage(`consumers: there is no action ${quoted(action)}; there are ${actions.join(" and ")}`)
  }
}

export const consumers = Effect.fn("sluice.consumers")(function* (asked: Asked) {
  const wanted = yield* parse(asked.words)
  const database = Database.locate(asked.db, yield* Surroundings)
  if (!(yield* Database.exists(database))) {
    if (!database.isDefault) {
      return yield* new StoreError({
        reason: "Unavailable",
        path: database.path,
        detail: "there is no such file"
      })
    }
    return wanted === "ls" ? undefined : yield* unknown(new ConsumerUnknown({ name: wanted[0]! }))
  }
  const engine = yield* Engine.load
  yield* Effect.provide(
    wanted === "ls" ? list(asked) : remove(wanted, asked),
    engine.layerStore({ database: database.path })
  )
})
