/**
 * One file from several origins, with the real command: who is asked, what comes of one that fails or has other bytes.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { make as makeOrigin } from "../Origin.js"
import { expectOnly, live, MiB } from "./Cli.js"

describe.concurrent("a mirror", () => {
  live("is turned to in the same try where the file is gone from its first place; show tells", (world) =>
    Effect.gen(function* () {
      const mirror = yield* makeOrigin()
      mirror.set("/f", { size: MiB })
      const result = yield* world.get("/f", "--mirror", mirror.url("/f"))
      expectOnly(world, result, "f", "/f", MiB)
      expect(world.origin.requestsFor("/f")).toHaveLength(1)
      const shown = yield* world.run(
        "show",
        String((yield* world.run("ls", "--json")).stdout.match(/"id":"(\w+)"/)?.[1])
      )
      expect(shown.stdout).toMatch(/127\.0\.0\.1:\d+\/f \(set aside: .*404/)
      expect(shown.stdout).toContain(`${mirror.url("/f")} (in use)`)
    })
  )

  live("goes on where the other was cut for good, by the same strong tag", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const mirror = yield* makeOrigin()
      mirror.set("/f", { size: 2 * MiB })
      origin.set("/f", [{ size: 2 * MiB, cutAfter: MiB }, { status: 503 }])
      const result = yield* world.get("/f", "--mirror", mirror.url("/f"), "--connections", "1")
      expectOnly(world, result, "f", "/f", 2 * MiB)
      expect(mirror.sent("/f")).toBeLessThan(1.5 * MiB)
    })
  )

  live("shares the work where it is proved to have the same bytes", (world) =>
    Effect.gen(function* () {
      const mirror = yield* makeOrigin()
      for (const one of [world.origin, mirror]) one.set("/f", { size: 16 * MiB, rate: 2 * MiB })
      expectOnly(world, yield* world.get("/f", "--mirror", mirror.url("/f")), "f", "/f", 16 * MiB)
      expect(world.origin.sent("/f")).toBeGreaterThan(2 * MiB)
      expect(mirror.sent("/f")).toBeGreaterThan(2 * MiB)
    })
  )

  live("with other bytes is found by the checksum, said and set aside", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const mirror = yield* makeOrigin()
      origin.set("/f", { size: MiB, version: 2 })
      mirror.set("/f", { size: MiB })
      const digest = origin.content("/f").sha256(MiB)
      const result = yield* world.get("/f", "--mirror", mirror.url("/f"), "--checksum", `sha-256:${digest}`)
      expectOnly(world, result, "f", "/f", MiB)
      expect(result.stderr).toContain(`the source ${origin.url("/f")} has other bytes, and is set aside`)
      expect(fs.existsSync(join(dir, "f"))).toBe(true)
    })
  )

  live("gets no header that was meant for the other origin", (world) =>
    Effect.gen(function* () {
      const mirror = yield* makeOrigin()
      mirror.set("/f", { size: 10 })
      yield* world.get(
        "/f",
        "--mirror",
        mirror.url("/f"),
        "--header",
        "X-Key: hunter2",
        "--bearer",
        "hunter2"
      )
      expect(JSON.stringify(world.origin.requests)).toContain("hunter2")
      expect(JSON.stringify(mirror.requests)).not.toContain("hunter2")
    })
  )
})

describe.concurrent("a further source", () => {
  live("of a download that failed half-way: the rest comes from there, by the same strong tag", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const other = yield* makeOrigin()
      other.set("/f", { size: 2 * MiB })
      origin.set("/f", [{ size: 2 * MiB, cutAfter: MiB }, { status: 403 }])
      const result = yield* world.get("/f", "--connections", "1")
      expect([result.code, result.stdout]).toEqual([1, ""])
      const id = String((yield* world.run("ls", "--json")).stdout.match(/"id":"(\w+)"/)?.[1])
      const secret = yield* world.run("source", id, "--add", "http://me:hunter2@127.0.0.1/f")
      expect(secret.code).toBeGreaterThan(0)
      expect(secret.stdout + secret.stderr).toContain("must not have a user or password")
      expect(secret.stdout + secret.stderr).not.toContain("hunter2")
      const added = yield* world.run("source", id, "--add", other.url("/f"), "--json")
      expect(JSON.parse(added.stdout)).toMatchObject({
        event: "command",
        command: "source",
        answer: "done",
        id
      })
      expect((yield* world.run("retry", id)).code).toBe(0)
      expectOnly(world, yield* world.run("run"), "f", "/f", 2 * MiB)
      expect(other.sent("/f")).toBeLessThan(1.5 * MiB)
    })
  )
})
