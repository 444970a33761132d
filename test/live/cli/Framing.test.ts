/**
 * Every way to frame an answer, through the real command (PROMISES B3): only what was announced, exactly, is a success; nothing
 * else gets the final name or is appended to what is held, and the error says what was wrong with it.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { etagOf } from "../origin/Response.js"
import { framings } from "../Framings.js"
import { eventsOf, expectExact, live, names } from "./Cli.js"

const size = 3000
const soon = ["--retry-delay", "10ms", "--timeout", "10s", "--stall-timeout", "10s"]
const wrong = framings.filter(({ words }) => words !== undefined)
const right = framings.filter(({ words }) => words === undefined)

const latin1 = (bytes: Buffer): string => bytes.toString("latin1")

describe.concurrent("the framing of an answer", () => {
  live("that is right is understood", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      for (const { end, name, raw } of right) {
        const body = latin1(origin.content(`/${name}`).slice(0, size))
        origin.set(`/${name}`, { raw: raw(body), ...(end === undefined ? {} : { rawEnd: end }) })
      }
      const urls = right.map(({ name }) => origin.url(`/${name}`))
      const result = yield* world.run("get", "--dir", dir, ...soon, "--max-retries", "0", ...urls)
      expect(result.stderr).not.toContain("not done")
      expect(result.code).toBe(0)
      for (const { name } of right) expectExact(world, join(dir, name), `/${name}`, size)
    })
  )

  live("that is wrong is never a success, and is named", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      for (const { end, name, raw } of wrong) {
        const body = latin1(origin.content(`/${name}`).slice(0, size))
        origin.set(`/${name}`, { raw: raw(body), ...(end === undefined ? {} : { rawEnd: end }) })
      }
      const urls = wrong.map(({ name }) => origin.url(`/${name}`))
      const result = yield* world.run("get", "--json", "--dir", dir, ...soon, "--max-retries", "0", ...urls)
      expect(result.code).toBe(1)
      expect(names(dir).filter((name) => !name.endsWith(".sluice-part"))).toEqual([])
      const ends = eventsOf(result.stdout).flatMap((event) =>
        event.event === "failed" || event.event === "completed" ? [event] : []
      )
      expect(ends).toHaveLength(wrong.length)
      const said = wrong.map(({ name, words }) => {
        const text = JSON.stringify(ends.find((event) => event.url === origin.url(`/${name}`)))
        return [name, words !== undefined && text.includes(words) ? words : text]
      })
      expect(said).toEqual(wrong.map(({ name, words }) => [name, words]))
    })
  )

  live("that is wrong is never appended to what is held", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const held = 1000
      // in these all bytes that Content-Range announces come, before the end is missed: with the right validator they are taken
      const others = wrong.filter(({ name }) => !/^(until-reset|no-last-chunk|half-last-chunk)$/.test(name))
      for (const { end, name, raw } of others) {
        const path = `/${name}`
        // an answer that says all the right things, about bytes that must not be taken for those asked for
        const rest = "x".repeat(size - held)
        const fields = `ETag: ${etagOf(path, {})}\r\nContent-Range: bytes ${held}-${size - 1}/${size}\r\n`
        origin.set(path, [
          { size, cutAfter: held },
          {
            raw: raw(rest, { status: "206 Partial Content", fields }),
            ...(end === undefined ? {} : { rawEnd: end })
          },
          { size, version: 2 }
        ])
      }
      const urls = others.map(({ name }) => origin.url(`/${name}`))
      yield* world.run("get", "--dir", dir, ...soon, "--max-retries", "3", ...urls)
      for (const { name } of others) {
        // an unwanted coding is for good
        if (/gzip|twice|coding/.test(name)) {
          expect(names(dir)).not.toContain(name)
          continue
        }
        expect(origin.requestsFor(`/${name}`)[1]?.headers["range"], name).toBe(`bytes=${held}-`)
        expectExact(world, join(dir, name), `/${name}`, size, 2)
      }
    })
  )

  live("that never comes to the end of a head is given up after --timeout", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/drip", { size: 10, headPace: 50 })
      origin.set("/hints", { raw: "HTTP/1.1 103 Early Hints\r\n\r\n", rawEnd: "stays" })
      origin.set("/phrase", { raw: `HTTP/1.1 200 ${"O".repeat(100_000)}`, rawEnd: "stays" })
      const urls = ["/drip", "/hints", "/phrase"].map(origin.url)
      const result = yield* world.run("get", "--dir", dir, "--timeout", "1s", "--max-retries", "0", ...urls)
      expect(result).toMatchObject({ code: 1, stdout: "" })
      expect(result.stderr.match(/no answer within 1 s/g)?.length).toBeGreaterThanOrEqual(3)
      expect(names(dir)).toEqual([])
    })
  )

  live("of an answer without content is none to keep", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const cases = [201, 202, 203, 204, 205, 226, 300, 304, 305, 399].flatMap((status) => [
        [`/${status}`, `HTTP/1.1 ${status} X\r\n\r\n`] as const,
        [`/${status}b`, `HTTP/1.1 ${status} X\r\nContent-Length: 5\r\n\r\nhello`] as const
      ])
      const redirects = [301, 302, 303, 307, 308].map(
        (status) => [`/${status}`, `HTTP/1.1 ${status} X\r\nContent-Length: 0\r\n\r\n`] as const
      )
      for (const [path, raw] of [...cases, ...redirects]) origin.set(path, { raw })
      const urls = [...cases, ...redirects].map(([path]) => origin.url(path))
      const result = yield* world.run("get", "--json", "--dir", dir, ...soon, "--max-retries", "0", ...urls)
      expect(result.code).toBe(1)
      expect(names(dir)).toEqual([])
      const ends = eventsOf(result.stdout).filter(({ event }) => event === "failed")
      expect(ends).toHaveLength(urls.length)
      expect(result.stdout.match(/redirected without saying where to/g)).toHaveLength(redirects.length)
    })
  )
})
