/**
 * The unit of work of the store actor: everything one transaction reads and changes.
 *
 * Rows are loaded once, changed in memory by `transition` as often as messages ask, and written once, in bulk, when the
 * batch is flushed; so a burst of messages about one download costs one row write. Writes name the epoch that the row had
 * when it was loaded: a row that another engine has taken meanwhile is left alone and reported as fenced.
 *
 * A batch belongs to one attempt to commit: if that is rolled back, the batch is thrown away with it.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type Download, type EngineId, type Status, terminal } from "../domain/Download.js"
import { type DownloadId, fromKey, toKey } from "../domain/DownloadId.js"
import type { GroupId } from "../domain/Group.js"
import { type Cooling, coolingOf, originOf } from "../domain/Host.js"
import type { Message } from "../domain/Message.js"
import { StoreError } from "../domain/StoreError.js"
import { transition } from "../domain/Transition.js"
import type { StoreChange } from "../services/Store.js"
import * as SqlRow from "./SqlRow.js"
import * as SqlWrite from "./SqlWrite.js"

export type Failures = StoreError | SqlError

/** An ended attempt, as a row of the log (columns of `attemptStatement`). */
type AttemptRow = ReadonlyArray<unknown>

const attemptStatement = `INSERT OR REPLACE INTO sluice_attempts
  (download_id, attempt, source, owner, pid, started_at, ended_at, status, from_bytes, to_bytes, failure, next_attempt_at)
  SELECT ${Array.from({ length: 12 }, (_, i) => `json_extract(value, '$[${i}]')`).join(", ")} FROM json_each(?)`

/** Tries of one download that the log keeps: the newest. */
const keptAttempts = 100

// only rows that have more than that many are looked up
const forgetStatement = `DELETE FROM sluice_attempts WHERE (download_id, attempt) IN (
  SELECT a.download_id, a.attempt FROM json_each(?) AS j CROSS JOIN sluice_attempts AS a
  ON a.download_id = json_extract(j.value, '$[0]') AND a.attempt <= json_extract(j.value, '$[1]'))`

const coolStatement = `UPDATE sluice_hosts SET cooling_until = ?, cooling_why = ?
  WHERE origin = ? AND coalesce(cooling_until, 0) < ?`

export class StoreBatch {
  /** Rows as they will be after the flush. */
  private readonly rows = new Map<DownloadId, Download>()
  /** Rows as they are in the database. */
  private readonly stored = new Map<DownloadId, Download>()
  private readonly dirty = new Set<DownloadId>()
  private readonly attempts: Array<AttemptRow> = []
  private readonly cooling = new Map<string, Cooling>()
  private readonly endedUnseen: Array<readonly [number, Status, number]> = []
  /** Rows changed by this batch, ever. */
  readonly changed = new Map<DownloadId, Download>()
  /** Those rows as they were when the transaction began; null for rows that it added. */
  readonly before = new Map<DownloadId, Download | null>()
  /** Rows added. */
  inserted = 0
  /** Rows changed by a statement over many, without having been seen here. */
  readonly touched = new Set<DownloadId>()
  /** Rows that are no more. */
  readonly removed = new Set<DownloadId>()
  /** Groups whose counters or seal have changed. */
  readonly groups = new Set<GroupId>()
  /** Rows that turned out to belong to someone else. */
  readonly fenced = new Set<DownloadId>()

  constructor(
    private readonly sql: SqlClient.SqlClient,
    private readonly path: string,
    private readonly engine: EngineId,
    private readonly now: number,
    private readonly decode: SqlRow.Decode,
    claimed: Iterable<Download>
  ) {
    for (const download of claimed) this.remember(download)
  }

  private remember(download: Download): void {
    this.rows.set(download.id, download)
    this.stored.set(download.id, download)
  }

  /** The row as this batch sees it. */
  load(id: DownloadId): Effect.Effect<Download, Failures> {
    const known = this.rows.get(id)
    if (known !== undefined) return Effect.succeed(known)
    return this.select(`WHERE id = ?`, [toKey(id)]).pipe(
      Effect.flatMap((found) =>
        found[0] === undefined
          ? Effect.fail(new StoreError({ reason: "NotFound", path: this.path, detail: id }))
          : Effect.succeed(found[0])
      )
    )
  }

  /** Rows by a condition, seen through what this batch has changed. Call `flush` first if changes could matter. */
  select(
    condition: string,
    parameters: ReadonlyArray<unknown>
  ): Effect.Effect<ReadonlyArray<Download>, Failures> {
    return this.sql.unsafe(`SELECT ${SqlRow.columns} FROM sluice_downloads ${condition}`, parameters).pipe(
      Effect.flatMap(this.decode),
      Effect.map((downloads) =>
        downloads.map((download) => {
          const known = this.rows.get(download.id)
          if (known !== undefined) return known
          this.remember(download)
          return download
        })
      )
    )
  }

  /** Applies a message to a row this engine may write. */
  apply(download: Download, message: Message): Effect.Effect<Download, StoreError> {
    const foreign = download.owner !== null && download.owner !== this.engine && message._tag !== "Abandoned"
    if (foreign || this.fenced.has(download.id)) {
      return Effect.fail(new StoreError({ reason: "Fenced", path: this.path, detail: download.id }))
    }
    return Either.match(transition(download, message, this.now), {
      onLeft: ({ status }) =>
        Effect.fail(
          new StoreError({
            reason: "Refused",
            path: this.path,
            detail: `${download.id} is ${status}: ${message._tag}`
          })
        ),
      onRight: (next) => {
        this.put(next)
        if (download.status === "processing" && next.status !== "processing") this.logAttempt(download, next)
        if (message._tag === "Failed")
          this.cool(download, coolingOf(message.failure, message.verdict, this.now))
        return Effect.succeed(next)
      }
    })
  }

