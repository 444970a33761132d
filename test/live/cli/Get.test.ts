/**
 * `sluice get` where all goes well: the file, its name, what is said about it, and what is never said.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { basename, join } from "node:path"
import { make as makeOrigin } from "../Origin.js"
import { eventsOf, expectExact, expectOnly, live, MiB, names, type World } from "./Cli.js"

describe.concurrent("a file", () => {
  live("arrives, and its path is told on stdout", (world) =>
    Effect.gen(function* () {
      const result = yield* world.get("/bytes/3000001/a.bin")
      expectOnly(world, result, "a.bin", "/bytes/3000001/a.bin", 3_000_001)
      expect(result.stderr).toContain("completed")
      expect(world.origin.requests).toHaveLength(1)
      expect(world.origin.requests[0]!.headers["accept-encoding"]).toBe("identity")
      // the database is its user's alone
      expect(fs.statSync(world.database).mode & 0o777).toBe(0o600)
      expect(fs.statSync(join(world.database, "..")).mode & 0o777).toBe(0o700)
      expect(names(join(world.database, ".."))).toEqual(["sluice.db"])
    })
  )

  live("may be empty, come without validator, in chunks or up to the end of the connection", (world) =>
    Effect.gen(function* () {
      const { origin, root } = world
      origin.set("/none", { size: 100_000, validators: "none" })
      origin.set("/chunked", { size: 2 * MiB + 1, framing: "chunked" })
      origin.set("/no-chunk", { size: 0, framing: "chunked" })
      origin.set("/closed", { size: MiB, framing: "close" })
      const paths = ["/none", "/chunked", "/no-chunk", "/closed", "/bytes/0/empty"]
      const result = yield* world.run("get", ...paths.map(origin.url))
      expect(result.code).toBe(0)
      // by default files go into the current directory
      expect(result.stdout.split("\n").sort()).toEqual([
        "",
        ...paths.map((path) => join(root, basename(path))).sort()
      ])
      expectExact(world, join(root, "empty"), "/bytes/0/empty", 0)
      expectExact(world, join(root, "none"), "/none", 100_000)
      expectExact(world, join(root, "chunked"), "/chunked", 2 * MiB + 1)
      expectExact(world, join(root, "no-chunk"), "/no-chunk", 0)
      expectExact(world, join(root, "closed"), "/closed", MiB)
      expect(names(root)).toHaveLength(paths.length + 2)
    })
  )

  live("never takes the place of another one", (world) =>
    Effect.gen(function* () {
      const file = join(world.dir, "a.txt")
      fs.writeFileSync(file, "mine")
      const url = "/bytes/100/a.txt"
      const renamed = yield* world.get(url)
      expect(renamed).toMatchObject({ code: 0, stdout: `${join(world.dir, "a (1).txt")}\n` })
      expect(fs.readFileSync(file, "utf8")).toBe("mine")
      expect(names(world.dir)).toEqual(["a (1).txt", "a.txt"])
      expect((yield* world.get(url, "--refetch", "--on-conflict", "overwrite")).stdout).toBe(`${file}\n`)
      expectExact(world, file, url, 100)
      expect(names(world.dir)).toEqual(["a (1).txt", "a.txt"])
    })
  )
})

/** Expects that nothing was made but what is in `dir` and the state. */
const expectNothingElse = (world: World): void => {
  expect(names(world.root).filter((name) => name !== "files" && name !== "state")).toEqual([])
}

