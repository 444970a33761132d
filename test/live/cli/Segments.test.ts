/**
 * One download by several connections, with the real command against a server that limits each of them: what they ask for,
 * what a kill -9 in the middle costs, and what servers do that don't like it.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Coverage, gaps } from "../../../src/domain/Coverage.js"
import * as Schema from "effect/Schema"
import Sqlite from "better-sqlite3"
import type { Behaviour } from "../Origin.js"
import { eventually, expectExact, expectOnly, live, MiB, names, type World } from "./Cli.js"
import { join } from "node:path"

const size = 16 * MiB
/** Of each connection, in bytes per second. */
const rate = 2 * MiB

const decode = Schema.decodeUnknownSync(Schema.parseJson(Coverage))

/** The spans that the row claims; undefined while there is none, or they are one piece. */
const segmentsOf = ({ database, row }: World): Coverage | undefined => {
  if (row() === undefined) return undefined
  const db = new Sqlite(database, { readonly: true, fileMustExist: true })
  try {
    const text = db.prepare("SELECT segments FROM sluice_downloads").pluck().get()
    return text === null || text === undefined ? undefined : decode(text)
  } finally {
    db.close()
  }
}

const ranges = ({ origin }: World, path: string) =>
  origin.requestsFor(path).map(({ headers }) => headers["range"])

describe.concurrent("several connections", () => {
  live("fetch a file side by side, each byte once", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/f", { size, rate })
      expectOnly(world, yield* world.get("/f"), "f", "/f", size)
      const requests = origin.requestsFor("/f")
      expect(requests.length).toBeGreaterThanOrEqual(4)
      expect(requests[0]!.headers["range"]).toBeUndefined()
      for (const { headers } of requests.slice(1)) {
        expect(headers["range"]).toMatch(/^bytes=\d+-\d*$/)
        expect(headers["if-range"]).toBe(requests[1]!.headers["if-range"])
      }
      // but for what was on its way when the first was told that it had done its part
      expect(origin.sent("/f") - size).toBeLessThan(4 * MiB)
    })
  )

  live("are not used where one is asked for", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/f", { size: 6 * MiB, rate })
      expectOnly(world, yield* world.get("/f", "--connections", "1"), "f", "/f", 6 * MiB)
      expect(origin.requestsFor("/f")).toHaveLength(1)
    })
  )

  const refusals: ReadonlyArray<readonly [string, Behaviour]> = [
    ["503", { status: 503 }],
    ["429 and a time to wait", { status: 429, retryAfter: "3600" }],
    ["a closed connection", { hangUp: "fin" }],
    ["the whole", { size, rate, ranges: "ignored" }]
  ]
  for (const [answer, further] of refusals) {
    live(`are not insisted on where a further one gets ${answer}`, (world) =>
      Effect.gen(function* () {
        const { origin } = world
        origin.set("/f", [{ size: 10 * MiB, rate: 4 * MiB }, further])
        expectOnly(world, yield* world.get("/f"), "f", "/f", 10 * MiB)
        expect(origin.requestsFor("/f")[0]!.sent).toBe(10 * MiB)
        expect(world.row()).toMatchObject({ status: "completed", attempt: 1 })
      })
    )
  }

  live("that get other versions in turn end with one of them", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const versions = Array.from({ length: 40 }, (_, n): Behaviour => ({
        size,
        rate: 8 * MiB,
        version: 1 + (n % 2)
      }))
      origin.set("/f", versions)
      const result = yield* world.get("/f")
      expect(result.code, result.stderr).toBe(0)
      const matches = [1, 2].filter((version) => {
        try {
          expectExact(world, join(world.dir, "f"), "/f", size, version)
          return true
        } catch {
          return false
        }
      })
      expect(matches).toHaveLength(1)
    })
  )
})

describe.concurrent("after kill -9, several connections", () => {
  for (const [how, ...options] of [["as before"], ["with one", "--connections", "1"]] as const) {
    live(`fetch what is missing, ${how}`, (world) =>
      Effect.gen(function* () {
        const { origin } = world
        origin.set("/f", { size, rate })
        const running = yield* world.startGet("/f")
        yield* running.during(eventually(() => (segmentsOf(world)?.length ?? 0) > 1))
        yield* running.during(origin.until(() => origin.sent("/f") > size / 2))
        yield* running.kill
        expect(names(world.dir)).toEqual(["f.sluice-part"])
        const claimed = segmentsOf(world)!
        const before = origin.requestsFor("/f").length
        const sent = origin.sent("/f")
        origin.set("/f", { size })
        expectOnly(world, yield* world.get("/f", ...options), "f", "/f", size)
        const missing = gaps(claimed, size)
        const bytes = missing.reduce((sum, [start, end]) => sum + end - start, 0)
        // nothing that is claimed is asked for, and all of it makes up the file
        for (const range of ranges(world, "/f").slice(before)) {
          const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range!)!
          const last = to === "" ? size : Number(to) + 1
          expect(missing.some(([start, end]) => start <= Number(from) && last <= end)).toBe(true)
        }
        expect(origin.sent("/f") - sent).toBe(bytes)
      })
    )
  }
})
