/**
 * SIGINT and SIGTERM: what has come is saved, the command says how to go on, and going on fetches nothing twice.
 */
import { describe, expect } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventsOf, eventually, expectExact, expectOnly, live, MiB, names, rows } from "./Cli.js"
import { freeze } from "./Proc.js"

/** The command line that stderr tells to type. */
const lineToGoOn = (stderr: string): string => /To go on:\n +(.*)\n/.exec(stderr)?.[1] ?? ""

describe.concurrent("a signal", () => {
  live("saves all that has come; the line it prints goes on from there", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [path, size] = ["/it's a file.bin".replaceAll(" ", "%20"), 8 * MiB]
      origin.set(path, { size, rate: 4 * MiB })
      // by one connection, whose bytes come in order
      const running = yield* world.startGet(path, "--connections", "1")
      yield* running.during(origin.until(() => origin.sent(path) >= 3 * MiB))
      yield* running.during(eventually(() => (world.row()?.checkpoint ?? 0) > 0))
      const taken = yield* freeze(running, origin)
      yield* running.send("SIGINT")
      yield* running.send("SIGCONT")
      const interrupted = yield* running.result
      expect(interrupted).toMatchObject({ code: 130, stdout: "" })
      expect(interrupted.stderr).toMatch(/interrupted; [\d.]+ MiB of [\d.]+ MiB saved/)
      expect(names(dir)).toEqual(["it's a file.bin.sluice-part"])
      // the engine has left nothing
      expect(names(join(world.database, ".."))).toEqual(["sluice.db"])
      const { checkpoint, status } = world.row()!
      expect(status).toBe("pending")
      // what had been taken from the socket when the signal came is checkpointed, and more came with it at most
      expect(checkpoint).toBeGreaterThanOrEqual(taken ?? MiB)
      expect(checkpoint).toBeLessThanOrEqual(origin.sent(path))

      origin.set(path, { size })
      const result = yield* world.shell(lineToGoOn(interrupted.stderr))
      expectOnly(world, result, "it's a file.bin", path, size)
      expect(result.stderr).toContain("going on with")
      expect(origin.requestsFor(path)[1]!.headers["range"]).toBe(`bytes=${checkpoint}-`)
      expect(origin.requestsFor(path)[1]!.sent).toBe(size - checkpoint)
    })
  )

  live("SIGTERM does the same, with its own exit code, and --json says so on stdout", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const [path, size, stallAfter] = ["/a.bin", MiB, 123_456]
      origin.set(path, [{ size, stallAfter }, { size }])
      const running = yield* world.startGet(path, "--json")
      yield* running.during(origin.until(() => origin.sent(path) === stallAfter))
      yield* running.during(eventually(() => world.row()?.checkpoint === stallAfter))
      yield* running.send("SIGTERM")
      const interrupted = yield* running.result
      expect(interrupted.code).toBe(143)
      expect(eventsOf(interrupted.stdout).at(-1)).toMatchObject({
        event: "interrupted",
        url: origin.url(path),
        total: size
      })
      expectOnly(world, yield* world.get(path), "a.bin", path, size)
      expect(origin.sent(path)).toBe(size)
    })
  )

  live("ends every wait: for the server, for the next try, and for a turn", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/cooling", { status: 503, retryAfter: "300" })
      origin.set("/silent", [{ silent: true }, { size: 10 }])
      origin.set("/stalled", [{ size: 20, stallAfter: 7 }, { size: 20 }])
      origin.set("/mute", [{ silent: true }, { size: 30 }])
      // the three before the last keep it from its turn
      const paths = ["/silent", "/stalled", "/mute", "/bytes/40/last"]
      // another host, as far as anybody can tell: this one's cooling is not the others'
      const cooling = origin.url("/cooling").replace("127.0.0.1", "localhost")
      const running = yield* world.start("get", "--dir", dir, cooling, ...paths.map(origin.url))
      yield* running.until(({ stderr }) => stderr().includes("asked to wait 300 s"))
      yield* running.during(origin.until(() => origin.requests.length === 4))
      // sent is not received: what the command has recorded is what it can go on from
      yield* running.during(eventually(() => rows(world.database).some(({ checkpoint }) => checkpoint === 7)))
      yield* running.send("SIGINT")
      const interrupted = yield* running.result
      expect(interrupted.code).toBe(130)
      expect(lineToGoOn(interrupted.stderr)).toContain(paths.map(origin.url).join(" "))
      expect(names(dir)).toEqual(["stalled.sluice-part"])
      expect(names(join(world.database, ".."))).toEqual(["sluice.db"])
      const result = yield* world.run("get", "--dir", dir, ...paths.map(origin.url))
      expect(result.code, result.stderr).toBe(0)
      expect(names(dir)).toEqual(["last", "mute", "silent", "stalled"])
      expectExact(world, join(dir, "stalled"), "/stalled", 20)
      expect(origin.sent("/stalled")).toBe(20)
      expect(rows(world.database).map(({ status }) => status)).toEqual([
        "waiting",
        "completed",
        "completed",
        "completed",
        "completed"
      ])
    })
  )

  live("SIGINT for the second time ends it at once, and still nothing is lost", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [path, size, stallAfter] = ["/a", MiB, 400_000]
      origin.set(path, [{ size, stallAfter }, { size }])
      const running = yield* world.startGet(path)
      yield* running.during(eventually(() => world.row()?.checkpoint === stallAfter))
      // nothing can be committed, so that a graceful stop takes its time
      const lock = new Sqlite(world.database)
      lock.exec("BEGIN IMMEDIATE")
      yield* running.send("SIGINT")
      yield* running.during(origin.until(() => origin.connections() === 0))
      yield* running.send("SIGINT")
      const result = yield* running.result
      expect(lock.inTransaction).toBe(true)
      lock.exec("ROLLBACK")
      lock.close()
      expect(result).toMatchObject({ code: 130, stdout: "" })
      expect(names(dir)).toEqual(["a.sluice-part"])
      expectOnly(world, yield* world.get(path), "a", path, size)
      expect(origin.sent(path)).toBe(size)
    })
  )

  live("does not undo what is done", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/stalled", { size: 100, stallAfter: 10 })
      const running = yield* world.startGet("/bytes/1000/done", origin.url("/stalled"))
      yield* running.until(({ stdout }) => stdout().endsWith("done\n"))
      yield* running.during(origin.until(() => origin.sent("/stalled") === 10))
      yield* running.send("SIGINT")
      expect(yield* running.result).toMatchObject({ code: 130, stdout: `${join(dir, "done")}\n` })
      expectExact(world, join(dir, "done"), "/bytes/1000/done", 1000)
      expect(fs.existsSync(join(dir, "stalled.sluice-part"))).toBe(true)
    })
  )
})
