/**
 * kill -9 again and again, and at the most delicate moment. Seeds are printed; SLUICE_SEED repeats one.
 */
import { describe, expect } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { Seeded } from "../../sim/Seeded.js"
import { expectExact, expectOnly, live, MiB, names, type Running, type World } from "./Cli.js"
import { freeze } from "./Proc.js"

const seed = Number(process.env["SLUICE_SEED"] ?? Date.now() % 1_000_000)

/** Where the last request for a path began. */
const startOf = ({ origin }: World, path: string): number =>
  Number(/^bytes=(\d+)-$/.exec(origin.requestsFor(path).at(-1)?.headers["range"] ?? "bytes=0-")?.[1])

describe("kill -9", () => {
  live(`ten times, and then to the end (seed ${seed})`, (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const chance = new Seeded(seed)
      const [path, size, rate] = ["/big", 64 * MiB, 6 * MiB]
      origin.set(path, { size, rate })
      let lost = 0
      let taken: number | undefined
      for (let kill = 1; kill <= 10; kill++) {
        const point = origin.sent(path) + chance.int(MiB, 7 * MiB)
        // by one connection, whose bytes come in order
        const running = yield* world.startGet(path, "--connections", "1")
        yield* running.during(origin.until(() => origin.sent(path) >= point))
        // the bytes of this process alone are what it may have to fetch again, and only beyond its last checkpoint
        const received = (yield* freeze(running, origin)) ?? NaN
        const start = startOf(world, path)
        yield* running.kill
        if (taken !== undefined && !Number.isNaN(taken)) {
          expect(start).toBeLessThanOrEqual(taken)
          expect(taken - start).toBeLessThanOrEqual(Math.max(8 * MiB, rate))
          lost += taken - start
        }
        taken = start + received - sentBefore(world, path)
        expect(names(dir)).toEqual(["big.sluice-part"])
        console.log(`seed ${seed}: kill ${kill} at ${taken} of ${size}, begun at ${start}`)
      }
      origin.set(path, { size })
      expectOnly(world, yield* world.get(path), "big", path, size)
      console.log(
        `seed ${seed}: ${origin.sent(path) - size} bytes served more than once, ${lost} of them had been taken`
      )
    })
  )

  live("while a file is being published: one file, and no byte fetched again", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const seen = { "part only": 0, both: 0, "final only": 0, missed: 0 }
      for (let turn = 1; turn <= 25; turn++) {
        const [path, name, size] = [`/p${turn}`, `p${turn}`, 100_000 + turn]
        origin.set(path, { size })
        const running = yield* world.startGet(path)
        yield* running.during(origin.until(() => origin.requestsFor(path)[0]?.outcome === "complete"))
        killWhilePublishing(running, world, name)
        const { code } = yield* running.result
        const left = names(dir).filter(
          (file) => file.startsWith(name) && (file === name || file.includes("."))
        )
        const part = left.includes(`${name}.sluice-part`)
        const final = left.includes(name)
        seen[code === 0 ? "missed" : part && final ? "both" : part ? "part only" : "final only"]++
        if (final) expectExact(world, join(dir, name), path, size)
        if (code === 0) continue
        expect(yield* world.get(path)).toMatchObject({ code: 0, stdout: `${join(dir, name)}\n` })
        expect(names(dir).filter((file) => file.startsWith(`${name}.`))).toEqual([])
        expectExact(world, join(dir, name), path, size)
        // killed too late, when it was recorded as completed: the server is asked whether it has changed, and sends nothing
        const [, ...again] = origin.requestsFor(path)
        expect(again.map(({ headers }) => headers["if-none-match"] !== undefined)).toEqual(
          again.map(() => true)
        )
        expect(origin.sent(path)).toBe(size)
      }
      console.log(`killed while publishing: ${JSON.stringify(seen)}`)
      expect(seen["part only"] + seen.both + seen["final only"]).toBeGreaterThan(0)
      expect(names(dir)).toHaveLength(25)
    })
  )
})

/** Bytes served for a path by all requests but the last. */
const sentBefore = ({ origin }: World, path: string): number =>
  origin.sent(path) - (origin.requestsFor(path).at(-1)?.sent ?? 0)

/** Watches the database without a pause, so that nothing else happens in this process, and kills when it shows the intent. */
const killWhilePublishing = (running: Running, { database }: World, name: string): void => {
  const db = new Sqlite(database, { readonly: true })
  const look = db.prepare("SELECT status, publishing FROM sluice_downloads WHERE filename = ?")
  const end = performance.now() + 5000
  while (performance.now() < end) {
    // the columns named are these
    const row = look.get(name) as { status: string; publishing: string | null } | undefined
    if (row === undefined || row.publishing === null) continue
    if (row.status === "processing") process.kill(running.pid, "SIGKILL")
    break
  }
  db.close()
}
