/**
 * Hosts that ask for time: what can be seen of it, in the process that works and from another.
 */
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { eventsOf, live } from "./Cli.js"

describe.concurrent("a host that is left alone", () => {
  live("is told of by the one that found out, and seen by others, until it answers again", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const names = ["/a", "/b", "/c"]
      for (const name of names) origin.set(name, { size: 1000 })
      origin.set("/a", [{ status: 429, retryAfter: "4" }, { size: 1000 }])
      const urls = names.map((name) => origin.url(name))
      const get = yield* world.start("get", "--json", "--concurrency", "1", "--dir", dir, ...urls)
      yield* get.until(({ stdout }) => stdout().includes('"event":"host"'))
      const [listed, shown] = yield* Effect.all([world.run("ls", "--json"), world.run("ls")], {
        concurrency: 2
      })
      const why = "asked to wait 4 s"
      const left = { origin: new URL(urls[0]!).origin, why: expect.stringContaining(why) as string }
      expect(eventsOf(listed.stdout)).toMatchObject([
        { status: "waiting", cooling: left },
        { status: "pending", cooling: left },
        { status: "pending", cooling: left }
      ])
      expect(shown.stdout).toMatch(/pending: host cooling down [1-4] s/)
      const { code, stdout } = yield* get.result
      expect(code).toBe(0)
      const told = eventsOf(stdout).filter(({ event }) => event === "host")
      expect(told).toMatchObject([
        { ...left, state: "open" },
        { origin: left.origin, state: "closed", until: null, why: null }
      ])
    })
  )
})
