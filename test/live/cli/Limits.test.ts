/**
 * Limits of size and room, through the real command: what is larger than wanted, announced or not, is not written beyond the
 * limit, whatever way the answer comes; what does not fit on the disk is not begun.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import type { Script } from "../Origin.js"
import { maxRedirects } from "../../../src/domain/Redirect.js"
import { expectOnly, live, MiB, names } from "./Cli.js"
import { fill, remount, tmpfs } from "./Mounts.js"

const soon = ["--retry-delay", "10ms"]
const limit = 100_000

describe.concurrent("--max-size", () => {
  const cases: ReadonlyArray<readonly [name: string, script: Script, sent: number]> = [
    // one byte beyond it, by what the answer announces: nothing of it is taken
    ["announced", { size: limit + 1 }, 0],
    ["chunked", { size: limit + 1, framing: "chunked" }, limit],
    ["until-close", { size: 10 * limit, framing: "close" }, limit],
    ["old", { size: limit + 1, protocol: "1.0", framing: "close" }, limit],
    ["resumed", [{ size: limit + 1, framing: "chunked", cutAfter: 50_000 }, { size: limit + 1 }], limit],
    [
      "changed",
      [
        { size: limit, cutAfter: 50_000 },
        { size: limit + 1, version: 2 }
      ],
      limit
    ]
  ]
  live("is never exceeded on the disk", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      for (const [name, script] of cases) origin.set(`/${name}`, script)
      origin.set("/redirected", { redirect: "/large" })
      origin.set("/large", { size: limit + 1, framing: "chunked" })
      const all = [...cases, ["redirected", {}, limit] as const]
      const urls = all.map(([name]) => origin.url(`/${name}`))
      const result = yield* world.run("get", "--dir", dir, ...soon, "--max-size", String(limit), ...urls)
      expect(result).toMatchObject({ code: 1, stdout: "" })
      for (const [name, , most] of all) {
        expect(result.stderr, name).toContain(`not done: ${origin.url(`/${name}`)}`)
        expect(names(dir), name).not.toContain(name)
        const part = join(dir, `${name === "redirected" ? "large" : name}.sluice-part`)
        expect(fs.existsSync(part) ? fs.statSync(part).size : 0, name).toBeLessThanOrEqual(most)
      }
      expect(result.stderr).toContain(`it has ${limit + 1} bytes, and at most ${limit} are wanted`)
      expect(result.stderr).toContain(`it has more than the ${limit} bytes wanted`)
      expect(result.stderr).toContain("--max-size")
    })
  )

  for (const framing of ["length", "chunked", "close"] as const) {
    live(`is reached without harm (${framing})`, (world) =>
      Effect.gen(function* () {
        world.origin.set("/a", { size: limit, framing })
        const result = yield* world.get("/a", "--max-size", String(limit))
        expectOnly(world, result, "a", "/a", limit)
      })
    )
  }
})

describe.concurrent("redirects", () => {
  live("are followed as often as is allowed, and not once more", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      for (let hop = 0; hop <= maxRedirects; hop++) origin.set(`/${hop}`, { redirect: `/${hop + 1}` })
      origin.set(`/${maxRedirects + 1}`, { size: 1000 })
      expectOnly(world, yield* world.get("/1", "--output", "a"), "a", `/${maxRedirects + 1}`, 1000)
      const result = yield* world.get("/0", "--output", "b")
      expect(result).toMatchObject({ code: 1, stdout: "" })
      expect(result.stderr).toContain(`redirected more than ${maxRedirects} times`)
      expect(names(dir)).toEqual(["a"])
    })
  )
})

describe.concurrent("a disk without room", () => {
  live("for all that was announced is not filled; it goes on when there is room", (world, context) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [path, size] = ["/a", 8 * MiB]
      origin.set(path, { size })
      yield* tmpfs(context, dir, 4096)
      const running = yield* world.startGet(path)
      yield* running.until(({ stderr }) =>
        /waiting 10 s for .*: the disk is full: 8388608 bytes are missing, and \d+ are free in /.test(
          stderr()
        )
      )
      expect(world.row()!.status).toBe("waiting")
      expect(fs.statSync(join(dir, "a.sluice-part")).size).toBe(0)
      yield* remount(dir, "size=16384k")
      expectOnly(world, yield* running.result, "a", path, size)
    })
  )

  live("for the rest of it keeps what it has", (world, context) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [path, size] = ["/a", 8 * MiB]
      origin.set(path, [{ size, cutAfter: 6 * MiB }, { size }])
      yield* tmpfs(context, dir, 10 * 1024)
      const first = yield* world.get(path, "--max-retries", "0", "--give-up", "1s")
      expect(first.code).toBe(1)
      const { checkpoint } = world.row()!
      yield* fill(join(dir, "filler"))
      const second = yield* world.get(path, "--give-up", "1s")
      expect(second.stderr).toMatch(
        new RegExp(`the disk is full: ${size - checkpoint} bytes are missing, and 0`)
      )
      fs.rmSync(join(dir, "filler"))
      const third = yield* world.get(path)
      expect(third.code).toBe(0)
      expectOnly(world, third, "a", path, size)
      expect(origin.requests.at(-1)!.headers["range"]).toBe(`bytes=${checkpoint}-`)
    })
  )
})
