/**
 * The survey over a SQLite file that others write to, by a connection that can only read.
 *
 * No glance counts or scans: each of its statements names a partial index. What reads every row is said to in the
 * service. A database of an older version is brought up to date first, as any command does; that is the one thing that is written
 * here, by a connection of its own, and where it can't be, nothing can be seen.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlClient from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type EngineId, terminal } from "../domain/Download.js"
import { fromKey } from "../domain/DownloadId.js"
import type { CoolingHost } from "../domain/Stats.js"
import { StoreError } from "../domain/StoreError.js"
import { type EndedStatus, type Group, type Recent, type Report, summed } from "../domain/Survey.js"
import { type EndedRow, Survey } from "../services/Survey.js"
import * as Database from "./Database.js"
import { toStoreError } from "./SqliteError.js"
import * as LockFile from "./LockFile.js"
import * as SqlRow from "./SqlRow.js"

const workingSize = 1000
const delayedSize = 20
const endedSize = 1000

/** The spans of a report, in milliseconds. */
const spans = [60_000, 3_600_000, 86_400_000]

/** Of those that have ended, one group for each status, host and reason. */
const endedStatement = `SELECT status, host_id AS host,
  iif(status = 'failed', json_extract(failure, '$.reason'), NULL) AS reason, count(*) AS rows,
  sum(iif(status = 'completed', total, 0)) AS bytes, sum(max(attempt - 1, 0)) AS retries
  FROM sluice_downloads WHERE finished_at IS NOT NULL GROUP BY 1, 2, 3`

/** Opens it as an engine does, which migrates it, and lets go of it. */
const bringUpToDate = (path: string): Effect.Effect<void, StoreError> =>
  Layer.build(Database.layerFile(path)).pipe(
    Effect.scoped,
    Effect.asVoid,
    Effect.mapError((error) => {
      const { detail, reason } = error
      if (reason === "InUse") return error
      const why = detail === undefined ? "" : `: ${detail}`
      return new StoreError({
        reason,
        path,
        detail: `it is of an older version, and has to be brought up to date to be read${why}`
      })
    })
  )

