/**
 * Wrong pieces, with the real command: a source with bad bytes is repaired from another one, and no more is fetched than that takes.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { make as makeOrigin } from "../Origin.js"
import { expectOnly, live, MiB } from "./Cli.js"
import { metalink } from "./Metalink.js"

const size = 16 * MiB + 5

const quick = ["--retry-delay", "1ms"]

describe.concurrent("a metalink with pieces", () => {
  live("repairs what a corrupt mirror has sent piece by piece, and says who it was", (world) =>
    Effect.gen(function* () {
      const { dir, origin: corrupt, root } = world
      const good = yield* makeOrigin()
      corrupt.set("/f", { size, corrupt: [17, 5 * MiB, 5 * MiB + 1, 16 * MiB] })
      good.set("/f", { size, validators: "none" })
      const urls = [corrupt.url("/f"), good.url("/f")]
      fs.writeFileSync(join(root, "f.meta4"), metalink({ name: "f", path: "/f", size, urls, pieces: MiB }))
      const result = yield* world.run(
        "get",
        "--dir",
        dir,
        "--metalink",
        "f.meta4",
        "--connections",
        "1",
        ...quick
      )
      expectOnly(world, result, "f", "/f", size)
      expect(result.stderr).toContain(`the source ${urls[0]} has sent wrong pieces, and is set aside`)
      expect(result.stderr).toContain("3 of 17 pieces of 1048576 bytes are wrong")
      // three pieces, the last of which has five bytes
      expect(good.requestsFor("/f").map(({ headers }) => headers["range"])).toEqual([
        "bytes=0-1048575",
        "bytes=5242880-6291455",
        "bytes=16777216-"
      ])
      expect(good.sent("/f")).toBe(2 * MiB + 5)
      expect(corrupt.sent("/f")).toBe(size)
    })
  )

  live("does so where both were asked side by side, without a hash of the whole", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const corrupt = yield* makeOrigin()
      origin.set("/f", { size, rate: 4 * MiB })
      corrupt.set("/f", { size, rate: 4 * MiB, corrupt: Array.from({ length: 17 }, (_, i) => i * MiB) })
      const urls = [origin.url("/f"), corrupt.url("/f")]
      fs.writeFileSync(
        join(root, "f.meta4"),
        metalink({ name: "f", path: "/f", size, urls, pieces: MiB, hash: null })
      )
      const result = yield* world.run("get", "--dir", dir, "--metalink", "f.meta4", ...quick)
      expectOnly(world, result, "f", "/f", size)
      expect(corrupt.sent("/f")).toBeGreaterThan(MiB)
      expect(origin.sent("/f") + corrupt.sent("/f")).toBeLessThan(2 * size)
      expect(origin.sent("/f")).toBeLessThan(size + 2 * MiB)
    })
  )

  live("goes on after a kill in the middle of it: what was right is not fetched again", (world) =>
    Effect.gen(function* () {
      const { dir, origin: corrupt, root } = world
      const slow = yield* makeOrigin()
      corrupt.set("/f", { size, corrupt: [3 * MiB] })
      slow.set("/f", [{ size, stallAfter: 1000 }, { size }])
      fs.writeFileSync(
        join(root, "f.meta4"),
        metalink({ name: "f", path: "/f", size, urls: [corrupt.url("/f"), slow.url("/f")], pieces: MiB })
      )
      const asked = ["get", "--dir", dir, "--metalink", "f.meta4", "--connections", "1", ...quick]
      yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* world.start(...asked)
          yield* running.during(slow.until(() => slow.requestsFor("/f").some(({ sent }) => sent >= 1000)))
          yield* running.kill
        })
      )
      expect(world.row()).toMatchObject({ status: "processing", checkpoint: size - MiB })
      expectOnly(world, yield* world.run(...asked), "f", "/f", size)
      expect(corrupt.sent("/f")).toBe(size)
      expect(slow.sent("/f")).toBe(MiB + 1000)
    })
  )
})
