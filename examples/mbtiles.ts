/**
 * Seeds map tiles into an MBTiles file: what is there is skipped, a hundred tiles are written by one transaction, and a tile counts as
 * done when its transaction is durable. Kill it at any time: the same command goes on.
 *
 *     npx tsx examples/mbtiles.ts https://tile.example.org/{z}/{x}/{y}.png map.mbtiles 0/0-0/0-0 6/0-39/0-24
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { Destination, type DownloadId, Downloads, type DownloadRequest, layer } from "sluice"
import { open } from "./mbtiles-sink.js"

const [template = "", file = "", ...areas] = process.argv.slice(2)

/** The tiles of `z/x-x/y-y`, made as they are asked for: there may be millions. */
function* tiles(area: string): Generator<DownloadRequest> {
  const [, z, west, east, north, south] = /^(\d+)\/(\d+)-(\d+)\/(\d+)-(\d+)$/.exec(area)?.map(Number) ?? []
  if (south === undefined) throw new TypeError(`${area} is not ZOOM/WEST-EAST/NORTH-SOUTH`)
  for (let x = west!; x <= east!; x++) {
    for (let y = north!; y <= south; y++) {
      const url = template.replace("{z}", `${z}`).replace("{x}", `${x}`).replace("{y}", `${y}`)
      yield { url, key: `${z}/${x}/${y}` }
    }
  }
}

const program = Effect.gen(function* () {
  const sink = yield* open(file, { name: file.replace(/\.mbtiles$/, ""), format: "png" })
  const engine = layer({
    database: `${file}.queue.db`,
    concurrency: 16,
    downloadDefaults: { maxRetries: 5 }
  }).pipe(Layer.provide(Destination.batched({ name: "tiles", sink, size: 100 })))
  yield* Effect.gen(function* () {
    const downloads = yield* Downloads
    let there = 0
    const ids: Array<DownloadId> = []
    yield* Stream.fromIterable(areas).pipe(
      Stream.flatMap((area) => Stream.fromIterable(tiles(area))),
      Destination.missing(sink, () => Effect.sync(() => there++)),
      downloads.enqueueStream,
      Stream.runForEach(({ id }) => Effect.sync(() => ids.push(id)))
    )
    const count = { fetched: 0, failed: 0 }
    yield* downloads.settleAll(ids, ({ failure, outcome, status, url }) => {
      if (status !== "completed") {
        count.failed++
        return Console.log(`not there: ${url} (${failure?.detail ?? status})`)
      }
      if (outcome === "fetched") count.fetched++
      else there++
      return Effect.void
    })
    // what an earlier run has left in the queue, and this one did not ask for
    yield* downloads.drained
    yield* Console.log(`${count.fetched} fetched, ${there} there already, ${count.failed} failed`)
  }).pipe(Effect.provide(engine))
}).pipe(Effect.scoped)

/** The log goes to stderr: stdout is the program's. */
const log = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))

await Effect.runPromise(Effect.provide(program, log))
