/**
 * How one claim of one download ends, over the real store: what a whole engine can't be stopped at the right instant for.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Download } from "../../src/domain/Download.js"
import { Identified, Publishing, Succeeded } from "../../src/domain/Message.js"
import * as Database from "../../src/layers/Database.js"
import * as InlineHasher from "../../src/layers/InlineHasher.js"
import * as MemoryDisk from "../../src/layers/MemoryDisk.js"
import * as SqlStore from "../../src/layers/SqlStore.js"
import * as Tracing from "../../src/layers/Tracing.js"
import * as Worker from "../../src/layers/Worker.js"
import { defaults } from "../../src/services/EngineOptions.js"
import { Store } from "../../src/services/Store.js"
import type { Reporter } from "../../src/services/Transport.js"
import { part, record, strong } from "../domain/Fixtures.js"
import { claimOne, lifeOf, me, one } from "./storeFixtures.js"

const store = SqlStore.layer.pipe(Layer.provide([Layer.fresh(Database.layerMemory), lifeOf(me)]))

/** A claim of which all goes as `begin` says; and the row that it leaves. */
const claimed = (begin: (download: Download, reporter: Reporter) => Effect.Effect<unknown, never>) =>
  Effect.gen(function* () {
    const store = yield* Store
    const { disk } = MemoryDisk.make()
    const worker = Worker.make({
      store,
      disk,
      hasher: InlineHasher.make(disk),
      lists: { settle: () => Effect.dieMessage("no list is asked for") },
      revalidation: { ask: () => Effect.dieMessage("nothing is asked") },
      transport: {
        begin: (download, reporter) => Effect.zipRight(begin(download, reporter), Effect.interrupt),
        transfer: () => Effect.dieMessage("nothing is transferred")
      },
      options: defaults,
      listeners: Tracing.nobody,
      destination: { _tag: "Files" }
    })
    yield* one("http://h/f")
    const download = yield* claimOne
    const gauge = { received: 0, total: undefined, state: "" }
    const exit = yield* Effect.exit(worker.run(download, gauge, () => false, Effect.void))
    return { exit, row: (yield* store.list({}))[0]! }
  }).pipe(Effect.provide(store))

describe("a claim that is interrupted", () => {
  it.effect("is released", () =>
    Effect.gen(function* () {
      const { exit, row } = yield* claimed(() => Effect.void)
      expect(exit).toEqual(Exit.void)
      expect(row).toMatchObject({ status: "pending", strikes: [], failure: null })
    })
  )

  it.effect("in the instant after its end was recorded has ended", () =>
    Effect.gen(function* () {
      const { exit, row } = yield* claimed((_, { tell }) =>
        Effect.forEach(
          [
            Identified({ filename: record.name, part, total: record.size, validator: strong }),
            Publishing({ record, verified: null }),
            Succeeded({ outcome: "fetched", record })
          ],
          tell
        ).pipe(Effect.orDie)
      )
      expect(exit).toEqual(Exit.void)
      expect(row).toMatchObject({ status: "completed", outcome: "fetched", failure: null })
    })
  )
})
