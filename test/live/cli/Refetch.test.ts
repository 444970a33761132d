/**
 * The same `sluice get` once more after it is complete: nothing is fetched that is there, and nothing changed is missed.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventsOf, expectExact, expectOnly, live, MiB, names } from "./Cli.js"

const path = "/f.bin"

describe.concurrent("the same command again", () => {
  for (const validators of ["both", "etag", "weak", "last-modified"] as const) {
    live(`fetches nothing that the server says is unchanged (${validators})`, (world) =>
      Effect.gen(function* () {
        const { dir, origin } = world
        origin.set(path, { size: 3 * MiB, validators })
        expectOnly(world, yield* world.get(path), "f.bin", path, 3 * MiB)
        const sent = origin.sent()
        const again = yield* world.get(path)
        expectOnly(world, again, "f.bin", path, 3 * MiB)
        expect(again.stderr).toContain(`unchanged: ${join(dir, "f.bin")}`)
        expect(origin.sent()).toBe(sent)
        const { headers, status } = origin.requests.at(-1)!
        expect(status).toBe(304)
        const field = validators === "last-modified" ? "if-modified-since" : "if-none-match"
        expect(headers[field]).toBeDefined()
        expect(headers["range"]).toBeUndefined()
      })
    )
  }

  live("says so in --json, and in ls and show", (world) =>
    Effect.gen(function* () {
      world.origin.set(path, { size: 10 })
      yield* world.get(path)
      const events = eventsOf((yield* world.get(path, "--json")).stdout)
      const last = events.at(-1)!
      expect(last).toMatchObject({
        event: "completed",
        outcome: "unchanged",
        path: join(world.dir, "f.bin"),
        bytes: 10
      })
      const [, listed] = eventsOf((yield* world.run("ls", "--json")).stdout)
      expect(listed).toMatchObject({ status: "completed", outcome: "unchanged", percent: 100 })
      const table = (yield* world.run("ls")).stdout
      expect(table).toMatch(/completed[^\n]*\n[^\n]*unchanged/)
      const id = "id" in last ? last.id : ""
      expect((yield* world.run("show", id)).stdout).toContain("completed (unchanged)")
    })
  )

  live("asks nobody where the server has said nothing to ask with; --refetch fetches all the same", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set(path, { size: 1000, validators: "none" })
      yield* world.get(path)
      expectOnly(world, yield* world.get(path), "f.bin", path, 1000)
      expect(origin.requests).toHaveLength(1)
      expect((yield* world.get(path, "--refetch")).stdout).toBe(`${join(dir, "f (1).bin")}\n`)
      expect(origin.requests).toHaveLength(2)
      expect(names(dir)).toEqual(["f (1).bin", "f.bin"])
    })
  )

  live("takes a server for unchanged that ignores the question and sends the same", (world) =>
    Effect.gen(function* () {
      world.origin.set(path, { size: 1000, conditions: "ignored" })
      yield* world.get(path)
      expectOnly(world, yield* world.get(path), "f.bin", path, 1000)
      expect(world.origin.requests.map(({ status }) => status)).toEqual([200, 200])
    })
  )

  for (const conditions of ["refused", "contradicted"] as const) {
    live(`asks plainly where the question is ${conditions}`, (world) =>
      Effect.gen(function* () {
        world.origin.set(path, { size: 1000, conditions })
        yield* world.get(path)
        expectOnly(world, yield* world.get(path), "f.bin", path, 1000)
        expect(world.origin.requests.map(({ status }) => status)).toEqual([
          200,
          conditions === "refused" ? 412 : 304,
          200
        ])
      })
    )
  }

  live("fetches a new version, under the conflict policy", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const version = (version: number) => origin.set(path, { size: 1000, version })
      version(1)
      yield* world.get(path)
      version(2)
      expect((yield* world.get(path)).stdout).toBe(`${join(dir, "f (1).bin")}\n`)
      expectExact(world, join(dir, "f.bin"), path, 1000, 1)
      expectExact(world, join(dir, "f (1).bin"), path, 1000, 2)
      version(3)
      expect((yield* world.get(path, "--on-conflict", "overwrite")).stdout).toBe(`${join(dir, "f.bin")}\n`)
      expectExact(world, join(dir, "f.bin"), path, 1000, 3)
      version(4)
      const skipped = yield* world.get(path, "--on-conflict", "skip")
      expect(skipped).toMatchObject({ code: 0, stdout: `${join(dir, "f.bin")}\n` })
      expect((yield* world.get(path, "--on-conflict", "fail")).code).toBe(1)
      expectExact(world, join(dir, "f.bin"), path, 1000, 3)
      expect(names(dir)).toEqual(["f (1).bin", "f.bin"])
    })
  )

  live("fetches what is missing, and what was altered beside what it was altered to", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set(path, { size: 1000 })
      yield* world.get(path)
      fs.rmSync(join(dir, "f.bin"))
      expectOnly(world, yield* world.get(path), "f.bin", path, 1000)
      fs.appendFileSync(join(dir, "f.bin"), "mine")
      expect((yield* world.get(path)).stdout).toBe(`${join(dir, "f (1).bin")}\n`)
      expect(fs.readFileSync(join(dir, "f.bin"), "utf8").endsWith("mine")).toBe(true)
      // copied over by one of the same size: another inode
      fs.copyFileSync(join(dir, "f (1).bin"), join(dir, "copy"))
      fs.renameSync(join(dir, "copy"), join(dir, "f (1).bin"))
      expect((yield* world.get(path)).stdout).toBe(`${join(dir, "f (2).bin")}\n`)
      expect(origin.requests.every(({ headers }) => headers["if-none-match"] === undefined)).toBe(true)
    })
  )

  live("goes by the checksum where there is one, without asking", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set(path, { size: 100_000 })
      yield* world.get(path)
      const checksum = (version: number) => `sha-256:${origin.content(path, version).sha256(100_000)}`
      expectOnly(world, yield* world.get(path, "--checksum", checksum(1)), "f.bin", path, 100_000)
      expect(origin.requests).toHaveLength(1)
      origin.set(path, { size: 100_000, version: 2 })
      const other = yield* world.get(path, "--checksum", checksum(2))
      expect(other.stdout).toBe(`${join(dir, "f (1).bin")}\n`)
      expectExact(world, join(dir, "f (1).bin"), path, 100_000, 2)
    })
  )

  live("fails where the server can't be reached or the resource is gone, and the file stays", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set(path, { size: 1000 })
      yield* world.get(path)
      origin.set(path, { status: 404 })
      expect((yield* world.get(path)).code).toBe(1)
      origin.set(path, [{ hangUp: "rst" }, { silent: true }, { size: 1000 }])
      const patient = yield* world.get(path, "--retry-delay", "10ms", "--timeout", "200ms")
      expectOnly(world, patient, "f.bin", path, 1000)
      expect(names(dir)).toEqual(["f.bin"])
    })
  )

  live("of a list: what is unchanged, what is new, what changed", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const list = join(root, "list")
      const paths = ["/a", "/b", "/c"]
      for (const each of paths) origin.set(each, { size: 1000 })
      fs.writeFileSync(list, paths.slice(0, 2).map(origin.url).join("\n"))
      expect((yield* world.run("get", "--dir", dir, "--input", list)).code).toBe(0)
      origin.set("/b", { size: 1000, version: 2 })
      fs.writeFileSync(list, paths.map(origin.url).join("\n"))
      const again = yield* world.run("get", "--dir", dir, "--input", list)
      expect(again.code).toBe(0)
      expect(again.stdout.split("\n").sort()).toEqual([
        "",
        ...["a", "b (1)", "c"].map((name) => join(dir, name))
      ])
      expect(again.stderr).toContain("2 completed (1.95 KiB), 1 unchanged")
      // `add` and `run` do the same
      yield* world.run("add", "--dir", dir, origin.url("/a"))
      const run = yield* world.run("run")
      expect(run).toMatchObject({ code: 0, stdout: `${join(dir, "a")}\n` })
      expect(names(dir)).toEqual(["a", "b", "b (1)", "c"])
    })
  )
})
