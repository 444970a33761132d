/**
 * What the store actor can be asked to do inside a transaction, beyond applying one message: take requests in, hand
 * out work, and move rows between owners. Each job sees the database through the batch it runs in.
 *
 * Which rows may be claimed, and from which statuses, is derived from the transition table.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import type { Download, EngineId } from "../domain/Download.js"
import { terminal } from "../domain/Download.js"
import { type DownloadId, fromKey, nextKey } from "../domain/DownloadId.js"
import { type Accepted, keyOf } from "../domain/DownloadRequest.js"
import { Abandoned, Claimed, Released, ResumeRequested } from "../domain/Message.js"
import type { Enqueued } from "../services/Store.js"
import type { StoreBatch } from "./StoreBatch.js"

const notTerminal = `status NOT IN ('completed', 'failed', 'cancelled')`

/** Rows moved per transaction when an engine departs. */
const moveSize = 1000

/** 128 bits are plenty to tell requests apart, and short enough to index. */
const hashOf = (request: Accepted): string =>
  createHash("sha256").update(keyOf(request)).digest("hex").slice(0, 32)

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly engine: EngineId
}

export const make = ({ engine, sql }: Dependencies) => {
  /** Owner as a condition: this engine's rows, and with `adopt` those of nobody. */
  const mine = (adopt: boolean) => (adopt ? `(owner = ? OR owner IS NULL)` : `owner = ?`)

  const enqueue = (requests: ReadonlyArray<Accepted>, own: boolean) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const now = yield* Clock.currentTimeMillis
      yield* batch.flush
      const keys = requests.map(hashOf)
      const live = yield* sql.unsafe<{ request_key: string; id: number }>(
        `SELECT request_key, id FROM downloads
         WHERE request_key IN (SELECT value FROM json_each(?)) AND ${notTerminal}`,
        [JSON.stringify(keys)]
      )
      const known = new Map<string, DownloadId>(live.map((row) => [row.request_key, fromKey(row.id)]))
      const last = yield* sql<{ last: number | null }>`SELECT max(id) AS last FROM downloads`
      let key = last[0]!.last ?? 0
      const fresh: Array<readonly [Download, string]> = []
      const answers: Array<{ readonly id: DownloadId; readonly attached: boolean }> = []
      for (const [i, request] of requests.entries()) {
        const hash = keys[i]!
        const existing = known.get(hash)
        if (existing !== undefined) {
          answers.push({ id: existing, attached: true })
          continue
        }
        key = nextKey(key, now, yield* Random.next)
        const download = initial(fromKey(key), request, own ? engine : null, now)
        known.set(hash, download.id)
        fresh.push([download, hash])
        answers.push({ id: download.id, attached: false })
      }
      yield* batch.insert(fresh)
      return yield* Effect.forEach(answers, ({ attached, id }, i) =>
        Effect.gen(function* () {
          const download = yield* batch.load(id)
          const current = attached ? yield* attach(batch, download, requests[i]!, own) : download
          return { attached, download: current } satisfies Enqueued
        })
      )
    })

  /** What the later of two equal requests says of headers, limits and priority replaces what the earlier said. */
  const attach = (batch: StoreBatch, download: Download, request: Accepted, own: boolean) =>
    Effect.gen(function* () {
      if (download.owner !== null && download.owner !== engine) return download
      const adopted = own && download.owner === null
      batch.put({
        ...download,
        headers: Redacted.make(request.headers),
        options: request.options,
        priority: request.priority,
        // whoever asks again is ready to wait anew
        waitingSince: null,
        owner: adopted ? engine : download.owner,
        epoch: adopted ? download.epoch + 1 : download.epoch
      })
      const current = yield* batch.load(download.id)
      return current.status === "paused" ? yield* batch.apply(current, ResumeRequested()) : current
    })

  const claim = (limit: number, adopt: boolean) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const now = yield* Clock.currentTimeMillis
      yield* batch.flush
      const due = yield* batch.select(
        `WHERE status IN ('retrying', 'waiting') AND ${mine(adopt)} AND next_attempt_at <= ?
         ORDER BY next_attempt_at LIMIT ?`,
        [engine, now, limit]
      )
      const ready = yield* batch.select(
        `WHERE status = 'pending' AND ${mine(adopt)} ORDER BY priority DESC, id LIMIT ?`,
        [engine, limit - due.length]
      )
      return yield* Effect.forEach([...due, ...ready], (download) =>
        batch.apply(download, Claimed({ owner: engine }))
      )
    })

  const adopt = (id: DownloadId) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const download = yield* batch.load(id)
      if (download.owner !== null || terminal.has(download.status)) return download.owner === engine
      batch.put({ ...download, owner: engine, epoch: download.epoch + 1 })
      return true
    })

  /** One portion of the rows of an engine that is gone (or of this one, when it goes). */
  const disown = (owner: EngineId) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      yield* batch.flush
      const rows = yield* batch.select(`WHERE owner = ? LIMIT ?`, [owner, moveSize])
      const moved = yield* Effect.forEach(rows, (download) => {
        if (owner !== engine && download.status === "processing") return batch.apply(download, Abandoned())
        const settled =
          download.status === "processing" ? batch.apply(download, Released()) : Effect.succeed(download)
        return Effect.map(settled, (current) => {
          // the new epoch fences a worker that did not stop in time
          const next: Download = { ...current, owner: null, epoch: current.epoch + 1 }
          batch.put(next)
          return next
        })
      })
      const more = rows.length === moveSize
      if (!more) {
        yield* batch.flush
        yield* sql`DELETE FROM engines WHERE id = ${owner}`
      }
      return { rows: moved, more }
    })

  const register = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    yield* sql`INSERT OR IGNORE INTO engines (id, pid, started_at) VALUES (${engine}, ${process.pid}, ${now})`
  })

  const nextDue = (adopt: boolean): Effect.Effect<Option.Option<number>, SqlError> =>
    sql
      .unsafe<{ at: number | null }>(
        `SELECT min(next_attempt_at) AS at FROM downloads WHERE status IN ('retrying', 'waiting') AND ${mine(adopt)}`,
        [engine]
      )
      .pipe(Effect.map((rows) => Option.fromNullable(rows[0]?.at)))

  const anyLeft = (adopt: boolean): Effect.Effect<boolean, SqlError> =>
    sql
      .unsafe(
        `SELECT 1 FROM downloads
         WHERE status IN ('pending', 'processing', 'retrying', 'waiting') AND ${mine(adopt)} LIMIT 1`,
        [engine]
      )
      .pipe(Effect.map((rows) => rows.length > 0))

  const otherOwners: Effect.Effect<ReadonlyArray<EngineId>, SqlError> = Effect.map(
    sql<{ id: EngineId }>`SELECT id FROM engines WHERE id <> ${engine}`,
    (rows) => rows.map((row) => row.id)
  )

  return { adopt, anyLeft, claim, disown, enqueue, nextDue, otherOwners, register }
}

const initial = (id: DownloadId, request: Accepted, owner: EngineId | null, now: number): Download => ({
  id,
  url: request.url,
  directory: request.directory,
  output: request.output,
  headers: Redacted.make(request.headers),
  options: request.options,
  priority: request.priority,
  status: "pending",
  desired: "run",
  owner,
  epoch: 0,
  filename: null,
  part: null,
  checkpoint: 0,
  total: null,
  validator: null,
  publishing: null,
  outcome: null,
  attempt: 0,
  attemptStartedAt: null,
  attemptFrom: 0,
  strikes: [],
  crashes: 0,
  nextAttemptAt: null,
  waitingSince: null,
  failure: null,
  pid: null,
  createdAt: now,
  updatedAt: now,
  finishedAt: null
})
