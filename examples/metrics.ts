/**
 * What an engine measures, in Prometheus' text format: downloads what it is given, and writes what a scraper would read then. A
 * service would answer `GET /metrics` with the same text.
 *
 *     npx tsx examples/metrics.ts https://example.org/a.bin https://example.org/b.bin
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import { Downloads, layer, Metrics } from "sluice"

const braces = (tags: ReadonlyArray<string>) => (tags.length === 0 ? "" : `{${tags.join(",")}}`)

/** Prometheus' text of all metrics of this process whose names begin so. */
const exposition = Effect.map(Metric.snapshot, (pairs) => {
  const lines = new Map<string, Array<string>>()
  for (const { metricKey, metricState } of pairs) {
    const { name, tags } = metricKey
    if (!name.startsWith("sluice_")) continue
    const { description, type } = Metrics.catalogue.find((one) => one.name === name)!
    const series = lines.get(name) ?? [`# HELP ${name} ${description}`, `# TYPE ${name} ${type}`]
    lines.set(name, series)
    // no value of ours needs escaping
    const labels = tags.map(({ key, value }) => `${key}="${value}"`)
    if (MetricState.isCounterState(metricState)) series.push(`${name}${braces(labels)} ${metricState.count}`)
    if (MetricState.isGaugeState(metricState)) series.push(`${name}${braces(labels)} ${metricState.value}`)
    if (MetricState.isHistogramState(metricState)) {
      const { buckets, count, sum } = metricState
      for (const [bound, upTo] of buckets) {
        if (Number.isFinite(bound))
          series.push(`${name}_bucket${braces([...labels, `le="${bound}"`])} ${upTo}`)
      }
      series.push(
        `${name}_bucket${braces([...labels, `le="+Inf"`])} ${count}`,
        `${name}_sum${braces(labels)} ${sum}`,
        `${name}_count${braces(labels)} ${count}`
      )
    }
  }
  return [...lines.values()].flat().join("\n")
})

const program = Effect.gen(function* () {
  const downloads = yield* Downloads
  const enqueued = yield* downloads.enqueueAll(process.argv.slice(2).map((url) => ({ url })))
  yield* downloads.awaitAll(enqueued.map(({ id }) => id))
  yield* Metrics.sample
  yield* Effect.flatMap(exposition, Console.log)
})

/** The log goes to stderr: stdout is the program's. */
const log = Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.stringLogger))

await program.pipe(Effect.provide(Layer.provide(layer({ database: "downloads.db" }), log)), Effect.runPromise)
