/**
 * Several commands on one database at the same time (PROMISES Q2): each download has one owner, whoever wants it too follows
 * it, and what a dead command has left behind is taken over.
 */
import { describe, expect } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { eventsOf, eventually, expectExact, expectOnly, live, MiB, names, type World } from "./Cli.js"

/** How many engines have registered with the database. */
const engines = ({ database }: World): number => {
  const db = new Sqlite(database, { readonly: true })
  try {
    return db.prepare("SELECT count(*) FROM sluice_engines").pluck().get() as number
  } finally {
    db.close()
  }
}

describe.concurrent("two gets at the same time", () => {
  live("make the database together, and both do what they were asked for", (world) =>
    Effect.gen(function* () {
      const { dir } = world
      const paths = ["/bytes/1000000/a", "/bytes/2000000/b", "/bytes/3000000/c"]
      const results = yield* Effect.forEach(paths, (path) => world.get(path), { concurrency: "unbounded" })
      results.forEach(({ code, stderr, stdout }, i) => {
        expect(code, stderr).toBe(0)
        expect(stdout).toBe(`${join(dir, ["a", "b", "c"][i]!)}\n`)
      })
      paths.forEach((path, i) =>
        expectExact(world, join(dir, ["a", "b", "c"][i]!), path, (i + 1) * 1_000_000)
      )
      expect(names(join(world.database, ".."))).toEqual(["sluice.db"])
    })
  )

  live("of the same file: one follows the other, and there is one file", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const [path, size] = ["/a.bin", 3 * MiB]
      origin.set(path, { size, rate: MiB })
      const first = yield* world.startGet(path)
      yield* first.during(origin.until(() => origin.sent(path) > 0))
      const second = yield* world.get(path)
      expectOnly(world, yield* first.result, "a.bin", path, size)
      expectOnly(world, second, "a.bin", path, size)
      expect(origin.requests).toHaveLength(1)
    })
  )

  live("of the same file, started together", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const [path, size] = ["/a.bin", MiB]
      origin.set(path, { size, rate: MiB / 4 })
      const results = yield* Effect.forEach([1, 2, 3], () => world.get(path), { concurrency: "unbounded" })
      for (const result of results) expectOnly(world, result, "a.bin", path, size)
      expect(origin.requests).toHaveLength(1)
    })
  )

  live("of the same file: when the first is killed, the second takes over", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const [path, size, stallAfter] = ["/a.bin", 2 * MiB, MiB + 1]
      origin.set(path, [{ size, stallAfter }, { size }])
      const first = yield* world.startGet(path)
      yield* first.during(origin.until(() => origin.sent(path) === stallAfter))
      yield* first.during(eventually(() => world.row()?.checkpoint === stallAfter))
      const second = yield* world.startGet(path)
      yield* second.during(eventually(() => engines(world) === 2))
      yield* second.until(({ stderr }) => stderr().includes("going on with"))
      expect(origin.requests).toHaveLength(1)
      yield* first.kill
      expectOnly(world, yield* second.result, "a.bin", path, size)
      expect(origin.requests).toHaveLength(2)
      expect(origin.sent(path)).toBe(size)
      expect(names(join(world.database, ".."))).toEqual(["sluice.db"])
    })
  )

  live("of the same file: when the first is interrupted, the second takes over", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const [path, size, stallAfter] = ["/a.bin", 2 * MiB, MiB + 1]
      origin.set(path, [{ size, stallAfter }, { size }])
      const first = yield* world.startGet(path)
      yield* first.during(origin.until(() => origin.sent(path) === stallAfter))
      yield* first.during(eventually(() => world.row()?.checkpoint === stallAfter))
      const second = yield* world.startGet(path)
      yield* second.until(({ stderr }) => stderr().includes("going on with"))
      yield* first.send("SIGINT")
      expect((yield* first.result).code).toBe(130)
      expectOnly(world, yield* second.result, "a.bin", path, size)
      expect(origin.sent(path)).toBe(size)
    })
  )

  live("of the same file: both hear that it failed", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const path = "/a.bin"
      origin.set(path, [{ size: 100, stallAfter: 10 }, { status: 410 }])
      const first = yield* world.startGet(path, "--retry-delay", "10ms")
      yield* first.during(eventually(() => world.row()?.checkpoint === 10))
      const second = yield* world.startGet(path)
      yield* second.until(({ stderr }) => stderr().includes("going on with"))
      origin.disconnect("rst")
      const ended = yield* Effect.all([first.result, second.result])
      for (const { code, stderr } of ended) {
        expect(code).toBe(1)
        expect(stderr).toContain("410")
      }
      expect(origin.requests).toHaveLength(2)
    })
  )
})

