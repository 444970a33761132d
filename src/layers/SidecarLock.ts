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
 * - A connection that is collected as garbage closes itself: the lock is kept reachable for as long as it is meant to hold.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import { dirname } from "node:path"
import { EngineId } from "../domain/Download.js"
import { StoreError, type StoreErrorReason } from "../domain/StoreError.js"
import { EngineLife, type Shape } from "../services/EngineLife.js"
import { Database } from "./Database.js"
import * as LockFile from "./LockFile.js"

/** The lock of an engine of this process. */
interface Held extends LockFile.LockFile {
  readonly id: EngineId
}

const held = new Set<Held>()

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

const toStoreError = (path: string) => (cause: unknown) =>
  new StoreError({
    reason: reasons[LockFile.codeOf(cause)] ?? "Io",
    path,
    detail: `its lock file: ${cause instanceof Error ? cause.message : String(cause)}`
  })

/** Undefined if a sweep got hold of the file first. */
const tryAcquire = (database: string): Held | undefined => {
  const id = EngineId.make(randomUUID())
  const path = LockFile.fileOf(database, id)!
  fs.closeSync(fs.openSync(path, "wx", 0o600))
  try {
    const mine = { id, path, db: LockFile.lock(path) }
    if (fs.existsSync(path)) {
      held.add(mine)
      return mine
    }
    LockFile.release(mine)
    return undefined
  } catch (cause) {
    LockFile.remove(path)
    if (LockFile.isBusy(cause) || LockFile.codeOf(cause) === "SQLITE_CANTOPEN") return undefined
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

/** Removes the files of engines that died before any row named them. */
const sweep = (database: string, isAlive: Shape["isAlive"]): Effect.Effect<void> =>
  Effect.async<ReadonlyArray<string>>((resume) =>
    fs.readdir(dirname(database), (error, names) => resume(Effect.succeed(error ? [] : names)))
  ).pipe(
    Effect.flatMap((names) => Effect.forEach(LockFile.idsAmong(database, names), isAlive, { discard: true }))
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
        try: () => LockFile.canonical(databasePath),
        catch: toStoreError(databasePath)
      })
      const { id } = yield* Effect.acquireRelease(
        Effect.try({ try: () => acquire(database), catch: toStoreError(databasePath) }),
        (mine) =>
          Effect.sync(() => {
            LockFile.release(mine)
            held.delete(mine)
          })
      )
      const isAlive = (other: EngineId) =>
        Effect.sync(() => {
          const path = LockFile.fileOf(database, other)
          return other === id || (path !== undefined && LockFile.isLocked(path))
        })
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
