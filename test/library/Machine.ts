/**
 * A machine for tests of several engines: one database, one disk, one server, and locks that are free when a test says so.
 */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as FileSystem from "node:fs"
import * as Layer from "effect/Layer"
import * as os from "node:os"
import * as path from "node:path"
import * as Scope from "effect/Scope"
import { onTestFinished } from "vitest"
import { EngineId } from "../../src/domain/Download.js"
import * as Database from "../../src/layers/Database.js"
import * as Engine from "../../src/layers/Engine.js"
import * as MemoryDisk from "../../src/layers/MemoryDisk.js"
import * as ScriptedWire from "../../src/layers/ScriptedWire.js"
import { Downloads, type Shape } from "../../src/services/Downloads.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import * as EngineOptions from "../../src/services/EngineOptions.js"
import { PartFile, type Shape as Disk } from "../../src/services/PartFile.js"
import { Wire } from "../../src/services/Wire.js"
import { bytes } from "../layers/fakes.js"

/** A machine: one database, one disk, one server that sends ten bytes in ten seconds, or never any. */
export const machine = (withDisk: (disk: Disk) => Disk = (disk) => disk) => {
  // of the test, not of this module: files of one project share a process, and with it what modules hold
  const directory = FileSystem.mkdtempSync(path.join(os.tmpdir(), "sluice-several-"))
  onTestFinished(() => FileSystem.rmSync(directory, { recursive: true }))
  const file = path.join(directory, "sluice.db")
  const alive = new Set<EngineId>()
  const { disk, files: kept } = MemoryDisk.make()
  const paths = Effect.sync(() => [...kept.keys()])
  const { served, wire } = ScriptedWire.make((_, { url }) =>
    url.endsWith("never")
      ? { status: 200, headers: { "content-length": "20", etag: '"a"' }, body: [bytes(10), "forever"] }
      : {
          status: 200,
          headers: { "content-length": "10", etag: '"a"' },
          body: Array.from({ length: 10 }, () => [1000, bytes(1)]).flat()
        }
  )
  /** Starts an engine; `die` leaves everything as it is, and frees its lock. */
  const engine = (name: string, options: Partial<EngineOptions.EngineOptionsShape> = {}) =>
    Effect.gen(function* () {
      const id = EngineId.make(name)
      alive.add(id)
      const scope = yield* Scope.fork(yield* Effect.scope, ExecutionStrategy.sequential)
      const layer = Engine.layer.pipe(
        Layer.provide([
          Layer.succeed(Wire, wire),
          Layer.succeed(PartFile, withDisk(disk)),
          Layer.succeed(EngineLife, { id, isAlive: (other) => Effect.sync(() => alive.has(other)) }),
          Database.layerFile(file),
          Layer.succeed(EngineOptions.EngineOptions, { ...EngineOptions.defaults, ...options })
        ])
      )
      const context = yield* Layer.buildWithScope(layer, scope)
      const downloads: Shape = yield* Effect.provide(Downloads, context)
      return {
        downloads,
        /** As a kill would: the lock is free, and nothing more is done. */
        die: Effect.sync(() => void alive.delete(id)),
        close: Scope.close(scope, Exit.void)
      }
    })
  return { engine, paths, served }
}
