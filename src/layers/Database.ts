/**
 * The database behind the store: opening it with care, and transactions that either commit or leave nothing behind.
 *
 * A file that is not ours (no SQLite file, another program's, a newer sluice's) is recognised before anything is written
 * to it. Opening is repeatable at any crash point:
 *
 * | step | durable after it | a later open |
 * |---|---|---|
 * | create the empty file, 0600 | an empty file | takes it for new |
 * | write the application id | a database of ours without tables | migrates it |
 * | migrate, in one immediate transaction | the schema, whole or not at all | finds it, or migrates |
 *
 * Under an engine of an older version that is at work nothing is migrated. An engine makes sure of the schema before it takes its
 * lock, and again when it registers, before its first row.
 *
 * Tricky interleavings: two processes may open a new database at the same time; the immediate transaction
 * around the migrations lets one of them do it and the other find it done. Lock waits block the event loop inside
 * SQLite, so they are kept short there and repeated here.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import Sqlite from "better-sqlite3"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as fs from "node:fs"
import type { Durability } from "../domain/Durability.js"
import { StoreError, type StoreErrorReason } from "../domain/StoreError.js"
import * as LockFile from "./LockFile.js"
import * as Migrations from "./Migrations.js"
import { toStoreError } from "./SqliteError.js"

/** @see {@link Database} */
export interface Shape {
  /** The file, or ":memory:". */
  readonly path: string
  /** Runs the effect in one BEGIN IMMEDIATE transaction; waits up to 10 s for another process's lock. */
  readonly transact: <A, R>(
    effect: Effect.Effect<A, SqlError | StoreError, R>
  ) => Effect.Effect<A, StoreError, R>
  /** Repeats what failed because another process holds the lock, for up to 10 s. */
  readonly whileLocked: <A, R>(effect: Effect.Effect<A, StoreError, R>) => Effect.Effect<A, StoreError, R>
  /**
   * Whether the calling fiber is inside a transaction of this very client. Whoever waits there for another fiber's write waits
   * for ever: the connection is taken.
   */
  readonly isInside: Effect.Effect<boolean>
  /**
   * Keeps the effect out of a transaction that the calling fiber runs on another client (the tag of the connection is the same
   * for all clients, so our statements would go there).
   */
  readonly apart: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** A number that changes when another process has committed something. */
  readonly version: Effect.Effect<number, StoreError>
  /** @see {@link Store.emptyLog} */
  readonly emptyLog: Effect.Effect<boolean, StoreError>
  /** Turns what SQLite says into what a person can use. */
  readonly mapError: (error: SqlError) => StoreError
}

/** An open, migrated database. */
export class Database extends Context.Tag("sluice/Database")<Database, Shape>() {}

/** "slui" in the header of each of our files (PRAGMA application_id). */
const applicationId = 0x736c7569

const busyTimeout = 100

/**
 * Looks before anything is changed; makes the file if it is missing. What is there is looked at through SQLite only: closing a
 * descriptor of our own would free the locks that another engine of this process holds on the file (POSIX).
 */
const prepare = (path: string): Effect.Effect<void, StoreError> =>
  Effect.try({
    try: () => {
      const stat = fs.statSync(path, { throwIfNoEntry: false })
      if (stat === undefined) fs.closeSync(fs.openSync(path, "a", 0o600))
      else if (stat.isFile()) fs.accessSync(path, fs.constants.R_OK | fs.constants.W_OK)
      else throw new StoreError({ reason: "Unavailable", path, detail: "it is not a regular file" })
      const db = new Sqlite(path, { fileMustExist: true, timeout: 5000 })
      try {
        // in this order: another process may be writing the id to an empty file just now
        const empty = db.pragma("page_count", { simple: true }) === 0
        const id = db.pragma("application_id", { simple: true })
        if (id === applicationId) return
        if (id !== 0 || !empty) {
          throw new StoreError({ reason: "NotADatabase", path, detail: "it belongs to another program" })
        }
        db.pragma(`application_id = ${applicationId}`)
      } finally {
        db.close()
      }
    },
    catch: (cause) => toStoreError(path, cause)
  })

/** Repeats what failed because another process holds the lock, for up to 10 s. */
export const whileLocked: Shape["whileLocked"] = Effect.retry({
  while: (error) => error.reason === "Locked",
  schedule: Schedule.spaced("20 millis").pipe(Schedule.jittered, Schedule.upTo("10 seconds"))
})

