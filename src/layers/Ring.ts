/**
 * The hosts that downloads wait for, in turn: the look-ups behind Admission. Each asks the index for the next host after the last
 * one served, never for how many there are, and looks at a bounded number of hosts and at a few rows of each.
 *
 * The place in the ring is kept in memory only: a restart begins a new round, and a transaction that is rolled back costs a host
 * one turn.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type { Policy } from "../domain/Admission.js"
import type { EngineId } from "../domain/Download.js"
import type { StoreBatch } from "./StoreBatch.js"

/** Rows of one host that one look finds. */
export const depth = 16

/** Hosts that one statement looks at: first few, then more where these were cooling. */
const firstRing = 16
const ringSize = 1024

/** What a level of priority costs, in hosts. */
const levelCost = 64

/** Levels of priority whose place in the ring is remembered. */
const maxLevels = 1024

/** Whose rows an engine works on: its own, and (for a queue runner) nobody's. */
export type Scope = EngineId | null

export const pending = "status = 'pending' AND owner IS ?"

const nextHost = `SELECT host_id FROM sluice_downloads WHERE ${pending} AND priority = ? AND host_id`

/** The first and the last host of a level: mostly they are the same. */
const edgesStatement = `SELECT (${nextHost} > -1 ORDER BY host_id LIMIT 1) AS low,
  (${nextHost} > -1 ORDER BY host_id DESC LIMIT 1) AS high`

/** Hosts in turn after one, and the first rows of each; the last row tells how far it has looked. */
const ringStatement = (order: "id" | "id DESC") => `WITH RECURSIVE ring (host, step) AS (
    SELECT (${nextHost} > ? ORDER BY host_id LIMIT 1), 1
    UNION ALL
    SELECT (${nextHost} > ring.host ORDER BY host_id LIMIT 1), step + 1
    FROM ring WHERE ring.host IS NOT NULL AND step <= ?),
  served (host) AS (SELECT host FROM ring WHERE host IS NOT NULL AND step <= ?
    AND host NOT IN (SELECT id FROM sluice_hosts WHERE cooling_until > ?)
    AND host NOT IN (SELECT id FROM sluice_hosts WHERE origin IN (SELECT value FROM json_each(?))) ORDER BY step LIMIT ?)
  SELECT served.host AS host, d.id AS id FROM served CROSS JOIN sluice_downloads AS d ON d.id IN (
    SELECT id FROM sluice_downloads WHERE ${pending} AND priority = ? AND host_id = served.host ORDER BY ${order} LIMIT ?)
  UNION ALL SELECT max(host), -count(host) FROM ring WHERE step <= ?`

/** The waiting rows of some hosts, in the order in which they would begin. */
type Lines = Map<number, Array<number>>

/** What to look for at a level of priority. */
export interface Sought {
  readonly scopes: ReadonlyArray<Scope>
  readonly priority: number
  /** So many hosts, and so many rows of each. */
  readonly hosts: number
  readonly rows: number
  /** Hosts that may be looked at, a level of priority counting as some. */
  readonly budget: number
  readonly now: number
  /** Origins that are passed over. */
  readonly without: ReadonlyArray<string>
}

/** @see {@link Ring.look} */
export interface Found {
  /** Hosts in turn, the rows of each in the order in which they would begin. */
  readonly lines: ReadonlyArray<readonly [host: number, ids: ReadonlyArray<number>]>
  /** How many hosts had to be looked at. */
  readonly cost: number
  /** The budget has run out: the next look goes on behind what this one has seen. */
  readonly cut: boolean
  /** There is one host only. */
  readonly alone: boolean
}

/** Of one store. */
export class Ring {
  /** The host served last, by priority. */
  private readonly served = new Map<number, number>()
  private readonly statement: string
  private readonly order: "id" | "id DESC"

  constructor(
    private readonly sql: SqlClient.SqlClient,
    first: Policy["first"]
  ) {
    this.order = first === "oldest" ? "id" : "id DESC"
    this.statement = ringStatement(this.order)
  }

  /** The host served last, or -1. */
  place(priority: number): number {
    return this.served.get(priority) ?? -1
  }

  /** It was this host's turn. */
  remember(priority: number, host: number): void {
    if (this.served.size >= maxLevels) this.served.clear()
    this.served.set(priority, host)
  }

  /** The next hosts of one priority, and their first rows. */
  look(sought: Sought): Effect.Effect<Found, SqlError> {
    return Effect.gen(this, function* () {
      const { budget, hosts, priority, scopes } = sought
      const from = this.place(priority)
      let cost = levelCost
      let cut = false
      let alone = false
      const lines: Array<readonly [host: number, ids: ReadonlyArray<number>]> = []
      // behind the last one served, then from the beginning
      for (const start of from < 0 ? [-1] : [from, -1]) {
        const found: Lines = new Map()
        alone = start === -1
        let after = start
        let end = Infinity
        let ring = Math.max(firstRing, hosts)
        do {
          const size = Math.min(ring, Math.max(1, budget - cost))
          ring = ringSize
          end = Infinity
          for (const scope of scopes) {
            const { last, seen } = yield* this.step(found, sought, scope, after, size)
            cost += seen
            if (seen > 1) alone = false
            // beyond what all scopes have looked at, a host's first row is not known yet
            if (seen >= size) end = Math.min(end, last)
          }
          if (end === Infinity) break
          for (const host of found.keys()) if (host > end) found.delete(host)
          after = end
          cut = cost >= budget
        } while (!cut && found.size < hosts)
        for (const [host, ids] of [...found].sort(([a], [b]) => a - b)) {
          if (start === -1 && from >= 0 && host > from) continue
          lines.push([host, ids.sort(this.order === "id" ? (a, b) => a - b : (a, b) => b - a)])
        }
        if (cut) this.remember(priority, after)
        if (lines.length >= hosts || cut) break
      }
      // one host alone has no round
      if (alone) this.served.delete(priority)
      return { lines, cost, cut, alone }
    })
  }

  /** The next rows of a level where all are one host's, without looking at hosts at all; else undefined. */
  loneHost(batch: StoreBatch, scope: Scope, priority: number, limit: number) {
    return Effect.gen(this, function* () {
      const [edges] = yield* this.sql.unsafe<{ low: number; high: number }>(edgesStatement, [
        scope,
        priority,
        scope,
        priority
      ])
      if (edges!.low !== edges!.high) return undefined
      this.served.delete(priority)
      return yield* batch.select(
        `WHERE ${pending} AND priority = ? AND host_id = ? ORDER BY ${this.order} LIMIT ?`,
        [scope, priority, edges!.low, limit]
      )
    })
  }

  /** Looks at hosts behind `after`; says how many it has looked at, and the last of them. */
  private step(
    lines: Lines,
    { hosts, now, priority, rows, without }: Sought,
    scope: Scope,
    after: number,
    size: number
  ) {
    const level = [scope, priority]
    return Effect.map(
      this.sql.unsafe<{ host: number | null; id: number }>(this.statement, [
        ...level,
        after,
        ...level,
        size,
        size,
        now,
        JSON.stringify(without),
        hosts,
        ...level,
        rows,
        size
      ]),
      (found) => {
        let seen = 0
        let last = after
        for (const { host, id } of found) {
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
  }
}
