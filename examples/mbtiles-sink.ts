/**
 * An MBTiles file (https://github.com/mapbox/mbtiles-spec) as a sink: one transaction for each batch, durable when it returns; keys
 * are `z/x/y` as in the URLs of tile servers. One writer at a time, as SQLite has it.
 */
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { Destination } from "sluice"

/** Refused for good is what the table does not take; anything else (busy, full, I/O) may pass. */
const failure = (error: unknown) =>
  Destination.sinkError(
    error instanceof Error ? error.message : String(error),
    error instanceof Database.SqliteError && error.code.startsWith("SQLITE_CONSTRAINT")
  )

/** Rows of MBTiles count from the south, tile servers from the north. */
const placeOf = (key: string) => {
  const [z, x, y] = key.split("/").map(Number)
  if (![z, x, y].every(Number.isInteger)) throw new TypeError(`the key ${key} is not z/x/y`)
  return { z: z!, x: x!, row: 2 ** z! - 1 - y! }
}

/** Makes the file if there is none; it is closed with the scope. `metadata` as the specification lists it, `name` and `format` at least. */
export const open = (file: string, metadata: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const db = yield* Effect.acquireRelease(
      Effect.sync(() => new Database(file)),
      (db) => Effect.sync(() => db.close())
    )
    // a commit is on stable storage when it returns
    db.pragma("synchronous = FULL")
    db.pragma(`application_id = ${0x4d504258}`)
    db.exec(`
      CREATE TABLE IF NOT EXISTS metadata (name TEXT PRIMARY KEY, value TEXT);
      CREATE TABLE IF NOT EXISTS tiles (
        zoom_level INTEGER NOT NULL, tile_column INTEGER NOT NULL, tile_row INTEGER NOT NULL, tile_data BLOB NOT NULL,
        CHECK (tile_column BETWEEN 0 AND (1 << zoom_level) - 1 AND tile_row BETWEEN 0 AND (1 << zoom_level) - 1)
      );
      CREATE UNIQUE INDEX IF NOT EXISTS tile_index ON tiles (zoom_level, tile_column, tile_row);
    `)
    const describe = db.prepare("INSERT OR REPLACE INTO metadata VALUES (?, ?)")
    for (const [name, value] of Object.entries(metadata)) describe.run(name, value)

    const put = db.prepare("INSERT OR REPLACE INTO tiles VALUES (:z, :x, :row, :bytes)")
    const has = db
      .prepare("SELECT 1 FROM tiles WHERE zoom_level = :z AND tile_column = :x AND tile_row = :row")
      .pluck()
    const putAll = db.transaction((batch: ReadonlyArray<Destination.Item>) => {
      for (const { bytes, key } of batch) put.run({ ...placeOf(key), bytes })
    })

    const sink: Destination.Sink = {
      write: (batch) => Effect.try({ try: () => putAll.immediate(batch), catch: failure }),
      missing: (keys) =>
        Effect.try({
          try: () => keys.filter((key) => has.get(placeOf(key)) === undefined),
          catch: failure
        })
    }
    return sink
  })
