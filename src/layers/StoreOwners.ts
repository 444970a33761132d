/**
 * Whose a row is: becoming an owner, and giving up or inheriting all that an engine owned, in portions that keep every
 * transaction short.
 *
 * | what an engine owned | what becomes of it when it has gone |
 * |---|---|
 * | asked for by other processes meanwhile (`intent`) | done first, so that nothing asked for is lost with the one it was asked of |
 * | being processed | by statement where they are many and wanted, else one by one: `Abandoned` by a dead engine (counted, so that a poisonous download ends), `Released` by one that leaves |
 * | waiting, retrying, pending, paused | given up by one statement a portion, without loading a row |
 *
 * Each portion is one transaction; a crash between two leaves the rest with its owner, for the next heir. The engine is
 * unlisted with the last portion.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Download, type EngineId, terminal } from "../domain/Download.js"
import { type DownloadId, fromKey } from "../domain/DownloadId.js"
import { Abandoned, Released } from "../domain/Message.js"
import { maxCrashes } from "../domain/Transition.js"
import type { Disowned } from "../services/Store.js"
import * as Database from "./Database.js"
import { inKeys } from "./SqlSelection.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"

/** Rows that are loaded, in one transaction. */
const loadSize = 500

/** Rows that are moved by a statement, in one transaction. */
export const moveSize = 5000

/** Rows that were at work, in one transaction: each of them is logged too. */
const abandonSize = 1000

const atWork = "status IN ('processing', 'paused') AND status = 'processing'"

/** The statuses of rows that wait, each with the condition of the index that has them by owner. */
const waiting = [
  "status = 'pending'",
  "status IN ('retrying', 'waiting')",
  "status IN ('processing', 'paused')"
]

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly database: Pick<Database.Shape, "path">
  readonly engine: EngineId
  /** Whether it takes up what is nobody's: for people to see. */
  readonly adopts: boolean
  /** Does what other processes have asked of an engine that has gone; succeeds with the rows concerned, nobody's now. */
  readonly inherit: (
    owner: EngineId,
    limit: number
  ) => (batch: StoreBatch) => Effect.Effect<ReadonlyArray<Download>, Failures>
}

export const make = ({ adopts, database, engine, inherit, sql }: Dependencies) => {
  const register = Effect.gen(function* () {
    // a newer sluice may have migrated it between our first look and our lock
    yield* Database.isCurrent(database.path).pipe(Effect.provideService(SqlClient.SqlClient, sql))
    const now = Math.floor(yield* Clock.currentTimeMillis)
    yield* sql`INSERT OR IGNORE INTO sluice_engines (id, pid, started_at, adopts)
      VALUES (${engine}, ${process.pid}, ${now}, ${adopts ? 1 : 0})`
  })

  const adopt = (id: DownloadId) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const download = yield* batch.load(id)
      if (download.owner !== null || terminal.has(download.status)) return download.owner === engine
      batch.put({ ...download, owner: engine, epoch: download.epoch + 1 })
      return true
    })

  /**
   * `Abandoned` for many at once, where it means the same for all: they are wanted, and have not been abandoned too often.
   * Succeeds with how many; few are left to be looked at one by one.
   */
  const abandonMany = (batch: StoreBatch, owner: EngineId) =>
    Effect.gen(function* () {
      const found = yield* sql.unsafe<{ id: number }>(
        `SELECT id FROM sluice_downloads WHERE ${atWork} AND owner = ? AND desired = 'run' AND crashes < ? LIMIT ?`,
        [owner, maxCrashes - 1, abandonSize]
      )
      if (found.length <= loadSize) return 0
      const now = Math.floor(yield* Clock.currentTimeMillis)
      const [here, parameters] = inKeys(found.map(({ id }) => id))
      yield* sql.unsafe(
        `INSERT OR REPLACE INTO sluice_attempts (download_id, attempt, source, owner, pid, started_at, ended_at, status,
           from_bytes, to_bytes, failure, next_attempt_at)
         SELECT id, attempt, url, owner, pid, coalesce(attempt_started_at, ?), ?, 'pending', attempt_from, checkpoint,
           failure, NULL FROM sluice_downloads WHERE ${here}`,
        [now, now, ...parameters]
      )
      yield* sql.unsafe(
        `UPDATE sluice_downloads SET status = 'pending', owner = NULL, epoch = epoch + 1, crashes = crashes + 1, pid = NULL,
           part = json_remove(part, '$.size', '$.mtime'),
           attempt_started_at = NULL, next_attempt_at = NULL, updated_at = ? WHERE ${here}`,
        [now, ...parameters]
      )
      for (const { id } of found) batch.touch(fromKey(id))
      return found.length
    })

  /** One portion of the rows of an engine that is gone (or of this one, when it goes). */
  const disown = (owner: EngineId) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      yield* batch.flush
      const cancelled: Array<Download> = []
      const obeyed = yield* inherit(owner, loadSize)(batch)
      for (const next of obeyed) if (next.status === "cancelled") cancelled.push(next)
      if (obeyed.length === loadSize) return { cancelled, more: true } satisfies Disowned
      yield* batch.flush
      const abandoned = owner === engine ? 0 : yield* abandonMany(batch, owner)
      if (abandoned > 0) return { cancelled, more: true } satisfies Disowned
      const processing = yield* batch.select(`WHERE ${atWork} AND owner = ? LIMIT ?`, [owner, loadSize])
      for (const download of processing) {
        const next = yield* batch.apply(download, owner === engine ? Released() : Abandoned())
        if (next.status === "cancelled") cancelled.push(next)
      }
      if (processing.length === loadSize) return { cancelled, more: true } satisfies Disowned
      yield* batch.flush
      for (const status of waiting) {
        const moved = yield* sql.unsafe<{ id: number }>(
          // the new epoch fences a worker that did not stop in time
          `UPDATE sluice_downloads SET owner = NULL, epoch = epoch + 1
           WHERE id IN (SELECT id FROM sluice_downloads WHERE ${status} AND owner = ? LIMIT ?) RETURNING id`,
          [owner, moveSize]
        )
        for (const { id } of moved) batch.touch(fromKey(id))
        if (moved.length === moveSize) return { cancelled, more: true } satisfies Disowned
      }
      yield* sql`DELETE FROM sluice_engines WHERE id = ${owner}`
      return { cancelled, more: false } satisfies Disowned
    })

  return { adopt, disown, register }
}
