/**
 * A program that consumes what is downloaded, by itself or by others, for the live tests to kill: `consumer.ts DB NAME MODE
 * [URL...]`. Each delivery is a line of JSON. MODE `hold` acknowledges nothing and stays, `done` acknowledges and ends when
 * nothing is left, `follow` acknowledges and stays; only with URLs does it download.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Downloads, layer } from "sluice"

const [database = "", name = "", mode = "", ...urls] = process.argv.slice(2)

const tell = (line: unknown) => Effect.sync(() => void process.stdout.write(`${JSON.stringify(line)}\n`))

const program = Effect.gen(function* () {
  const downloads = yield* Downloads
  yield* downloads.registerConsumer(name, { from: "start" })
  if (urls.length > 0) yield* downloads.enqueueAll(urls.map((url) => ({ url, options: { maxRetries: 0 } })))
  yield* tell("ready")
  const deliveries = downloads.completions(name, mode === "done" ? { until: downloads.drained } : {})
  yield* Stream.runForEach(deliveries, ({ acknowledge, redelivered, seq, status, url }) =>
    Effect.zipRight(
      tell({ seq, status, name: new URL(url).pathname, redelivered }),
      mode === "hold" ? Effect.void : acknowledge
    )
  )
})

const engine = layer({ database, directory: ".", autoStart: urls.length > 0, adopt: urls.length > 0 })
await program.pipe(
  Effect.catchTag("ConsumerBusy", ({ message }) => tell(message)),
  Effect.provide(engine),
  Effect.runPromise
)
