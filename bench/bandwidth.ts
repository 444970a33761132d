/**
 * How exactly a limit is kept: one download and four at once from a server on this machine, at three rates, for five seconds each.
 * Shown are the mean rate, the largest second, and how far apart downloads ended that shared it. `npm run bench:bandwidth`.
 */
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Downloads, layerMemory } from "../src/index.js"
import { withServer } from "./Endless.js"

interface Sample {
  readonly at: number
  readonly received: ReadonlyArray<number>
}

const seconds = 6

/** Begins so many downloads with so many connections each, and looks at what they have, a hundred times a second. */
const measure = (port: number, rate: number, connections: ReadonlyArray<number>) => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-bandwidth-"))
  return Effect.gen(function* () {
    const downloads = yield* Downloads
    const ids = yield* Effect.forEach(connections, (count, i) =>
      Effect.map(
        downloads.enqueue({
          url: `http://127.0.0.1:${port}/${i}`,
          directory,
          options: { connections: count }
        }),
        ({ id }) => id
      )
    )
    const samples: Array<Sample> = []
    while (samples.length === 0 || samples.at(-1)!.at - samples[0]!.at < seconds * 1000) {
      yield* Effect.sleep(10)
      const active = yield* downloads.active
      const received = ids.map((id) => active.find((one) => one.id === id)?.gauge.received ?? 0)
      if (received.every((bytes) => bytes > 0)) samples.push({ at: performance.now(), received })
    }
    yield* downloads.cancelAll({})
    return samples
  }).pipe(
    Effect.provide(layerMemory({ limits: { rate }, concurrency: connections.length, durability: "crash" })),
    Effect.ensuring(Effect.sync(() => rmSync(directory, { recursive: true, force: true }))),
    Effect.runPromise
  )
}

const sum = (all: ReadonlyArray<number>) => all.reduce((a, b) => a + b, 0)

const figures = (rate: number, samples: ReadonlyArray<Sample>) => {
  const [first] = samples
  const last = samples.at(-1)!
  const mean = ((sum(last.received) - sum(first!.received)) / (last.at - first!.at)) * 1000
  let largest = 0
  let from = 0
  for (const { at, received } of samples) {
    while (at - samples[from]!.at > 1000) from++
    largest = Math.max(largest, sum(received) - sum(samples[from]!.received))
  }
  const shares = last.received.map((bytes, i) => bytes - first!.received[i]!)
  return {
    limit: `${rate / 1000} kB/s`,
    mean: `${((mean / rate) * 100).toFixed(2)} %`,
    "largest second": `${((largest / rate) * 100).toFixed(1)} %`,
    "shares (least to most)": (Math.min(...shares) / Math.max(...shares)).toFixed(3)
  }
}

await withServer(async (port) => {
  const table: Array<object> = []
  for (const connections of [[1], [4], [1, 1, 1, 4]]) {
    for (const rate of [100_000, 2_000_000, 50_000_000]) {
      const samples = await measure(port, rate, connections)
      table.push({ connections: connections.join("+"), ...figures(rate, samples) })
    }
  }
  console.table(table)
})
