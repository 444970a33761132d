/**
 * What the store is asked without changing anything: read from what is committed, beside the actor, not through it.
 *
 * No query counts or scans the backlog: each names the statuses of a partial index, and looks at this engine's rows and
 * (for a queue runner) at nobody's separately, as one condition over both would use no index.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Attempt } from "../domain/Attempt.js"
import type { Download, EngineId, Status } from "../domain/Download.js"
import { type DownloadId, fromKey, keysOf, toKey } from "../domain/DownloadId.js"
import type { Group, GroupId } from "../domain/Group.js"
import type { Selection } from "../domain/Selection.js"
import type { Stats } from "../domain/Stats.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Filter, Shape as Store, Standing } from "../services/Store.js"
import { scopesOf } from "./Admission.js"
import type { Shape as DatabaseShape } from "./Database.js"
import * as SqlRow from "./SqlRow.js"
import { and, selected } from "./SqlSelection.js"
import { keyOfGroup } from "./StoreGroups.js"
import type { StoreHosts } from "./StoreHosts.js"
import * as StorePieces from "./StorePieces.js"

/** Rows that one page looks at. */
const pageSize = 20_000

const nothing: Stats["downloads"] = {
  pending: 0,
  processing: 0,
  retrying: 0,
  waiting: 0,
  paused: 0,
  completed: 0,
  failed: 0,
  cancelled: 0
}

interface Adopting {
  readonly adopt: boolean
}

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
  readonly hosts: StoreHosts
  readonly isAlive: (id: EngineId) => Effect.Effect<boolean>
  readonly group: (id: GroupId) => Effect.Effect<Group, StoreError | SqlError>
}

