/**
 * The files whose locks are the lives of engines: one beside the database for each, `DATABASE.engine-ID`. Where they lie, and
 * taking, freeing and trying their locks; what a lock means to whom is left to SidecarLock and Database, and so is the table of
 * what a crash leaves (see SidecarLock).
 *
 * Tricky interleavings: POSIX frees a process's locks on a file when it closes any descriptor of it. SQLite keeps book over its own
 * (several engines in one process exclude each other), so a file once locked is opened through SQLite only.
 */
import Sqlite from "better-sqlite3"
import * as fs from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { EngineId } from "../domain/Download.js"

/** A lock that is held as long as the connection is open. */
export interface LockFile {
  readonly path: string
  readonly db: Sqlite.Database
}

/** Ids come from a database that others can write: nothing else becomes part of a path. */
const wellFormed = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Of an error of node:fs or SQLite. */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause ? String(cause.code) : "unknown"

export const isBusy = (cause: unknown): boolean => codeOf(cause).startsWith("SQLITE_BUSY")

/** The file that SQLite means by a path: every engine must look for lock files in the same place. */
export const canonical = (path: string): string => {
  let current = resolve(path)
  for (let links = 0; links < 40; links++) {
    const directory = fs.realpathSync(dirname(current))
    current = join(directory, basename(current))
    if (fs.lstatSync(current, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return current
    current = resolve(directory, fs.readlinkSync(current))
  }
  throw Object.assign(new Error("too many symbolic links"), { code: "ELOOP" })
}

/** The file of an engine of this database; undefined for what is no engine's id. */
export const fileOf = (database: string, id: EngineId): string | undefined =>
  wellFormed.test(id) ? `${database}.engine-${id}` : undefined

/** Those whose files lie beside the database, given the names of all that does. */
export const idsAmong = (database: string, names: ReadonlyArray<string>): ReadonlyArray<EngineId> => {
  const prefix = `${basename(database)}.engine-`
  return names
    .filter((name) => name.startsWith(prefix) && wellFormed.test(name.slice(prefix.length)))
    .map((name) => EngineId.make(name.slice(prefix.length)))
}

/** Throws SQLITE_BUSY at once if the lock is held. The connection must not outlive a failure. */
export const lock = (path: string): Sqlite.Database => {
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

export const remove = (path: string): void => fs.rmSync(path, { force: true })

/** The name goes first: a file that is found free is never one that a newcomer is about to lock. */
export const release = ({ db, path }: LockFile): void => {
  try {
    remove(path)
  } catch {
    // a free file stays behind, and whoever asks about it finds it free
  }
  db.close()
}

/** Whether an engine holds the lock on this file; removes the file if not. */
export const isLocked = (path: string): boolean => {
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

/** Whether an engine lives on that database, for those who only look: what they find free they leave as it is. */
export const isHeld = (database: string, id: EngineId): boolean => {
  try {
    const path = fileOf(canonical(database), id)
    if (path === undefined || fs.lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false
    lock(path).close()
    return false
  } catch (cause) {
    return isBusy(cause)
  }
}

/** The engines that live on that database, whatever it says of them. */
export const living = (database: string): ReadonlyArray<EngineId> => {
  const file = canonical(database)
  return idsAmong(file, fs.readdirSync(dirname(file))).filter((id) => isHeld(file, id))
}
