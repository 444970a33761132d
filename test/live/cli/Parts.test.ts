/**
 * A part file that somebody else changes, while it is written or between two runs: it is noticed, said, and what cannot be
 * relied on is fetched again (PROMISES B1, B5). No checksum is asked for here, or the server's would find it.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventually, expectOnly, live, MiB, names, type World } from "./Cli.js"

const part = ({ dir }: World) => join(dir, "f.sluice-part")

/** Each as if by another program: the inode stays, but where it says otherwise. */
const changes = {
  "is cut to nothing": (path: string) => fs.truncateSync(path, 0),
  "is cut": (path: string) => fs.truncateSync(path, 100_000),
  "is cut and lengthened again, over zeros": (path: string) => {
    const { size } = fs.statSync(path)
    fs.truncateSync(path, 100_000)
    fs.truncateSync(path, size)
  },
  "is written to": (path: string) => {
    const fd = fs.openSync(path, "r+")
    fs.writeSync(fd, Buffer.alloc(4096), 0, 4096, 5000)
    fs.closeSync(fd)
  },
  "is lengthened": (path: string) => fs.appendFileSync(path, "more"),
  "is removed": (path: string) => fs.rmSync(path),
  "is replaced": (path: string) => {
    const content = fs.readFileSync(path)
    fs.renameSync(path, `${path}.old`)
    fs.writeFileSync(path, content.fill(1))
    fs.rmSync(`${path}.old`)
  }
} as const
type Change = keyof typeof changes

describe.concurrent("a part file that somebody else changes while it is written", () => {
  const whileWritten = (change: Change, connections: number) =>
    live(`and that ${change}, ${connections} at work`, (world) =>
      Effect.gen(function* () {
        const { origin } = world
        const size = (connections === 1 ? 4 : 16) * MiB
        origin.set("/f", { size, rate: 2 * MiB })
        const running = yield* world.startGet("/f", "--connections", String(connections))
        yield* running.during(
          eventually(() => (world.row()?.checkpoint ?? 0) > (connections === 1 ? 1 : 7) * MiB)
        )
        changes[change](part(world))
        const result = yield* running.result
        expect(names(world.dir)).toContain("f")
        // what stands under its name is a stranger's
        if (change === "is replaced") fs.rmSync(part(world))
        expectOnly(world, result, "f", "/f", size)
        expect(result.stderr).toMatch(
          change.startsWith("is cut")
            ? /f\.sluice-part.* changed by somebody else/
            : /f\.sluice-part was removed or replaced/
        )
      })
    )
  for (const change of ["is cut to nothing", "is cut", "is removed", "is replaced"] as const)
    whileWritten(change, 1)
  whileWritten("is cut", 4)
})

describe.concurrent("a part file that somebody else changes between two runs", () => {
  for (const change of Object.keys(changes) as ReadonlyArray<Change>) {
    live(`and that ${change}`, (world) =>
      Effect.gen(function* () {
        const { origin } = world
        const size = 2 * MiB
        origin.set("/f", [{ size, stallAfter: MiB }, { size }])
        const running = yield* world.startGet("/f", "--connections", "1")
        yield* running.during(eventually(() => world.row()?.checkpoint === MiB))
        yield* running.send("SIGINT")
        expect((yield* running.result).code).toBe(130)
        changes[change](part(world))
        const result = yield* world.get("/f")
        if (change === "is replaced") fs.rmSync(part(world))
        expectOnly(world, result, "f", "/f", size)
        expect(result.stderr).toMatch(/starting again from 0: the part file (is gone|was \w+)/)
        expect(origin.requestsFor("/f")[1]!.headers["range"]).toBeUndefined()
      })
    )
  }

  live("or that only changes its place, with all of its directory, is gone on with", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const size = 2 * MiB
      origin.set("/f", [{ size, stallAfter: MiB }, { size }])
      const running = yield* world.startGet("/f", "--connections", "1")
      yield* running.during(eventually(() => world.row()?.checkpoint === MiB))
      yield* running.send("SIGINT")
      yield* running.result
      fs.renameSync(dir, `${dir}.old`)
      fs.mkdirSync(dir)
      fs.renameSync(join(`${dir}.old`, "f.sluice-part"), part(world))
      expectOnly(world, yield* world.get("/f"), "f", "/f", size)
      expect(origin.requestsFor("/f")[1]!.headers["range"]).toBe(`bytes=${MiB}-`)
    })
  )
})
