import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { EngineId } from "../../../src/domain/Download.js"
import * as Database from "../../../src/layers/Database.js"
import * as SqlStore from "../../../src/layers/SqlStore.js"
import * as Consumers from "../../../src/programs/cli/Consumers.js"
import { Event } from "../../../src/programs/cli/EventSchema.js"
import { Output } from "../../../src/programs/cli/Output.js"
import { EngineLife } from "../../../src/services/EngineLife.js"
import { Outbox } from "../../../src/services/Outbox.js"
import { streams } from "./Fixtures.js"
import { nowhere, sluice } from "./Program.js"

const engine = EngineId.make("engine-a")
const outbox = SqlStore.layer.pipe(
  Layer.provide([
    Layer.fresh(Database.layerMemory),
    Layer.succeed(EngineLife, { id: engine, isAlive: (id) => Effect.succeed(id === engine) })
  ])
)

/** Runs the effect, and tells what was written and what went wrong. */
const written = <E, R>(effect: Effect.Effect<void, E, R>) =>
  Effect.gen(function* () {
    const { output, stderr, stdout } = streams()
    const exit = yield* Effect.either(Effect.provideService(effect, Output, output))
    return { exit, stderr, stdout }
  })

describe("consumers", () => {
  it.effect("are listed with how far they are and who reads them, and forgotten by name", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* outbox.register("\u001b[2Jconverter", "start")
      const reader = yield* outbox.open("index", "now")
      const table = yield* written(Consumers.list({ json: false }))
      expect(table.stdout.text).toBe(
        [
          "NAME           BEHIND  POSITION  READER",
          "\ufffd[2Jconverter       0         0  -",
          `index               0         0  process ${process.pid}`,
          ""
        ].join("\n")
      )
      const lines = yield* written(Consumers.list({ json: true }))
      const events = lines.stdout.lines.map((line) => Schema.decodeUnknownSync(Schema.parseJson(Event))(line))
      expect(events).toMatchObject([
        { event: "consumer", name: "\u001b[2Jconverter", behind: 0, reader: null, pid: null },
        { event: "consumer", name: "index", reader: engine, pid: process.pid }
      ])
      const busy = yield* written(Consumers.remove(["index"], { json: false }))
      expect(busy.exit).toMatchObject({ _tag: "Left", left: { _tag: "UsageError" } })
      yield* outbox.close(reader)
      const removed = yield* written(Consumers.remove(["index", "none"], { json: false }))
      expect(removed.stderr.text).toBe('sluice: the consumer "index" is forgotten\n')
      expect(removed.exit).toMatchObject({ left: { message: 'there is no consumer "none"' } })
      const last = yield* written(Consumers.remove(["\u001b[2Jconverter"], { json: true }))
      expect(yield* Schema.decodeUnknown(Schema.parseJson(Event))(last.stdout.text)).toMatchObject({
        event: "consumer-removed",
        name: "\u001b[2Jconverter"
      })
      const nothing = yield* written(Consumers.list({ json: false }))
      expect(nothing.stdout.text).toBe("")
    }).pipe(Effect.provide(outbox))
  )

  it.effect("what is typed wrongly is a usage error, and a default database is none until it is made", () =>
    Effect.gen(function* () {
      const of = (...words: ReadonlyArray<string>) =>
        Effect.map(sluice("consumers", ...words), ({ code, stderr }) => [code, stderr.text.split("\n")[0]])
      expect(yield* of()).toEqual([0, ""])
      expect(yield* of("ls")).toEqual([0, ""])
      expect(yield* of("ls", "x")).toEqual([2, "sluice: consumers ls takes no names"])
      expect(yield* of("rm")).toEqual([2, "sluice: consumers rm: the name of a consumer is missing"])
      expect(yield* of("rm", "x")).toEqual([2, 'sluice: there is no consumer "x"'])
      expect(yield* of("drop")).toEqual([
        2,
        'sluice: consumers: there is no action "drop"; there are ls and rm'
      ])
      expect(yield* of("--db", `${nowhere}/q.db`)).toEqual([
        3,
        `sluice: the database ${nowhere}/q.db can't be opened (there is no such file)`
      ])
    })
  )
})
