/**
 * The engine in other people's surroundings: their SqlClient, their dispatcher, their Config; and databases of earlier versions.
 */
import { describe, expect, it } from "@effect/vitest"
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import Sqlite from "better-sqlite3"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "node:fs"
import * as Layer from "effect/Layer"
import * as os from "node:os"
import * as path from "node:path"
import * as Stream from "effect/Stream"
import * as String from "effect/String"
import { Downloads, fromEnvironment, layer, layerClient, layerConfig, layerMemory } from "sluice"
import { MockAgent } from "undici"
import { afterAll } from "vitest"

const directory = FileSystem.mkdtempSync(path.join(os.tmpdir(), "sluice-layers-"))
afterAll(() => FileSystem.rmSync(directory, { recursive: true }))
const fileOf = (name: string) => path.join(directory, name)

const enqueue = (url: string) =>
  Effect.flatMap(Downloads, (downloads) => downloads.enqueue({ url, directory }))
const list = Effect.flatMap(Downloads, (downloads) => downloads.list())
const stopped = { autoStart: false } as const

describe("a SqlClient of the caller's", () => {
  const app = SqliteClient.layer({
    filename: fileOf("app.db"),
    transformResultNames: String.snakeToCamel,
    transformQueryNames: String.camelToSnake
  })
  const engine = layerClient(stopped).pipe(Layer.provideMerge(app))

  it.live("holds our tables beside theirs, names transformed or not, and keeps what is in it", () =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* sql`CREATE TABLE downloads (theirs TEXT)`
        yield* sql`INSERT INTO downloads VALUES ('untouched')`
        yield* sql`PRAGMA user_version = 7`
      }).pipe(Effect.provide(app))
      const { id } = yield* Effect.provide(enqueue("http://h/a"), engine)
      yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        expect(yield* list).toMatchObject([{ id, status: "pending", attemptStartedAt: null }])
        expect(yield* sql`SELECT theirs FROM downloads`).toEqual([{ theirs: "untouched" }])
        expect(yield* sql`PRAGMA user_version`).toMatchObject([{ userVersion: 7 }])
        const tables = yield* sql<{
          name: string
        }>`SELECT name FROM sqlite_master WHERE type IN ('table', 'index')`
        const ours = tables.map(({ name }) => name).filter((name) => name !== "downloads")
        expect(ours.filter((name) => !/^(sluice_|sqlite_)/.test(name))).toEqual([])
      }).pipe(Effect.provide(engine))
      // the engine's lock file is gone with it
      expect(FileSystem.readdirSync(directory).filter((name) => name.includes("engine"))).toEqual([])
    })
  )

  it.live("inside a transaction on it, writing is refused at once rather than waited for for ever", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const error = yield* Effect.flip(sql.withTransaction(enqueue("http://h/b")))
      expect(error).toMatchObject({ _tag: "StoreError", reason: "Refused" })
      expect(error.message).toContain("transaction")
      // looking is possible
      expect(yield* sql.withTransaction(list)).toHaveLength(1)
      expect(yield* enqueue("http://h/b")).toMatchObject({ attached: false })
    }).pipe(Effect.provide(engine))
  )

  it.live("a transaction on another client does not draw our statements to it", () =>
    Effect.gen(function* () {
      const theirs = yield* SqlClient.SqlClient
      const seen = yield* theirs.withTransaction(Effect.zipRight(enqueue("http://h/c"), list))
      expect(seen.map(({ url }) => url)).toContain("http://h/c")
      expect(yield* theirs`SELECT * FROM sqlite_master`).toEqual([])
    }).pipe(
      Effect.provide(
        Layer.merge(
          layer({ database: fileOf("own.db"), ...stopped }),
          SqliteClient.layer({ filename: ":memory:" })
        )
      )
    )
  )
})

describe("a dispatcher of the caller's", () => {
  it.live("carries the requests; MockAgent answers without a network", () =>
    Effect.gen(function* () {
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new MockAgent()),
        (agent) => Effect.promise(() => agent.close())
      )
      agent.disableNetConnect()
      agent
        .get("https://example.org")
        .intercept({ path: "/mocked.txt" })
        .reply(200, "mocked", { headers: { "content-length": "6" } })
      const { path: file } = yield* Effect.flatMap(Downloads, (downloads) =>
        downloads.download({ url: "https://example.org/mocked.txt", directory })
      ).pipe(Effect.provide(layerMemory({ dispatcher: agent })))
      expect(FileSystem.readFileSync(file, "utf8")).toBe("mocked")
      expect(path.dirname(file)).toBe(directory)
    }).pipe(Effect.scoped)
  )
})

