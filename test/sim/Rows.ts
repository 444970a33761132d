/**
 * The database as a crash leaves it: a copy of the file and its log, opened apart from the engine.
 */
import Sqlite from "better-sqlite3"
import * as Either from "effect/Either"
import * as fs from "node:fs"
import type { Download } from "../../src/domain/Download.js"
import * as SqlRow from "../../src/layers/SqlRow.js"

/** Copies what is durable of a database: all that was committed, as it runs with synchronous = FULL. */
export const copyDatabase = (from: string, to: string, withLog = true): void => {
  if (!fs.existsSync(from)) return
  fs.copyFileSync(from, to)
  if (withLog && fs.existsSync(`${from}-wal`)) fs.copyFileSync(`${from}-wal`, `${to}-wal`)
}

/** All rows of a copy; none if it has no tables yet. The copy is used up. */
export const readRows = (copy: string): ReadonlyArray<Download> => {
  if (!fs.existsSync(copy)) return []
  const db = new Sqlite(copy)
  const has = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'sluice_downloads'").get() !== undefined
  const rows = has ? db.prepare(`SELECT ${SqlRow.columns} FROM sluice_downloads ORDER BY id`).all() : []
  db.close()
  return Either.getOrThrowWith(SqlRow.decode(copy)(rows), (error) => error)
}

/** Looks at a live database as a crash in this instant would leave it. */
export const peek = <A>(path: string, read: (copy: string) => A): A => {
  const copy = `${path}-peek`
  copyDatabase(path, copy)
  const found = read(copy)
  for (const suffix of ["", "-wal", "-shm"]) fs.rmSync(`${copy}${suffix}`, { force: true })
  return found
}

/** Its rows. */
export const peekRows = (path: string): ReadonlyArray<Download> => peek(path, readRows)