  /** Changes a row by other means than a message (ownership, attached options). */
  put(next: Download): void {
    if (!this.before.has(next.id)) this.before.set(next.id, this.rows.get(next.id) ?? next)
    this.rows.set(next.id, next)
    this.dirty.add(next.id)
    this.changed.set(next.id, next)
  }

  /** What a commit of this batch changes. */
  changes(): ReadonlyArray<StoreChange> {
    return Array.from(this.changed.values(), (after) => ({
      before: this.before.get(after.id) ?? null,
      after
    }))
  }

  /** Adds rows that are new. */
  insert(
    downloads: ReadonlyArray<readonly [download: Download, keys: SqlWrite.RequestKeys]>
  ): Effect.Effect<void, Failures> {
    this.inserted += downloads.length
    const plain: Array<ReadonlyArray<unknown>> = []
    const heirs: Array<ReadonlyArray<unknown>> = []
    for (const [download, keys] of downloads) {
      this.remember(download)
      this.before.set(download.id, null)
      this.changed.set(download.id, download)
      ;(download.part === null ? plain : heirs).push(SqlWrite.encodeInsert(download, keys))
    }
    return Effect.zipRight(
      this.each(SqlWrite.insertStatement, plain),
      this.each(SqlWrite.insertHeirsStatement, heirs)
    )
  }

  /** Runs a statement over rows, if there are any. */
  private each(statement: string, rows: ReadonlyArray<unknown>): Effect.Effect<void, Failures> {
    return rows.length === 0 ? Effect.void : Effect.asVoid(this.sql.unsafe(statement, [JSON.stringify(rows)]))
  }

  /** Notes that a statement over many has changed a row. Call `flush` before that statement. */
  touch(id: DownloadId): void {
    this.touched.add(id)
    this.rows.delete(id)
    this.stored.delete(id)
  }

  /** Notes that a statement over many has brought a row to its end. */
  end(id: DownloadId, status: Status, bytes: number): void {
    this.endedUnseen.push([toKey(id), status, bytes])
  }

  /** Notes that a row is no more. */
  remove(id: DownloadId): void {
    this.rows.delete(id)
    this.stored.delete(id)
    this.changed.delete(id)
    this.removed.add(id)
  }

  /** What has come to its end in this batch: key, status, bytes on disk. */
  endings(): ReadonlyArray<readonly [key: number, status: Status, bytes: number]> {
    const endings = this.endedUnseen.slice()
    for (const after of this.changed.values()) {
      if (!terminal.has(after.status)) continue
      const before = this.before.get(after.id)
      if (before !== undefined && before !== null && terminal.has(before.status)) continue
      endings.push([
        toKey(after.id),
        after.status,
        after.status === "completed" ? (after.total ?? after.checkpoint) : 0
      ])
    }
    return endings
  }

  /** Writes what has changed since the last flush. */
  readonly flush: Effect.Effect<void, Failures> = Effect.suspend(() => {
    if (this.dirty.size === 0) return Effect.void
    const portions = new Map<SqlWrite.Update, Array<Download>>()
    for (const id of this.dirty) {
      const next = this.rows.get(id)!
      const update = SqlWrite.updateFor(this.stored.get(id)!, next)
      const portion = portions.get(update)
      if (portion === undefined) portions.set(update, [next])
      else portion.push(next)
    }
    this.dirty.clear()
    const attempts = this.attempts.splice(0)
    const surplus = attempts.flatMap(([id, attempt]) =>
      (attempt as number) > keptAttempts ? [[id, (attempt as number) - keptAttempts]] : []
    )
    const cooling = [...this.cooling]
    this.cooling.clear()
    return Effect.forEach(portions, ([update, downloads]) => this.write(update, downloads), {
      discard: true
    }).pipe(
      Effect.zipRight(this.each(attemptStatement, attempts)),
      Effect.zipRight(this.each(forgetStatement, surplus)),
      Effect.zipRight(
        Effect.forEach(
          cooling,
          ([origin, { until, why }]) => this.sql.unsafe(coolStatement, [until, why, origin, until]),
          { discard: true }
        )
      )
    )
  })

  private write(
    { encode, statement }: SqlWrite.Update,
    downloads: ReadonlyArray<Download>
  ): Effect.Effect<void, Failures> {
    const parameter = JSON.stringify(
      downloads.map((download) => encode(download, this.stored.get(download.id)!.epoch))
    )
    return Effect.map(this.sql.unsafe<{ id: number }>(statement, [parameter]), (written) => {
      const ours =
        written.length < downloads.length ? new Set(written.map(({ id }) => fromKey(id))) : undefined
      for (const download of downloads) {
        if (ours === undefined || ours.has(download.id)) this.stored.set(download.id, download)
        else this.fence(download.id)
      }
    })
  }

  private fence(id: DownloadId): void {
    this.fenced.add(id)
    this.rows.delete(id)
    this.changed.delete(id)
  }

  private cool({ url }: Download, cooling: Cooling | undefined): void {
    if (cooling === undefined) return
    const origin = originOf(url)
    const known = this.cooling.get(origin)
    if (known === undefined || known.until < cooling.until) this.cooling.set(origin, cooling)
  }

  private logAttempt(before: Download, after: Download): void {
    this.attempts.push([
      toKey(before.id),
      before.attempt,
      before.url,
      before.owner,
      before.pid,
      before.attemptStartedAt ?? this.now,
      this.now,
      after.status,
      before.attemptFrom,
      after.checkpoint,
      after.status === "completed" || after.failure === null ? null : JSON.stringify(after.failure),
      after.nextAttemptAt
    ])
  }
}
