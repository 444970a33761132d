/**
 * The suite for sinks: passed by a store in memory and by the MBTiles file of the examples, and each rule notices the store that
 * breaks it.
 */
import Database from "better-sqlite3"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { open } from "../../../examples/mbtiles-sink.js"
import { type Case, SinkConformance } from "../../../src/programs/testing.js"
import { make as sinkError } from "../../../src/domain/SinkError.js"
import type { Item, Sink } from "../../../src/services/Destination.js"
import { failing } from "./Verdicts.js"

/** What a careless store does. */
interface Faults {
  readonly write?: (write: Sink["write"], held: Map<string, Uint8Array>) => Sink["write"]
  readonly missing?: (missing: Sink["missing"], isWriting: () => boolean) => Sink["missing"]
  /** What a new process finds. @default all that is held */
  readonly reopened?: (held: Map<string, Uint8Array>) => void
  /** The name under which a key is kept. @default itself */
  readonly nameOf?: (key: string) => string
}

const store = ({
  missing = (same) => same,
  nameOf = (key) => key,
  reopened,
  write = (same) => same
}: Faults) =>
  Effect.sync((): SinkConformance.Store => {
    const held = new Map<string, Uint8Array>()
    let isFailing = false
    let writing = 0
    const put = (items: ReadonlyArray<Item>) => {
      for (const { bytes, key } of items) held.set(nameOf(key), bytes)
    }
    const plain: Sink = {
      // in two steps, so that something can come between
      write: (batch) =>
        Effect.gen(function* () {
          writing++
          const half = batch.length >> 1
          put(batch.slice(0, half))
          yield* Effect.yieldNow()
          yield* Effect.yieldNow()
          if (isFailing && batch.length > 1) return yield* sinkError("the disk is full")
          put(batch.slice(half))
        }).pipe(Effect.ensuring(Effect.sync(() => void writing--))),
      missing: (keys) => Effect.sync(() => keys.filter((key) => !held.has(nameOf(key))))
    }
    const sink: Sink = {
      write: write(plain.write, held),
      missing: missing(plain.missing, () => writing > 0)
    }
    return {
      sink,
      reopen: Effect.sync(() => {
        reopened?.(held)
        return sink
      }),
      read: (key) => Effect.sync(() => held.get(nameOf(key))),
      failing: Effect.acquireRelease(
        Effect.sync(() => void (isFailing = true)),
        () => Effect.sync(() => void (isFailing = false))
      )
    }
  })

const mutex = Effect.unsafeMakeSemaphore(1)

/** By a part of the case's name. */
const sabotages: ReadonlyArray<readonly [rule: string, Faults]> = [
  ["empty store", { missing: () => () => Effect.succeed([]) }],
  ["nothing else is", { nameOf: (key) => key.toLowerCase() }],
  ["durable when the write succeeds", { reopened: (held) => held.clear() }],
  [
    "bytes are kept as they are",
    {
      write: (write) => (batch) =>
        write(
          batch.map((item) => ({
            ...item,
            // as text
            bytes: new TextEncoder().encode(new TextDecoder().decode(item.bytes))
          }))
        )
    }
  ],
  ["may be large", { write: (write) => (batch) => write(batch.slice(0, 999)) }],
  [
    "written again changes nothing",
    {
      write: (write, held) => (batch) =>
        batch.some(({ key }) => held.has(key)) ? sinkError("UNIQUE constraint failed") : write(batch)
    }
  ],
  [
    "the later bytes count",
    { write: (write, held) => (batch) => write(batch.filter(({ key }) => !held.has(key))) }
  ],
  ["that fails says so", { write: (write) => (batch) => Effect.ignore(write(batch)) }],
  [
    "that is interrupted ends",
    {
      // what is interrupted keeps the lock
      write: (write) => (batch) =>
        mutex.take(1).pipe(Effect.zipRight(write(batch)), Effect.tap(mutex.release(1)), Effect.asVoid)
    }
  ],
  [
    "while it writes",
    {
      missing: (missing, isWriting) => (keys) =>
        isWriting() ? sinkError("the database is locked") : missing(keys)
    }
  ]
]

const named = (cases: ReadonlyArray<Case>, part: string) => cases.filter(({ name }) => name.includes(part))

describe("the suite for sinks", () => {
  it.effect("is passed by a store that keeps the rules", () =>
    Effect.gen(function* () {
      expect(yield* failing(SinkConformance.cases({ make: store({}) }))).toEqual([])
    })
  )

  for (const [part, faults] of sabotages) {
    it.effect(`notices a store that breaks: ${part}`, () =>
      Effect.gen(function* () {
        const cases = named(SinkConformance.cases({ make: store(faults) }), part)
        expect(yield* failing(cases)).toHaveLength(1)
      })
    )
  }

  it("has a sabotage for each of its rules", () => {
    for (const { name } of SinkConformance.cases({ make: store({}) }))
      expect(
        sabotages.filter(([part]) => name.includes(part)),
        name
      ).toHaveLength(1)
  })
})

describe("the MBTiles file of the examples keeps the rules of a sink", () => {
  const metadata = { name: "test", format: "png" }

  /** Another connection, as another program would have. */
  const beside = (file: string) =>
    Effect.acquireRelease(
      Effect.sync(() => new Database(file)),
      (db) => Effect.sync(() => db.close())
    )

  const make = Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(tmpdir(), "sluice-mbtiles-"))),
      (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
    )
    const file = path.join(directory, "map.mbtiles")
    const sink = yield* open(file, metadata)
    const db = yield* beside(file)
    const read = db
      .prepare("SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?")
      .pluck()
    return {
      sink,
      reopen: open(file, metadata),
      read: (key: string) =>
        Effect.sync(() => {
          const [z, x, y] = key.split("/").map(Number) as [number, number, number]
          return read.get(z, x, 2 ** z - 1 - y) as Uint8Array | undefined
        }),
      // the second of a batch is refused
      failing: Effect.acquireRelease(
        Effect.sync(() =>
          db.exec(
            `CREATE TRIGGER full BEFORE INSERT ON tiles WHEN NEW.tile_column % 4 = 1 BEGIN SELECT RAISE(ABORT, 'full'); END`
          )
        ),
        () => Effect.sync(() => db.exec("DROP TRIGGER full"))
      )
    }
  })

  const cases = SinkConformance.cases({ make, key: (n) => `12/${n % 4096}/${n >> 12}` })
  for (const { name, run } of cases) it.live(name, () => run)
})
