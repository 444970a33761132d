/**
 * Groups in the database: making, filling and sealing them, and keeping their counters.
 *
 * A counter changes in the very transaction that changes a member, by one statement over the rows that ended in it: its
 * cost is that of those rows, never that of the group. As any engine's transaction does so, a member may be worked on by
 * any engine.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import { type DownloadId, fromKey, nextKey, toKey } from "../domain/DownloadId.js"
import { type Group, GroupId, GroupSealed } from "../domain/Group.js"
import { StoreError } from "../domain/StoreError.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"

interface Row {
  readonly id: number
  readonly name: string | null
  readonly sealed: number
  readonly enqueued: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  readonly bytes: number
}

const columns = "id, name, sealed, enqueued, completed, failed, cancelled, bytes"

const toGroup = ({ id, sealed, ...rest }: Row): Group => ({
  ...rest,
  id: GroupId.make(fromKey(id)),
  sealed: sealed === 1
})

/** The key behind an id. */
export const keyOfGroup = (id: GroupId): number => toKey(id as string as DownloadId)

// the rows that ended come first, and each finds its groups by the primary key
const countStatement = `UPDATE sluice_groups SET
  completed = completed + d.c, failed = failed + d.f, cancelled = cancelled + d.x, bytes = bytes + d.b
  FROM (SELECT m.group_id AS g,
      sum(json_extract(j.value, '$[1]') = 'completed') AS c,
      sum(json_extract(j.value, '$[1]') = 'failed') AS f,
      sum(json_extract(j.value, '$[1]') = 'cancelled') AS x,
      sum(json_extract(j.value, '$[2]')) AS b
    FROM json_each(?) AS j CROSS JOIN sluice_members AS m ON m.download_id = json_extract(j.value, '$[0]')
    GROUP BY m.group_id) AS d
  WHERE sluice_groups.id = d.g
  RETURNING sluice_groups.id`

export const make = (sql: SqlClient.SqlClient, path: string) => {
  const byId = (id: GroupId): Effect.Effect<Group, Failures> =>
    Effect.flatMap(
      sql.unsafe<Row>(`SELECT ${columns} FROM sluice_groups WHERE id = ?`, [keyOfGroup(id)]),
      ([row]) =>
        row === undefined
          ? Effect.fail(new StoreError({ reason: "NotFound", path, detail: `the group ${id}` }))
          : Effect.succeed(toGroup(row))
    )

  /** Finds the group of this name, or makes it; without a name, always makes one. */
  const open = (name: string | null) =>
    Effect.gen(function* () {
      const found = yield* sql.unsafe<Row>(`SELECT ${columns} FROM sluice_groups WHERE name = ?`, [name])
      if (found[0] !== undefined) return toGroup(found[0])
      const now = Math.floor(yield* Clock.currentTimeMillis)
      const last = yield* sql<{ last: number | null }>`SELECT max(id) AS last FROM sluice_groups`
      const key = nextKey(last[0]!.last ?? 0, now, yield* Random.next)
      const made = yield* sql.unsafe<Row>(
        `INSERT INTO sluice_groups (${columns}, created_at) VALUES (?, ?, 0, 0, 0, 0, 0, 0, ?) RETURNING ${columns}`,
        [key, name, now]
      )
      return toGroup(made[0]!)
    })

  const seal = (id: GroupId) => (batch: StoreBatch) =>
    Effect.zipRight(
      sql.unsafe("UPDATE sluice_groups SET sealed = 1 WHERE id = ?", [keyOfGroup(id)]),
      Effect.tap(byId(id), () => Effect.sync(() => batch.groups.add(id)))
    )

  /** Runs `work`, and makes the downloads it gives members; a sealed group is left alone, and `work` is not run. */
  const fill = <A extends { readonly download: { readonly id: DownloadId }; readonly refused?: unknown }>(
    id: GroupId,
    batch: StoreBatch,
    work: Effect.Effect<ReadonlyArray<A>, Failures>
  ): Effect.Effect<Either.Either<ReadonlyArray<A>, GroupSealed>, Failures> =>
    Effect.gen(function* () {
      const group = yield* byId(id)
      if (group.sealed) return Either.left(new GroupSealed({ id, name: group.name }))
      const enqueued = yield* work
      const members = enqueued.filter(({ refused }) => refused === undefined)
      const keys = JSON.stringify(members.map(({ download }) => toKey(download.id)))
      const added = yield* sql.unsafe(
        `INSERT OR IGNORE INTO sluice_members (download_id, group_id) SELECT value, ? FROM json_each(?)
         RETURNING download_id`,
        [keyOfGroup(id), keys]
      )
      yield* sql.unsafe("UPDATE sluice_groups SET enqueued = enqueued + ? WHERE id = ?", [
        added.length,
        keyOfGroup(id)
      ])
      batch.groups.add(id)
      return Either.right(enqueued)
    })

  /** Counts what has ended in this batch. To be called once, after its last flush. */
  const count = (batch: StoreBatch): Effect.Effect<void, Failures> =>
    Effect.suspend(() => {
      const ended = batch.endings()
      if (ended.length === 0) return Effect.void
      return Effect.map(sql.unsafe<{ id: number }>(countStatement, [JSON.stringify(ended)]), (rows) => {
        for (const { id } of rows) batch.groups.add(GroupId.make(fromKey(id)))
      })
    })

  return { byId, count, fill, open, seal }
}
