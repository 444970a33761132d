/**
 * The outbox inside the store's transactions: which downloads have ended, in which order, and who has acknowledged what.
 * Opening, reading and removing consumers is the business of StoreConsumers.
 *
 * An ending is one row of two integers, recorded in the very transaction in which its download ends, and kept as long as the
 * download's row: the log of endings is the order in which a later consumer reads "from the start". It grows with the history and is
 * deleted with it, so nothing here ever waits for a consumer; what a consumer costs is its position, and one number for each
 * acknowledgement beyond it.
 *
 * | step | durable after it | after a crash here |
 * |---|---|---|
 * | a download ends: its row, its groups' counters, its ending, one transaction | all of it or nothing | there is an ending exactly where the row is terminal |
 * | a reader is entered with the consumer | its engine's id | the engine's lock is free: the next reader takes its place |
 * | a page is marked as handed out | how far it goes | handed out again, as what may have been handed out before |
 * | the consumer works on a delivery | what the consumer made | the same |
 * | `acknowledge`: a job in the mailbox | nothing | the same |
 * | COMMIT | the acknowledgement; the position, where nothing below is missing | never handed out again |
 * | the download is removed before that | its remnant, in the transaction that removes its row | handed out from the remnant |
 * | the last consumer's position has passed the remnant | the remnant is gone | what was left is swept with a later acknowledgement |
 *
 * Tricky interleavings: SQLite has one writer, so endings become visible in the order of their numbers, and a reader that has seen
 * number 7 will never see a 6 appear. (A database with several writers hands numbers out before it commits: there, the position
 * may only move below the oldest transaction that is still open, as by `pg_snapshot_xmin`, or recording has to take an advisory
 * lock.) Acknowledgements that came in one transaction are written together, after all its jobs, so a job that removes a row
 * may keep a remnant that the same transaction then finds acknowledged; it is swept at once.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { type DownloadId, toKey } from "../domain/DownloadId.js"
import { encodeRemnant } from "../domain/Ending.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"

/** Rows swept by one transaction at most, so that none takes long. */
const sweepSize = 2000

/** That a consumer (c) has not acknowledged an ending (e). */
const missing = `c.position < e.seq
  AND NOT EXISTS (SELECT 1 FROM sluice_acks AS a WHERE a.consumer_id = c.id AND a.seq = e.seq)`

/**
 * A condition on rows of `sluice_downloads` for whoever deletes history: every consumer has acknowledged the end of this one.
 * The endings of what is deleted are deleted in the same transaction (`removing`).
 */
export const acknowledgedByAll = `NOT EXISTS (SELECT 1 FROM sluice_endings AS e JOIN sluice_consumers AS c ON ${missing}
  WHERE e.download_id = sluice_downloads.id)`

const hasEnded = "status IN ('completed', 'failed', 'cancelled')"

const keepStatement = `UPDATE sluice_endings AS e SET removed = ? WHERE e.download_id = ?
  AND EXISTS (SELECT 1 FROM sluice_consumers AS c WHERE ${missing}) RETURNING seq`

const acknowledgeStatement = `INSERT OR IGNORE INTO sluice_acks (consumer_id, seq)
  SELECT c.id, j.value FROM sluice_consumers AS c CROSS JOIN json_each(?) AS j
  WHERE c.id = ? AND j.value > c.position`

// up to the first that is missing, or to the end; what is missing is found without looking at what comes after it
const advanceStatement = `UPDATE sluice_consumers AS c SET position = max(position, coalesce(
    (SELECT e.seq - 1 FROM sluice_endings AS e WHERE ${missing} ORDER BY e.seq LIMIT 1),
    (SELECT max(seq) FROM sluice_endings),
    position))
  WHERE c.id = ?`

const sweepAcksStatement = `DELETE FROM sluice_acks WHERE consumer_id = ? AND seq IN (
    SELECT a.seq FROM sluice_acks AS a JOIN sluice_consumers AS c ON c.id = a.consumer_id
    WHERE a.consumer_id = ? AND a.seq <= c.position LIMIT ${sweepSize})`

/** Remnants that nobody is to get any more. */
const sweepRemnantsStatement = `DELETE FROM sluice_endings WHERE seq IN (
    SELECT seq FROM sluice_endings WHERE removed IS NOT NULL
      AND seq <= (SELECT coalesce(min(position), ${Number.MAX_SAFE_INTEGER}) FROM sluice_consumers)
    ORDER BY seq LIMIT ${sweepSize}) RETURNING seq`

const groupsStatement = `SELECT m.download_id AS key, g.name FROM json_each(?) AS j
  CROSS JOIN sluice_members AS m ON m.download_id = j.value JOIN sluice_groups AS g ON g.id = m.group_id
  WHERE g.name IS NOT NULL ORDER BY g.name`

