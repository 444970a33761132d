/**
 * What `sluice get` is asked for otherwise than by URLs: lists, from a file and from stdin, the environment, the config file.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import { eventsOf, expectExact, linked, live, MiB, names, rows, type World } from "./Cli.js"

const write = ({ root }: World, name: string, ...lines: ReadonlyArray<string>): string => {
  const path = join(root, name)
  fs.mkdirSync(join(path, ".."), { recursive: true })
  fs.writeFileSync(path, lines.join("\n"), { mode: 0o600 })
  return path
}

describe.concurrent("a list", () => {
  live("in a file gives each download its place, name and headers", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const [one, two, three] = ["/bytes/1000/one", "/bytes/2000/two", "/bytes/3000/three"].map(origin.url)
      const hex = createHash("sha256").update(origin.content("/bytes/1000/one").slice(0, 1000)).digest("hex")
      write(
        world,
        "list.txt",
        "# three",
        one!,
        ` checksum=sha-256=${hex}`,
        two!,
        "  out=deep/er/2.bin\r",
        "  header=X-Own: b",
        "  header=Authorization: Bearer other",
        three!,
        "\tdir=elsewhere"
      )
      const result = yield* world.run(
        "get",
        "--input",
        "list.txt",
        "--dir",
        dir,
        "--bearer",
        "hunter2",
        "--header",
        "X-All: a",
        "--user-agent",
        "someone",
        "--referer",
        "http://u:p@from/#x",
        "--concurrency",
        "1",
        "--priority",
        "3"
      )
      expect(result.code).toBe(0)
      expect(result.stdout.split("\n").sort()).toEqual(
        ["", join(dir, "deep/er/2.bin"), join(dir, "one"), join(root, "elsewhere/three")].sort()
      )
      expect(result.stderr).not.toContain("hunter2")
      expectExact(world, join(dir, "one"), "/bytes/1000/one", 1000)
      expectExact(world, join(dir, "deep/er/2.bin"), "/bytes/2000/two", 2000)
      expectExact(world, join(root, "elsewhere/three"), "/bytes/3000/three", 3000)
      const headers = (path: string) => origin.requestsFor(path)[0]!.headers
      expect(headers("/bytes/1000/one")).toMatchObject({
        authorization: "Bearer hunter2",
        "x-all": "a",
        "user-agent": "someone",
        referer: "http://from/"
      })
      expect(headers("/bytes/2000/two")).toMatchObject({
        authorization: "Bearer other",
        "x-all": "a",
        "x-own": "b"
      })
      expect(headers("/bytes/1000/one")["x-own"]).toBeUndefined()
      expect((yield* world.run("ls", "--json")).stdout).toMatch(/"priority":3/)
    })
  )

  live("on stdin comes after the URLs", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const stdin = `\ufeff${origin.url("/bytes/10/b")}\r\n\r\n${origin.url("/bytes/10/c")}`
      const result = yield* world.runWith(
        { stdin },
        "get",
        "--json",
        "--dir",
        dir,
        "--input",
        "-",
        origin.url("/bytes/10/a")
      )
      expect(result.code).toBe(0)
      const enqueued = eventsOf(result.stdout).filter(({ event }) => event === "enqueued")
      expect(enqueued.map((event) => ("url" in event ? event.url : ""))).toEqual(
        ["/bytes/10/a", "/bytes/10/b", "/bytes/10/c"].map(origin.url)
      )
      expect(names(dir)).toEqual(["a", "b", "c"])
    })
  )

  live("with mistakes starts nothing, and tells all of them", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      write(world, "list.txt", origin.url("/bytes/10/a"), "  out=sub/../../x", "  split=4", "nonsense")
      const result = yield* world.run("get", "--dir", dir, "--input", "list.txt")
      expect(result).toMatchObject({ code: 2, stdout: "" })
      expect(result.stderr).toMatch(/has 3 lines that can't be used:\n +line 2: .*\n +line 3: .*\n +line 4: /)
      expect(names(dir)).toEqual([])
      expect(origin.requests).toEqual([])
      expect(fs.existsSync(world.database)).toBe(false)
    })
  )

  live("does not get out of its directory through a symbolic link", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      linked(world)
      write(world, "bad.txt", origin.url("/bytes/10/a"), "  out=out/sub/a")
      const bad = yield* world.run("get", "--dir", dir, "--input", "bad.txt")
      expect(bad).toMatchObject({ code: 2, stdout: "" })
      expect(bad.stderr).toContain(`a symbolic link leads outside of ${dir}`)
      expect(names(join(root, "outside"))).toEqual([])
      write(world, "good.txt", origin.url("/bytes/10/a"), "  out=in/sub/a")
      expect(yield* world.run("get", "--dir", dir, "--input", "good.txt")).toMatchObject({ code: 0 })
      expectExact(world, join(dir, "inside", "sub", "a"), "/bytes/10/a", 10)
      // what is in the way is left alone
      write(world, "file.txt", origin.url("/bytes/10/a"), "  out=in/sub/a/b")
      const blocked = yield* world.run("get", "--dir", dir, "--input", "file.txt")
      expect(blocked).toMatchObject({ code: 2, stdout: "" })
      expect(blocked.stderr).toContain("it is not a directory")
    })
  )

  live("that was interrupted is gone on with by the queue", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      origin.set("/a", [{ size: MiB, stallAfter: 300_000 }, { size: MiB }])
      const list = write(world, "list", origin.url("/a"))
      const running = yield* world.start("get", "--dir", dir, "--input", list, "--db", "my.db")
      yield* running.during(origin.until(() => origin.sent("/a") === 300_000))
      yield* running.send("SIGINT")
      expect((yield* running.result).stderr).toContain(`get --dir ${dir} --input ${list} --db my.db`)
      expect(rows(join(root, "my.db"))).toHaveLength(1)
      const done = yield* world.run("run", "--db", "my.db", "--concurrency", "2", "--durability", "crash")
      expect(done.code).toBe(0)
      expectExact(world, join(dir, "a"), "/a", MiB)
    })
  )
})

describe.concurrent("settings", () => {
  live("come from the command line before the environment before the config file", (world) =>
    Effect.gen(function* () {
      const { origin, root } = world
      const url = origin.url("/bytes/10/a")
      write(
        world,
        ".config/sluice/config.toml",
        'dir = "~/by-file"',
        'header = ["X-From: file"]',
        "quiet = true"
      )
      for (const name of ["by-file", "by-env", "by-flag"]) fs.mkdirSync(join(root, name))
      const env = { SLUICE_DIR: "by-env", SLUICE_HEADER: "X-From: env\nX-Too: b" }
      const results = [
        yield* world.run("get", url),
        yield* world.runWith({ env }, "get", url),
        yield* world.runWith(
          { env },
          "get",
          url,
          "--dir",
          "by-flag",
          "--header",
          "X-From: flag",
          "--quiet=false"
        )
      ]
      expect(results.map(({ code, stdout }) => [code, stdout])).toEqual(
        ["by-file", "by-env", "by-flag"].map((name) => [0, `${join(root, name, "a")}\n`])
      )
      expect(origin.requests.map(({ headers }) => [headers["x-from"], headers["x-too"]])).toEqual([
        ["file", undefined],
        ["env", "b"],
        ["flag", undefined]
      ])
      expect(results.map(({ stderr }) => stderr === "")).toEqual([true, true, false])
    })
  )

  live("that are secret are sent and never said", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a", { size: MiB, stallAfter: 1000 })
      const running = yield* world.startGet("/a", "--user", "me:hunter2")
      yield* running.during(origin.until(() => origin.sent("/a") === 1000))
      yield* running.send("SIGINT")
      const { stderr } = yield* running.result
      expect(origin.requests[0]!.headers["authorization"]).toBe(`Basic ${btoa("me:hunter2")}`)
      expect(stderr).toContain("--user ...")
      expect(stderr).not.toContain("hunter2")
      expect(stderr).not.toContain(btoa("me:hunter2"))
    })
  )
})
