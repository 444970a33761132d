/**
 * Map tiles into a cache: so many at a time, what the cache has is skipped, and they are written in batches as they come. Nothing is
 * lost by stopping it: what was submitted goes on with the next run.
 *
 *     npx tsx examples/tile-pool.ts https://tiles.example.org/3/1/2.png https://tiles.example.org/3/1/3.png
 */
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Chunk from "effect/Chunk"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { layer, Pool } from "sluice"

/** So many tiles are written by one transaction, or what there is after so long. */
const batch = 100
const patience = "200 millis"

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS tiles (url TEXT PRIMARY KEY, data BLOB NOT NULL)`

  const pool = yield* Pool.make({
    capacity: 32,
    maxTime: "30 seconds",
    skip: ({ url }) =>
      sql`SELECT 1 FROM tiles WHERE url = ${url}`.pipe(
        Effect.map((rows) => rows.length > 0),
        Effect.orDie
      )
  })

  // waits while 32 are in hand, however many there are
  const submit = Effect.forEach(process.argv.slice(2), (url) => pool.submit({ url }), { discard: true })

  const store = (results: ReadonlyArray<Pool.Result>) =>
    sql.withTransaction(
      Effect.forEach(results, (result) => {
        switch (result._tag) {
          case "Completed":
            return sql`INSERT OR REPLACE INTO tiles ${sql.insert({
              url: result.request.url,
              data: readFileSync(result.completed.path)
            })}`
          case "Skipped":
            return Console.log(`in the cache: ${result.request.url}`)
          case "Failed":
            return Console.log(`missing: ${result.request.url} (${result.error.reason})`)
        }
      })
    )

  yield* Effect.fork(Effect.zipRight(submit, pool.end))
  yield* pool.results.pipe(
    Stream.groupedWithin(batch, patience),
    Stream.runForEach((results) => store(Chunk.toReadonlyArray(results)))
  )
  const [count] = yield* sql<{ tiles: number }>`SELECT count(*) AS tiles FROM tiles`
  yield* Console.log(`${count!.tiles} tiles`)
}).pipe(Effect.scoped)

/** The log goes to stderr: stdout is the program's. */
const log = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))

await program.pipe(
  Effect.provide(
    Layer.merge(
      layer({ database: "queue.db", concurrency: 16, downloadDefaults: { maxRetries: 2 } }),
      SqliteClient.layer({ filename: "tiles.db" })
    ).pipe(Layer.provide(log))
  ),
  Effect.runPromise
)
