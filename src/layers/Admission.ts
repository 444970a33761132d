/**
 * Who is next: highest priority first; within a priority host by host in turn; within a host the oldest; or as the engine's policy
 * has it (`domain/Admission`). Hosts that cool down are passed over (of those that have cooled down, one row goes ahead of all
 * others, see StoreHosts), and what is due for another try stands in line like everything else.
 *
 * However many rows wait, a claim costs a few index look-ups: it asks the index for the next host after the last one served
 * (`Ring`), never for how many there are. So a host with a million rows delays another host's one row by one turn. Each claim looks
 * at a bounded number of hosts; where all of those were cooling, the next claim goes on behind them. A policy that is a
 * function sees a bounded number of rows as well; what it has passed over keeps nobody else back.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Policy } from "../domain/Admission.js"
import type { Download, EngineId } from "../domain/Download.js"
import { fromKey, toKey } from "../domain/DownloadId.js"
import { originOf } from "../domain/Host.js"
import { Claimed, Due } from "../domain/Message.js"
import { inOrder } from "../domain/Turns.js"
import type { Claims, Places } from "../services/Store.js"
import { depth, type Found, pending, Ring, type Scope, type Sought } from "./Ring.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"
import type { StoreHosts } from "./StoreHosts.js"

/** Rows whose time has come that join the line with one claim. */
const dueSize = 256

/** Hosts that one claim looks at; a level of priority counts as some. */
const budgetSize = 8192

/** Rows that a policy is asked about in one claim, at each level of priority. */
const windowSize = 256

/** Claims that go on with a level in which the policy lets nothing begin; what comes behind that waits for the next occasion. */
const maxVain = 64

export const scopesOf = (engine: EngineId, adopt: boolean): ReadonlyArray<Scope> =>
  adopt ? [engine, null] : [engine]

const isDue = "status IN ('retrying', 'waiting') AND owner IS ? AND next_attempt_at <= ?"

/** What there is to do: one look tells. `below` bounds the priority. */
const peekStatement = `SELECT
  (SELECT priority FROM sluice_downloads WHERE ${pending} AND priority < ? ORDER BY priority DESC LIMIT 1) AS top,
  EXISTS (SELECT 1 FROM sluice_downloads WHERE ${isDue}) AS due,
  EXISTS (SELECT 1 FROM sluice_hosts WHERE cooling_until > ?) AS cooling,
  EXISTS (SELECT 1 FROM sluice_hosts WHERE cooling_until IS NOT NULL) AS doubted`

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly engine: EngineId
  readonly hosts: StoreHosts
  readonly policy: Policy
}

/** Of one level of priority, those to begin with. */
interface Level {
  readonly rows: ReadonlyArray<Download>
  readonly cost: number
  readonly cut: boolean
  /** There are more that may begin, of the hosts looked at. */
  readonly deep: boolean
  /** Some were passed over that the policy does not let begin now. */
  readonly refused: boolean
  /** The policy has not been asked about all hosts in turn: they come before any lower priority. */
  readonly unasked?: boolean
}

/** Claims in a row in which the policy has let nothing of a level begin: how many, and the host behind which the first began. */
interface Vain {
  readonly priority: number
  readonly from: number
  readonly claims: number
}

