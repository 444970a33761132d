/**
 * An engine's life as a lock of the operating system: an open EXCLUSIVE transaction on a SQLite file of its own beside
 * the database, `DATABASE.engine-ID`. The kernel holds it while the process lives, stopped or not, and frees it
 * the moment the process dies. Whose rows a dead engine's are is left to the store.
 *
 * The file stays empty: nothing is ever committed, and the journal is in memory, so there is no second file either.
 * Nothing here needs a sync, as after a power cut every engine of this machine is dead, with or without its file.
 *
 * | step | dying after it leaves | what others make of it |
 * |---|---|---|
 * | create the file, O_EXCL, 0600 | a free file that no row names | the next engine that starts sweeps it away |
 * | take the lock, see that the file still has its name | the same | the same |
 * | (the store) write the id into rows | a free file that rows name | `isAlive` is false and removes the file |
 * | close: remove the file | no file | dead |
 * | close: free the lock | | |
 *
 * Tricky interleavings
 * - An id is random, never used twice, and known to nobody before its lock is held. So a file found free is that of a dead
 *   engine for ever, and removing it is safe: nobody will lock it again, and no file means dead as well.
 * - The sweep may meet a file between its creation and its lock. It removes files only while it holds their lock, so the
 *   newcomer either finds the lock taken or, holding it, finds its name gone; in both cases it starts anew with
 *   another id. Once it holds the lock under its name, nobody can remove it.
 * - Two who ask about the same dead engine at the same time may find each other's lock and both hear "alive": it is asked
 *   again with the next poll. Whatever can't be told is "alive" too, as a row taken from a living engine is
 *   worse than one that waits.
 * - POSIX frees a process's locks on a file when it closes any descriptor of it. SQLite keeps book over its own
 *   (several engines in one process exclude each other), so a file once locked is opened through SQLite only.
 * - A connection that is collected as garbage closes itself: the lock is kept reachable for as long as it is meant to hold.
 */
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { EngineId } from "../domain/Download.js"
import { StoreError, type StoreErrorReason } from "../domain/StoreError.js"
import { EngineLife, type Shape } from "../services/EngineLife.js"
import { Database } from "./Database.js"

interface Lock {
  readonly path: string
  readonly db: Sqlite.Database
}

/** The lock of an engine of this process. */
interface Held extends Lock {
  readonly id: EngineId
}

const held = new Set<Held>()

/** Ids come from a database that others can write: nothing else becomes part of a path. */
const wellFormed = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

const reasons: Record<string, StoreErrorReason> = {
  EACCES: "ReadOnly",
  EPERM: "ReadOnly",
  EROFS: "ReadOnly",
  ENOSPC: "Full",
  EDQUOT: "Full",
  ENOENT: "Unavailable",
  ENOTDIR: "Unavailable",
  ENAMETOOLONG: "Unavailable",
  ELOOP: "Unavailable",
  SQLITE_BUSY: "Locked",
  SQLITE_CANTOPEN: "Unavailable"
}

/** Of an error of node:fs or SQLite. */
const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : "unknown"

const isBusy = (cause: unknown): boolean => codeOf(cause).startsWith("SQLITE_BUSY")

const toStoreError = (path: string) => (cause: unknown) =>
  new StoreError({
    reason: reasons[codeOf(cause)] ?? "Io",
    path,
    detail: `its lock file: ${cause instanceof Error ? cause.message : String(cause)}`
  })

