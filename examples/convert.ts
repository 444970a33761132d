/**
 * Textures that are downloaded and then converted, at two paces: the downloads never wait for the slow converter, which pulls
 * what has ended when it can, also after a crash in between (start the program again, and it goes on). What can't be
 * had, or can't be converted after a few tries, is listed as incomplete.
 *
 *     npx tsx examples/convert.ts https://example.org/1.jpg https://example.org/2.jpg
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import { appendFile, readFile, rename, writeFile } from "node:fs/promises"
import { type Completed, type Delivery, Downloads, layer } from "sluice"

/** Stands for minutes of work. It may have been interrupted last time, so it makes its result whole, or not at all. */
const toDds = ({ path, size }: Completed) =>
  Effect.tryPromise(async () => {
    if (size === 0) throw new Error("an empty file is no texture")
    const texture = await readFile(path)
    await writeFile(`${path}.dds.unfinished`, Buffer.concat([Buffer.from("DDS "), texture]))
    await rename(`${path}.dds.unfinished`, `${path}.dds`)
  })

/** At least once: after a crash in the wrong instant a texture is listed again, or converted again. */
const convert = (delivery: Delivery) =>
  Effect.gen(function* () {
    const completed = yield* delivery.completion
    yield* Effect.retry(toDds(completed), Schedule.recurs(2))
    yield* Console.log(`converted ${completed.path}`)
  }).pipe(
    Effect.catchAll((error) =>
      Effect.zipRight(
        Console.log(
          `incomplete: ${delivery.url}: ${"reason" in error ? error.reason : "can't be converted"}`
        ),
        Effect.promise(() => appendFile("incomplete.txt", `${delivery.url}\n`))
      )
    )
  )

const program = Effect.gen(function* () {
  const downloads = yield* Downloads
  // before anything is asked for, so that nothing ends unheard
  yield* downloads.registerConsumer("converter")
  const tiles = yield* downloads.group()
  yield* tiles.enqueueAll(
    process.argv.slice(2).map((url) => ({ url, options: { maxRetries: 2, onConflict: "skip" } }))
  )
  yield* tiles.seal
  // four downloads and one converter at a time; ends when the last one that was asked for is converted, or listed
  yield* downloads.consume("converter", convert, { until: tiles.await })
  const { completed, failed } = yield* tiles.progress
  yield* Console.log(`${completed} downloaded, ${failed} not`)
})

/** The log goes to stderr: stdout is the program's. */
const log = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))

await program.pipe(
  Effect.provide(Layer.provide(layer({ database: "textures.db", concurrency: 4 }), log)),
  Effect.runPromise
)