const make = (path: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const decode = SqlRow.decode(path)
    const isAlive = (id: EngineId) => Effect.sync(() => LockFile.isHeld(path, id))

    const read = <A>(query: Effect.Effect<A, SqlError | StoreError>): Effect.Effect<A, StoreError> =>
      query.pipe(
        Effect.catchTag("SqlError", (error) => Effect.fail(toStoreError(path, error))),
        Database.whileLocked,
        Effect.withTracerEnabled(false)
      )
    const one = <A extends object>(text: string, parameters: ReadonlyArray<unknown> = []) =>
      Effect.map(sql.unsafe<A>(text, parameters), (rows) => rows[0]!)

    const isCurrent = Effect.provideService(Database.isCurrent(path), SqlClient.SqlClient, sql)
    if (!(yield* read(isCurrent))) yield* bringUpToDate(path)

    const engines = read(
      Effect.gen(function* () {
        // a newer sluice may have migrated it since
        yield* isCurrent
        const listed = yield* sql.unsafe<SqlRow.EngineRow>(SqlRow.enginesStatement)
        return yield* Effect.forEach(listed, (engine) =>
          Effect.map(isAlive(engine.id), (alive) => SqlRow.toEngine(engine, alive))
        )
      })
    )

    const cooling = (now: number) =>
      sql.unsafe<CoolingHost>(
        `SELECT origin, cooling_until AS until, coalesce(cooling_why, '') AS why FROM sluice_hosts
         WHERE cooling_until > ? ORDER BY cooling_until`,
        [now]
      )

    const select = (tail: string, parameters: ReadonlyArray<unknown>) =>
      Effect.flatMap(sql.unsafe(`SELECT ${SqlRow.columns} FROM sluice_downloads ${tail}`, parameters), decode)

    const working = (owners: ReadonlyArray<EngineId>) =>
      Effect.map(
        Effect.forEach(owners, (owner) =>
          select(`WHERE owner = ? AND status IN ('processing', 'paused') AND status = 'processing' LIMIT ?`, [
            owner,
            workingSize
          ])
        ),
        (rows) => rows.flat().sort((a, b) => (a.attemptStartedAt ?? 0) - (b.attemptStartedAt ?? 0))
      )

    const delayed = (owners: ReadonlyArray<EngineId | null>) =>
      Effect.map(
        Effect.forEach(owners, (owner) =>
          select(`WHERE status IN ('retrying', 'waiting') AND owner IS ? ORDER BY next_attempt_at LIMIT ?`, [
            owner,
            delayedSize
          ])
        ),
        (rows) =>
          rows
            .flat()
            .sort((a, b) => (a.nextAttemptAt ?? 0) - (b.nextAttemptAt ?? 0))
            .slice(0, delayedSize)
      )

    const ended = (after: number) =>
      Effect.map(
        sql.unsafe<{ seq: number; id: number; status: EndedStatus | null; bytes: number | null }>(
          `SELECT seq, download_id AS id, status, iif(outcome = 'fetched', total, 0) AS bytes
           FROM sluice_endings LEFT JOIN sluice_downloads ON id = download_id WHERE seq > ? ORDER BY seq LIMIT ?`,
          [after, endedSize]
        ),
        (rows) => ({
          position: rows.at(-1)?.seq ?? after,
          ended: rows.flatMap(({ bytes, id, status }): ReadonlyArray<EndedRow> =>
            // some are forgotten already
            status === null || !terminal.has(status) ? [] : [{ id: fromKey(id), status, bytes: bytes ?? 0 }]
          )
        })
      )

    const unfinished = read(
      Effect.gen(function* () {
        const { pending } = yield* one<{ pending: number }>(
          `SELECT count(*) AS pending FROM sluice_downloads WHERE status = 'pending'`
        )
        const { retrying, waiting } = yield* one<{ retrying: number; waiting: number }>(
          `SELECT count(*) - coalesce(sum(status = 'waiting'), 0) AS retrying,
             coalesce(sum(status = 'waiting'), 0) AS waiting
           FROM sluice_downloads WHERE status IN ('retrying', 'waiting')`
        )
        const { paused, processing } = yield* one<{ processing: number; paused: number }>(
          `SELECT coalesce(sum(status = 'processing'), 0) AS processing, coalesce(sum(status = 'paused'), 0) AS paused
           FROM sluice_downloads WHERE status IN ('processing', 'paused')`
        )
        return { pending, processing, retrying, waiting, paused }
      })
    )

    const endedCounts = Effect.map(
      one<{ completed: number; failed: number; cancelled: number; bytes: number }>(
        `SELECT coalesce(sum(status = 'completed'), 0) AS completed, coalesce(sum(status = 'failed'), 0) AS failed,
           coalesce(sum(status = 'cancelled'), 0) AS cancelled,
           coalesce(sum(iif(status = 'completed', total, 0)), 0) AS bytes
         FROM sluice_downloads WHERE finished_at IS NOT NULL`
      ),
      ({ bytes, ...ended }) => ({ ended, bytes })
    )

    /** When the first ending from this number on was, and its number. */
    const endingFrom = (seq: number) =>
      Effect.map(
        sql.unsafe<{ seq: number; at: number }>(
          `SELECT seq, finished_at AS at FROM sluice_endings CROSS JOIN sluice_downloads ON id = download_id
           WHERE seq >= ? ORDER BY seq LIMIT 1`,
          [seq]
        ),
        (rows) => rows[0]
      )

    /** The first number whose ending is not older than that: they are given in the order of time, so halving finds it. */
    const firstSince = (at: number, last: number) =>
      Effect.gen(function* () {
        let low = 0
        let high = last + 1
        while (low < high) {
          const middle = Math.floor((low + high) / 2)
          const found = yield* endingFrom(middle)
          if (found === undefined || found.at >= at) high = middle
          else low = found.seq + 1
        }
        return low
      })

    const last = Effect.map(
      one<{ last: number | null }>(`SELECT max(seq) AS last FROM sluice_endings`),
      ({ last }) => last ?? 0
    )

    const recently = (now: number) =>
      Effect.flatMap(last, (last) =>
        Effect.forEach(spans, (span) =>
          Effect.gen(function* () {
            const from = yield* firstSince(now - span, last)
            return yield* Effect.map(
              one<Omit<Recent, "span">>(
                `SELECT coalesce(sum(status = 'completed'), 0) AS completed, coalesce(sum(status = 'failed'), 0) AS failed,
                   coalesce(sum(iif(outcome = 'fetched', total, 0)), 0) AS bytes
                 FROM sluice_endings CROSS JOIN sluice_downloads ON id = download_id WHERE seq >= ?`,
                [from]
              ),
              (found): Recent => ({ span, ...found })
            )
          })
        )
      )

    /** The unfinished ones in groups as `endedStatement` makes them; by indexes. */
    const unfinishedGroups = Effect.map(
      Effect.all([
        sql.unsafe<Group>(
          `SELECT 'pending' AS status, host, NULL AS reason, sum(rows) AS rows, 0 AS bytes, 0 AS retries FROM (
             SELECT host_id AS host, count(*) AS rows FROM sluice_downloads WHERE status = 'pending'
             GROUP BY owner, priority, host_id) GROUP BY host`
        ),
        ...["'retrying', 'waiting'", "'processing', 'paused'"].map((statuses) =>
          sql.unsafe<Group>(
            `SELECT status, host_id AS host,
               iif(status IN ('retrying', 'waiting'), json_extract(failure, '$.reason'), NULL) AS reason,
               count(*) AS rows, 0 AS bytes, sum(max(attempt - 1, 0)) AS retries
             FROM sluice_downloads WHERE status IN (${statuses}) GROUP BY 1, 2, 3`
          )
        )
      ]),
      (groups) => groups.flat()
    )

    const report = ({ hosts }: { readonly hosts: number }): Effect.Effect<Report, StoreError> =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const [groups, cool, recent, names] = yield* read(
          Effect.all([
            Effect.zipWith(sql.unsafe<Group>(endedStatement), unfinishedGroups, (one, other) => [
              ...one,
              ...other
            ]),
            cooling(now),
            recently(now),
            sql.unsafe<{ id: number; origin: string }>(`SELECT id, origin FROM sluice_hosts`)
          ])
        )
        return { ...summed(groups, names, hosts), cooling: cool, recent, engines: yield* engines }
      })

    return Survey.of({
      // the connection only reads, and the number changes with each commit of another one
      version: read(
        Effect.map(one<{ data_version: number }>("PRAGMA data_version"), (row) => row.data_version)
      ),
      position: read(last),
      glance: (after) =>
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const listed = yield* engines
          const owners = listed.map(({ id }) => id)
          return yield* read(
            Effect.gen(function* () {
              const work = yield* working(owners)
              const wait = yield* delayed([null, ...owners])
              return {
                engines: listed,
                working: work,
                delayed: wait,
                cooling: yield* cooling(now),
                ...(yield* ended(after))
              }
            })
          )
        }),
      unfinished,
      counts: Effect.zipWith(unfinished, read(endedCounts), (unfinished, rest) => ({ unfinished, ...rest })),
      report
    })
  })

/** Over the database in that file, which must exist. */
export const layer = (path: string): Layer.Layer<Survey, StoreError> =>
  Layer.effect(Survey, make(path)).pipe(
    Layer.provide(
      SqliteClient.layer({ filename: path, readonly: true, disableWAL: true }).pipe(
        // what the driver throws when it can't open the file is an answer
        Layer.catchAllCause((cause) =>
          Layer.fail(
            toStoreError(
              path,
              Option.getOrElse(Cause.dieOption(cause), () => Cause.squash(cause))
            )
          )
        )
      )
    )
  )
