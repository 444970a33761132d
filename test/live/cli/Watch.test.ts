/**
 * `sluice watch` and `sluice stats` beside an engine of another process.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { eventsOf, live, MiB } from "./Cli.js"

describe.concurrent("watch", () => {
  live("follows an engine from another process, sees its death, and changes nothing", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a", [{ size: MiB, stallAfter: 300_000 }])
      const watch = yield* world.start("watch", "--json")
      // there is no queue yet
      yield* watch.until(({ stderr }) => stderr().includes("there is no queue yet"))
      yield* world.run("add", origin.url("/a"))
      yield* watch.until(({ stdout }) => stdout().includes('"pending":1'))
      const engine = yield* world.start("run")
      // what is counted may be told a moment after what is seen
      yield* watch.until(({ stdout }) => {
        const last = stdout().trimEnd().split("\n").at(-1)!
        return last.includes('"bytes":300000') && last.includes('"processing":1')
      })
      const seen = eventsOf(watch.stdout()).at(-1)!
      expect(seen).toMatchObject({
        event: "watch",
        downloads: { processing: 1 },
        active: [{ url: origin.url("/a"), bytes: 300_000, total: MiB }],
        engines: [{ pid: engine.pid, alive: true }]
      })
      yield* engine.kill
      yield* watch.until(({ stdout }) => stdout().trimEnd().endsWith('"engines":[]}'))
      const report = yield* world.run("stats", "--json")
      expect(eventsOf(report.stdout)).toMatchObject([
        { downloads: { processing: 1 }, hosts: [{ unfinished: 1 }], engines: [{ alive: false }] }
      ])
      yield* watch.send("SIGINT")
      expect(yield* watch.result).toMatchObject({ code: 130, signal: null })
      expect(world.row()).toMatchObject({ status: "processing", checkpoint: 300_000 })
    })
  )
})
