/**
 * The commands for downloads that are there, as processes: beside an engine that works on them, and without one.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventsOf, eventually, expectExact, live, MiB, names, rows, type World } from "./Cli.js"

/** The ids of `sluice add`. */
const add = (world: World, paths: ReadonlyArray<string>, ...more: ReadonlyArray<string>) =>
  Effect.map(
    world.run("add", "--quiet", "--dir", world.dir, ...more, ...paths.map(world.origin.url)),
    ({ code, stderr, stdout }) => {
      expect([code, stderr]).toEqual([0, ""])
      return stdout.trim().split("\n")
    }
  )

const statuses = ({ database }: World) => rows(database).map(({ status }) => status)

describe.concurrent("without an engine", () => {
  live("downloads are paused, resumed, moved, cancelled and forgotten; nothing is downloaded", (world) =>
    Effect.gen(function* () {
      const [a, b] = yield* add(world, ["/bytes/10/a", "/bytes/10/b"], "--tag", "t")
      const prefix = a!.slice(0, 4)
      expect(yield* world.run("pause", prefix.toUpperCase())).toMatchObject({
        code: 0,
        stdout: `${a}\n`,
        stderr: ""
      })
      expect(statuses(world)).toEqual(["paused", "pending"])
      const resumed = yield* world.run("resume", a!)
      expect(resumed).toMatchObject({ code: 0, stdout: `${a}\n` })
      expect(resumed.stderr).toContain("no engine is running")
      expect(yield* world.run("move", "--tag", "t", "--priority", "-3")).toMatchObject({
        code: 0,
        stdout: "",
        stderr: 'sluice: moved 2 downloads with the tag "t"\n'
      })
      const listed = eventsOf((yield* world.run("ls", "--tag", "t", "--json")).stdout)
      expect(listed).toMatchObject([
        { id: a, status: "pending", priority: -3, tags: ["t"] },
        { id: b, status: "pending", priority: -3 }
      ])
      const cancelled = yield* world.run("cancel", "--json", b!)
      expect(eventsOf(cancelled.stdout)).toMatchObject([
        { command: "cancel", answer: "done", id: b, status: "cancelled" }
      ])
      const removed = yield* world.run("rm", a!, b!)
      expect(removed).toMatchObject({ code: 1, stdout: `${b}\n` })
      expect(removed.stderr).toContain(`not removed: ${a}`)
      expect(removed.stderr).toContain(`sluice cancel ${a} ends it`)
      expect(statuses(world)).toEqual(["pending"])
      expect(world.origin.requests).toEqual([])
    })
  )

  live("all ids are looked up before any of them is touched", (world) =>
    Effect.gen(function* () {
      const [a] = yield* add(world, ["/bytes/10/a"])
      const { code, stderr, stdout } = yield* world.run("cancel", a!, "zzz00000000", "nonsense")
      expect([code, stdout]).toEqual([2, ""])
      expect(stderr).toMatch(
        /2 of 3 ids can't be used:\n.*there is no download "zzz00000000"\n.*no download begins with "nonsense"\n/
      )
      expect(statuses(world)).toEqual(["pending"])
    })
  )

  live("a failed one is retried as a new one, and its tries are told", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/a", [{ status: 404 }, { size: 1000 }])
      const failed = yield* world.get("/a")
      expect(failed.code).toBe(1)
      const [id] = eventsOf((yield* world.run("ls", "--json")).stdout).map((event) =>
        "id" in event ? event.id : ""
      )
      const shown = yield* world.run("show", id!.slice(0, 5))
      expect(shown).toMatchObject({ code: 0, stderr: "" })
      expect(shown.stdout).toContain("status      failed\nwhy         the server answered 404 (not found)\n")
      expect(shown.stdout).toMatch(/\n +1 .*\n +failed: the server answered 404 \(not found\)\n/)
      const retried = yield* world.run("retry", "--all")
      expect(retried).toMatchObject({ code: 0, stdout: "" })
      expect(retried.stderr).toContain("retried 1 download\n")
      expect(statuses(world)).toEqual(["failed", "pending"])
      expect((yield* world.run("run")).code).toBe(0)
      expectExact(world, join(dir, "a"), "/a", 1000)
      const [details, ...others] = eventsOf((yield* world.run("show", id!, "--json")).stdout)
      expect(others).toEqual([])
      expect(details).toMatchObject({
        event: "details",
        status: "failed",
        attempts: [
          { number: 1, source: origin.url("/a"), status: "failed", reason: "NotFound", httpStatus: 404 }
        ]
      })
      expect((yield* world.run("rm", "--all")).stderr).toBe("sluice: removed 2 downloads\n")
      expect(names(dir)).toEqual(["a"])
    })
  )

  live("a page follows another", (world) =>
    Effect.gen(function* () {
      const ids = yield* add(world, ["/a", "/b", "/c", "/d", "/e"])
      const last = yield* world.run("ls", "--limit", "2", "--json")
      expect(eventsOf(last.stdout).map((event) => ("id" in event ? event.id : ""))).toEqual(ids.slice(3))
      const command = last.stderr
        .split("\n")[1]!
        .trim()
        .replace(/^node .*sluice\.js/, "")
      expect(command).toBe(` ls --limit 2 --json --before ${ids[3]}`)
      const before = yield* world.run(...command.trim().split(" "))
      expect(eventsOf(before.stdout).map((event) => ("id" in event ? event.id : ""))).toEqual(ids.slice(1, 3))
    })
  )

  live("secrets are not shown", (world) =>
    Effect.gen(function* () {
      const [id] = yield* add(world, ["/a"], "--bearer", "hunter2", "--header", "X-Key: hunter2")
      for (const args of [
        ["show", id!],
        ["show", id!, "--json"],
        ["ls", "--json"],
        ["pause", "--json", id!]
      ]) {
        const { code, stderr, stdout } = yield* world.run(...args)
        expect(code).toBe(0)
        expect(stdout + stderr).not.toContain("hunter2")
      }
      expect((yield* world.run("show", id!)).stdout).toContain("headers     X-Key: ..., Authorization: ...")
    })
  )
})

