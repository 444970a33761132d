/**
 * Policies as values, each for the engine, by host and by download: retries, gates, bandwidth, admission, conflicts.
 *
 *     npx tsx examples/policies.ts https://example.org/a.pdf https://slow.example.net/b.pdf
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import { Admission, defaultGate, Downloads, layer, type FileOptions, type RetryPolicy } from "sluice"

/** Any Schedule over the typed errors. This one gives up at once where a server is in trouble rather than the network. */
const network: RetryPolicy = Schedule.spaced("50 millis").pipe(
  Schedule.intersect(Schedule.recurs(4)),
  Schedule.whileInput(({ reason }) => reason !== "ServerError")
)
const patient: RetryPolicy = Schedule.intersect(Schedule.fibonacci("50 millis"), Schedule.recurs(3))

const policies: Omit<FileOptions, "database"> = {
  concurrency: 6,

  // by download (its tags, key and meta tell it), by host, else one for all
  retryPolicy: (_options, { tags, url }) =>
    tags.includes("precious") || new URL(url).hostname === "localhost" ? patient : network,

  // by host: how many requests at once, how often, when it is left alone
  gate: (origin) =>
    origin.endsWith(".example.org")
      ? { ...defaultGate, connections: 2, requestsPerSecond: 1 }
      : { ...defaultGate, connections: 4 },

  // bytes per second: all together, and of a host; a download has its own below
  limits: { rate: 50_000_000, perHost: { "https://slow.example.net": 100_000 } },

  // who begins next, so many of a host at once, and of those with a tag one at a time
  admission: Admission.policy({
    first: "newest",
    hosts: "fewest",
    perHost: () => 2,
    admit: Admission.atMost(1, ({ tags }) => tags.find((tag) => tag === "image"))
  }),

  // what requests leave open, by request: kept with each download, so that another engine does the same
  downloadDefaults: ({ url }) =>
    url.endsWith(".pdf") ? { onConflict: "overwrite", maxTime: 60_000 } : { onConflict: "skip" }
}

/** And for one download, with its request. */
const request = (url: string) => ({
  url,
  tags: url.endsWith(".png") ? ["image"] : [],
  priority: url.endsWith(".pdf") ? 1 : 0,
  ...(url.endsWith(".iso") ? { options: { limitRate: 1_000_000, connections: 1, maxRetries: 10 } } : {})
})

const program = Effect.gen(function* () {
  const downloads = yield* Downloads
  const enqueued = yield* downloads.enqueueAll(process.argv.slice(2).map(request))
  yield* downloads.start
  const exits = yield* downloads.awaitAll(enqueued.map(({ id }) => id))
  const tries = yield* Effect.forEach(enqueued, ({ id }) => downloads.attempts(id))
  for (const [i, { download }] of enqueued.entries()) {
    const { limitRate, onConflict } = download.options
    const rate = limitRate === null ? "" : `, ${limitRate} bytes/s at most`
    yield* Console.log(
      `${download.url}: ${Exit.isSuccess(exits[i]!) ? "here" : "not there"} after ${tries[i]!.length} (${onConflict}${rate})`
    )
  }
  const images = enqueued.flatMap(({ download }, i) => (download.tags.includes("image") ? tries[i]! : []))
  const together = images.map(
    ({ startedAt }) =>
      images.filter((other) => other.startedAt <= startedAt && (other.endedAt ?? 0) > startedAt).length
  )
  yield* Console.log(`images at once: ${Math.max(0, ...together)}`)
})

/** The log goes to stderr: stdout is the program's. */
const log = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))

await program.pipe(
  // started when all is recorded, so that there is something to choose from
  Effect.provide(Layer.provide(layer({ database: "policies.db", autoStart: false, ...policies }), log)),
  Effect.runPromise
)