/** The file that SQLite means by a path: every engine must look for lock files in the same place. */
const canonical = (path: string): string => {
  let current = resolve(path)
  for (let links = 0; links < 40; links++) {
    const directory = fs.realpathSync(dirname(current))
    current = join(directory, basename(current))
    if (fs.lstatSync(current, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return current
    current = resolve(directory, fs.readlinkSync(current))
  }
  throw Object.assign(new Error("too many symbolic links"), { code: "ELOOP" })
}

/** Throws SQLITE_BUSY at once if the lock is held. The connection must not outlive a failure. */
const lock = (path: string): Sqlite.Database => {
  const db = new Sqlite(path, { fileMustExist: true, timeout: 0 })
  try {
    // else BEGIN EXCLUSIVE on an empty file makes a journal file beside it
    db.pragma("journal_mode = MEMORY")
    db.exec("BEGIN EXCLUSIVE")
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

const remove = (path: string): void => fs.rmSync(path, { force: true })

/** Undefined if a sweep got hold of the file first. */
const tryAcquire = (database: string): Held | undefined => {
  const id = EngineId.make(randomUUID())
  const path = sidecar(database, id)
  fs.closeSync(fs.openSync(path, "wx", 0o600))
  try {
    const mine = { id, path, db: lock(path) }
    if (fs.existsSync(path)) {
      held.add(mine)
      return mine
    }
    release(mine)
    return undefined
  } catch (cause) {
    remove(path)
    if (isBusy(cause) || codeOf(cause) === "SQLITE_CANTOPEN") return undefined
    throw cause
  }
}

const acquire = (database: string): Held => {
  for (let attempt = 0; attempt < 20; attempt++) {
    const mine = tryAcquire(database)
    if (mine !== undefined) return mine
  }
  throw Object.assign(new Error("it can't be locked"), { code: "SQLITE_CANTOPEN" })
}

/** The name goes first: a file that is found free is never one that a newcomer is about to lock. */
const release = ({ path, db }: Lock): void => {
  try {
    remove(path)
  } catch {
    // a free file stays behind, and whoever asks about it finds it free
  }
  db.close()
}

const sidecar = (database: string, id: string): string => `${database}.engine-${id}`

/** Whether an engine holds the lock on this file; removes the file if not. */
const isLocked = (path: string): boolean => {
  try {
    // something of that name that is no file was not made by an engine
    if (fs.lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false
    release({ path, db: lock(path) })
    return false
  } catch (cause) {
    // a file of another kind, and nobody's lock on it; or a file that went away while it was looked at
    if (codeOf(cause) === "SQLITE_NOTADB") return false
    return !(codeOf(cause) === "SQLITE_CANTOPEN" && !fs.existsSync(path))
  }
}

/** Removes the files of engines that died before any row named them. */
const sweep = (database: string, isAlive: Shape["isAlive"]): Effect.Effect<void> =>
  Effect.async<ReadonlyArray<string>>((resume) =>
    fs.readdir(dirname(database), (error, names) => resume(Effect.succeed(error ? [] : names)))
  ).pipe(
    Effect.flatMap((names) => {
      const prefix = sidecar(basename(database), "")
      const ids = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))
      return Effect.forEach(ids, (id) => isAlive(EngineId.make(id)), { discard: true })
    })
  )

/**
 * The lock of this engine, beside `databasePath`, whose directory must exist. It is held from before the layer is built
 * until after it is closed.
 */
export const layer = (databasePath: string): Layer.Layer<EngineLife, StoreError> =>
  Layer.scoped(
    EngineLife,
    Effect.gen(function* () {
      const database = yield* Effect.try({
        try: () => canonical(databasePath),
        catch: toStoreError(databasePath)
      })
      const { id } = yield* Effect.acquireRelease(
        Effect.try({ try: () => acquire(database), catch: toStoreError(databasePath) }),
        (mine) =>
          Effect.sync(() => {
            release(mine)
            held.delete(mine)
          })
      )
      const isAlive = (other: EngineId) =>
        Effect.sync(() => other === id || (wellFormed.test(other) && isLocked(sidecar(database, other))))
      yield* sweep(database, isAlive).pipe(Effect.interruptible, Effect.forkScoped)
      return { id, isAlive }
    })
  )

/** For a database that no other process can see: whoever else has left a name in it is dead. */
export const layerAlone: Layer.Layer<EngineLife> = Layer.sync(EngineLife, () => {
  const id = EngineId.make(randomUUID())
  return { id, isAlive: (other) => Effect.sync(() => other === id) }
})

/** Beside whatever file the database is in; alone, if it is in memory. */
export const layerBeside: Layer.Layer<EngineLife, StoreError, Database> = Layer.unwrapEffect(
  Effect.map(Database, ({ path }) => (path === ":memory:" ? layerAlone : layer(path)))
)