describe.concurrent("run", () => {
  live("goes on with what a killed get has left, and ends when nothing is left", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [size, stallAfter] = [2 * MiB, MiB + 1]
      const paths = ["/a", "/b", "/c", "/d", "/e"]
      for (const path of paths) origin.set(path, [{ size, stallAfter }, { size }])
      // never started: its turn does not come
      origin.set("/d", { size })
      origin.set("/e", { size })
      const killed = yield* world.start("get", "--dir", dir, ...paths.map(origin.url))
      yield* killed.during(
        origin.until(() => ["/a", "/b", "/c"].every((path) => origin.sent(path) === stallAfter))
      )
      yield* killed.during(eventually(() => world.row()?.checkpoint === stallAfter))
      yield* killed.kill
      const result = yield* world.run("run")
      expect(result.code, result.stderr).toBe(0)
      expect(result.stdout.split("\n").sort()).toEqual(["", ...paths.map((path) => join(dir, path))])
      expect(names(dir)).toEqual(["a", "b", "c", "d", "e"])
      for (const path of paths) expectExact(world, join(dir, path), path, size)
      expect(origin.sent("/a")).toBe(size)
      expect(yield* world.run("run")).toMatchObject({ code: 0, stdout: "" })
    })
  )

  live("leaves alone what a living get owns", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const [path, size, stallAfter] = ["/a", 1000, 10]
      origin.set(path, [{ size, stallAfter }, { size }])
      const get = yield* world.startGet(path)
      yield* get.during(eventually(() => world.row()?.checkpoint === stallAfter))
      expect(yield* world.run("run")).toMatchObject({ code: 0, stdout: "" })
      expect(origin.requests).toHaveLength(1)
      yield* get.kill
      expect(yield* world.run("run")).toMatchObject({ code: 0, stdout: `${join(world.dir, "a")}\n` })
      expect(origin.sent(path)).toBe(size)
    })
  )

  live("says what failed, with exit code 1", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a", [{ silent: true }, { status: 404 }])
      const get = yield* world.startGet("/a")
      yield* get.during(origin.until(() => origin.requests.length === 1))
      yield* get.kill
      const { code, stderr, stdout } = yield* world.run("run")
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
      expect(stderr).toContain(`not done: ${origin.url("/a")}`)
    })
  )
})

describe.concurrent("ls", () => {
  live("shows what is under way, and disturbs nothing", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const [path, size, stallAfter] = ["/a.bin", 1000, 250]
      origin.set(path, [{ size, stallAfter }, { size }])
      expect(yield* world.run("ls")).toMatchObject({ code: 0, stdout: "" })
      expect(names(world.root)).not.toContain("state")
      const get = yield* world.startGet(path)
      yield* get.during(eventually(() => world.row()?.checkpoint === stallAfter))
      const table = yield* world.run("ls")
      expect(table).toMatchObject({ code: 0, stderr: "" })
      expect(table.stdout).toMatch(/processing +25% +1000 B|processing +25% +\S+ \S+ +a\.bin/)
      const [listed, ...others] = eventsOf((yield* world.run("ls", "--json")).stdout)
      expect(others).toEqual([])
      expect(listed).toMatchObject({ status: "processing", bytes: 250, total: 1000, percent: 25 })
      yield* get.kill
      // nobody is alive who owns it; to look changes nothing
      expect((yield* world.run("ls", "--status", "completed")).stdout).toBe("")
      expect(origin.requests).toHaveLength(1)
      expectOnly(world, yield* world.get(path), "a.bin", path, size)
      expect((yield* world.run("ls", "--status", "completed")).stdout).toContain("a.bin")
    })
  )
})
