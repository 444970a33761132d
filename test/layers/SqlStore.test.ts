import * as Effect from "effect/Effect"
import * as FileSystem from "node:fs"
import * as Layer from "effect/Layer"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"
import type { EngineId } from "../../src/domain/Download.js"
import * as Database from "../../src/layers/Database.js"
import * as SqlStore from "../../src/layers/SqlStore.js"
import { lifeOf, storeSuite } from "./storeSuite.js"

const directory = FileSystem.mkdtempSync(path.join(os.tmpdir(), "sluice-store-"))
afterAll(() => FileSystem.rmSync(directory, { recursive: true }))

storeSuite(
  "SQLite in memory",
  (engine) => SqlStore.layer.pipe(Layer.provide([Database.layerMemory, lifeOf(engine)])),
  false
)

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

storeSuite("SQLite in a file", inFile, true)
