/**
 * What the store actor can be asked to do inside a transaction, beyond applying one message: take requests in, hand
 * out work, and move rows between owners. Each job sees the database through the batch it runs in.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { merge, same } from "../domain/Checksum.js"
import type { Download, EngineId } from "../domain/Download.js"
import { noHeaders, terminal } from "../domain/Download.js"
import { type DownloadId, fromKey, nextKey, toKey } from "../domain/DownloadId.js"
import { type Accepted, keyOf } from "../domain/DownloadRequest.js"
import { Abandoned, Claimed, Released, ResumeRequested } from "../domain/Message.js"
import type { Enqueued } from "../services/Store.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"
import { owners } from "./StoreReads.js"

const notTerminal = `status NOT IN ('completed', 'failed', 'cancelled')`

/** Rows moved per transaction when an engine departs. */
const moveSize = 1000

/** 128 bits are plenty to tell requests apart, and short enough to index. */
const hashOf = (request: Pick<Accepted, "url" | "directory" | "output">): string =>
  createHash("sha256").update(keyOf(request)).digest("hex").slice(0, 32)

/** One portion of a departed engine's rows: those cancelled by it, and whether there are more rows. */
export interface Disowned {
  readonly cancelled: ReadonlyArray<Download>
  readonly more: boolean
}

/** Due longest first. */
const byDue = (a: Download, b: Download): number => (a.nextAttemptAt ?? 0) - (b.nextAttemptAt ?? 0)

/** Highest priority first, then oldest. */
const byAdmission = (a: Download, b: Download): number => b.priority - a.priority || toKey(a.id) - toKey(b.id)

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly engine: EngineId
}

export const make = ({ engine, sql }: Dependencies) => {
  const enqueue = (requests: ReadonlyArray<Accepted>, own: boolean) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const now = Math.floor(yield* Clock.currentTimeMillis)
      yield* batch.flush
      const keys = requests.map(hashOf)
      const live = yield* sql.unsafe<{ request_key: string; id: number }>(
        `SELECT request_key, id FROM sluice_downloads
         WHERE request_key IN (SELECT value FROM json_each(?)) AND ${notTerminal}`,
        [JSON.stringify(keys)]
      )
      const known = new Map<string, DownloadId>(live.map((row) => [row.request_key, fromKey(row.id)]))
      // the newest last, so that it is the one found by its key
      const leftBehind = yield* batch.select(
        `WHERE request_key IN (SELECT value FROM json_each(?)) AND status = 'failed' AND part IS NOT NULL ORDER BY id`,
        [JSON.stringify(keys)]
      )
      const heirlooms = new Map(leftBehind.map((download) => [hashOf(download), download]))
      const last = yield* sql<{ last: number | null }>`SELECT max(id) AS last FROM sluice_downloads`
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
        const download = inheriting(
          initial(fromKey(key), request, own ? engine : null, now),
          heirlooms.get(hash),
          batch
        )
        known.set(hash, download.id)
        fresh.push([download, hash])
        answers.push({ id: download.id, attached: false })
      }
      yield* batch.insert(fresh)
      return yield* Effect.forEach(answers, ({ attached, id }, i) =>
        Effect.gen(function* () {
          const download = yield* batch.load(id)
          return attached ? yield* attach(batch, download, requests[i]!, own) : { attached, download }
        })
      )
    })

  /**
   * What the later of two equal requests says of headers, limits and priority replaces what the earlier said. A checksum is
   * added, but never changed or silently left out: then the later request is refused, and nothing is changed.
   */
  const attach = (
    batch: StoreBatch,
    download: Download,
    request: Accepted,
    own: boolean
  ): Effect.Effect<Enqueued, Failures> =>
    Effect.gen(function* () {
      const foreign = download.owner !== null && download.owner !== engine
      const checksum = merge(download.options.checksum, request.options.checksum, closed(download, foreign))
      if (Either.isLeft(checksum)) return { attached: true, download, refused: checksum.left }
      if (foreign) return { attached: true, download }
      const adopted = own && download.owner === null
      batch.put({
        ...download,
        headers: headersOf(request),
        options: { ...request.options, checksum: checksum.right },
        priority: request.priority,
        meta: request.meta ?? download.meta,
        owner: adopted ? engine : download.owner,
        epoch: adopted ? download.epoch + 1 : download.epoch
      })
      const current = yield* batch.load(download.id)
      // whoever asks wants it to go on, and to know soon where the server still says to wait; a backoff goes on where it was
      const held = current.status === "paused" || current.status === "waiting" || current.desired === "paused"
      return { attached: true, download: held ? yield* batch.apply(current, ResumeRequested()) : current }
    })

  const claim = (limit: number, adopt: boolean) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      const now = Math.floor(yield* Clock.currentTimeMillis)
      yield* batch.flush
      const due: Array<Download> = []
      const ready: Array<Download> = []
      for (const [owner, parameters] of owners(engine, adopt)) {
        due.push(
          ...(yield* batch.select(
            `WHERE status IN ('retrying', 'waiting') AND ${owner} AND next_attempt_at <= ?
             ORDER BY next_attempt_at LIMIT ?`,
            [...parameters, now, limit]
          ))
        )
        ready.push(
          ...(yield* batch.select(
            `WHERE status = 'pending' AND ${owner} ORDER BY priority DESC, id LIMIT ?`,
            [...parameters, limit]
          ))
        )
      }
      const chosen = [...due.sort(byDue), ...ready.sort(byAdmission)].slice(0, limit)
      return yield* Effect.forEach(chosen, (download) => batch.apply(download, Claimed({ owner: engine })))
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
        yield* sql`DELETE FROM sluice_engines WHERE id = ${owner}`
      }
      return { cancelled: moved.filter(({ status }) => status === "cancelled"), more } satisfies Disowned
    })

  const register = Effect.gen(function* () {
    const now = Math.floor(yield* Clock.currentTimeMillis)
    yield* sql`INSERT OR IGNORE INTO sluice_engines (id, pid, started_at) VALUES (${engine}, ${process.pid}, ${now})`
  })

  const remove = (id: DownloadId) => (batch: StoreBatch) => batch.remove(id)

  return { adopt, claim, disown, enqueue, register, remove }
}

/** Why no checksum can be added to an unfinished download, if so. */
const closed = (download: Download, foreign: boolean): string | undefined => {
  if (foreign) return "another engine is working on it"
  return download.publishing === null ? undefined : "its file is about to get its name"
}

/**
 * A new try of a request that failed goes on with the part it left behind; that part has one owner again. Not where it
 * was about to get its name, unverified by the checksum that is asked for now: it may have the name already.
 */
const inheriting = (download: Download, failed: Download | undefined, batch: StoreBatch): Download => {
  if (failed === undefined) return download
  const { checksum } = download.options
  const verified =
    checksum === null || (failed.options.checksum !== null && same(checksum, failed.options.checksum))
  if (failed.publishing !== null && !verified) return download
  batch.put({ ...failed, part: null })
  const { checkpoint, filename, part, publishing, total, validator } = failed
  return { ...download, checkpoint, filename, part, publishing, total, validator }
}

const headersOf = ({ headers }: Accepted): Download["headers"] =>
  headers.length === 0 ? noHeaders : Redacted.make(headers)

const initial = (id: DownloadId, request: Accepted, owner: EngineId | null, now: number): Download => ({
  id,
  url: request.url,
  directory: request.directory,
  output: request.output,
  headers: headersOf(request),
  options: request.options,
  priority: request.priority,
  tags: [],
  meta: request.meta,
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
