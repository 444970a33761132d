import * as Effect from "effect/Effect"
import * as FileSystem from "node:fs"
import * as Layer from "effect/Layer"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"
import type { EngineId } from "../../src/domain/Download.js"
import * as Database from "../../src/layers/Database.js"
import * as SqlStore from "../../src/layers/SqlStore.js"
import { admissionSuite } from "./admissionSuite.js"
import { commandSuite } from "./commandSuite.js"
import { lifeOf } from "./storeFixtures.js"
import { storeSuite } from "./storeSuite.js"

const directory = FileSystem.mkdtempSync(path.join(os.tmpdir(), "sluice-store-"))
afterAll(() => FileSystem.rmSync(directory, { recursive: true }))

const inMemory = (engine: EngineId) =>
  SqlStore.layer.pipe(Layer.provide([Layer.fresh(Database.layerMemory), lifeOf(engine)]))

let files = 0
/** One file per test: a new one each time the first engine is built. */
const inFile = (engine: EngineId) =>
  Layer.unwrapEffect(
    Effect.sync(() => {
      if (engine === "engine-a") files += 1
      const file = path.join(directory, `${files}.db`)
      return SqlStore.layer.pipe(Layer.provide([Database.layerFile(file), lifeOf(engine)]))
    })
  )

for (const [name, layer, shared] of [
  ["SQLite in memory", inMemory, false],
  ["SQLite in a file", inFile, true]
] as const) {
  storeSuite(name, layer, shared)
  admissionSuite(name, layer)
  commandSuite(name, layer, shared)
}
