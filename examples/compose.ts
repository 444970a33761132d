/**
 * A larger program that has a database of its own: the queue's tables live beside the program's, in one file, and everything
 * is closed in order: first the downloads, then the database.
 *
 *     npx tsx examples/compose.ts https://example.org/a.pdf https://example.org/b.pdf
 */
import { SqliteClient } from "@effect/sql-sqlite-node"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Downloads, layerClient } from "sluice"

const sql = SqliteClient.layer({ filename: "papers.db" })

const library = Layer.scopedDiscard(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE IF NOT EXISTS papers (url TEXT PRIMARY KEY, path TEXT, problem TEXT)`
    yield* Effect.addFinalizer(() => Console.log("the library is closed"))
  })
)

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const downloads = yield* Downloads
  const group = yield* downloads.group()
  const enqueued = yield* group.enqueueAll(
    process.argv.slice(2).map((url) => ({ url, meta: { kind: "paper" } }))
  )
  yield* group.seal
  const exits = yield* downloads.awaitAll(
    enqueued.map(({ id }) => id),
    { onProgress: (done, of) => Console.log(`${done} of ${of}`) }
  )
  for (const [i, exit] of exits.entries()) {
    const url = enqueued[i]!.download.url
    const found = Exit.isSuccess(exit)
      ? { url, path: exit.value.path, problem: null }
      : { url, path: null, problem: String(exit.cause) }
    yield* sql`INSERT OR REPLACE INTO papers ${sql.insert(found)}`
  }
  const { percent } = yield* group.progress
  yield* Console.log(`${percent} %`)
  return yield* sql<{ url: string; path: string | null }>`SELECT url, path FROM papers ORDER BY url`
})

/** The log goes to stderr: stdout is the program's. */
const log = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))

const papers = await program.pipe(
  Effect.provide(
    layerClient({ concurrency: 4 }).pipe(
      Layer.provideMerge(library),
      Layer.provideMerge(sql),
      Layer.provide(log)
    )
  ),
  Effect.runPromise
)
for (const { path, url } of papers) console.log(url, path ?? "not there")
