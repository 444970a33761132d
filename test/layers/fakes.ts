/**
 * The smallest possible world for tests that own time: a scripted server and a disk in memory, both without any real IO,
 * under the engine as it is shipped.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { EngineId } from "../../src/domain/Download.js"
import { make as makeError } from "../../src/domain/DownloadError.js"
import * as Database from "../../src/layers/Database.js"
import * as Engine from "../../src/layers/Engine.js"
import * as MemoryDisk from "../../src/layers/MemoryDisk.js"
import * as ScriptedWire from "../../src/layers/ScriptedWire.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import * as EngineOptions from "../../src/services/EngineOptions.js"
import { PartFile } from "../../src/services/PartFile.js"
import { Wire } from "../../src/services/Wire.js"

export type { Script, Step } from "../../src/layers/ScriptedWire.js"

/** The engine over a scripted server, a disk in memory and a database in memory. */
export const world = (
  script: ScriptedWire.Script,
  options: Partial<EngineOptions.EngineOptionsShape> = {}
) => {
  const { served, wire } = ScriptedWire.make(script)
  const { disk, ...controls } = MemoryDisk.make()
  const life = Layer.succeed(EngineLife, { id: EngineId.make("test"), isAlive: () => Effect.succeed(false) })
  const engine = Engine.layer.pipe(
    Layer.provide([
      Layer.succeed(Wire, wire),
      Layer.succeed(PartFile, disk),
      life,
      Database.layerMemory,
      Layer.succeed(EngineOptions.EngineOptions, { ...EngineOptions.defaults, ...options })
    ])
  )
  return { engine, served, ...controls }
}

export const reset = makeError("ConnectionReset", "reset by the script")

export const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill)
