/**
 * Databases that can't be used: one sentence that names the file and says what to do, exit code 3, and not a byte of it changed.
 */
import { describe, expect } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventually, expectOnly, live, MiB, names, type Result, sha256, type World } from "./Cli.js"
import { fill, readOnly, tmpfs } from "./Mounts.js"
import { hasOpen } from "./Proc.js"

/** What is asked for in vain. */
const wanted = "/bytes/10/a"

const expectUnusable = (
  world: World,
  { code, stderr, stdout }: Result,
  ...words: ReadonlyArray<string>
): void => {
  expect({ code, stdout }, stderr).toEqual({ code: 3, stdout: "" })
  expect(stderr).toMatch(/^sluice: the database \S[^\n]*\n {8}\S[^\n]*\n$/)
  for (const word of words) expect(stderr).toContain(word)
  expect(names(world.dir)).toEqual([])
  expect(world.origin.requestsFor(wanted)).toEqual([])
}

/** A command refuses a file, and leaves it as it is, beside nothing else. */
const refuses = (world: World, command: "get" | "ls", file: string, ...words: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directory = join(file, "..")
    const before = { sha256: sha256(file), names: names(directory) }
    const result = yield* command === "get" ? world.get(wanted, "--db", file) : world.run("ls", "--db", file)
    expectUnusable(world, result, file, ...words)
    expect({ sha256: sha256(file), names: names(directory) }).toEqual(before)
  })

/** A database of ours with `count` finished downloads in it. */
const filled = (world: World, count: number) =>
  Effect.gen(function* () {
    expect((yield* world.get("/bytes/10/first")).code).toBe(0)
    fs.rmSync(join(world.dir, "first"))
    change(world.database, (db) => {
      const columns = db
        .prepare("SELECT group_concat(name) FROM pragma_table_info('sluice_downloads') WHERE name <> 'id'")
        .pluck()
        .get()
      const copy = db.prepare(
        `INSERT INTO sluice_downloads (id, ${columns}) SELECT id + ?, ${columns} FROM sluice_downloads LIMIT 1`
      )
      db.transaction(() => {
        for (let i = 1; i < count; i++) copy.run(i)
      })()
    })
    return world.database
  })

const change = (file: string, how: (db: Sqlite.Database) => void): void => {
  const db = new Sqlite(file)
  how(db)
  db.close()
}

/** Overwrites a stretch of a file with nonsense. */
const damage = (file: string, from: number, to: number): void => {
  const fd = fs.openSync(file, "r+")
  fs.writeSync(fd, Buffer.alloc(to - from, 0xa5), 0, to - from, from)
  fs.closeSync(fd)
}

describe.concurrent("a file that is no database of ours", () => {
  live("is left alone: a text, another program's", (world) =>
    Effect.gen(function* () {
      const text = join(world.root, "text.db")
      fs.writeFileSync(text, "Dear diary,\n".repeat(1000))
      yield* refuses(world, "get", text, "is not a sluice database", "choose another file with --db")
      const other = join(world.root, "other.db")
      change(other, (db) => db.exec("CREATE TABLE downloads (id INTEGER); INSERT INTO downloads VALUES (1)"))
      yield* refuses(world, "get", other, "is not a sluice database", "it belongs to another program")
      yield* refuses(world, "ls", other, "is not a sluice database")
    })
  )

  live("is nothing to open: in a missing directory, or a directory itself", (world) =>
    Effect.gen(function* () {
      const { root } = world
      for (const path of [join(root, "no/such.db"), root]) {
        const result = yield* world.get(wanted, "--db", path)
        expectUnusable(world, result, path, "can't be opened", "check that its directory exists")
      }
      expectUnusable(world, yield* world.run("ls", "--db", join(root, "none.db")), "there is no such file")
      expect(names(root)).toEqual(["files"])
    })
  )
})

