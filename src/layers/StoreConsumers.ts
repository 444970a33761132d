/**
 * Consumers in the database: registering and removing them, who reads which, and what they have not acknowledged yet. What
 * is written with every transaction, and the crash table of all of it, stands at StoreOutbox.
 *
 * Tricky interleavings: whether a reader lives is asked outside the transaction, so its place is taken only where it is still
 * the one that was asked about. In one engine the right to read is a name in a set, taken before anything waits: the database only
 * knows engines. A page is read by one statement, so a row that is removed meanwhile is either there or has left its remnant.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type Consumer, ConsumerBusy, ConsumerUnknown, type From, maxBehind } from "../domain/Consumer.js"
import type { Download, EngineId } from "../domain/Download.js"
import { toKey } from "../domain/DownloadId.js"
import { decodeRemnant, type Ending, endingOf } from "../domain/Ending.js"
import { StoreError } from "../domain/StoreError.js"
import type { Shape as EngineLife } from "../services/EngineLife.js"
import type { Page, Reader, Shape } from "../services/Outbox.js"
import type { Shape as DatabaseShape } from "./Database.js"
import * as SqlRow from "./SqlRow.js"
import type { Failures, StoreBatch } from "./StoreBatch.js"
import type * as StoreOutbox from "./StoreOutbox.js"
import { reading } from "./StoreReads.js"

type Ask = <A>(run: (batch: StoreBatch) => Effect.Effect<A, Failures>) => Effect.Effect<A, StoreError>

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly database: DatabaseShape
  readonly decode: SqlRow.Decode
  readonly life: EngineLife
  readonly outbox: ReturnType<typeof StoreOutbox.make>
  readonly ask: Ask
  /** As `ask`, and this engine is listed with its process: others are to find out who reads. */
  readonly askListed: Ask
}

interface Row {
  readonly id: number
  readonly name: string
  readonly position: number
  readonly delivered: number
  readonly reader: EngineId | null
  readonly pid: number | null
  readonly created_at: number
}

const columns = `c.id, c.name, c.position, c.delivered, c.reader, c.created_at,
  (SELECT pid FROM sluice_engines WHERE sluice_engines.id = c.reader) AS pid`

const unacknowledged = `NOT EXISTS
  (SELECT 1 FROM sluice_acks AS a WHERE a.consumer_id = c.id AND a.seq = sluice_endings.seq)`

// the download's columns keep their names, whatever they come to be; an ending's get others. One bound, the higher: what was
// acknowledged long ago behind one that is missing is not looked at with every page
const pageStatement = `SELECT ending_seq, ending_removed, ${SqlRow.columns} FROM (
    SELECT sluice_endings.seq AS ending_seq, removed AS ending_removed, download_id AS ending_key
    FROM sluice_consumers AS c CROSS JOIN sluice_endings
    WHERE c.id = ? AND sluice_endings.seq > max(c.position, ?) AND ${unacknowledged}
    ORDER BY sluice_endings.seq LIMIT ?
  ) LEFT JOIN sluice_downloads ON sluice_downloads.id = ending_key ORDER BY ending_seq`

const behindColumn = `(SELECT count(*) FROM (
    SELECT seq FROM sluice_endings WHERE seq > c.position AND ${unacknowledged} LIMIT ${maxBehind}
  )) AS behind`

interface PageRow {
  readonly ending_seq: number
  readonly ending_removed: string | null
  readonly id: number | null
}

/** Milliseconds between two questions about the same engine. */
const askAgain = 20

/** Acknowledgements deleted by one transaction, so that none takes long. */
const sweepSize = 2000

