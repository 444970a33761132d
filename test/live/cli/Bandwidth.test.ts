/**
 * `sluice limit` and the limits of `get`, through the real command: set by one process, kept and taken up by another.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventsOf, eventually, expectOnly, live, MiB, rows } from "./Cli.js"

const size = 4 * MiB

describe.concurrent("sluice limit", () => {
  live("is taken up by an engine that runs, and stays until it is lifted", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a.bin", { size })
      expect(yield* world.run("limit")).toMatchObject({ code: 0, stdout: "no limit is set\n" })
      // before there is anything to limit; the whole would take four minutes
      const set = yield* world.run("limit", "--rate", "16K")
      expect(set).toMatchObject({ code: 0, stderr: "" })
      expect(set.stdout).toMatch(/all downloads of an engine +16 KiB\/s/)
      const get = yield* world.startGet("/a.bin")
      yield* get.during(eventually(() => (world.row()?.checkpoint ?? 0) > 16 * 1024))
      expect(world.row()!.checkpoint).toBeLessThan(MiB)
      const id = eventsOf((yield* world.run("ls", "--json")).stdout).map((event) =>
        "id" in event ? event.id : null
      )[0]!
      const more = yield* world.run("limit", "--rate", "8K", "--host", origin.url("/"), id, "--json")
      expect(eventsOf(more.stdout)).toMatchObject([
        { event: "limit", of: "all", rate: 16_384 },
        { event: "limit", of: "host", origin: new URL(origin.url("/")).origin, rate: 8192 },
        { event: "limit", of: "download", download: id, rate: 8192 }
      ])
      yield* world.run("limit", "--rate", "off")
      yield* world.run("limit", "--rate", "off", "--host", origin.url("/"))
      yield* world.run("limit", "--rate", "off", id)
      expectOnly(world, yield* get.result, "a.bin", "/a.bin", size)
    })
  )

  live("and --limit-rate: the lower one counts", (world) =>
    Effect.gen(function* () {
      world.origin.set("/a.bin", { size })
      yield* world.run("limit", "--rate", "100M")
      const get = yield* world.startGet("/a.bin", "--limit-rate", "16K")
      yield* get.during(eventually(() => (world.row()?.checkpoint ?? 0) > 16 * 1024))
      expect(world.row()!.checkpoint).toBeLessThan(MiB)
      yield* get.send("SIGINT")
      expect((yield* get.result).code).toBe(130)
      expectOnly(world, yield* world.get("/a.bin"), "a.bin", "/a.bin", size)
    })
  )

  live("of one download is taken up by an engine that works on it, and concerns no other", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a.bin", { size, rate: MiB })
      origin.set("/b.bin", { size })
      const run = yield* world.start("run", "--watch")
      const added = yield* world.run("add", "--dir", world.dir, origin.url("/a.bin"))
      yield* run.during(origin.until(() => origin.sent("/a.bin") >= 100_000))
      const id = added.stdout.trim()
      expect(yield* world.run("limit", id, "--rate", "32K")).toMatchObject({ code: 0, stderr: "" })
      yield* world.run("add", "--dir", world.dir, origin.url("/b.bin"))
      const all = () => rows(world.database)
      yield* run.during(eventually(() => all().some(({ status }) => status === "completed")))
      // it would have come long before
      expect(all().map(({ status }) => status)).toEqual(["processing", "completed"])
      expect(all()[0]!.checkpoint).toBeLessThan(2 * MiB)
      yield* world.run("limit", id, "--rate", "off")
      yield* run.during(eventually(() => all().every(({ status }) => status === "completed")))
      expect(yield* world.run("limit")).toMatchObject({ stdout: "no limit is set\n" })
      yield* run.send("SIGINT")
      yield* run.result
    })
  )

  live("of each download by itself, asked for with it: --limit-each, and limit-rate= of a list", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      for (const name of ["/a.bin", "/b.bin", "/c.bin"]) origin.set(name, { size })
      const list = [
        origin.url("/a.bin"),
        origin.url("/b.bin"),
        "  limit-rate=100M",
        origin.url("/c.bin"),
        "  max-download-limit=200M",
        ""
      ].join("\n")
      const file = join(world.root, "list.txt")
      fs.writeFileSync(file, list)
      const added = yield* world.run("add", "--dir", world.dir, "--limit-each", "16K", "--input", file)
      expect(added.code, added.stderr).toBe(0)
      const run = yield* world.start("run")
      yield* run.during(
        eventually(() => rows(world.database).filter(({ status }) => status === "completed").length === 2)
      )
      expect(rows(world.database).map(({ status }) => status)).toEqual([
        "processing",
        "completed",
        "completed"
      ])
      yield* run.send("SIGINT")
      yield* run.result
      expect(rows(world.database)[0]!.checkpoint).toBeLessThan(MiB)
    })
  )

  live("says what it can't use", (world) =>
    Effect.gen(function* () {
      for (const [args, why] of [
        [["--host", "https://h"], "how fast"],
        [["--rate", "0"], "or off"],
        [["--rate", "fast"], "not a size"],
        [["--rate", "1M", "--host", "example.org"], "https://example.org"]
      ] as const) {
        const { code, stderr } = yield* world.run("limit", ...args)
        expect(code, stderr).toBe(2)
        expect(stderr).toContain(why)
      }
    })
  )
})

describe.concurrent("--low-speed-limit", () => {
  live("replaces a connection that crawls, and keeps what it brought", (world) =>
    Effect.gen(function* () {
      world.origin.set("/a.bin", [{ size, rate: 20_000 }, { size }])
      const speed = ["--low-speed-limit", "1M", "--low-speed-time", "1s", "--retry-delay", "10ms"]
      expectOnly(world, yield* world.get("/a.bin", ...speed), "a.bin", "/a.bin", size)
      expect(world.origin.requests.length).toBeGreaterThan(1)
    })
  )
})