describe.concurrent("the name", () => {
  live("is the one asked for", (world) =>
    Effect.gen(function* () {
      world.origin.set("/x", { size: 10, headers: [["Content-Disposition", "attachment; filename=no"]] })
      expectOnly(world, yield* world.get("/x", "--output", "mine.bin"), "mine.bin", "/x", 10)
    })
  )

  live("is what the server proposes, made safe", (world) =>
    Effect.gen(function* () {
      const { dir, origin, root } = world
      const encoded = "attachment; filename*=UTF-8''"
      const proposals: ReadonlyArray<readonly [field: string, name: string]> = [
        ['attachment; filename="report.pdf"', "report.pdf"],
        [`${encoded}na%C3%AFve%20%E2%98%83.txt`, "naïve ☃.txt"],
        ['attachment; filename="../../x1"', "x1"],
        [`${encoded}..%2F..%2Fx2`, "x2"],
        [`attachment; filename="${root}/x3"`, "x3"],
        ['attachment; filename="..\\\\..\\\\x4"', "x4"],
        [`${encoded}x5%00.txt`, "x5.txt"],
        [`${encoded}x6%1B%5B2J%0A%E2%80%AE.txt`, "x6[2J.txt"],
        ['attachment; filename=".x7"', "x7"],
        ['attachment; filename="x8.sluice-part"', "x8_sluice-part"],
        ['attachment; filename="con"', "_con"],
        // nothing is left of these: the URL's name
        ['attachment; filename=".."', "p11"],
        ['attachment; filename="/"', "p12"],
        ['attachment; filename="', "p13"],
        [`attachment; filename="${"é".repeat(300)}.tar.gz"`, `${"é".repeat(109)}.tar.gz`]
      ]
      proposals.forEach(([field], i) =>
        origin.set(`/p${i}`, { size: i, headers: [["Content-Disposition", field]] })
      )
      const urls = proposals.map((_, i) => origin.url(`/p${i}`))
      const result = yield* world.run("get", "--dir", dir, ...urls)
      expect(result.code, result.stderr).toBe(0)
      expect(names(dir)).toEqual(proposals.map(([, name]) => name).sort())
      proposals.forEach(([, name], i) => expectExact(world, join(dir, name), `/p${i}`, i))
      expectNothingElse(world)
    })
  )

  live("stays inside the directory where the field itself is malformed", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const fields = ['attachment; filename="../y\u00001"', 'attachment; filename="../y\u00072"']
      fields.forEach((field, i) =>
        origin.set(`/p${i}`, { size: 10, headers: [["Content-Disposition", field]] })
      )
      const urls = fields.map((_, i) => origin.url(`/p${i}`))
      const result = yield* world.run("get", "--max-retries", "0", "--dir", dir, ...urls)
      // whether such a response is refused or read, nothing lands elsewhere
      expect([0, 1]).toContain(result.code)
      expect(names(dir).filter((name) => !/^[py_]/.test(name))).toEqual([])
      expectNothingElse(world)
    })
  )

  live("is that of the last URL of a chain of redirects", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/first", { redirect: "/second?x=1" })
      origin.set("/second?x=1", { status: 307, redirect: origin.url("/bytes/1000/last%20one.bin") })
      const result = yield* world.get("/first")
      expectOnly(world, result, "last one.bin", "/bytes/1000/last%20one.bin", 1000)
      expect(origin.requests.map(({ path }) => path)).toEqual([
        "/first",
        "/second?x=1",
        "/bytes/1000/last%20one.bin"
      ])
    })
  )
})

describe.concurrent("what is said", () => {
  live("with --json is one event a line, and nothing else", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/flaky", [{ status: 503 }, { size: 2 * MiB, rate: 2 * MiB }])
      const result = yield* world.get("/flaky", "--json", "--retry-delay", "10ms", origin.url("/missing"))
      expect(result.code).toBe(1)
      const events = eventsOf(result.stdout)
      const of = (url: string) =>
        events.flatMap((event) => ("url" in event && event.url === url ? [event] : []))
      const flaky = of(origin.url("/flaky"))
      expect(flaky.map(({ event }) => event).filter((event) => event !== "progress")).toEqual([
        "enqueued",
        "started",
        "retrying",
        "started",
        "completed"
      ])
      expect(flaky.find(({ event }) => event === "retrying")).toMatchObject({
        reason: "ServerError",
        status: 503
      })
      expect(flaky.at(-1)).toMatchObject({ path: join(dir, "flaky"), bytes: 2 * MiB, outcome: "fetched" })
      const seen = flaky.flatMap((event) => (event.event === "progress" ? [event.bytes] : []))
      expect(seen).toEqual([...seen].sort((a, b) => a - b))
      expect(of(origin.url("/missing")).at(-1)).toMatchObject({
        event: "failed",
        reason: "NotFound",
        status: 404
      })
      expect(of(origin.url("/flaky")).length + of(origin.url("/missing")).length).toBe(events.length)
    })
  )

  live("with --quiet is the path alone", (world) =>
    Effect.gen(function* () {
      const result = yield* world.get("/bytes/5/q", "--quiet")
      expect(result).toMatchObject({ code: 0, stdout: `${join(world.dir, "q")}\n`, stderr: "" })
    })
  )
})

