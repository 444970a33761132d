/**
 * Header fields as the database keeps them: apart from the rows, because they may be secrets and have to be gone when the row drops
 * them. SQLite zeroes what is deleted (`secure_delete`), but when it splits, joins or rebuilds a page it leaves copies of what
 * stands there in space that it does not use, and those are never zeroed. So these records never move: each has a place of one of a
 * few sizes, new places are only ever added at the end, none is deleted, and one that is given up is overwritten where it stands (by
 * a trigger), to be used again for the next of its size. Their space is bounded by the most that there have
 * been at a time.
 *
 * Which place a value has is known by the identity of the value: each row has its own.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Download } from "../domain/Download.js"

type Headers = Download["headers"]

/** Bytes of the smallest place; each further size is twice as large. */
export const smallest = 64

const places = new WeakMap<Headers, number>()

/** Of a value read from there. */
export const kept = (headers: Headers, place: number): Headers => {
  places.set(headers, place)
  return headers
}

const isEmpty = (headers: Headers): boolean => Redacted.value(headers).length === 0

/** Where a value is kept; null where there is none. */
export const placeOf = (headers: Headers): number | null =>
  isEmpty(headers) ? null : (places.get(headers) ?? unkept())

const unkept = (): never => {
  throw new Error("header fields are to be kept before their row is written")
}

/** Text and size of a value: filled up with spaces, which mean nothing in JSON. */
const encode = (headers: Headers): readonly [size: number, body: string] => {
  const text = JSON.stringify(Redacted.value(headers))
  const bytes = Buffer.byteLength(text)
  const size = Math.max(0, Math.ceil(Math.log2(bytes / smallest)))
  return [size, text + " ".repeat(smallest * 2 ** size - bytes)]
}

const vacantStatement = `SELECT id FROM sluice_secrets WHERE vacant = 1 AND size = ? LIMIT ?`
const nextStatement = `SELECT coalesce(max(id), 0) + 1 AS next FROM sluice_secrets`
const reuseStatement = `UPDATE sluice_secrets SET vacant = 0, body = j.body
  FROM (SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[2]') AS body FROM json_each(?)) AS j
  WHERE sluice_secrets.id = j.id`
const addStatement = `INSERT INTO sluice_secrets (id, size, vacant, body)
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), 0, json_extract(value, '$[2]')
  FROM json_each(?) ORDER BY json_each.key`

/** Keeps those that are not kept yet; in the transaction that writes their rows, before they are written. */
export const keep = (
  sql: SqlClient.SqlClient,
  rows: ReadonlyArray<Pick<Download, "headers">>
): Effect.Effect<void, SqlError> => {
  const bySize = new Map<number, Array<readonly [headers: Headers, body: string]>>()
  for (const { headers } of rows) {
    if (isEmpty(headers) || places.has(headers)) continue
    const [size, body] = encode(headers)
    const others = bySize.get(size)
    if (others === undefined) bySize.set(size, [[headers, body]])
    else others.push([headers, body])
  }
  if (bySize.size === 0) return Effect.void
  return Effect.gen(function* () {
    const [row] = yield* sql.unsafe<{ next: number }>(nextStatement)
    let { next } = row!
    for (const [size, wanted] of bySize) {
      const vacant = yield* sql.unsafe<{ id: number }>(vacantStatement, [size, wanted.length])
      const placed = wanted.map(([headers, body], i) => {
        const place = vacant[i]?.id ?? next++
        places.set(headers, place)
        return [place, size, body]
      })
      const again = placed.slice(0, vacant.length)
      const more = placed.slice(vacant.length)
      if (again.length > 0) yield* sql.unsafe(reuseStatement, [JSON.stringify(again)])
      if (more.length > 0) yield* sql.unsafe(addStatement, [JSON.stringify(more)])
    }
  })
}

/** Of a text of so many bytes: its place's size, see SqlSecrets. */
const sizeOf = (bytes: string): string =>
  `CASE ${Array.from({ length: 24 }, (_, size) => `WHEN ${bytes} <= ${smallest * 2 ** size} THEN ${size}`).join(" ")} END`

/**
 * Header fields, which may be secrets, in a table of their own, where no record ever moves. What is given up is
 * overwritten by a trigger, so whichever statement gives it up. The column `headers` stays, and is empty.
 */
export const migration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE sluice_secrets (
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    vacant INTEGER NOT NULL,
    body TEXT NOT NULL
  )`
  yield* sql`CREATE INDEX sluice_secrets_vacant ON sluice_secrets (size) WHERE vacant = 1`
  yield* sql`ALTER TABLE sluice_downloads ADD COLUMN secret INTEGER`
  const numbered = `SELECT id, headers, row_number() OVER (ORDER BY id) AS place FROM sluice_downloads
    WHERE headers IS NOT NULL`
  const bytes = "length(CAST(headers AS BLOB))"
  yield* sql.unsafe(`INSERT INTO sluice_secrets (id, size, vacant, body)
    SELECT place, size, 0, headers || printf('%*s', (${smallest} << size) - ${bytes}, '')
    FROM (SELECT *, ${sizeOf(bytes)} AS size FROM (${numbered})) ORDER BY place`)
  yield* sql.unsafe(`UPDATE sluice_downloads SET secret = place, headers = NULL FROM (${numbered}) AS old
    WHERE sluice_downloads.id = old.id`)
  // a record of the same length is written over in place
  const vacate = `UPDATE sluice_secrets SET vacant = 1, body = printf('%*s', ${smallest} << size, '')
    WHERE id = old.secret`
  yield* sql.unsafe(`CREATE TRIGGER sluice_secrets_dropped AFTER UPDATE OF secret ON sluice_downloads
    WHEN old.secret IS NOT NULL AND new.secret IS NOT old.secret BEGIN ${vacate}; END`)
  yield* sql.unsafe(`CREATE TRIGGER sluice_secrets_removed AFTER DELETE ON sluice_downloads
    WHEN old.secret IS NOT NULL BEGIN ${vacate}; END`)
})