/** `exclusive`: the client is ours alone, and all its settings may be changed. */
const make = (
  path: string,
  exclusive: boolean,
  durability: Durability
): Effect.Effect<Shape, StoreError, SqlClient.SqlClient> =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const own = yield* Effect.scoped(sql.reserve).pipe(Effect.mapError((error) => toStoreError(path, error)))
    const isInside = Effect.contextWith((context: Context.Context<never>) =>
      Option.exists(
        Context.getOption(context, SqlClient.TransactionConnection),
        ([connection]) => connection === own
      )
    )
    const apart: Shape["apart"] = (effect) =>
      Effect.flatMap(isInside, (inside) => (inside ? effect : outside(effect)))
    const mapError = (error: SqlError) => toStoreError(path, error)
    const immediate = makeImmediate(sql)
    const transact: Shape["transact"] = (effect) =>
      apart(immediate(effect)).pipe(
        // a COMMIT that fails surfaces as a defect (it rolls back first, see makeImmediate)
        Effect.catchAllDefect((defect) =>
          defect instanceof SqlError ? Effect.fail(defect) : Effect.die(defect)
        ),
        Effect.catchTag("SqlError", (error) => Effect.fail(mapError(error))),
        whileLocked,
        Effect.withTracerEnabled(false)
      )
    if (exclusive) {
      yield* sql`PRAGMA busy_timeout = ${sql.literal(String(busyTimeout))}`.pipe(Effect.mapError(mapError))
    }
    // FULL is SQLite's default only on a database's first open (better-sqlite3 is built so): set it always
    const synchronous = durability === "crash" ? "NORMAL" : "FULL"
    if (exclusive || durability === "power-loss") {
      yield* sql`PRAGMA synchronous = ${sql.literal(synchronous)}`.pipe(Effect.mapError(mapError))
    }
    // secrets that a row drops are to be gone from the file, not only from the row
    yield* sql`PRAGMA secure_delete = ON`.pipe(Effect.mapError(mapError))
    // the first look takes no lock, so that a list can be had while somebody writes
    const current = yield* isCurrent(path).pipe(
      Effect.catchTag("SqlError", (error) => Effect.fail(mapError(error))),
      whileLocked
    )
    if (!current) yield* transact(migrate(path))
    // on the connection itself, past everything that statements go through: it is asked five times a second, and takes no lock
    const version = own
      .executeValues("PRAGMA data_version", [])
      .pipe(Effect.mapBoth({ onFailure: mapError, onSuccess: ([row]) => Number(row![0]) }))
    // waits for the transaction that is going on: inside one it is an error
    const emptyLog = Effect.flatMap(sql.reserve, (connection) =>
      connection.executeValues("PRAGMA wal_checkpoint(TRUNCATE)", [])
    ).pipe(
      Effect.scoped,
      Effect.map(([row]) => Number(row![0]) === 0),
      Effect.mapError(mapError),
      Effect.catchIf(
        ({ reason }) => reason === "Locked",
        () => Effect.succeed(false)
      ),
      apart
    )
    return { emptyLog, path, transact, whileLocked, mapError, isInside, apart, version }
  })

/** Without the transaction that the fiber is in. */
const outside = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.mapInputContext(
    effect,
    (context: Context.Context<R>) =>
      Context.omit(SqlClient.TransactionConnection)(
        context as Context.Context<R | SqlClient.TransactionConnection>
      ) as Context.Context<R>
  )

/** Whether the schema is the one this code knows; fails if it is newer. */
export const isCurrent = (path: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const known = yield* sql`SELECT 1 FROM sqlite_master WHERE name = ${Migrations.table}`
    if (known.length === 0) return false
    const rows = yield* sql<{
      version: number | null
    }>`SELECT max(migration_id) AS version FROM ${sql(Migrations.table)}`
    const version = rows[0]!.version ?? 0
    if (version <= Migrations.latest) return version === Migrations.latest
    return yield* new StoreError({
      reason: "Newer",
      path,
      detail: `its version is ${version}, this sluice knows ${Migrations.latest}`
    })
  })

/** To be run in one transaction: another process may have done it since anybody looked. */
const migrate = (path: string) =>
  Effect.unlessEffect(
    Effect.zipRight(
      refuseWhileInUse(path),
      Effect.catchTag(Migrations.migrate, "MigrationError", (error) => Effect.die(error))
    ),
    isCurrent(path)
  )

/**
 * An engine that lives on a database of an older version is one of that version: it takes its lock after it has made sure of the schema. It would
 * go on with statements that do not fit any more: rows without their secrets would be asked for without them.
 */
const refuseWhileInUse = (path: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    if (path === ":memory:") return
    const living = yield* Effect.try({
      try: () => LockFile.living(path),
      catch: (cause) => toStoreError(path, cause)
    })
    if (living.length === 0) return
    const pids = yield* sql<{ pid: number }>`SELECT pid FROM sluice_engines
      WHERE id IN (SELECT value FROM json_each(${JSON.stringify(living)})) AND pid IS NOT NULL`.pipe(
      // its first versions called this table something else
      Effect.catchTag("SqlError", () => Effect.succeed([]))
    )
    const detail = pids.length === 0 ? undefined : `process ${pids.map(({ pid }) => pid).join(", ")}`
    return yield* new StoreError({ reason: "InUse", path, detail })
  })