export const make = ({ database, decode, engine, group, hosts, isAlive, sql }: Dependencies) => {
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
          // paused, and its owner has been asked to go on: that is no place to stay
          `SELECT id, iif(status = 'paused' AND intent = 'resume', 'pending', status) AS status, owner
           FROM sluice_downloads WHERE id IN (SELECT value FROM json_each(?))`,
          [JSON.stringify(ids.map(toKey))]
        ),
        (rows) => rows.map(({ id, owner, status }) => ({ id: fromKey(id), status, owner }))
      )
    )

  /** The newest, oldest of them first. */
  const list = ({
    before,
    here = false,
    limit = 1000,
    ...selection
  }: Filter): Effect.Effect<ReadonlyArray<Download>, StoreError> => {
    const [where, parameters] = and([
      selected(selection),
      ...(before === undefined ? [] : [["id < ?", [toKey(before)]] as const])
    ])
    const newest = `WHERE ${where} ORDER BY id DESC LIMIT ?`
    if (!here) return Effect.map(select(newest, [...parameters, limit]), (rows) => rows.slice().reverse())
    return select(
      `WHERE id IN (SELECT id FROM sluice_downloads ${newest})
         AND EXISTS (SELECT 1 FROM sluice_attempts
                     WHERE download_id = sluice_downloads.id AND attempt = sluice_downloads.attempt AND owner = ?)
       ORDER BY id`,
      [...parameters, limit, engine]
    )
  }

  const ids = (text: string, parameters: ReadonlyArray<unknown>) =>
    Effect.map(sql.unsafe<{ id: number }>(text, parameters), (rows) => rows.map(({ id }) => fromKey(id)))

  const find = (prefix: string, limit: number): Effect.Effect<ReadonlyArray<DownloadId>, StoreError> => {
    const range = keysOf(prefix)
    return range === undefined
      ? Effect.succeed([])
      : read(
          ids(`SELECT id FROM sluice_downloads WHERE id % ? = ? ORDER BY id LIMIT ?`, [
            range.modulus,
            range.rest,
            limit
          ])
        )
  }

  const page = (selection: Selection, after: DownloadId | undefined) =>
    read(
      Effect.gen(function* () {
        const from = after === undefined ? -1 : toKey(after)
        const [last] = yield* sql.unsafe<{ id: number }>(
          `SELECT id FROM sluice_downloads WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?`,
          [from, pageSize - 1]
        )
        const [where, parameters] = and([
          selected(selection),
          ["id > ? AND id <= ?", [from, last?.id ?? Number.MAX_SAFE_INTEGER]]
        ])
        const found = yield* ids(`SELECT id FROM sluice_downloads WHERE ${where} ORDER BY id`, parameters)
        return { ids: found, next: last === undefined ? undefined : fromKey(last.id) }
      })
    )

  const attempts = (id: DownloadId): Effect.Effect<ReadonlyArray<Attempt>, StoreError> =>
    read(
      Effect.flatMap(
        sql.unsafe(
          `SELECT attempt, source, owner, pid, started_at, ended_at, status, from_bytes, to_bytes, failure, next_attempt_at
           FROM sluice_attempts WHERE download_id = ? ORDER BY attempt`,
          [toKey(id)]
        ),
        SqlRow.decodeAttempts(database.path)
      )
    )

  const stored = StorePieces.make(sql)
  const pieces: Store["pieces"] = (download) => read(stored.read(download))

  const asked = (id: DownloadId): Effect.Effect<Option.Option<string>, StoreError> =>
    read(
      Effect.map(
        sql.unsafe<{ intent: string }>(
          `SELECT intent FROM sluice_downloads WHERE id = ? AND intent IS NOT NULL`,
          [toKey(id)]
        ),
        ([row]) => Option.fromNullable(row?.intent)
      )
    )

  const spoiled = (after: DownloadId | undefined, limit: number) =>
    select(
      `WHERE status = 'cancelled' AND (part IS NOT NULL OR crashes > 0) AND id > ? ORDER BY id LIMIT ?`,
      [after === undefined ? -1 : toKey(after), limit]
    )

  const stats: Effect.Effect<Stats, StoreError> = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const counted = yield* read(
      sql<{ status: Status; rows: number; bytes: number | null }>`
        SELECT status, count(*) AS rows, sum(CASE WHEN status = 'completed' THEN total END) AS bytes
        FROM sluice_downloads GROUP BY status`
    )
    const cooling = yield* read(hosts.cooling(now))
    const listed = yield* read(sql.unsafe<SqlRow.EngineRow>(SqlRow.enginesStatement))
    const counts = new Map(counted.map(({ rows, status }) => [status, rows]))
    return {
      downloads: { ...nothing, ...Object.fromEntries(counts) },
      bytes: counted.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
      cooling,
      hostStates: yield* read(hosts.standing(now)),
      engines: yield* Effect.forEach(listed, (one) =>
        Effect.map(one.id === engine ? Effect.succeed(true) : isAlive(one.id), (alive) =>
          SqlRow.toEngine(one, alive)
        )
      )
    }
  })

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

  const nextDue = (adopt: boolean, since: number): Effect.Effect<Option.Option<number>, StoreError> =>
    Effect.suspend(() =>
      read(
        Effect.forEach(
          [
            ...scopesOf(engine, adopt).map((scope) =>
              sql.unsafe<{ at: number | null }>(
                `SELECT min(next_attempt_at) AS at FROM sluice_downloads
                 WHERE status IN ('retrying', 'waiting') AND owner IS ?`,
                [scope]
              )
            ),
            sql.unsafe<{ at: number | null }>(
              `SELECT min(cooling_until) AS at FROM sluice_hosts WHERE cooling_until > ?`,
              [since]
            )
          ],
          (query) => query
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
      Effect.exists(scopesOf(engine, adopt), (scope) =>
        Effect.map(
          sql.unsafe<{ left: number }>(
            `SELECT EXISTS (SELECT 1 FROM sluice_downloads WHERE status = 'pending' AND owner IS ?)
                 OR EXISTS (SELECT 1 FROM sluice_downloads WHERE status IN ('retrying', 'waiting') AND owner IS ?)
                 OR EXISTS (SELECT 1 FROM sluice_downloads WHERE status IN ('processing', 'paused')
                            AND status = 'processing' AND owner = ?) AS left`,
            [scope, scope, engine]
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

  return {
    anyLeft: ({ adopt }: Adopting) => anyLeft(adopt),
    asked,
    attempts,
    cooling: Effect.flatMap(Clock.currentTimeMillis, (now) => read(hosts.cooling(now))),
    closed: Effect.flatMap(Clock.currentTimeMillis, (now) => read(hosts.closed(now))),
    externalVersion: database.version,
    find,
    get,
    getAll,
    list,
    nextDue: ({ adopt, since }: Adopting & { readonly since: number }) => nextDue(adopt, since),
    otherOwners,
    page,
    pieces,
    spoiled,
    stats,
    standings,
    strangers,
    group: (id: GroupId) => read(group(id))
  }
}
