/**
 * A thousand tiles into an MBTiles file by the program in examples/, which is killed in the middle, twice: each tile is in the store,
 * once and right, and little is fetched twice.
 */
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { bundled } from "./Bundled.js"
import * as Origin from "./Origin.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** As in the example. */
const batch = 100
const concurrency = 16

it.live(
  "mbtiles.ts: 1,000 tiles, killed with -9 twice: each is in the store once, and little is fetched again",
  () =>
    Effect.gen(function* () {
      const origin = yield* Origin.make()
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => fs.mkdtempSync(path.join(tmpdir(), "sluice-seeding-"))),
        (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
      )
      const program = yield* bundled(path.join(root, "examples/mbtiles.ts"))
      const file = path.join(directory, "map.mbtiles")
      const tile = (x: number | string, y: number | string) => `/bytes/900/6/${x}/${y}.png`
      const template = origin.url(tile("{x}", "{y}"))

      const start = Effect.acquireRelease(
        Effect.sync(() => {
          const child = spawn(process.execPath, [program, template, file, "6/0-39/0-24"], { cwd: directory })
          let stdout = ""
          let stderr = ""
          child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
          child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
          const closed = once(child, "close")
          return {
            child,
            ended: Effect.map(
              Effect.promise(() => closed),
              ([code]) => ({ code, stdout, stderr })
            )
          }
        }),
        ({ child }) => Effect.sync(() => void child.kill("SIGKILL"))
      )
      const stored = () => {
        const db = new Database(file)
        const count = db.prepare("SELECT count(*) FROM tiles").pluck().get() as number
        db.close()
        return count
      }

      const kept: Array<number> = []
      for (const enough of [350, 700]) {
        const { child, ended } = yield* start
        yield* origin.until(() => origin.requests.length >= enough)
        child.kill("SIGKILL")
        yield* ended
        kept.push(stored())
      }
      const asked = origin.requests.length
      const { ended } = yield* start
      const { code, stderr, stdout } = yield* ended
      expect([code, stderr]).toEqual([0, ""])

      const db = new Database(file, { readonly: true })
      const rows = db
        .prepare("SELECT zoom_level AS z, tile_column AS x, tile_row AS y, tile_data AS data FROM tiles")
        .all() as ReadonlyArray<{ z: number; x: number; y: number; data: Buffer }>
      db.close()
      expect(rows.length).toBe(1000)
      expect(new Set(rows.map(({ x, y }) => `${x}/${y}`)).size).toBe(1000)
      const wrong = rows.filter(
        ({ data, x, y, z }) =>
          z !== 6 || !data.equals(Buffer.from(origin.content(tile(x, 63 - y)).slice(0, 900)))
      )
      expect(wrong).toEqual([])

      const twice = origin.requests.length - 1000
      console.log(
        `killed after 350 and ${asked} requests with ${kept.join(" and ")} tiles in the store; ` +
          `1000 tiles at the end, ${twice} of them fetched twice; last run: ${stdout.trim()}`
      )
      expect(kept[0]).toBeGreaterThan(0)
      expect(kept[1]).toBeLessThan(1000)
      // each time what was on its way, and a batch
      expect(twice).toBeLessThanOrEqual(2 * (batch + concurrency))
      // no file was made beside the store and the queue
      expect(fs.readdirSync(directory).filter((name) => !name.startsWith("map.mbtiles"))).toEqual([])
    }).pipe(Effect.scoped),
  60_000
)
