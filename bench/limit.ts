/**
 * How soon `sluice limit` takes effect in an engine of another process than its own: the time from its commit until bytes come no
 * faster than was asked for (or, where it is lifted, until they come faster again), at several changes. `npm run bench:limit`; needs
 * the built command.
 */
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { Downloads, layer } from "../src/index.js"
import { withServer } from "./Endless.js"

const command = fileURLToPath(new URL("../dist/bin/sluice.js", import.meta.url))

/** In milliseconds: how often it is looked, and over how much time a speed is told. */
const beat = 5
const span = 100

interface Sample {
  readonly at: number
  readonly received: number
}

/** From when on the speed over the next `span` is as wanted. */
const since = (samples: ReadonlyArray<Sample>, from: number, wanted: (rate: number) => boolean) => {
  for (const [i, { at, received }] of samples.entries()) {
    if (at < from) continue
    const end = samples.slice(i).find((later) => later.at >= at + span)
    if (end === undefined) return undefined
    if (wanted(((end.received - received) * 1000) / (end.at - at))) return at - from
  }
  return undefined
}

const measure = (port: number) => {
  const directory = mkdtempSync(join(tmpdir(), "sluice-limit-"))
  const database = join(directory, "queue.db")
  const table: Array<object> = []
  return Effect.gen(function* () {
    const downloads = yield* Downloads
    const looker = new Sqlite(database, { readonly: true })
    const stored = looker
      .prepare("SELECT coalesce(group_concat(kind || rate), '') FROM sluice_limits")
      .pluck()
    let samples: Array<Sample> = []
    let set: { readonly at: number; readonly text: unknown } = { at: 0, text: "" }
    yield* Effect.fork(
      Effect.forever(
        Effect.gen(function* () {
          yield* Effect.sleep(beat)
          const active = yield* downloads.active
          const at = performance.now()
          if (active.length > 0) samples.push({ at, received: active[0]!.gauge.received })
          const text = stored.get()
          if (text !== set.text) set = { at, text }
        })
      )
    )
    const change = (of: ReadonlyArray<string>, rate: string, wanted: (rate: number) => boolean) =>
      Effect.gen(function* () {
        samples = []
        yield* Effect.promise(() =>
          promisify(execFile)(process.execPath, [command, "limit", "--db", database, "--rate", rate, ...of])
        )
        yield* Effect.sleep(1000)
        const took = since(samples, set.at, wanted)
        const what = of[0] === "--host" ? "a host" : of.length === 0 ? "all" : "a download"
        table.push({
          limit: what,
          rate,
          "in effect after": took === undefined ? "never" : `${Math.round(took)} ms`
        })
      })
    for (const what of ["all", "host", "download"]) {
      // at full speed it would be over too soon
      const { id } = yield* downloads.enqueue({
        url: `http://127.0.0.1:${port}/${what}`,
        directory,
        options: { connections: 1, limitRate: 100_000_000 }
      })
      yield* Effect.sleep(500)
      const of =
        what === "all" ? [] : what === "host" ? ["--host", `http://127.0.0.1:${port}`] : [id as string]
      yield* change(of, "20000000", (rate) => rate < 22_000_000)
      yield* change(of, "1000000", (rate) => rate < 1_100_000)
      yield* change(of, "5000000", (rate) => rate > 4_500_000 && rate < 5_500_000)
      yield* change(of, "off", (rate) => rate > 22_000_000)
      yield* downloads.cancel(id)
    }
    looker.close()
  })
    .pipe(
      Effect.provide(layer({ database, durability: "crash" })),
      Effect.ensuring(Effect.sync(() => rmSync(directory, { recursive: true, force: true }))),
      Effect.runPromise
    )
    .then(() => table)
}

await withServer(async (port) => {
  console.table(await measure(port))
})
