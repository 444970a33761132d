/**
 * How fast bytes may come, as it is kept in the database: one row for each limit. Any process may set it, whoever owns the
 * downloads concerned; what follows from it in an engine is Bandwidth's business.
 *
 * A download that has ended has no limit any more: what is left of those goes whenever somebody sets one.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { type Status, terminal } from "../domain/Download.js"
import { type DownloadId, fromKey, toKey } from "../domain/DownloadId.js"
import type { Limited, Limits } from "../domain/Limits.js"
import { StoreError } from "../domain/StoreError.js"
import type { Shape as DatabaseShape } from "./Database.js"
import type { Work } from "./StoreActor.js"
import { reading } from "./StoreReads.js"

type Key = readonly [kind: Limited["of"], name: string]

const keyOf = (limited: Limited): Key => {
  switch (limited.of) {
    case "all":
      return ["all", ""]
    case "host":
      return ["host", limited.origin]
    case "download":
      return ["download", String(toKey(limited.id))]
  }
}

export const make = (sql: SqlClient.SqlClient, database: DatabaseShape) => {
  const read: Effect.Effect<Limits, StoreError> = reading(database)(
    Effect.map(
      sql<{ kind: Limited["of"]; name: string; rate: number }>`
        SELECT kind, name, rate FROM sluice_limits ORDER BY kind, name`,
      (rows) => {
        const of = (wanted: Limited["of"]) => rows.filter(({ kind }) => kind === wanted)
        return {
          all: of("all")[0]?.rate ?? null,
          hosts: new Map(of("host").map(({ name, rate }) => [name, rate])),
          downloads: new Map(
            of("download").map(({ name, rate }): [DownloadId, number] => [fromKey(Number(name)), rate])
          )
        }
      }
    )
  )

  /** Of a download that can still bring something. */
  const ensureUnfinished = (id: DownloadId) =>
    Effect.flatMap(
      sql<{ status: Status }>`SELECT status FROM sluice_downloads WHERE id = ${toKey(id)}`,
      ([row]): Effect.Effect<void, StoreError> => {
        const { path } = database
        if (row === undefined) return new StoreError({ reason: "NotFound", path, detail: id })
        return terminal.has(row.status)
          ? new StoreError({
              reason: "Refused",
              path,
              detail: `${id} is ${row.status} and brings no more bytes`
            })
          : Effect.void
      }
    )

  const set =
    (limited: Limited, rate: number | null): Work<void> =>
    () =>
      Effect.gen(function* () {
        const [kind, name] = keyOf(limited)
        if (limited.of === "download" && rate !== null) yield* ensureUnfinished(limited.id)
        if (rate === null) yield* sql`DELETE FROM sluice_limits WHERE kind = ${kind} AND name = ${name}`
        else {
          yield* sql`INSERT INTO sluice_limits (kind, name, rate) VALUES (${kind}, ${name}, ${rate})
            ON CONFLICT (kind, name) DO UPDATE SET rate = excluded.rate`
        }
        yield* sql`DELETE FROM sluice_limits WHERE kind = 'download' AND NOT EXISTS (
          SELECT 1 FROM sluice_downloads WHERE id = CAST(name AS INTEGER) AND finished_at IS NULL)`
      })

  return { read, set }
}