export const make = ({ ask, askListed, database, decode, life, outbox, sql }: Dependencies): Shape => {
  const read = reading(database)

  /** The consumers that somebody in this engine reads. */
  const readHere = new Set<string>()

  const find = (name: string): Effect.Effect<Row | undefined, SqlError> =>
    Effect.map(
      sql.unsafe<Row>(`SELECT ${columns} FROM sluice_consumers AS c WHERE c.name = ?`, [name]),
      ([row]) => row
    )

  const findOrMake = (name: string, from: From) =>
    Effect.gen(function* () {
      const known = yield* find(name)
      if (known !== undefined) return known
      const now = Math.floor(yield* Clock.currentTimeMillis)
      yield* sql.unsafe(
        `INSERT INTO sluice_consumers (name, position, delivered, reader, created_at)
         VALUES (?, CASE ? WHEN 'now' THEN coalesce((SELECT max(seq) FROM sluice_endings), 0) ELSE 0 END, 0, NULL, ?)`,
        [name, from, now]
      )
      return (yield* find(name))!
    })

  const busy = ({ name, pid, reader }: Pick<Row, "name" | "pid" | "reader">) =>
    new ConsumerBusy({ name, reader: reader ?? life.id, pid, here: reader === null || reader === life.id })

  const busyHere = (name: string) => busy({ name, pid: process.pid, reader: life.id })

  /** Whether another engine reads it. Two who ask about a dead one at the same instant may hear each other: it is asked twice. */
  const isReadElsewhere = ({ reader }: Pick<Row, "reader">) =>
    reader === null || reader === life.id
      ? Effect.succeed(false)
      : Effect.flatMap(life.isAlive(reader), (alive) =>
          alive ? Effect.delay(life.isAlive(reader), askAgain) : Effect.succeed(false)
        )

  /** Becomes the reader where there is none but `dead`; else succeeds with who is. */
  const take = (name: string, from: From, dead: EngineId | null) =>
    askListed(() =>
      Effect.gen(function* () {
        const row = yield* findOrMake(name, from)
        if (row.reader !== null && row.reader !== life.id && row.reader !== dead) return Either.left(row)
        yield* sql.unsafe("UPDATE sluice_consumers SET reader = ? WHERE id = ?", [life.id, row.id])
        const { delivered, id, position } = row
        return Either.right({ name, key: id, position, delivered } satisfies Reader)
      })
    )

  const open = Effect.fn("Outbox.open")(function* (name: string, from: From) {
    if (readHere.has(name)) return yield* busyHere(name)
    readHere.add(name)
    return yield* Effect.gen(function* () {
      for (let dead: EngineId | null = null; ;) {
        const taken: Either.Either<Reader, Row> = yield* take(name, from, dead)
        if (Either.isRight(taken)) return taken.right
        if (yield* isReadElsewhere(taken.left)) return yield* busy(taken.left)
        dead = taken.left.reader
      }
    }).pipe(Effect.onError(() => Effect.sync(() => readHere.delete(name))))
  })

  const close = ({ key, name }: Reader) =>
    ask(() =>
      sql.unsafe("UPDATE sluice_consumers SET reader = NULL WHERE id = ? AND reader = ?", [key, life.id])
    ).pipe(
      // then its engine's end does it: nobody else in this engine is kept out by it
      Effect.ignore,
      Effect.ensuring(Effect.sync(() => readHere.delete(name)))
    )

  const ofRemnant = (text: string, seq: number): Either.Either<Ending, StoreError> =>
    Either.mapLeft(
      decodeRemnant(text, seq),
      () =>
        new StoreError({
          reason: "Corrupt",
          path: database.path,
          detail: `the ending ${seq} makes no sense`
        })
    )

  const page = (reader: Reader, after: number, limit: number): Effect.Effect<Page, StoreError> =>
    read(
      Effect.gen(function* () {
        const rows = yield* sql.unsafe<PageRow>(pageStatement, [reader.key, after, limit])
        const there = rows.filter(({ id }) => id !== null)
        const downloads = new Map((yield* decode(there)).map((download) => [toKey(download.id), download]))
        const groups = there.length === 0 ? undefined : yield* outbox.groupsOf(there.map(({ id }) => id!))
        const endings: Array<Ending> = []
        const lost: Array<number> = []
        for (const { ending_removed, ending_seq: seq, id } of rows) {
          const download: Download | undefined = id === null ? undefined : downloads.get(id)
          if (download !== undefined) endings.push(endingOf(download, groups?.get(id!) ?? [], seq))
          else if (ending_removed !== null) endings.push(yield* ofRemnant(ending_removed, seq))
          else lost.push(seq)
        }
        return { endings, lost, upTo: rows.at(-1)?.ending_seq }
      })
    )

  const list = Effect.gen(function* () {
    const rows = yield* read(
      sql.unsafe<Row & { readonly behind: number }>(
        `SELECT ${columns}, ${behindColumn} FROM sluice_consumers AS c ORDER BY c.name`
      )
    )
    return yield* Effect.forEach(rows, ({ behind, created_at: createdAt, name, pid, position, reader }) =>
      Effect.gen(function* () {
        const isRead =
          reader !== null && (reader === life.id ? readHere.has(name) : yield* life.isAlive(reader))
        return {
          name,
          position,
          behind,
          reader: isRead ? reader : null,
          pid: isRead ? pid : null,
          createdAt
        } satisfies Consumer
      })
    )
  })

  /** Acknowledgements of consumers that are no more. */
  const sweepForgotten = Effect.gen(function* () {
    const acks = yield* sql.unsafe(
      `DELETE FROM sluice_acks WHERE (consumer_id, seq) IN (
         SELECT consumer_id, seq FROM sluice_acks
         WHERE consumer_id NOT IN (SELECT id FROM sluice_consumers) LIMIT ${sweepSize}) RETURNING seq`
    )
    const remnants = yield* outbox.sweepRemnants
    return acks.length === sweepSize || remnants
  })

  const remove = Effect.fn("Outbox.remove")(function* (name: string) {
    for (let dead: EngineId | null = null; ;) {
      if (readHere.has(name)) return yield* busyHere(name)
      const removed: Either.Either<boolean, Row> = yield* ask(() =>
        Effect.gen(function* () {
          const row = yield* find(name)
          if (row === undefined) return Either.right(false)
          if (readHere.has(name)) return Either.left({ ...row, reader: life.id })
          if (row.reader !== null && row.reader !== life.id && row.reader !== dead) return Either.left(row)
          yield* sql.unsafe("DELETE FROM sluice_consumers WHERE id = ?", [row.id])
          return Either.right(true)
        })
      )
      if (Either.isRight(removed)) {
        if (!removed.right) return yield* new ConsumerUnknown({ name })
        break
      }
      if (yield* isReadElsewhere(removed.left)) return yield* busy(removed.left)
      dead = removed.left.reader
    }
    while (yield* ask(() => sweepForgotten)) yield* Effect.yieldNow()
  })

  return {
    register: (name, from) => Effect.asVoid(ask(() => findOrMake(name, from))),
    open,
    close,
    read: page,
    handOut: ({ key }, upTo) =>
      Effect.asVoid(
        ask(() =>
          sql.unsafe("UPDATE sluice_consumers SET delivered = max(delivered, ?) WHERE id = ?", [upTo, key])
        )
      ),
    acknowledge: ({ key }, seq) => ask(outbox.acknowledge(key, seq)),
    list,
    remove,
    acknowledgedUpTo: read(
      Effect.map(
        sql.unsafe<{ position: number | null }>("SELECT min(position) AS position FROM sluice_consumers"),
        ([row]) => row?.position ?? Number.MAX_SAFE_INTEGER
      )
    )
  }
}