describe.concurrent("beside an engine", () => {
  live("it lets go of what is paused before the command returns, and takes it up again", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [size, stallAfter] = [MiB, 300_000]
      origin.set("/a", [{ size, stallAfter }, { size }])
      const [id] = yield* add(world, ["/a"])
      const watch = yield* world.start("run", "--watch")
      yield* watch.during(eventually(() => world.row()?.checkpoint === stallAfter))
      const stats = eventsOf((yield* world.run("stats", "--json")).stdout)
      expect(stats).toMatchObject([
        { event: "stats", downloads: { processing: 1 }, engines: [{ pid: watch.pid, alive: true }] }
      ])
      expect(yield* world.run("pause", id!)).toMatchObject({ code: 0, stdout: `${id}\n`, stderr: "" })
      expect(world.row()).toMatchObject({ status: "paused", checkpoint: stallAfter })
      expect(fs.existsSync(join(dir, "a.sluice-part"))).toBe(true)
      expect(yield* world.run("resume", id!)).toMatchObject({ code: 0, stdout: `${id}\n`, stderr: "" })
      yield* watch.until(({ stdout }) => stdout() === `${join(dir, "a")}\n`)
      expectExact(world, join(dir, "a"), "/a", size)
      expect(origin.sent("/a")).toBe(size)
      const again = yield* world.run("pause", id!)
      expect(again).toMatchObject({ code: 1, stdout: "" })
      expect(again.stderr).toContain("it is completed")
      yield* watch.kill
      expect((yield* world.run("stats")).stdout).not.toMatch(/ yes /)
    })
  )

  live("what is cancelled by its tag ends there too, and leaves nothing behind", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/a", { size: MiB, stallAfter: 300_000 })
      origin.set("/b", { size: 1000 })
      yield* add(world, ["/a"], "--tag", "big")
      const watch = yield* world.start("run", "--watch")
      yield* watch.during(eventually(() => world.row()?.checkpoint === 300_000))
      const cancelled = yield* world.run("cancel", "--tag", "big")
      expect(cancelled.code).toBe(0)
      expect(cancelled.stderr).toMatch(/asked of the engines at work|cancelled 1 download/)
      yield* watch.during(eventually(() => world.row()?.status === "cancelled" && names(dir).length === 0))
      yield* add(world, ["/b"])
      yield* watch.until(({ stdout }) => stdout() === `${join(dir, "b")}\n`)
    })
  )

  live("a get whose download is paused says so", (world) =>
    Effect.gen(function* () {
      world.origin.set("/a", { size: MiB, stallAfter: 300_000 })
      const get = yield* world.startGet("/a")
      yield* get.during(eventually(() => world.row()?.checkpoint === 300_000))
      expect((yield* world.run("pause", "--all")).code).toBe(0)
      const { code, stderr } = yield* get.result
      expect(code).toBe(1)
      expect(stderr).toContain("paused by another command")
    })
  )
})

describe.concurrent("a database that can't be used", () => {
  live("is one sentence and exit code 3, for every command", (world) =>
    Effect.gen(function* () {
      fs.writeFileSync(
        join(world.root, "bad.db"),
        "this is no database, and long enough to be read as one".repeat(20)
      )
      for (const args of [
        ["ls"],
        ["show", "abc"],
        ["stats"],
        ["pause", "abc"],
        ["cancel", "--all"],
        ["rm", "--tag", "t"],
        ["move", "abc", "--priority", "1"],
        ["add", world.origin.url("/a")],
        ["run", "--watch"]
      ]) {
        const { code, stderr, stdout } = yield* world.run(...args, "--db", "bad.db")
        expect([args, code, stdout]).toEqual([args, 3, ""])
        expect(stderr).toMatch(/^sluice: the database \S+bad\.db is not a sluice database.*\n {8}\S.*\n$/)
      }
    })
  )
})