/** As SqlClient's own withTransaction, but IMMEDIATE, and a failed COMMIT is rolled back rather than left open. */
const makeImmediate = (sql: SqlClient.SqlClient) => {
  const execute = (statement: string) => (connection: Connection) =>
    Effect.asVoid(connection.executeUnprepared(statement, [], undefined))
  return SqlClient.makeWithTransaction({
    transactionTag: SqlClient.TransactionConnection,
    spanAttributes: [],
    acquireConnection: Effect.flatMap(Scope.make(), (scope) =>
      Effect.map(Scope.extend(sql.reserve, scope), (connection) => [scope, connection] as const)
    ),
    begin: execute("BEGIN IMMEDIATE"),
    commit: (connection) =>
      Effect.tapError(execute("COMMIT")(connection), () => Effect.ignore(execute("ROLLBACK")(connection))),
    // SQLite rolls back by itself on some errors; then there is nothing left to roll back
    rollback: (connection) => Effect.ignore(execute("ROLLBACK")(connection)),
    savepoint: (connection, id) => execute(`SAVEPOINT sluice_${id}`)(connection),
    rollbackSavepoint: (connection, id) => execute(`ROLLBACK TO SAVEPOINT sluice_${id}`)(connection)
  })
}

type Connection = Effect.Effect.Success<SqlClient.SqlClient["reserve"]>

const layerOf = (
  path: string,
  client: Layer.Layer<SqlClient.SqlClient, StoreError>,
  durability: Durability = "power-loss"
) => Layer.effect(Database, make(path, true, durability)).pipe(Layer.provideMerge(client))

/** Opening may throw inside the driver (a locked WAL switch, a damaged header): a defect there is an answer here. */
const sqlite = (
  path: string,
  config: { readonly disableWAL: boolean }
): Layer.Layer<SqlClient.SqlClient, StoreError> =>
  SqliteClient.layer({ filename: path, disableWAL: config.disableWAL }).pipe(
    Layer.catchAllCause((cause) =>
      Layer.fail(
        toStoreError(
          path,
          Option.getOrElse(Cause.dieOption(cause), () => Cause.squash(cause))
        )
      )
    )
  )

/** A SQLite file, WAL, synchronous FULL (NORMAL for `crash`). Its directory must exist. */
export const layerFile = (
  path: string,
  durability?: Durability
): Layer.Layer<SqlClient.SqlClient | Database, StoreError> =>
  layerOf(path, Layer.unwrapEffect(Effect.as(prepare(path), sqlite(path, { disableWAL: false }))), durability)

/** A database of this process only, gone with it: for tests and for programs that want no durability. */
export const layerMemory: Layer.Layer<SqlClient.SqlClient | Database, StoreError> = layerOf(
  ":memory:",
  Layer.suspend(() => sqlite(":memory:", { disableWAL: true }))
)

/**
 * A SQLite client of the caller's, whose other tables are left alone: ours begin with `sluice_` and are made and migrated here.
 * On its connection `synchronous` is set to FULL (what `enqueue` has recorded is to survive a power cut; not with durability `crash`) and `secure_delete` to ON (credentials
 * that a row drops are to be gone); its busy timeout and journal mode stay as they are.
 *
 * The client has one connection: a program that waits for sluice inside a transaction of its own would wait for itself, so
 * calls that write are refused there.
 */
export const layerClient = (
  durability: Durability = "power-loss"
): Layer.Layer<SqlClient.SqlClient | Database, StoreError, SqlClient.SqlClient> =>
  Layer.unwrapEffect(
    Effect.gen(function* () {
      const given = yield* SqlClient.SqlClient
      const refuse = (reason: StoreErrorReason, detail: string) =>
        new StoreError({ reason, path: "of the given SqlClient", detail })
      const isSqlite = given.onDialectOrElse({ sqlite: () => true, orElse: () => false })
      if (!isSqlite) return yield* refuse("NotADatabase", "only SQLite can be used so far")
      // result names that are transformed would not be ours
      const sql = given.withoutTransforms()
      const databases = yield* sql<{ name: string; file: string | null }>`PRAGMA database_list`.pipe(
        Effect.mapError((error) => refuse("Unavailable", error.message))
      )
      const file = databases.find(({ name }) => name === "main")?.file
      return Layer.effect(
        Database,
        make(file === undefined || file === null || file === "" ? ":memory:" : file, false, durability)
      ).pipe(Layer.provideMerge(Layer.succeed(SqlClient.SqlClient, sql)))
    })
  )