export const make = (sql: SqlClient.SqlClient) => {
  /** What is acknowledged by a transaction that is not written yet, by consumer. */
  const pending = new WeakMap<StoreBatch, Map<number, Array<number>>>()

  /** The names of the groups these belong to, by key. */
  const groupsOf = (keys: ReadonlyArray<number>) =>
    Effect.map(
      sql.unsafe<{ key: number; name: string }>(groupsStatement, [JSON.stringify(keys)]),
      (rows): ReadonlyMap<number, ReadonlyArray<string>> => {
        const names = new Map<number, Array<string>>()
        for (const { key, name } of rows) {
          const known = names.get(key)
          if (known === undefined) names.set(key, [name])
          else known.push(name)
        }
        return names
      }
    )

  const add = (batch: StoreBatch, keys: ReadonlyArray<number>): Effect.Effect<void, Failures> =>
    Effect.suspend(() => {
      batch.ended += keys.length
      return Effect.asVoid(
        sql.unsafe("INSERT OR IGNORE INTO sluice_endings (download_id) SELECT value FROM json_each(?)", [
          JSON.stringify(keys)
        ])
      )
    })

  const recordEndings = (batch: StoreBatch): Effect.Effect<void, Failures> =>
    Effect.suspend(() => {
      const keys = batch.endings().map(([key]) => key)
      return keys.length === 0 ? Effect.void : add(batch, keys)
    })

  const recordAcknowledgements = (batch: StoreBatch): Effect.Effect<void, Failures> =>
    Effect.suspend(() => {
      const consumers = pending.get(batch)
      if (consumers === undefined) return Effect.void
      return Effect.gen(function* () {
        for (const [consumer, seqs] of consumers) {
          yield* sql.unsafe(acknowledgeStatement, [JSON.stringify(seqs), consumer])
          yield* sql.unsafe(advanceStatement, [consumer])
          yield* sql.unsafe(sweepAcksStatement, [consumer, consumer])
        }
        yield* sweepRemnants
      })
    })

  /** A portion of them; true if there may be more. */
  const sweepRemnants: Effect.Effect<boolean, Failures> = Effect.map(
    sql.unsafe(sweepRemnantsStatement),
    (swept) => swept.length === sweepSize
  )

  /**
   * Records what has ended in this batch, and what was acknowledged in it. To be called once, after its last flush.
   */
  const settle = (batch: StoreBatch): Effect.Effect<void, Failures> =>
    Effect.zipRight(recordEndings(batch), recordAcknowledgements(batch))

  const acknowledge =
    (consumer: number, seq: number) =>
    (batch: StoreBatch): Effect.Effect<void> =>
      Effect.sync(() => {
        const consumers = pending.get(batch) ?? new Map<number, Array<number>>()
        pending.set(batch, consumers)
        const seqs = consumers.get(consumer)
        if (seqs === undefined) consumers.set(consumer, [seq])
        else seqs.push(seq)
      })

  /** Removes rows by `work`, and keeps what those are to get who have not acknowledged their ends. */
  const removing =
    <A>(ids: ReadonlyArray<DownloadId>, work: (batch: StoreBatch) => Effect.Effect<A, Failures>) =>
    (batch: StoreBatch): Effect.Effect<A, Failures> =>
      Effect.gen(function* () {
        yield* batch.flush
        const keys = JSON.stringify(ids.map(toKey))
        // they may have ended in this very transaction
        yield* sql.unsafe(
          `INSERT OR IGNORE INTO sluice_endings (download_id) SELECT id FROM sluice_downloads
           WHERE id IN (SELECT value FROM json_each(?)) AND ${hasEnded}`,
          [keys]
        )
        const owed = yield* batch.select(
          `WHERE id IN (SELECT value FROM json_each(?)) AND ${hasEnded} AND NOT (${acknowledgedByAll})`,
          [keys]
        )
        // before their memberships go with them
        const groups = owed.length === 0 ? new Map() : yield* groupsOf(owed.map(({ id }) => toKey(id)))
        const result = yield* work(batch)
        for (const download of owed) {
          const key = toKey(download.id)
          yield* sql.unsafe(keepStatement, [encodeRemnant(download, groups.get(key) ?? []), key])
        }
        yield* sql.unsafe(
          `DELETE FROM sluice_endings WHERE download_id IN (SELECT value FROM json_each(?)) AND removed IS NULL
             AND download_id NOT IN (SELECT id FROM sluice_downloads)`,
          [keys]
        )
        return result
      })

  return { acknowledge, groupsOf, removing, settle, sweepRemnants }
}
