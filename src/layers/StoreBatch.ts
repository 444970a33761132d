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
import { type Download, type EngineId, terminal } from "../domain/Download.js"
import { type DownloadId, fromKey, toKey } from "../domain/DownloadId.js"
import type { GroupId } from "../domain/Group.js"
import type { Message } from "../domain/Message.js"
import { StoreError } from "../domain/StoreError.js"
import { transition } from "../domain/Transition.js"
import type { StoreChange } from "../services/Store.js"
import * as SqlRow from "./SqlRow.js"

export type Failures = StoreError | SqlError

/** An ended attempt, as a row of the log (columns of `attemptStatement`). */
type AttemptRow = ReadonlyArray<unknown>

const attemptStatement = `INSERT OR REPLACE INTO sluice_attempts
  (download_id, attempt, source, owner, started_at, ended_at, status, from_bytes, to_bytes, failure, next_attempt_at)
  SELECT ${Array.from({ length: 11 }, (_, i) => `json_extract(value, '$[${i}]')`).join(", ")} FROM json_each(?)`

export class StoreBatch {
  /** Rows as they will be after the flush. */
  private readonly rows = new Map<DownloadId, Download>()
  /** The epoch each row had when it was loaded. */
  private readonly epochs = new Map<DownloadId, number>()
  private readonly dirty = new Set<DownloadId>()
  private readonly attempts: Array<AttemptRow> = []
  /** Rows changed by this batch, ever. */
  readonly changed = new Map<DownloadId, Download>()
  /** Those rows as they were when the transaction began; null for rows that it added. */
  readonly before = new Map<DownloadId, Download | null>()
  /** Rows added. */
  inserted = 0
  /** Rows that are no more. */
  readonly removed = new Set<DownloadId>()
  /** Groups whose counters or seal have changed. */
  readonly groups = new Set<GroupId>()
  /** Rows that have become terminal; counted by the outbox. */
  ended = 0
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
    this.epochs.set(download.id, download.epoch)
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
    downloads: ReadonlyArray<readonly [download: Download, requestKey: string]>
  ): Effect.Effect<void, Failures> {
    if (downloads.length === 0) return Effect.void
    this.inserted += downloads.length
    for (const [download] of downloads) {
      this.remember(download)
      this.before.set(download.id, null)
      this.changed.set(download.id, download)
    }
    const parameter = JSON.stringify(downloads.map(([download, key]) => SqlRow.encodeInsert(download, key)))
    return Effect.asVoid(this.sql.unsafe(SqlRow.insertStatement, [parameter]))
  }

  /** Removes a row that has ended, and what is recorded about it; succeeds with the row as it was. */
  remove(id: DownloadId): Effect.Effect<Download, Failures> {
    return Effect.gen(this, function* () {
      const download = yield* this.load(id)
      if (!terminal.has(download.status)) {
        return yield* new StoreError({
          reason: "Refused",
          path: this.path,
          detail: `${id} is ${download.status}: only what has ended can be removed`
        })
      }
      yield* this.flush
      for (const [table, column] of [
        ["sluice_downloads", "id"],
        ["sluice_attempts", "download_id"],
        ["sluice_members", "download_id"]
      ] as const) {
        yield* this.sql.unsafe(`DELETE FROM ${table} WHERE ${column} = ?`, [toKey(id)])
      }
      this.rows.delete(id)
      this.removed.add(id)
      return download
    })
  }

  /** Writes what has changed since the last flush. */
  readonly flush: Effect.Effect<void, Failures> = Effect.suspend(() => {
    if (this.dirty.size === 0) return Effect.void
    const ids = [...this.dirty]
    this.dirty.clear()
    const parameter = JSON.stringify(
      ids.map((id) => SqlRow.encodeUpdate(this.rows.get(id)!, this.epochs.get(id)!))
    )
    const attempts = this.attempts.splice(0)
    return this.sql.unsafe<{ id: number }>(SqlRow.updateStatement, [parameter]).pipe(
      Effect.flatMap((written) => {
        if (written.length < ids.length) {
          const ours = new Set(written.map((row) => fromKey(row.id)))
          for (const id of ids) if (!ours.has(id)) this.fence(id)
        }
        for (const id of ids) if (!this.fenced.has(id)) this.epochs.set(id, this.rows.get(id)!.epoch)
        return attempts.length === 0
          ? Effect.void
          : Effect.asVoid(this.sql.unsafe(attemptStatement, [JSON.stringify(attempts)]))
      })
    )
  })

  private fence(id: DownloadId): void {
    this.fenced.add(id)
    this.rows.delete(id)
    this.changed.delete(id)
  }

  private logAttempt(before: Download, after: Download): void {
    this.attempts.push([
      toKey(before.id),
      before.attempt,
      before.url,
      before.owner,
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