/** Everything that the command has left on the disk beside the files it was asked for. */
const stateOf = (world: World): Buffer => {
  const directory = join(world.database, "..")
  return Buffer.concat(names(directory).map((name) => fs.readFileSync(join(directory, name))))
}

describe.concurrent("a secret", () => {
  const secrets = ["geheim", "hunter2", Buffer.from("anna:hunter2").toString("base64"), "keks"]
  const expectNoSecret = (text: string | Buffer): void => {
    for (const secret of secrets) expect(text.includes(secret), secret).toBe(false)
  }

  live("is sent to its origin, and told to nobody else", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const other = yield* makeOrigin()
      const withPassword = `http://anna:hunter2@127.0.0.1:${origin.port}`
      origin.set("/a", [{ status: 503 }, { size: 1000 }])
      origin.set("/away", { redirect: other.url("/bytes/7/b") })
      const first = yield* world.get(
        `${withPassword}/a`,
        "--retry-delay",
        "10ms",
        `${withPassword}/away`,
        `${withPassword}/missing`
      )
      expect(first.code).toBe(1)
      const basic = `Basic ${Buffer.from("anna:hunter2").toString("base64")}`
      expect(origin.requests.map(({ headers }) => headers["authorization"])).toEqual([
        basic,
        basic,
        basic,
        basic
      ])
      expect(other.requests.map(({ headers }) => headers["authorization"])).toEqual([undefined])
      const headers = ["Authorization: Bearer geheim", "Cookie: keks=1"].flatMap((field) => [
        "--header",
        field
      ])
      const second = yield* world.get("/bytes/7/c", "--json", ...headers, origin.url("/missing"))
      expect(second.code).toBe(1)
      expect(origin.requests.at(-1)!.headers).toMatchObject({
        authorization: "Bearer geheim",
        cookie: "keks=1"
      })
      const listed = yield* world.run("ls", "--json")
      for (const { stderr, stdout } of [first, second, listed]) expectNoSecret(stdout + stderr)
      expectNoSecret(stateOf(world))
    })
  )

  live("of many downloads is gone from the database when they have ended", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      // longer than a page, some of them: such a row has pages of its own
      const size = (i: number) => (i % 3) * 3000
      const urls = Array.from({ length: 40 }, (_, i) => origin.url(`/bytes/${size(i)}/n${i}`))
      const header = `X-Token: ${"geheim".repeat(1500)}`
      const result = yield* world.run("get", "--quiet", "--dir", dir, "--header", header, ...urls)
      expect(result.code, result.stderr).toBe(0)
      expect(names(dir)).toHaveLength(40)
      expectNoSecret(stateOf(world))
    })
  )

  live("is left out where a command says how to go on", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/slow", { size: MiB, stallAfter: 1000 })
      const running = yield* world.startGet(
        `http://anna:hunter2@127.0.0.1:${origin.port}/slow`,
        "--header",
        "Cookie: keks=1",
        "--header=X-Token: geheim"
      )
      yield* running.during(origin.until(() => origin.sent("/slow") === 1000))
      yield* running.send("SIGINT")
      const result = yield* running.result
      expect(result.code).toBe(130)
      expect(result.stderr).toContain("with the secrets that are left out here")
      expectNoSecret(result.stdout + result.stderr)
    })
  )
})
