/**
 * The smallest possible world for tests that own time: a scripted server and a disk in memory, both without any real IO,
 * under the engine as it is shipped.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { type Download, EngineId } from "../../src/domain/Download.js"
import { make as makeError } from "../../src/domain/DownloadError.js"
import * as Database from "../../src/layers/Database.js"
import * as Engine from "../../src/layers/Engine.js"
import * as MemoryDisk from "../../src/layers/MemoryDisk.js"
import * as ScriptedWire from "../../src/layers/ScriptedWire.js"
import { Downloads } from "../../src/services/Downloads.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import * as EngineOptions from "../../src/services/EngineOptions.js"
import { PartFile } from "../../src/services/PartFile.js"
import { Store } from "../../src/services/Store.js"
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

/** Lets time pass until the download has settled. */
export const settle = (download: Pick<Download, "id">) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const fiber = yield* Effect.fork(downloads.settled(download.id))
    yield* TestClock.adjust("1 day")
    return yield* Fiber.join(fiber)
  })

/** Waits for a row of this status to be committed. */
export const reaches = (download: Pick<Download, "id">, status: Download["status"]) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const store = yield* Store
    const bell = yield* Effect.makeLatch(false)
    yield* store.onCommit(() => void bell.unsafeOpen())
    for (;;) {
      const [row] = (yield* downloads.list()).filter(({ id }) => id === download.id)
      if (row!.status === status) return row!
      yield* bell.await
      yield* bell.close
    }
  }).pipe(Effect.scoped)
