/**
 * Who is next: highest priority first; within a priority host by host in turn; within a host the oldest. Hosts that cool down are
 * passed over, and what is due for another try stands in line like everything else.
 *
 * However many rows wait, a claim costs a few index look-ups: it asks the index for the next host after the last one served,
 * never for how many there are. So a host with a million rows delays another host's one row by one turn. Each claim looks
 * at a bounded number of hosts; where all of those were cooling, the next claim goes on behind them.
 *
 * The place in the ring of hosts is kept in memory only: a restart begins a new round, and a transaction that is rolled
 * back costs a host one turn.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Download, EngineId } from "../domain/Download.js"
import { fromKey, toKey } from "../domain/DownloadId.js"
import { Claimed, Due } from "../domain/Message.js"
import type { Claims } from "../services/Store.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"

/** Rows whose time has come that join the line with one claim. */
const dueSize = 256

/** Rows of one host that one claim looks at. */
const depth = 16

/** Hosts that one statement looks at: first few, then more where these were cooling. */
const firstRing = 16
const ringSize = 1024

/** Hosts that one claim looks at; a level of priority counts as some. */
const budgetSize = 8192
const levelCost = 64

/** Levels of priority whose place in the ring is remembered. */
const maxLevels = 1024

/** Whose rows an engine works on: its own, and (for a queue runner) nobody's. */
type Scope = EngineId | null

export const scopesOf = (engine: EngineId, adopt: boolean): ReadonlyArray<Scope> =>
  adopt ? [engine, null] : [engine]

const pending = "status = 'pending' AND owner IS ?"
const isDue = "status IN ('retrying', 'waiting') AND owner IS ? AND next_attempt_at <= ?"

/** What there is to do: one look tells. `below` bounds the priority. */
const peekStatement = `SELECT
  (SELECT priority FROM sluice_downloads WHERE ${pending} AND priority < ? ORDER BY priority DESC LIMIT 1) AS top,
  EXISTS (SELECT 1 FROM sluice_downloads WHERE ${isDue}) AS due,
  EXISTS (SELECT 1 FROM sluice_hosts WHERE cooling_until > ?) AS cooling`

const nextHost = `SELECT host_id FROM sluice_downloads WHERE ${pending} AND priority = ? AND host_id`

/** The first and the last host of a level: mostly they are the same. */
const edgesStatement = `SELECT (${nextHost} > -1 ORDER BY host_id LIMIT 1) AS low,
  (${nextHost} > -1 ORDER BY host_id DESC LIMIT 1) AS high`

/** Hosts in turn after one, and the oldest rows of each; the last row tells how far it has looked. */
const ringStatement = `WITH RECURSIVE ring (host, step) AS (
    SELECT (${nextHost} > ? ORDER BY host_id LIMIT 1), 1
    UNION ALL
    SELECT (${nextHost} > ring.host ORDER BY host_id LIMIT 1), step + 1
    FROM ring WHERE ring.host IS NOT NULL AND step <= ?),
  served (host) AS (SELECT host FROM ring WHERE host IS NOT NULL AND step <= ?
    AND host NOT IN (SELECT id FROM sluice_hosts WHERE cooling_until > ?) ORDER BY step LIMIT ?)
  SELECT served.host AS host, d.id AS id FROM served CROSS JOIN sluice_downloads AS d ON d.id IN (
    SELECT id FROM sluice_downloads WHERE ${pending} AND priority = ? AND host_id = served.host ORDER BY id LIMIT ?)
  UNION ALL SELECT max(host), -count(host) FROM ring WHERE step <= ?`

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly engine: EngineId
}

/** The waiting rows of some hosts, oldest first. */
type Lines = Map<number, Array<number>>

