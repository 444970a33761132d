/**
 * `--transport wget` with the real command: the same promises, whatever the process that fetches does, and however the engine dies.
 */
import { describe, expect } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import type { TestContext } from "vitest"
import { etagOf } from "../origin/Response.js"
import { isThere } from "../Wget.js"
import { eventually, expectExact, expectOnly, live as liveWith, MiB, names, type World } from "./Cli.js"
import { skip } from "./Mounts.js"

const live = <E>(title: string, test: (world: World) => Effect.Effect<void, E, Scope.Scope>) =>
  liveWith(title, (world, context: TestContext) =>
    isThere ? test(world) : skip(context, "GNU Wget 1 is not installed")
  )

const size = 2 * MiB + 17

const get = (world: World, path: string, ...more: ReadonlyArray<string>) =>
  world.get(path, "--transport", "wget", ...more)

/** What the row says of the process that works on it. */
const pidOf = ({ database }: World): number | null => {
  const db = new Sqlite(database, { readonly: true })
  try {
    return db.prepare("SELECT pid FROM sluice_downloads").pluck().get() as number | null
  } finally {
    db.close()
  }
}

const isWget = (pid: number): boolean => {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("wget\0")
  } catch {
    return false
  }
}

/** A command that has got so many bytes and waits for more. */
const stalled = (world: World, path: string, bytes: number) =>
  Effect.gen(function* () {
    const running = yield* world.start(
      "get",
      "--transport",
      "wget",
      "--dir",
      world.dir,
      world.origin.url(path)
    )
    yield* running.during(eventually(() => world.row()?.checkpoint === bytes))
    return running
  })

describe.concurrent("by way of wget", () => {
  live("a file comes, by one connection, and by itself after trouble", (world) =>
    Effect.gen(function* () {
      world.origin.set("/f", [{ status: 503 }, { size: 8 * MiB }])
      expectOnly(world, yield* get(world, "/f", "--retry-delay", "50ms"), "f", "/f", 8 * MiB)
      expect(world.origin.requestsFor("/f")).toHaveLength(2)
    })
  )

  live("kill -9 of the engine ends wget, too, and the same command goes on from the checkpoint", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/f", [{ size, stallAfter: MiB }, { size }])
      const running = yield* stalled(world, "/f", MiB)
      const pid = pidOf(world)
      expect(pid).not.toBeNull()
      expect(isWget(pid!)).toBe(true)
      yield* running.kill
      yield* eventually(() => !isWget(pid!))
      const result = yield* get(world, "/f")
      expect(result.code, result.stderr).toBe(0)
      expectExact(world, join(dir, "f"), "/f", size)
      expect(origin.requestsFor("/f").at(-1)!.headers).toMatchObject({
        range: `bytes=${MiB}-`,
        "if-range": etagOf("/f", {})
      })
      expect(origin.sent("/f")).toBe(size)
    })
  )

  for (const [what, later] of [
    ["has another version by now", { version: 2 }],
    ["ignores If-Range, and has another version", { version: 2, ignoreIfRange: true }],
    ["gives no ranges any more", { ranges: "ignored", version: 2 }]
  ] as const) {
    live(`a server that ${what} is never stitched to what is held`, (world) =>
      Effect.gen(function* () {
        const { dir, origin } = world
        origin.set("/f", [
          { size, stallAfter: MiB },
          { size, ...later }
        ])
        yield* (yield* stalled(world, "/f", MiB)).kill
        const result = yield* get(world, "/f", "--retry-delay", "50ms")
        expect(result.code, result.stderr).toBe(0)
        expectExact(world, join(dir, "f"), "/f", size, 2)
        expect(names(dir)).toEqual(["f"])
      })
    )
  }

  live("a signal ends wget, and keeps what has come", (world) =>
    Effect.gen(function* () {
      world.origin.set("/f", { size, stallAfter: MiB })
      const running = yield* stalled(world, "/f", MiB)
      const pid = pidOf(world)!
      // it does not listen to anybody
      process.kill(pid, "SIGSTOP")
      yield* running.send("SIGINT")
      expect(yield* running.result).toMatchObject({ code: 130 })
      expect(isWget(pid)).toBe(false)
      expect(world.row()).toMatchObject({ checkpoint: MiB })
    })
  )

  live("failures are told with their cause, and nothing is left behind", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/gone", { status: 404 })
      origin.set("/chunked", { size, framing: "chunked" })
      const cases = [
        ["/gone", /404 \(not found\)/],
        [
          "/chunked",
          /is chunked, and wget does not tell a whole one from one that was cut: use the transport http/
        ]
      ] as const
      for (const [path, message] of cases) {
        const { code, stderr } = yield* get(world, path)
        expect(code).toBe(1)
        expect(stderr).toMatch(message)
      }
      expect(names(dir)).toEqual([])
    })
  )

  live("a machine without wget is told what to do", (world) =>
    Effect.gen(function* () {
      const bin = join(world.root, "bin")
      fs.mkdirSync(bin)
      for (const name of ["sh", "mktemp", "rm"]) {
        fs.symlinkSync(
          execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim(),
          join(bin, name)
        )
      }
      fs.symlinkSync(process.execPath, join(bin, "node"))
      const { code, stderr } = yield* world.runWith(
        { env: { PATH: bin } },
        "get",
        "--transport",
        "wget",
        "--dir",
        world.dir,
        world.origin.url("/bytes/10/a")
      )
      expect(code).toBe(1)
      expect(stderr).toContain("wget is not installed: install it, or use the transport http")
    })
  )
})
