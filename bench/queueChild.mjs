/**
 * What one process does for `queue.ts`, which starts it: a command of the queue at scale, measured from inside. Its figures are
 * one line of JSON on stdout.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"

// what is built, if it is: no import that the checks of a clean checkout could not follow
const { Downloads, layer } = await import(new URL("../dist/lib/index.js", import.meta.url).href)

const [command, database, origin, amount] = process.argv.slice(2)
const directory = `${database}.files`
const delay = monitorEventLoopDelay({ resolution: 1 })

const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024

const timed = (effect) =>
  Effect.suspend(() => {
    // it wakes the process a thousand times a second: no measure for idling
    if (command !== "idle") delay.enable()
    const cpu = process.cpuUsage()
    const began = performance.now()
    return Effect.map(effect, (result) => {
      const { system, user } = process.cpuUsage(cpu)
      return {
        seconds: (performance.now() - began) / 1000,
        cpu: (system + user) / 1e6,
        longestStall: delay.max / 1e6,
        peak: peak(),
        ...result
      }
    })
  })

const requests = function* (count) {
  for (let i = 0; i < count; i++) {
    // most of a queue comes from few hosts, some of it from many
    const host = i % 10 === 0 ? `${origin}/h${i % 997}` : origin
    yield { url: `${host}/file-${i}`, directory }
  }
}

const programs = {
  enqueue: (downloads) =>
    downloads
      .enqueueStream(Stream.fromIterable(requests(Number(amount))))
      .pipe(Stream.runDrain, Effect.as({ rows: Number(amount) })),
  pause: (downloads) => Effect.map(downloads.pauseAll({}), ({ changed }) => ({ rows: changed })),
  resume: (downloads) => Effect.map(downloads.resumeAll({}), ({ changed }) => ({ rows: changed })),
  /** Works for so many seconds. */
  work: (downloads) =>
    Effect.zipRight(
      Effect.sleep(`${amount} seconds`),
      Effect.map(downloads.stats, (stats) => ({ rows: stats.downloads.completed }))
    ),
  /** Has nothing to do for so many seconds. */
  idle: () => Effect.as(Effect.sleep(`${amount} seconds`), { rows: 0 })
}

const options = {
  database,
  directory,
  concurrency: 16,
  autoStart: command === "work" || command === "idle",
  adopt: true
}

process.stdout.write(
  `${JSON.stringify(
    await Effect.flatMap(Downloads, (downloads) => timed(programs[command](downloads))).pipe(
      Effect.provide(layer(options)),
      Effect.runPromise
    )
  )}\n`
)