export const make = ({ engine, hosts, policy, sql }: Dependencies) => {
  const ring = new Ring(sql, policy.first)
  /** Whether rows have to be looked at, rather than their places in the index alone. */
  const isSelective = policy.hosts !== "turn" || policy.admit !== undefined
  /** Where the last claim ran out of budget: what is above has been looked at. */
  let goOnBelow = Infinity
  let vain: Vain | undefined
  /** What the policy has died of, told once: it would be the same for each row. */
  let defect: unknown
  let isTold = false

  /** A policy is the program's own code: one that breaks keeps nothing back. */
  const admits = (candidate: Download, atWork: ReadonlyArray<Download>): boolean => {
    if (policy.admit === undefined) return true
    try {
      return policy.admit(candidate, atWork)
    } catch (thrown) {
      defect ??= thrown
      return true
    }
  }

  const peek = (scope: Scope, below: number, now: number) =>
    Effect.map(
      sql.unsafe<{ top: number | null; due: number; cooling: number; doubted: number }>(peekStatement, [
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

  const load = (batch: StoreBatch, ids: ReadonlyArray<number>) =>
    Effect.map(
      ids.length === 0
        ? Effect.succeed([])
        : batch.select(`WHERE id IN (SELECT value FROM json_each(?))`, [JSON.stringify(ids)]),
      (rows) => {
        const byId = new Map(rows.map((row) => [toKey(row.id), row]))
        return ids.map((id) => byId.get(id) ?? missing(id))
      }
    )

  /** Host by host in turn: only those that begin are loaded. */
  const inTurn = Effect.fnUntraced(function* (batch: StoreBatch, sought: Sought) {
    const limit = sought.hosts
    const { alone, cost, cut, lines } = yield* ring.look(sought)
    const ids: Array<number> = []
    for (let rank = 0; rank < depth && ids.length < limit; rank++) {
      for (const [host, line] of lines) {
        if (ids.length >= limit) break
        const id = line[rank]
        if (id === undefined) continue
        ids.push(id)
        if (!cut && !alone) ring.remember(sought.priority, host)
      }
    }
    // of a host with more rows than that, the rest still comes before any lower priority
    const deep = ids.length < limit && lines.some(([, line]) => line.length >= depth)
    return { rows: yield* load(batch, ids), cost, cut, deep, refused: false } satisfies Level
  })

  /** Some lines as the ring has them, with their rows. */
  const lines = (batch: StoreBatch, { lines }: Found) =>
    Effect.map(
      load(
        batch,
        lines.flatMap(([, ids]) => ids)
      ),
      (rows) => {
        let at = 0
        return lines.map(([host, ids]) => {
          const own = rows.slice(at, (at += ids.length))
          return { host, origin: originOf(own[0]!.url), rows: own }
        })
      }
    )

  /** Whether hosts are left in this round, after a claim has asked about those between two places in the ring. */
  const isUnasked = (priority: number, begun: number, from: number, to: number): boolean => {
    const before = vain?.priority === priority && begun === 0 ? vain : { priority, from, claims: 0 }
    const isRound =
      before.claims > 0 &&
      (from < to ? from < before.from && before.from <= to : before.from > from || before.from <= to)
    vain = isRound || before.claims >= maxVain ? undefined : { ...before, claims: before.claims + 1 }
    return vain !== undefined
  }

  /** As the policy has it: the first of each line are looked at, and those that may not begin are passed over. */
  const selected = Effect.fnUntraced(function* (
    batch: StoreBatch,
    sought: Sought,
    places: Places,
    begun: ReadonlyArray<Download>
  ) {
    const { priority } = sought
    const limit = sought.hosts
    const atWork = [...places.atWork(), ...begun]
    const taken = new Map<string, number>()
    for (const { url } of begun) taken.set(originOf(url), (taken.get(originOf(url)) ?? 0) + 1)
    const without = [...sought.without]
    const rows: Array<Download> = []
    const from = ring.place(priority)
    let { budget } = sought
    let window = windowSize
    let refused = false
    for (;;) {
      const wanted = limit - rows.length
      const width = Math.min(depth, policy.admit === undefined ? wanted : depth)
      // where the first ones may not, it takes more of them
      const hosts = without.length === sought.without.length ? wanted : Math.max(wanted, depth)
      const more = { ...sought, budget, rows: width }
      const busy = policy.hosts === "fewest" ? [...new Set([...places.held.keys(), ...taken.keys()])] : []
      const found = yield* ring.look({ ...more, hosts, without: [...without, ...busy] })
      budget -= found.cost
      let { cut } = found
      let seen = found.lines.length
      const candidates = yield* lines(batch, found)
      if (busy.length > 0 && seen < hosts && !cut) {
        const idle = candidates.map(({ origin }) => origin)
        const others = yield* ring.look({
          ...more,
          budget,
          hosts: hosts + busy.length,
          without: [...without, ...idle]
        })
        budget -= others.cost
        cut = others.cut
        // all of them, if there are no more than could be at work
        seen = others.lines.length < hosts + busy.length ? 0 : hosts
        candidates.push(...(yield* lines(batch, others)))
      }
      const passed = new Set<string>()
      let last: number | undefined
      for (const { host, origin, row } of inOrder(
        candidates.map(({ host, origin, rows }) => ({
          atWork: (places.held.get(origin) ?? 0) + (taken.get(origin) ?? 0),
          rows: rows.map((row) => ({ row, host, origin }))
        })),
        policy.hosts
      )) {
        if (rows.length >= limit) break
        const has = taken.get(origin) ?? 0
        if (has >= places.room(origin)) passed.add(origin)
        else if (!admits(row, atWork)) {
          refused = true
          passed.add(origin)
        } else {
          rows.push(row)
          atWork.push(row)
          taken.set(origin, has + 1)
          last = host
        }
      }
      window -= candidates.reduce((sum, { rows }) => sum + rows.length, 0)
      const isDone = rows.length >= limit
      // the next claim goes on behind what was looked at in vain
      last = isDone ? last : (found.lines.at(-1)?.[0] ?? last)
      if (last !== undefined && !cut && !found.alone) ring.remember(priority, last)
      const cost = sought.budget - budget
      if (isDone) {
        vain = undefined
        return { rows, cost, cut, deep: false, refused } satisfies Level
      }
      if (seen < hosts || cut || window <= 0) {
        const deep = candidates.some((line) => line.rows.length >= width && !passed.has(line.origin))
        const isAll = seen < hosts || cut
        if (isAll) vain = undefined
        const unasked = !isAll && isUnasked(priority, rows.length, from, ring.place(priority))
        return { rows, cost, cut, deep, refused, unasked } satisfies Level
      }
      without.push(...candidates.map(({ origin }) => origin))
    }
  })

  const claim = (limit: number, adopt: boolean, places: Places = everywhere) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const now = Math.floor(yield* Clock.currentTimeMillis)
      yield* batch.flush
      const scopes = scopesOf(engine, adopt)
      const full = places.full()
      let looks = yield* Effect.forEach(scopes, (scope) => peek(scope, goOnBelow, now))
      if (looks.some(({ due }) => due === 1)) {
        for (const scope of scopes) yield* promote(batch, scope, now)
        looks = yield* Effect.forEach(scopes, (scope) => peek(scope, goOnBelow, now))
      }
      const chosen: Array<Download> = []
      let budget = budgetSize
      let below = goOnBelow
      let goOn = false
      let refused = false
      goOnBelow = Infinity
      while (chosen.length < limit) {
        const tops = looks.flatMap(({ top }) => (top === null ? [] : [top]))
        if (tops.length === 0) break
        const priority = Math.max(...tops)
        const here = scopes.filter((_, i) => looks[i]!.top === priority)
        const cooling = looks.some((look) => look.cooling === 1)
        const wanted = limit - chosen.length
        const alone =
          here.length > 1 || cooling || full.length > 0 || isSelective
            ? undefined
            : yield* ring.loneHost(batch, here[0]!, priority, wanted)
        if (alone === undefined) {
          const sought: Sought = {
            scopes: here,
            priority,
            hosts: wanted,
            rows: Math.min(depth, wanted),
            budget,
            now,
            without: full
          }
          const found: Level = yield* isSelective
            ? selected(batch, sought, places, chosen)
            : inTurn(batch, sought)
          chosen.push(...found.rows)
          budget -= found.cost
          refused ||= found.refused
          if ((found.deep && !found.cut) || found.unasked === true) {
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
      if (defect !== undefined && !isTold) {
        isTold = true
        yield* Effect.logError("the admission policy died; what it was asked about begins", defect)
      }
      const doubted = chosen.length > 0 && looks.some((look) => look.doubted === 1)
      const fitting = within(places, chosen)
      const admitted = doubted ? yield* hosts.admit(fitting, now) : fitting
      const claimed = yield* Effect.forEach(admitted, (download) =>
        batch.apply(download, Claimed({ owner: engine }))
      )
      return {
        rows: claimed,
        // others' turn, where some were kept back
        more: goOn || goOnBelow !== Infinity || admitted.length < chosen.length,
        refused
      } satisfies Claims
    })

  return { claim }
}

const everywhere: Places = { full: () => [], room: () => Infinity, held: new Map(), atWork: () => [] }

/** Those that their hosts have places for. */
const within = (places: Places, rows: ReadonlyArray<Download>): ReadonlyArray<Download> => {
  const taken = new Map<string, number>()
  return rows.filter(({ url }) => {
    const origin = originOf(url)
    const count = (taken.get(origin) ?? 0) + 1
    if (count > places.room(origin)) return false
    taken.set(origin, count)
    return true
  })
}

const missing = (id: number): never => {
  throw new Error(`the index of waiting downloads names ${fromKey(id)}, which is not there`)
}
