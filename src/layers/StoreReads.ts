/**
 * What the store is asked without changing anything: read from what is committed, beside the actor, not through it.
 *
 * No query counts or scans the backlog: each names the statuses of a partial index, and looks at this engine's rows and
 * (for a queue runner) at nobody's separately, as one condition over both would use no index.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Download, EngineId, Status } from "../domain/Download.js"
import { type DownloadId, fromKey, toKey } from "../domain/DownloadId.js"
import type { Group, GroupId } from "../domain/Group.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Filter, Standing } from "../services/Store.js"
import type { Shape as DatabaseShape } from "./Database.js"
import * as SqlRow from "./SqlRow.js"
import { keyOfGroup } from "./StoreGroups.js"

/** The owners whose rows an engine works on, each as a condition that an index serves. */
export const owners = (
  engine: EngineId,
  adopt: boolean
): ReadonlyArray<readonly [condition: string, parameters: ReadonlyArray<unknown>]> =>
  adopt
    ? [
        ["owner = ?", [engine]],
        ["owner IS NULL", []]
      ]
    : [["owner = ?", [engine]]]

/** Runs a query beside the actor: what is committed, whatever transaction the caller is in. */
export const reading =
  (database: DatabaseShape) =>
  <A>(query: Effect.Effect<A, SqlError | StoreError>): Effect.Effect<A, StoreError> =>
    query.pipe(
      Effect.catchTag("SqlError", (error) => Effect.fail(database.mapError(error))),
      database.whileLocked,
      database.apart,
      Effect.withTracerEnabled(false)
    )

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly decode: SqlRow.Decode
  readonly database: DatabaseShape
  readonly engine: EngineId
  readonly group: (id: GroupId) => Effect.Effect<Group, StoreError | SqlError>
}

export const make = ({ database, decode, engine, group, sql }: Dependencies) => {
  const read = reading(database)

  const select = (tail: string, parameters: ReadonlyArray<unknown>) =>
    read(
      Effect.flatMap(sql.unsafe(`SELECT ${SqlRow.columns} FROM sluice_downloads ${tail}`, parameters), decode)
    )

  const get = (id: DownloadId): Effect.Effect<Option.Option<Download>, StoreError> =>
    Effect.map(select("WHERE id = ?", [toKey(id)]), (rows) => Option.fromNullable(rows[0]))

  const getAll = (ids: ReadonlyArray<DownloadId>): Effect.Effect<ReadonlyArray<Download>, StoreError> =>
    select("WHERE id IN (SELECT value FROM json_each(?))", [JSON.stringify(ids.map(toKey))])

  const standings = (ids: ReadonlyArray<DownloadId>): Effect.Effect<ReadonlyArray<Standing>, StoreError> =>
    read(
      Effect.map(
        sql.unsafe<{ id: number; status: Status; owner: EngineId | null }>(
          `SELECT id, status, owner FROM sluice_downloads WHERE id IN (SELECT value FROM json_each(?))`,
          [JSON.stringify(ids.map(toKey))]
        ),
        (rows) => rows.map(({ id, owner, status }) => ({ id: fromKey(id), status, owner }))
      )
    )

  /** The newest, oldest of them first. */
  const list = ({
    group,
    here = false,
    limit = 1000,
    status
  }: Filter): Effect.Effect<ReadonlyArray<Download>, StoreError> => {
    const conditions: Array<string> = []
    const parameters: Array<unknown> = []
    if (status !== undefined) {
      conditions.push("status IN (SELECT value FROM json_each(?))")
      parameters.push(JSON.stringify(status))
    }
    if (group !== undefined) {
      conditions.push("id IN (SELECT download_id FROM sluice_members WHERE group_id = ?)")
      parameters.push(keyOfGroup(group))
    }
    const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`
    const newest = `${where} ORDER BY id DESC LIMIT ?`
    parameters.push(limit)
    if (!here) return Effect.map(select(newest, parameters), (rows) => rows.slice().reverse())
    return select(
      `WHERE id IN (SELECT id FROM sluice_downloads ${newest})
         AND EXISTS (SELECT 1 FROM sluice_attempts
                     WHERE download_id = sluice_downloads.id AND attempt = sluice_downloads.attempt AND owner = ?)
       ORDER BY id`,
      [...parameters, engine]
    )
  }

  const strangers = (
    group: GroupId,
    after: DownloadId | undefined,
    limit: number
  ): Effect.Effect<ReadonlyArray<Standing>, StoreError> =>
    read(
      Effect.map(
        sql.unsafe<{ id: number; status: Status; owner: EngineId | null }>(
          `SELECT id, status, owner FROM sluice_members CROSS JOIN sluice_downloads ON id = download_id
           WHERE group_id = ? AND download_id > ? AND status NOT IN ('completed', 'failed', 'cancelled')
             AND owner IS NOT ? ORDER BY download_id LIMIT ?`,
          [keyOfGroup(group), after === undefined ? -1 : toKey(after), engine, limit]
        ),
        (rows) => rows.map(({ id, owner, status }) => ({ id: fromKey(id), status, owner }))
      )
    )

  const nextDue = (adopt: boolean): Effect.Effect<Option.Option<number>, StoreError> =>
    read(
      Effect.forEach(owners(engine, adopt), ([owner, parameters]) =>
        sql.unsafe<{ at: number | null }>(
          `SELECT min(next_attempt_at) AS at FROM sluice_downloads WHERE status IN ('retrying', 'waiting') AND ${owner}`,
          parameters
        )
      )
    ).pipe(
      Effect.map((results) => {
        const times = results.flatMap(([row]) => (row === undefined || row.at === null ? [] : [row.at]))
        return times.length === 0 ? Option.none() : Option.some(Math.min(...times))
      })
    )

  const anyLeft = (adopt: boolean): Effect.Effect<boolean, StoreError> =>
    read(
      Effect.exists(owners(engine, adopt), ([owner, parameters]) =>
        Effect.map(
          sql.unsafe<{ left: number }>(
            `SELECT EXISTS (SELECT 1 FROM sluice_downloads WHERE status = 'pending' AND ${owner})
                 OR EXISTS (SELECT 1 FROM sluice_downloads WHERE status IN ('retrying', 'waiting') AND ${owner})
                 OR EXISTS (SELECT 1 FROM sluice_downloads WHERE status = 'processing' AND owner = ?) AS left`,
            [...parameters, ...parameters, engine]
          ),
          (rows) => rows[0]!.left === 1
        )
      )
    )

  const otherOwners: Effect.Effect<ReadonlyArray<EngineId>, StoreError> = read(
    Effect.map(sql<{ id: EngineId }>`SELECT id FROM sluice_engines WHERE id <> ${engine}`, (rows) =>
      rows.map((row) => row.id)
    )
  )

  const externalVersion: Effect.Effect<number, StoreError> = read(
    Effect.map(sql<{ data_version: number }>`PRAGMA data_version`, (rows) => rows[0]!.data_version)
  )

  return {
    anyLeft,
    externalVersion,
    get,
    getAll,
    list,
    nextDue,
    otherOwners,
    standings,
    strangers,
    group: (id: GroupId) => read(group(id))
  }
}
