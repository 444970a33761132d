/**
 * Downloads that wait in line for a host that is left alone: their waiting ends by their own give-up limit too, though nobody
 * ever got round to trying them. Else a list of a hundred files of a dead host would end one by one, each after a limit of its own.
 *
 * The limit counts from when the row began to wait, or its host to be in trouble, whichever came later. As with any wait, one that
 * would outlast it ends at once. Rows are looked at by age, a bounded number at a time, only while a host is left alone.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { EngineId } from "../domain/Download.js"
import { type DownloadId, fromKey, toKey } from "../domain/DownloadId.js"
import { defaultOptions } from "../domain/DownloadOptions.js"
import { Expired } from "../domain/Message.js"
import type { Impatient } from "../services/Store.js"
import { scopesOf } from "./Admission.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"
import { probeWhy } from "../domain/Host.js"

/** Rows that one look goes through. */
const portion = 5000

/** Where the portion ends that begins after a row. */
const edgeStatement = `SELECT max(id) AS edge, count(*) AS rows FROM
  (SELECT id FROM sluice_downloads WHERE id > ? ORDER BY id LIMIT ${portion})`

const waitingStatement = `SELECT d.id AS id, h.origin AS origin, h.cooling_why AS why,
    iif(h.cooling_why = ?, ?, h.cooling_until) AS until,
    max(coalesce(d.waiting_since, d.updated_at), coalesce(h.troubled_since, 0))
      + coalesce(json_extract(d.options, '$.giveUp'), ?) AS deadline
  FROM sluice_downloads AS d NOT INDEXED CROSS JOIN sluice_hosts AS h ON h.id = d.host_id
  WHERE d.id > ? AND d.id <= ? AND d.status = 'pending' AND (d.owner IS ? OR d.owner IS ?) AND h.cooling_until > ?`

interface Waiting {
  readonly id: number
  readonly origin: string
  readonly why: string | null
  readonly until: number
  readonly deadline: number
}

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly engine: EngineId
}

export const make = ({ engine, sql }: Dependencies) => ({
  /** Ends those whose patience is over, in a portion of the rows. */
  look: (after: DownloadId | undefined, adopt: boolean) =>
    Effect.fnUntraced(function* (batch: StoreBatch): Effect.fn.Return<Impatient, Failures> {
      const now = Math.floor(yield* Clock.currentTimeMillis)
      yield* batch.flush
      const shut = yield* sql.unsafe(`SELECT 1 FROM sluice_hosts WHERE cooling_until > ? LIMIT 1`, [now])
      if (shut.length === 0) return { ended: 0, next: undefined, soonest: undefined }
      const begin = after === undefined ? -1 : toKey(after)
      const [{ edge, rows } = { edge: null, rows: 0 }] = yield* sql.unsafe<{
        edge: number | null
        rows: number
      }>(edgeStatement, [begin])
      if (edge === null) return { ended: 0, next: undefined, soonest: undefined }
      const [own, other = engine] = scopesOf(engine, adopt)
      const waiting = yield* sql.unsafe<Waiting>(waitingStatement, [
        probeWhy,
        now,
        defaultOptions.giveUp,
        begin,
        edge,
        own,
        other,
        now
      ])
      const over = waiting.filter(({ deadline, until }) => deadline <= now || deadline < until)
      for (const { id, origin, why } of over) {
        const detail = `${origin} is left alone: ${why ?? "it is in trouble"}`
        yield* batch.apply(
          yield* batch.load(fromKey(id)),
          Expired({ failure: { reason: "HostCooling", detail } })
        )
      }
      const left = waiting.filter((one) => !over.includes(one)).map(({ deadline }) => deadline)
      return {
        ended: over.length,
        next: rows < portion ? undefined : fromKey(edge),
        soonest: left.length === 0 ? undefined : left.reduce((a, b) => Math.min(a, b))
      }
    })
})
