/**
 * Databases that an earlier version has made: whatever command opens one brings it up to date, also those that only look.
 */
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { eventsOf, live, type World } from "./Cli.js"
import { readOnly } from "./Mounts.js"

const secret = "grüße-Qm4Tz8"

/** A database as version 10 left it, with two downloads that wait, one of them with header fields. */
const older = (world: World, directory: string) => {
  const file = join(directory, "sluice.db")
  const given = { origin: world.origin.url(""), directory: world.dir, secret }
  const db = new Sqlite(file)
  db.pragma("journal_mode = WAL")
  db.exec(
    fs
      .readFileSync(new URL("version10.sql", import.meta.url), "utf8")
      .replaceAll(/\{(origin|directory|secret)\}/g, (_, name: keyof typeof given) => given[name])
  )
  db.close()
  return file
}

/** Holds the lock of an engine, as one of any version does. */
const engine = (file: string) => {
  const id = randomUUID()
  const db = new Sqlite(file)
  db.prepare("INSERT INTO sluice_engines (id, pid, started_at) VALUES (?, ?, 0)").run(id, 12345)
  db.close()
  const path = `${file}.engine-${id}`
  const lock = new Sqlite(path)
  lock.pragma("journal_mode = MEMORY")
  lock.exec("BEGIN EXCLUSIVE")
  return () => {
    fs.rmSync(path)
    lock.close()
  }
}

describe.concurrent("an older database", () => {
  live("is brought up to date by who only looks, and keeps all that it had", (world) =>
    Effect.gen(function* () {
      const file = older(world, world.root)
      const { code, stdout } = yield* world.run("stats", "--db", file, "--json")
      expect(code).toBe(0)
      expect(eventsOf(stdout)).toMatchObject([{ downloads: { pending: 2 } }])
      expect(yield* world.run("run", "--db", file)).toMatchObject({ code: 0 })
      const { origin } = world
      expect(origin.requestsFor("/bytes/10/b")).toMatchObject([{ headers: { "x-api-key": secret } }])
      expect(origin.requestsFor("/bytes/10/a")[0]!.headers).not.toHaveProperty("x-api-key")
      expect(fs.readFileSync(file).includes("Qm4Tz8")).toBe(false)
    })
  )

  live("is left as it is while an engine of its version is at work", (world) =>
    Effect.gen(function* () {
      const file = older(world, world.root)
      const stop = engine(file)
      for (const command of ["stats", "run", "ls"]) {
        const { code, stderr } = yield* world.run(command, "--db", file)
        expect(code).toBe(3)
        expect(stderr).toContain("an engine of that version is at work on it (process 12345)")
        expect(stderr).toContain("stop that engine")
      }
      stop()
      expect(yield* world.run("run", "--db", file)).toMatchObject({ code: 0 })
      expect(world.origin.requestsFor("/bytes/10/b")).toMatchObject([{ headers: { "x-api-key": secret } }])
    })
  )

  live("is watched", (world) =>
    Effect.gen(function* () {
      const file = older(world, world.root)
      const watch = yield* world.start("watch", "--db", file, "--json")
      yield* watch.until(({ stdout }) => stdout().includes('"pending":2'))
      yield* watch.send("SIGINT")
      expect(yield* watch.result).toMatchObject({ code: 130 })
    })
  )

  live("that can't be written to is told, with what to do", (world, context) =>
    Effect.gen(function* () {
      const directory = join(world.root, "old")
      fs.mkdirSync(directory)
      const file = older(world, directory)
      yield* readOnly(context, directory)
      const { code, stderr } = yield* world.run("stats", "--db", file)
      expect(code).toBe(3)
      expect(stderr).toMatch(/can't be (opened|written to)/)
      expect(stderr).toMatch(
        / {8}(check that its directory exists and may be written to|correct its permissions)/
      )
    })
  )
})

describe.concurrent("stats", () => {
  live("say which engines take up what is nobody's", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/slow", { size: 1000, stallAfter: 10 })
      origin.set("/slow2", { size: 1000, stallAfter: 10 })
      const get = yield* world.startGet("/slow")
      yield* get.during(origin.until(() => origin.sent("/slow") > 0))
      yield* world.run("add", origin.url("/slow2"))
      const run = yield* world.start("run")
      yield* run.during(origin.until(() => origin.sent("/slow2") > 0))
      const reports = eventsOf((yield* world.run("stats", "--json")).stdout) as unknown as ReadonlyArray<{
        readonly engines: ReadonlyArray<{ readonly pid: number; readonly adopts: boolean }>
      }>
      const engines = reports[0]!.engines
      expect(new Map(engines.map(({ adopts, pid }) => [pid, adopts]))).toEqual(
        new Map([
          [get.pid, false],
          [run.pid, true]
        ])
      )
    })
  )
})
