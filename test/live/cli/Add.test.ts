/**
 * `sluice add` and `run --watch`, as processes: what one puts into the queue, another downloads.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventsOf, expectExact, live, names, rows } from "./Cli.js"

const lines = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "")

describe.concurrent("add", () => {
  live("prints ids and downloads nothing; run does", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const urls = ["/bytes/1000/a", "/bytes/2000/b"].map(origin.url)
      const added = yield* world.run("add", "--quiet", "--dir", dir, ...urls)
      expect(added).toMatchObject({ code: 0, stderr: "" })
      expect(lines(added.stdout)).toHaveLength(2)
      const listed = eventsOf((yield* world.run("ls", "--json")).stdout)
      expect(listed.map((event) => ("id" in event ? event.id : ""))).toEqual(lines(added.stdout))
      // the same again is the same
      expect((yield* world.run("add", "--quiet", "--dir", dir, urls[1]!)).stdout).toBe(
        `${lines(added.stdout)[1]}\n`
      )
      expect(origin.requests).toEqual([])
      expect(names(dir)).toEqual([])
      const run = yield* world.run("run")
      expect(run.code).toBe(0)
      expectExact(world, join(dir, "a"), "/bytes/1000/a", 1000)
      expectExact(world, join(dir, "b"), "/bytes/2000/b", 2000)
    })
  )

  live("of a long list that comes through a pipe records all of it", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const urls = Array.from({ length: 5000 }, (_, i) => origin.url(`/f${i}`))
      const added = yield* world.runWith(
        { stdin: `${urls.join("\n")}\n  out=sub/last` },
        "add",
        "--quiet",
        "--input",
        "-"
      )
      expect([added.code, added.stderr]).toEqual([0, ""])
      expect(new Set(lines(added.stdout)).size).toBe(5000)
      expect(rows(world.database)).toHaveLength(5000)
      expect(fs.existsSync(join(world.root, "sub"))).toBe(true)
      expect(origin.requests).toEqual([])
    })
  )

  live("of a list with a mistake far down starts nothing", (world) =>
    Effect.gen(function* () {
      const urls = Array.from({ length: 5000 }, (_, i) => world.origin.url(`/f${i}`))
      fs.writeFileSync(join(world.root, "list"), [...urls, "nonsense"].join("\n"))
      const { code, stderr, stdout } = yield* world.run("add", "--input", "list")
      expect([code, stdout]).toEqual([2, ""])
      expect(stderr).toContain('the list list, line 5001: "nonsense" is not a URL')
      expect(fs.existsSync(world.database)).toBe(false)
    })
  )

  live("to a sealed group is refused", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const got = yield* world.get("/bytes/10/a", "--group", "g", "--seal")
      expect(got.code).toBe(0)
      const late = yield* world.run("add", "--group", "g", origin.url("/bytes/10/b"))
      expect(late).toMatchObject({ code: 2, stdout: "" })
      expect(late.stderr).toContain("the group g is sealed")
      expect(rows(world.database)).toHaveLength(1)
    })
  )
})

describe.concurrent("run --watch", () => {
  live("stays, and takes up what is added", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      // a database that is there already, and work that ends before anything is added
      yield* world.run("add", "--quiet", "--dir", dir, origin.url("/bytes/10/first"))
      const watch = yield* world.start("run", "--watch")
      yield* watch.until(({ stdout }) => stdout() === `${join(dir, "first")}\n`)
      for (const name of ["second", "third"]) {
        const added = yield* world.run("add", "--quiet", "--dir", dir, origin.url(`/bytes/10/${name}`))
        expect(added.code).toBe(0)
        yield* watch.until(({ stdout }) => stdout().endsWith(`${join(dir, name)}\n`))
      }
      yield* watch.send("SIGTERM")
      const { code } = yield* watch.result
      expect(code).toBe(143)
      expect(names(dir)).toEqual(["first", "second", "third"])
    })
  )
})

describe.concurrent("a queue that was never made", () => {
  live("is empty, and is not made by looking at it or commanding it", (world) =>
    Effect.gen(function* () {
      for (const [args, code] of [
        [["ls"], 0],
        [["ls", "--status", "failed,paused", "--json"], 0],
        [["show", "00000000000"], 2],
        [["pause", "00000000000"], 2]
      ] as const) {
        const result = yield* world.run(...args)
        expect([args, result.code, result.stdout]).toEqual([args, code, ""])
      }
      expect(names(world.root)).not.toContain("state")
      const named = yield* world.run("cancel", "--all", "--db", "gone.db")
      expect(named.code).toBe(3)
      expect(named.stderr).toContain("gone.db can't be opened (there is no such file)")
    })
  )
})