describe.concurrent("a database of ours", () => {
  live("is left as it is where it is damaged, or a newer version's", (world) =>
    Effect.gen(function* () {
      const database = yield* filled(world, 500)
      const { size } = fs.statSync(database)
      const copy = (name: string) => {
        const file = join(world.root, name)
        fs.copyFileSync(database, file)
        return file
      }
      const newer = copy("newer.db")
      change(newer, (db) =>
        db.exec("INSERT INTO sluice_migrations (migration_id, name) VALUES (999, 'future')")
      )
      yield* refuses(world, "get", newer, "was made by a newer version of sluice", "update sluice")
      const ruined = copy("ruined.db")
      damage(ruined, 4096, size)
      yield* refuses(world, "get", ruined, "is damaged", "restore it from a copy")
      const spoilt = copy("spoilt.db")
      damage(spoilt, Math.floor(size * 0.3), Math.floor(size * 0.6))
      yield* refuses(world, "ls", spoilt, "is damaged")
      const cut = copy("cut.db")
      fs.truncateSync(cut, Math.floor(size / 2))
      yield* refuses(world, "ls", cut, "is damaged")
      const senseless = copy("senseless.db")
      change(senseless, (db) => db.exec(`UPDATE sluice_downloads SET options = '{"maxRetries":'`))
      yield* refuses(world, "ls", senseless, "is damaged", "a row makes no sense")
    })
  )
})

describe.concurrent("a database that can't be written", () => {
  live("in a directory that can't be written to", (world, context) =>
    Effect.gen(function* () {
      const database = yield* filled(world, 1)
      const directory = join(database, "..")
      yield* readOnly(context, directory)
      for (const file of [database, join(directory, "new.db")]) {
        const result = yield* world.get(wanted, "--db", file)
        expectUnusable(world, result, file, "can't be written to", "choose another file with --db")
      }
      expect(names(directory)).toEqual(["sluice.db"])
    })
  )

  live("on a full disk", (world, context) =>
    Effect.gen(function* () {
      const { root } = world
      const directory = join(root, "small")
      fs.mkdirSync(directory)
      yield* tmpfs(context, directory, 1024)
      const database = join(directory, "queue.db")
      // an engine has used it, and then the disk became full
      expect((yield* world.get("/bytes/10/first", "--db", database)).code).toBe(0)
      fs.rmSync(join(world.dir, "first"))
      yield* fill(join(directory, "filler"))
      const before = sha256(database)
      for (const file of [database, join(directory, "new.db")]) {
        const result = yield* world.get(wanted, "--db", file)
        expectUnusable(world, result, file, "the disk is full", "free some space")
      }
      expect(sha256(database)).toBe(before)
      fs.rmSync(join(directory, "filler"))
      expectOnly(world, yield* world.get(wanted, "--db", database), "a", wanted, 10)
    })
  )

  live("on a disk that becomes full on the way: nothing recorded is lost", (world, context) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const directory = join(root, "small")
      fs.mkdirSync(directory)
      yield* tmpfs(context, directory, 1024)
      const database = join(directory, "queue.db")
      const [path, size] = ["/a", 4 * MiB]
      origin.set(path, { size, rate: MiB })
      const running = yield* world.startGet(path, "--db", database)
      yield* running.during(origin.until(() => origin.sent(path) > MiB))
      yield* fill(join(directory, "filler"))
      const failed = yield* running.result
      expect(failed).toMatchObject({ code: 3, stdout: "" })
      expect(failed.stderr).toContain(`sluice: the database ${database} can't grow: the disk is full`)
      expect(names(dir)).toEqual(["a.sluice-part"])
      fs.rmSync(join(directory, "filler"))
      origin.set(path, { size })
      expectOnly(world, yield* world.get(path, "--db", database), "a", path, size)
      expect(origin.requestsFor(path)[1]!.headers["range"]).toMatch(/^bytes=\d+-$/)
      expect(names(directory)).toEqual(["queue.db"])
    })
  )

  live("locked by another process for a while is waited for", (world) =>
    Effect.gen(function* () {
      const database = yield* filled(world, 1)
      const lock = new Sqlite(database)
      lock.exec("BEGIN IMMEDIATE")
      const running = yield* world.startGet(wanted)
      yield* running.during(eventually(() => hasOpen(running, database)))
      lock.exec("COMMIT")
      lock.close()
      expectOnly(world, yield* running.result, "a", wanted, 10)
    })
  )
})
