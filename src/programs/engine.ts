/**
 * The live engine: SQLite in a file, undici, node:fs, and a locked sidecar beside the database.
 */
import * as Layer from "effect/Layer"
import type { StoreError } from "../domain/StoreError.js"
import * as Database from "../layers/Database.js"
import * as Engine from "../layers/Engine.js"
import * as NodePartFile from "../layers/NodePartFile.js"
import * as SidecarLock from "../layers/SidecarLock.js"
import * as SqlStore from "../layers/SqlStore.js"
import * as UndiciWire from "../layers/UndiciWire.js"
import type { Downloads } from "../services/Downloads.js"
import * as EngineOptions from "../services/EngineOptions.js"
import type { Store } from "../services/Store.js"

interface Config {
  /** The database file; its directory must exist. */
  readonly database: string
  readonly engine?: Partial<EngineOptions.EngineOptionsShape>
}

/** Of the live engine, in milliseconds. */
const commitInterval = 2

/** Starts working at once and stops, within its bound, when the layer is closed. */
export const layer = ({ database, engine }: Config): Layer.Layer<Downloads, StoreError> => {
  const options: EngineOptions.EngineOptionsShape = { ...EngineOptions.defaults, commitInterval, ...engine }
  return Engine.layer.pipe(
    Layer.provide(SidecarLock.layer(database)),
    Layer.provide(Database.layerFile(database, options.durability)),
    Layer.provide(UndiciWire.layer),
    Layer.provide(options.durability === "crash" ? NodePartFile.layerUnsynced : NodePartFile.layer),
    Layer.provide(Layer.succeed(EngineOptions.EngineOptions, options))
  )
}

/** The store alone: to look, without downloading anything. */
export const layerStore = ({ database }: Config): Layer.Layer<Store, StoreError> =>
  SqlStore.layer.pipe(Layer.provide(SidecarLock.layer(database)), Layer.provide(Database.layerFile(database)))
