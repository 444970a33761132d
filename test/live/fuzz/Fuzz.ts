/**
 * The fuzz run: the shipped engine over the live Wire and a disk in memory, against answers whose head and framing were changed
 * at random. It may refuse whatever it likes; it may deliver only what a second reading of the same bytes calls complete,
 * byte for byte; it must come to an end each time, and leave no connection behind.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import { EngineId } from "../../../src/domain/Download.js"
import * as Database from "../../../src/layers/Database.js"
import * as Engine from "../../../src/layers/Engine.js"
import * as MemoryDisk from "../../../src/layers/MemoryDisk.js"
import * as UndiciWire from "../../../src/layers/UndiciWire.js"
import { Downloads } from "../../../src/services/Downloads.js"
import { EngineLife } from "../../../src/services/EngineLife.js"
import * as EngineOptions from "../../../src/services/EngineOptions.js"
import { PartFile } from "../../../src/services/PartFile.js"
import { contentOf } from "../origin/Content.js"
import { type Case, draw, pathOf } from "./Case.js"
import { read } from "./Reference.js"
import { type FuzzServer, make as makeServer } from "./Server.js"

export interface Finding {
  readonly seed: number
  readonly case: number
  readonly changes: ReadonlyArray<string>
  readonly what: string
}

export interface Report {
  readonly findings: ReadonlyArray<Finding>
  readonly delivered: number
  readonly refused: number
}

/** More than any case needs: silence is given up after a fraction of it. */
const patience = "20 seconds"

/** What a success of this case may be; undefined if it may not be one. */
const allowed = (one: Case): ReadonlyArray<Buffer> | string => {
  const content = (version: number) => contentOf(pathOf(one.number), version).slice(0, one.size)
  if (one.kind === "rest") return [content(1), content(2)]
  const reading = read(Buffer.concat(one.pieces), one.end === "fin")
  if (reading._tag === "Wrong") return reading.why
  if (reading.status !== 200) return `status ${reading.status}`
  const coded = reading.fields.some(
    ([name, value]) =>
      (name === "content-encoding" && value !== "" && value.toLowerCase() !== "identity") ||
      (name === "content-type" && /^multipart\/byteranges/i.test(value))
  )
  if (coded) return "a coding that was not asked for"
  const together = one.pieces.length === 1 && reading.body.length < 16 * 1024
  if (reading.framing === "length" && reading.excess && together) return "more than was announced"
  return [reading.body]
}

const judge = (one: Case, delivered: Uint8Array | undefined): string | undefined => {
  if (delivered === undefined) return undefined
  const right = allowed(one)
  if (typeof right === "string") return `it delivered ${delivered.length} bytes: ${right}`
  return right.some((bytes) => bytes.equals(delivered))
    ? undefined
    : `it delivered ${delivered.length} bytes that were never served as a whole`
}

const play = (server: FuzzServer, files: MemoryDisk.MemoryDisk["files"], one: Case) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    server.add(one)
    const directory = "/fuzz"
    const row = yield* downloads.enqueue({
      url: server.url(one),
      directory,
      options: {
        maxRetries: one.kind === "whole" ? 0 : 3,
        retryDelay: 1,
        timeout: 5000,
        stallTimeout: 2000,
        giveUp: 1
      }
    })
    const settled = yield* downloads.settled(row.id)
    server.remove(one)
    if (settled.status !== "completed") return { finding: undefined, delivered: false }
    const file = `${directory}/${settled.filename}`
    const finding = judge(one, files.get(file)?.data ?? Buffer.from("nothing"))
    files.delete(file)
    return { finding, delivered: true }
  }).pipe(
    Effect.timeoutTo({
      duration: patience,
      onSuccess: (played: { finding: string | undefined; delivered: boolean }) => played,
      onTimeout: () => ({ finding: "it has not come to an end", delivered: false })
    })
  )

/** Runs the cases of a seed, many at a time. */
export const run = (seed: number, numbers: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const server = yield* makeServer
    const { disk, files } = MemoryDisk.make()
    const engine = Engine.layer.pipe(
      Layer.provide([
        UndiciWire.layer,
        Layer.succeed(PartFile, disk),
        Layer.succeed(EngineLife, { id: EngineId.make("fuzz"), isAlive: () => Effect.succeed(false) }),
        Database.layerMemory,
        Layer.succeed(EngineOptions.EngineOptions, {
          ...EngineOptions.defaults,
          concurrency: 32
        })
      ])
    )
    const findings: Array<Finding> = []
    let delivered = 0
    yield* Effect.forEach(
      numbers,
      (number) =>
        Effect.gen(function* () {
          const one = draw(seed, number)
          const played = yield* play(server, files, one)
          if (played.delivered) delivered++
          if (played.finding !== undefined)
            findings.push({ seed, case: number, changes: one.changes, what: played.finding })
        }),
      { concurrency: 32, discard: true }
    ).pipe(Effect.provide(engine), Effect.scoped)
    // the engine is gone, and its sockets with it
    const left = yield* Effect.sync(server.connections).pipe(
      Effect.repeat({
        until: (count) => count === 0,
        schedule: Schedule.spaced("10 millis").pipe(Schedule.upTo("5 seconds"))
      }),
      Effect.zipRight(Effect.sync(server.connections))
    )
    if (left > 0)
      findings.push({ seed, case: -1, changes: [], what: `${left} connections were left open by the engine` })
    return { findings, delivered, refused: numbers.length - delivered } satisfies Report
  }).pipe(Effect.scoped, Logger.withMinimumLogLevel(LogLevel.Error))
