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
import type { Health } from "../domain/Host.js"
import type { Message } from "../domain/Message.js"
import { StoreError } from "../domain/StoreError.js"
import { transition } from "../domain/Transition.js"
import type { StoreChange } from "../services/Store.js"
import * as SqlBulk from "./SqlBulk.js"
import * as SqlRow from "./SqlRow.js"
import * as SqlSecrets from "./SqlSecrets.js"
import * as SqlWrite from "./SqlWrite.js"
import type { StoreHosts } from "./StoreHosts.js"
import * as StorePieces from "./StorePieces.js"

export type Failures = StoreError | SqlError

/** A try that has ended: the row as it was processed, and as it stands now. */
interface Ended {
  readonly before: Download
  readonly after: Download
}

const attempts = SqlBulk.insert<Ended>(
  "INSERT OR REPLACE INTO sluice_attempts",
  [
    ["download_id", ({ before }) => toKey(before.id)],
    ["source", ({ before }) => before.url],
    ["started_at", ({ before, after }) => before.attemptStartedAt ?? after.updatedAt],
    ["to_bytes", ({ after }) => after.checkpoint]
  ],
  [
    ["attempt", ({ before }) => before.attempt],
    ["owner", ({ before }) => before.owner],
    ["pid", ({ before }) => before.pid],
    ["ended_at", ({ after }) => after.updatedAt],
    ["status", ({ after }) => after.status],
    ["from_bytes", ({ before }) => before.attemptFrom],
    [
      "failure",
      ({ after }) =>
        after.status === "completed" || after.failure === null ? null : JSON.stringify(after.failure)
    ],
    ["next_attempt_at", ({ after }) => after.nextAttemptAt]
  ]
)

/** Tries of one download that the log keeps: the newest. */
const keptAttempts = 100

// only rows that have more than that many are looked up
const forgetStatement = `DELETE FROM sluice_attempts WHERE (download_id, attempt) IN (
  SELECT a.download_id, a.attempt FROM json_each(?) AS j CROSS JOIN sluice_attempts AS a
  ON a.download_id = json_extract(j.value, '$[0]') AND a.attempt <= json_extract(j.value, '$[1]'))`

/** What was verified needs no digests of pieces any more. */
const spent = (keys: ReadonlyArray<number>) =>
  keys.length === 0 ? [] : [{ statement: StorePieces.forgetStatement, parameters: [JSON.stringify(keys)] }]

export class StoreBatch {
  /** Rows as they will be after the flush. */
  private readonly rows = new Map<DownloadId, Download>()
  /** Rows as they are in the database. */
  private readonly stored = new Map<DownloadId, Download>()
  private readonly dirty = new Set<DownloadId>()
  private readonly attempts: Array<Ended> = []
  private readonly heard: Array<ReturnType<StoreHosts["hear"]>[number]> = []
  private readonly endedUnseen = new Map<DownloadId, readonly [number, Status, number]>()
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
  /** Hosts that are other than they were. */
  readonly hosts = new Map<string, Health>()
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
    private readonly storeHosts: StoreHosts,
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
        if (download.status === "processing" && next.status !== "processing") {
          this.attempts.push({ before: download, after: next })
        }
        this.heard.push(...this.storeHosts.hear(download, message, next.status !== "processing"))
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
    this.touched.delete(next.id)
  }

  /** What a commit of this batch changes. */
  changes(): ReadonlyArray<StoreChange> {
    return Array.from(this.changed.values(), (after) => ({
      before: this.before.get(after.id) ?? null,
      after
    }))
  }

  /** Adds rows that are new. */
  insert(rows: ReadonlyArray<SqlWrite.Fresh>): Effect.Effect<void, Failures> {
    this.inserted += rows.length
    for (const { download } of rows) {
      this.remember(download)
      this.before.set(download.id, null)
      this.changed.set(download.id, download)
    }
    return Effect.zipRight(
      SqlSecrets.keep(
        this.sql,
        rows.map(({ download }) => download)
      ),
      Effect.suspend(() => this.each(SqlWrite.inserts(rows)))
    )
  }

  /** Runs statements one after another. */
  private each(
    calls: ReadonlyArray<{ readonly statement: string; readonly parameters: ReadonlyArray<unknown> }>
  ): Effect.Effect<void, Failures> {
    return Effect.forEach(calls, ({ parameters, statement }) => this.sql.unsafe(statement, parameters), {
      discard: true
    })
  }

  /** Notes that a statement over many has changed a row. Call `flush` before that statement. */
  touch(id: DownloadId): void {
    this.touched.add(id)
    this.rows.delete(id)
    this.stored.delete(id)
  }

  /** Notes that a statement over many has brought a row to its end. */
  end(id: DownloadId, status: Status, bytes: number): void {
    this.endedUnseen.set(id, [toKey(id), status, bytes])
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
    const endings = [...this.endedUnseen.values()]
    for (const after of this.changed.values()) {
      // counted once, also if it was seen before and after it ended
      if (!terminal.has(after.status) || this.endedUnseen.has(after.id)) continue
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
    const changed = Array.from(this.dirty, (id) => [this.stored.get(id)!, this.rows.get(id)!] as const)
    this.dirty.clear()
    const done = changed.flatMap(([before, { id, options, status }]) =>
      options.pieces !== null && status === "completed" && before.status !== "completed" ? [toKey(id)] : []
    )
    return SqlSecrets.keep(
      this.sql,
      changed.map(([, next]) => next)
    ).pipe(
      Effect.zipRight(
        Effect.suspend(() =>
          Effect.forEach(SqlWrite.writes(changed), (write) => this.write(write), { discard: true })
        )
      ),
      Effect.zipRight(
        Effect.suspend(() => Effect.zipRight(this.each([...this.log(), ...spent(done)]), this.recordHosts))
      )
    )
  })

  private write({ parameters, rows, statement }: SqlWrite.Write): Effect.Effect<void, Failures> {
    return Effect.map(this.sql.unsafe<{ id: number }>(statement, parameters), (written) => {
      const ours = written.length < rows.length ? new Set(written.map(({ id }) => fromKey(id))) : undefined
      for (const { next } of rows) {
        if (ours === undefined || ours.has(next.id)) this.stored.set(next.id, next)
        else this.fence(next.id)
      }
    })
  }

  /** The log of tries that have ended since the last flush, and the removal of the oldest where there are too many. */
  private log() {
    const ended = this.attempts.splice(0)
    const surplus = ended.flatMap(({ before: { attempt, id } }) =>
      attempt > keptAttempts ? [[toKey(id), attempt - keptAttempts]] : []
    )
    return [
      ...SqlBulk.calls(attempts, ended).map(({ parameters }) => ({
        parameters,
        statement: attempts.statement
      })),
      ...(surplus.length === 0 ? [] : [{ statement: forgetStatement, parameters: [JSON.stringify(surplus)] }])
    ]
  }

  /** What has been heard of hosts since the last flush. */
  private readonly recordHosts: Effect.Effect<void, Failures> = Effect.suspend(() => {
    const heard = this.heard.splice(0)
    if (heard.length === 0) return Effect.void
    return Effect.map(this.storeHosts.record(heard, this.now), (changed) => {
      for (const [origin, health] of changed) this.hosts.set(origin, health)
    })
  })

  private fence(id: DownloadId): void {
    this.fenced.add(id)
    this.rows.delete(id)
    this.changed.delete(id)
  }
}
