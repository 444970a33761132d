/**
 * The smallest possible world for tests that own time: a scripted server and a disk in memory, both without any real IO,
 * under the engine as it is shipped.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { EngineId } from "../../src/domain/Download.js"
import { type DownloadError, make as makeError } from "../../src/domain/DownloadError.js"
import * as FileErrors from "../../src/domain/FileError.js"
import type { FileFacts } from "../../src/domain/FileFacts.js"
import { fromPairs } from "../../src/domain/Headers.js"
import * as Database from "../../src/layers/Database.js"
import * as Engine from "../../src/layers/Engine.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import * as EngineOptions from "../../src/services/EngineOptions.js"
import { type Handle, PartFile } from "../../src/services/PartFile.js"
import { Wire, type WireRequest } from "../../src/services/Wire.js"

/** One step of a body: bytes, a pause in milliseconds, something to do, or how it ends early. */
export type Step = Uint8Array | number | (() => void) | DownloadError | "forever"

export interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: ReadonlyArray<Step>
}

/** What the server does with the n-th request (from 0); an error means that no head ever comes. */
export type Script = (n: number, request: WireRequest) => Answer | DownloadError | "forever"

export interface Served {
  readonly at: number
  readonly headers: ReadonlyMap<string, string>
  aborted: boolean
}

export const scriptedWire = (script: Script) => {
  const served: Array<Served> = []
  const layer = Layer.succeed(Wire, {
    request: (request) =>
      Effect.gen(function* () {
        const clock = yield* Effect.clock
        const log: Served = {
          at: clock.unsafeCurrentTimeMillis(),
          headers: new Map(request.headers.map(([name, value]) => [name.toLowerCase(), value])),
          aborted: true
        }
        const answer = script(served.push(log) - 1, request)
        request.activity.phase = "awaiting-head"
        if (answer === "forever") return yield* Effect.never
        if ("reason" in answer) return yield* answer
        return {
          status: answer.status,
          headers: fromPairs(Object.entries(answer.headers ?? {})),
          discard: Effect.sync(() => (log.aborted = false)),
          pipe: (sink) =>
            Effect.gen(function* () {
              request.activity.phase = "body"
              let refused: DownloadError | undefined
              sink.onFailure = (error) => (refused = error)
              for (const step of answer.body ?? []) {
                if (step === "forever") return yield* Effect.never
                if (typeof step === "function") step()
                else if (typeof step === "number") yield* Effect.sleep(step)
                else if (step instanceof Uint8Array) {
                  request.activity.bytes += step.length
                  sink.write(step)
                  if (refused !== undefined) return yield* refused
                } else return yield* step
              }
              log.aborted = false
            })
        }
      })
  })
  return { layer, served }
}

interface MemoryFile {
  readonly ino: number
  data: Uint8Array
}

export const memoryDisk = () => {
  const files = new Map<string, MemoryFile>()
  const syncs: Array<number> = []
  let hanging = false
  let failing = false
  let reading: Effect.Effect<void> = Effect.void
  let inodes = 0
  const fail = (code: string, operation: string, path: string) =>
    Effect.fail(FileErrors.fromCode(code, operation, path))
  const factsOf = (file: MemoryFile): FileFacts => ({
    kind: "file",
    dev: "1",
    ino: String(file.ino),
    size: file.data.length,
    mtime: "0"
  })
  const handleOf = (file: MemoryFile): Handle => ({
    identity: { dev: "1", ino: String(file.ino) },
    writeAt: (buffers, position, done) => {
      const bytes = Buffer.concat(buffers)
      const data = new Uint8Array(Math.max(file.data.length, position + bytes.length))
      data.set(file.data)
      data.set(bytes, position)
      file.data = data
      done(undefined)
    },
    readAt: (buffer, position) =>
      Effect.flatMap(reading, () =>
        Effect.sync(() => {
          const bytes = file.data.subarray(position, position + buffer.length)
          buffer.set(bytes)
          return bytes.length
        })
      ),
    sync: Effect.flatMap(Effect.clock, (clock) => {
      syncs.push(clock.unsafeCurrentTimeMillis())
      if (failing) {
        failing = false
        // a while after it began, as disks do
        return Effect.zipRight(Effect.sleep(20), fail("EIO", "sync", "the part"))
      }
      return hanging ? Effect.never : Effect.void
    }),
    truncate: (length) =>
      Effect.sync(() => {
        file.data = file.data.slice(0, length)
      }),
    facts: Effect.sync(() => factsOf(file))
  })
  const layer = Layer.succeed(PartFile, {
    create: (path) =>
      Effect.suspend(() => {
        if (files.has(path)) return fail("EEXIST", "create", path)
        const file = { ino: ++inodes, data: new Uint8Array() }
        files.set(path, file)
        return Effect.succeed(handleOf(file))
      }),
    open: (path) => Effect.sync(() => Option.map(Option.fromNullable(files.get(path)), handleOf)),
    facts: (path) => Effect.sync(() => Option.map(Option.fromNullable(files.get(path)), factsOf)),
    link: (from, to) =>
      Effect.suspend(() => {
        if (files.has(to)) return fail("EEXIST", "link", to)
        files.set(to, files.get(from)!)
        return Effect.void
      }),
    rename: (from, to) =>
      Effect.sync(() => {
        files.set(to, files.get(from)!)
        files.delete(from)
      }),
    remove: (path) => Effect.sync(() => files.delete(path)),
    syncDirectory: () => Effect.void,
    ensureDirectory: () => Effect.void
  })
  return {
    layer,
    files,
    syncs,
    hang: () => (hanging = true),
    failSync: () => (failing = true),
    /** What happens before every read. */
    beforeReads: (effect: Effect.Effect<void>): void => {
      reading = effect
    }
  }
}

/** The engine over a scripted server, a disk in memory and a database in memory. */
export const world = (script: Script, options: Partial<EngineOptions.EngineOptionsShape> = {}) => {
  const wire = scriptedWire(script)
  const disk = memoryDisk()
  const life = Layer.succeed(EngineLife, { id: EngineId.make("test"), isAlive: () => Effect.succeed(false) })
  const engine = Engine.layer.pipe(
    Layer.provide([
      wire.layer,
      disk.layer,
      life,
      Database.layerMemory,
      Layer.succeed(EngineOptions.EngineOptions, { ...EngineOptions.defaults, ...options })
    ])
  )
  return {
    engine,
    served: wire.served,
    files: disk.files,
    syncs: disk.syncs,
    hang: disk.hang,
    failSync: disk.failSync,
    beforeReads: disk.beforeReads
  }
}

export const reset = makeError("ConnectionReset", "reset by the script")

export const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill)
