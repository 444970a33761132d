/**
 * What is synced under which durability, counted at node:fs and asked of SQLite.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { createRequire, syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Durability } from "../../src/domain/Durability.js"
import * as Database from "../../src/layers/Database.js"
import * as NodePartFile from "../../src/layers/NodePartFile.js"
import { PartFile } from "../../src/services/PartFile.js"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-durability-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/** How often the system was asked to sync, from here on. */
const counted = Effect.acquireRelease(
  Effect.sync(() => {
    // the one object that all importers of node:fs share; a namespace can't be written to
    const shared = createRequire(import.meta.url)("node:fs") as {
      -readonly [K in keyof typeof fs]: (typeof fs)[K]
    }
    const { fdatasync, fsync } = shared
    const calls = { fdatasync: 0, fsync: 0 }
    shared.fdatasync = Object.assign((...args: Parameters<typeof fdatasync>) => {
      calls.fdatasync++
      fdatasync(...args)
    }, fdatasync)
    shared.fsync = Object.assign((...args: Parameters<typeof fsync>) => {
      calls.fsync++
      fsync(...args)
    }, fsync)
    syncBuiltinESMExports()
    return { calls, restore: () => Object.assign(shared, { fdatasync, fsync }) }
  }),
  ({ restore }) =>
    Effect.sync(() => {
      restore()
      syncBuiltinESMExports()
    })
)

/** A file is made in a new directory, written, and gets its name. */
const work = Effect.gen(function* () {
  const disk = yield* PartFile
  const directory = join(yield* temporary, "new")
  yield* disk.ensureDirectory(directory)
  const part = join(directory, "part")
  const made = yield* disk.create(part)
  yield* Effect.async<void>((resume) => made.writeAt([Buffer.from("abc")], 0, () => resume(Effect.void)))
  yield* made.sync
  const opened = yield* Effect.flatten(disk.open(part))
  yield* opened.sync
  yield* disk.link(part, join(directory, "final"))
  yield* disk.syncDirectory(directory)
  expect(fs.readFileSync(join(directory, "final"), "utf8")).toBe("abc")
  expect((yield* opened.facts).size).toBe(3)
})

describe.sequential("durability", () => {
  it.scopedLive("power-loss syncs parts, and the directories that things are made in", () =>
    Effect.gen(function* () {
      const { calls } = yield* counted
      yield* work
      expect(calls).toEqual({ fdatasync: 2, fsync: 2 })
    }).pipe(Effect.provide(NodePartFile.layer))
  )

  it.scopedLive("crash leaves that to the system", () =>
    Effect.gen(function* () {
      const { calls } = yield* counted
      yield* work
      expect(calls).toEqual({ fdatasync: 0, fsync: 0 })
    }).pipe(Effect.provide(NodePartFile.layerUnsynced))
  )

  it.scopedLive.each<readonly [Durability | undefined, number]>([
    [undefined, 2],
    ["power-loss", 2],
    ["crash", 1]
  ])("the database of %s is synchronous = %d", ([durability, expected]) =>
    Effect.gen(function* () {
      const file = join(yield* temporary, "sluice.db")
      const read = Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        return yield* sql<{ synchronous: number }>`PRAGMA synchronous`
      })
      // also on a later open, for which SQLite has another default
      for (let open = 0; open < 2; open++) {
        const [row] = yield* Effect.provide(read, Database.layerFile(file, durability))
        expect(row?.synchronous).toBe(expected)
      }
    })
  )
})