describe("after a failure of the database", () => {
  it.live("a new start takes up what was being worked on", () => {
    const agent = new MockAgent()
    agent.disableNetConnect()
    agent.get("http://h").intercept({ path: "/again" }).reply(200, "hello").persist()
    const app = SqliteClient.layer({ filename: fileOf("failing.db") })
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TRIGGER broken BEFORE UPDATE ON sluice_downloads
        WHEN NEW.status IN ('completed', 'retrying', 'failed') BEGIN SELECT RAISE(ABORT, 'broken'); END`
      const asking = downloads.download({ url: "http://h/again", directory })
      expect(yield* Effect.flip(asking)).toMatchObject({ _tag: "StoreError" })
      yield* sql`DROP TRIGGER broken`
      yield* downloads.start
      yield* downloads.drained.pipe(Effect.timeout("10 seconds"))
      expect(yield* downloads.list()).toMatchObject([{ status: "completed", filename: "again" }])
    }).pipe(Effect.provide(layerClient({ dispatcher: agent }).pipe(Layer.provideMerge(app))))
  })
})

describe("options", () => {
  const provider = (entries: Record<string, string>) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(entries)), { pathDelim: "_" }))

  it.effect("come from the environment under documented keys", () =>
    Effect.gen(function* () {
      expect(
        yield* fromEnvironment.pipe(
          provider({
            SLUICE_DB: "/q.db",
            SLUICE_DIR: "/data",
            SLUICE_CONCURRENCY: "9",
            SLUICE_ADOPT: "false",
            SLUICE_SHUTDOWN_TIMEOUT: "5s",
            SLUICE_MAX_RETRIES: "7",
            SLUICE_RETRY_DELAY: "200ms",
            SLUICE_ON_CONFLICT: "skip"
          })
        )
      ).toEqual({
        database: "/q.db",
        directory: "/data",
        concurrency: 9,
        adopt: false,
        shutdownTimeout: 5000,
        downloadDefaults: { maxRetries: 7, retryDelay: 200, onConflict: "skip" }
      })
      expect(yield* Effect.flip(fromEnvironment.pipe(provider({})))).toMatchObject({ _op: "MissingData" })
      const wrong = yield* Effect.flip(
        fromEnvironment.pipe(provider({ SLUICE_DB: "q", SLUICE_TIMEOUT: "soon" }))
      )
      expect(String.isString(wrong.toString()) && wrong.toString()).toContain("soon")
    })
  )

  it.live("or from a Config of one's own, and apply to what a request leaves open", () =>
    Effect.gen(function* () {
      const { download } = yield* Effect.flatMap(Downloads, (downloads) =>
        downloads.enqueue({ url: "http://h/a", options: { timeout: 5 } })
      )
      expect(download).toMatchObject({
        directory,
        options: { timeout: 5, maxRetries: 11, onConflict: "rename" }
      })
    }).pipe(
      Effect.provide(
        layerConfig({
          database: Config.string("QUEUE"),
          directory: Config.succeed(directory),
          autoStart: Config.succeed(false),
          downloadDefaults: Config.succeed({ maxRetries: 11, timeout: 6 })
        })
      ),
      provider({ QUEUE: fileOf("config.db") })
    )
  )

  it.live("that make no sense are a defect with a name", () =>
    Effect.gen(function* () {
      const died = yield* Effect.sandbox(Effect.scoped(Layer.build(layerMemory({ concurrency: 0 })))).pipe(
        Effect.flip
      )
      expect(died.toString()).toContain("concurrency must be a number above 0")
    })
  )
})

describe("a database of version 1", () => {
  /** What an engine of that version has left: a row that is unfinished, one that is done, an attempt. */
  const versionOne = (file: string) => {
    const db = new Sqlite(file)
    db.exec(FileSystem.readFileSync(new URL("version-1.sql", import.meta.url), "utf8"))
    db.close()
  }
  const schema = (file: string) => {
    const db = new Sqlite(file, { readonly: true })
    const tables = db
      .prepare(
        "SELECT name, type, tbl_name, sql FROM sqlite_master WHERE name <> 'sluice_migrations' ORDER BY name"
      )
      .all() as Array<{ name: string; type: string; tbl_name: string; sql: string | null }>
    db.close()
    // renaming puts names in quotes
    return tables.map((row) => ({ ...row, sql: row.sql?.replaceAll(/["\s]/g, "") }))
  }

  it.live("is brought up to date with all that is in it, to what a new one is", () =>
    Effect.gen(function* () {
      const old = fileOf("one.db")
      versionOne(old)
      const rows = yield* Effect.provide(list, layer({ database: old, ...stopped }))
      expect(rows).toMatchObject([
        { url: "http://h/done", status: "completed", filename: "done", meta: null, checkpoint: 4 },
        { url: "http://h/half", status: "pending", checkpoint: 2, total: 4, part: { ino: "7" }, meta: null }
      ])
      // what had ended before there were consumers is there for those that begin at the start
      const known = yield* Effect.flatMap(Downloads, (downloads) =>
        Stream.runCollect(downloads.completions("c", { from: "start", until: Effect.void }))
      ).pipe(Effect.provide(layer({ database: old, ...stopped })))
      expect([...known]).toMatchObject([{ url: "http://h/done", status: "completed", redelivered: false }])
      // the same request attaches to what is unfinished: its key has survived
      const again = yield* Effect.flatMap(Downloads, (downloads) =>
        downloads.enqueue({ url: "http://h/half", directory: "/d" }).pipe(Effect.ignore)
      ).pipe(Effect.provide(layer({ database: old, ...stopped })))
      expect(again).toBeUndefined()
      const fresh = fileOf("fresh.db")
      yield* Effect.provide(list, layer({ database: fresh, ...stopped }))
      expect(schema(old)).toEqual(schema(fresh))
    })
  )
})