export const make = ({ engine, sql }: Dependencies) => {
  /** The host served last, by priority. */
  const served = new Map<number, number>()
  /** Where the last claim ran out of budget: what is above has been looked at. */
  let goOnBelow = Infinity

  const remember = (priority: number, host: number): void => {
    if (served.size >= maxLevels) served.clear()
    served.set(priority, host)
  }

  const peek = (scope: Scope, below: number, now: number) =>
    Effect.map(
      sql.unsafe<{ top: number | null; due: number; cooling: number }>(peekStatement, [
        scope,
        below,
        scope,
        now,
        now
      ]),
      (rows) => rows[0]!
    )

  /** Rows whose time has come stand in line again. */
  const promote = (batch: StoreBatch, scope: Scope, now: number): Effect.Effect<void, Failures> =>
    batch
      .select(`WHERE ${isDue} ORDER BY next_attempt_at LIMIT ?`, [scope, now, dueSize])
      .pipe(
        Effect.flatMap(Effect.forEach((download) => batch.apply(download, Due()), { discard: true })),
        Effect.zipRight(batch.flush)
      )

  /** Looks at hosts after `after`; says how many it has looked at, and the last of them. */
  const look = (
    lines: Lines,
    scope: Scope,
    priority: number,
    after: number,
    hosts: number,
    size: number,
    now: number
  ) =>
    Effect.map(
      sql.unsafe<{ host: number | null; id: number }>(ringStatement, [
        scope,
        priority,
        after,
        scope,
        priority,
        size,
        size,
        now,
        hosts,
        scope,
        priority,
        Math.min(depth, hosts),
        size
      ]),
      (rows) => {
        let seen = 0
        let last = after
        for (const { host, id } of rows) {
          if (id <= 0) {
            seen = -id
            last = host ?? after
          } else {
            const line = lines.get(host!)
            if (line === undefined) lines.set(host!, [id])
            else line.push(id)
          }
        }
        return { seen, last }
      }
    )

  /** The next `limit` rows of one priority, and how many hosts had to be looked at. */
  const level = Effect.fnUntraced(function* (
    scopes: ReadonlyArray<Scope>,
    priority: number,
    limit: number,
    budget: number,
    now: number
  ) {
    const from = served.get(priority) ?? -1
    let cost = levelCost
    let cut = false
    let alone = false
    const order: Array<readonly [host: number, ids: Array<number>]> = []
    // behind the last one served, then from the beginning
    for (const start of from < 0 ? [-1] : [from, -1]) {
      const lines: Lines = new Map()
      alone = start === -1
      let after = start
      let end = Infinity
      let ring = Math.max(firstRing, limit)
      do {
        const size = Math.min(ring, Math.max(1, budget - cost))
        ring = ringSize
        end = Infinity
        for (const scope of scopes) {
          const { last, seen } = yield* look(lines, scope, priority, after, limit, size, now)
          cost += seen
          if (seen > 1) alone = false
          // beyond what all scopes have looked at, a host's oldest row is not known yet
          if (seen >= size) end = Math.min(end, last)
        }
        if (end === Infinity) break
        for (const host of lines.keys()) if (host > end) lines.delete(host)
        after = end
        cut = cost >= budget
      } while (!cut && lines.size < limit)
      for (const [host, ids] of [...lines].sort(([a], [b]) => a - b)) {
        if (start === -1 && from >= 0 && host > from) continue
        order.push([host, ids.sort((a, b) => a - b)])
      }
      if (cut) remember(priority, after)
      if (order.length >= limit || cut) break
    }
    // one host alone has no round
    if (alone) served.delete(priority)
    const ids: Array<number> = []
    for (let rank = 0; rank < depth && ids.length < limit; rank++) {
      for (const [host, line] of order) {
        if (ids.length >= limit) break
        const id = line[rank]
        if (id === undefined) continue
        ids.push(id)
        if (!cut && !alone) remember(priority, host)
      }
    }
    // of a host with more rows than that, the rest still comes before any lower priority
    const deep = ids.length < limit && order.some(([, line]) => line.length >= depth)
    return { ids, cost, cut, deep }
  })

  /** The next rows of a level where all are one host's, without looking at hosts at all; else undefined. */
  const loneHost = (batch: StoreBatch, scope: Scope, priority: number, limit: number) =>
    Effect.gen(function* () {
      const [edges] = yield* sql.unsafe<{ low: number; high: number }>(edgesStatement, [
        scope,
        priority,
        scope,
        priority
      ])
      if (edges!.low !== edges!.high) return undefined
      served.delete(priority)
      return yield* batch.select(`WHERE ${pending} AND priority = ? AND host_id = ? ORDER BY id LIMIT ?`, [
        scope,
        priority,
        edges!.low,
        limit
      ])
    })

  const inOrder = (batch: StoreBatch, ids: ReadonlyArray<number>) =>
    Effect.map(
      ids.length === 0
        ? Effect.succeed([])
        : batch.select(`WHERE id IN (SELECT value FROM json_each(?))`, [JSON.stringify(ids)]),
      (rows) => {
        const byId = new Map(rows.map((row) => [toKey(row.id), row]))
        return ids.map((id) => byId.get(id) ?? missing(id))
      }
    )

  const claim = (limit: number, adopt: boolean) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const now = Math.floor(yield* Clock.currentTimeMillis)
      yield* batch.flush
      const scopes = scopesOf(engine, adopt)
      let looks = yield* Effect.forEach(scopes, (scope) => peek(scope, goOnBelow, now))
      if (looks.some(({ due }) => due === 1)) {
        for (const scope of scopes) yield* promote(batch, scope, now)
        looks = yield* Effect.forEach(scopes, (scope) => peek(scope, goOnBelow, now))
      }
      const chosen: Array<Download> = []
      let budget = budgetSize
      let below = goOnBelow
      let goOn = false
      goOnBelow = Infinity
      while (chosen.length < limit) {
        const tops = looks.flatMap(({ top }) => (top === null ? [] : [top]))
        if (tops.length === 0) break
        const priority = Math.max(...tops)
        const here = scopes.filter((_, i) => looks[i]!.top === priority)
        const cooling = looks.some((look) => look.cooling === 1)
        const wanted = limit - chosen.length
        const alone =
          here.length > 1 || cooling ? undefined : yield* loneHost(batch, here[0]!, priority, wanted)
        if (alone === undefined) {
          const found = yield* level(here, priority, wanted, budget, now)
          chosen.push(...(yield* inOrder(batch, found.ids)))
          budget -= found.cost
          if (found.deep && !found.cut) {
            goOn = true
            break
          }
          if (budget <= 0 && chosen.length < limit) {
            goOnBelow = found.cut ? priority + 1 : priority
            break
          }
        } else chosen.push(...alone)
        below = priority
        if (chosen.length < limit) looks = yield* Effect.forEach(scopes, (scope) => peek(scope, below, now))
      }
      const claimed = yield* Effect.forEach(chosen, (download) =>
        batch.apply(download, Claimed({ owner: engine }))
      )
      return {
        rows: claimed,
        more: goOn || goOnBelow !== Infinity
      } satisfies Claims
    })

  return { claim }
}

const missing = (id: number): never => {
  throw new Error(`the index of waiting downloads names ${fromKey(id)}, which is not there`)
}
