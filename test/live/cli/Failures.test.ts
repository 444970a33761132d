/**
 * Servers that fail: what is tried again, what is not, what is never taken for a success, and what is said about it.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { AddressInfo, Server } from "node:net"
import { createServer } from "node:net"
import { join } from "node:path"
import { selfSigned } from "../origin/Certificate.js"
import type { Origin } from "../Origin.js"
import { make as makeOrigin } from "../Origin.js"
import { eventsOf, expectExact, expectOnly, live, MiB, names, type Result, type World } from "./Cli.js"
import { remount, tmpfs } from "./Mounts.js"

const soon = ["--retry-delay", "10ms"]

/** Expects exit code 1, nothing on stdout, nothing in the directory but parts, and all these words about the URL. */
const expectFailed = (world: World, result: Result, url: string, ...words: ReadonlyArray<string>): void => {
  expect(result).toMatchObject({ code: 1, stdout: "" })
  for (const word of [`not done: ${url}`, ...words]) expect(result.stderr).toContain(word)
  expect(names(world.dir).filter((name) => !name.endsWith(".sluice-part"))).toEqual([])
}

/** The times at which requests came. */
const timesOf = (origin: Origin) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    yield* Effect.forkScoped(
      origin.until(() => {
        while (times.length < origin.requests.length) times.push(Date.now())
        return false
      })
    )
    // the fiber listens before anybody asks for anything
    yield* Effect.yieldNow()
    return times
  })

describe.concurrent("a refusal", () => {
  live("ends the download at once, and says why and what to do", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const cases = [
        [401, "(unauthorized)", "pass them with --user or --bearer"],
        [403, "(forbidden)", "check credentials or permissions"],
        [404, "(not found)", "check the URL"],
        [410, "(gone)", "removed for good"],
        [418, "418", "check the URL"]
      ] as const
      for (const [status] of cases) origin.set(`/${status}`, { status })
      const urls = cases.map(([status]) => origin.url(`/${status}`))
      const result = yield* world.run("get", "--dir", dir, ...urls)
      for (const [status, ...words] of cases) expectFailed(world, result, origin.url(`/${status}`), ...words)
      expect(origin.requests).toHaveLength(cases.length)
      expect(names(dir)).toEqual([])
    })
  )

  live("of one keeps no other from completing", (world) =>
    Effect.gen(function* () {
      const result = yield* world.get("/missing", world.origin.url("/bytes/1000/a"))
      expect(result).toMatchObject({ code: 1, stdout: `${join(world.dir, "a")}\n` })
      expectExact(world, join(world.dir, "a"), "/bytes/1000/a", 1000)
      // a new command is a new try
      world.origin.set("/missing", { size: 5 })
      expect((yield* world.get("/missing")).code).toBe(0)
    })
  )

  live("to be redirected without end, or to elsewhere than the web", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      origin.set("/circle", { redirect: "/circle" })
      origin.set("/file", { redirect: "file:///etc/passwd" })
      origin.set("/ftp", { redirect: "ftp://127.0.0.1/x" })
      const urls = ["/circle", "/file", "/ftp"].map(origin.url)
      const result = yield* world.run("get", "--dir", dir, ...urls)
      for (const url of urls) expectFailed(world, result, url, "redirected")
      expect(origin.requestsFor("/circle").length).toBeLessThanOrEqual(11)
      expect(names(dir)).toEqual([])
    })
  )
})

describe.concurrent("trouble", () => {
  live("of the server passes: it is asked again", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a", [{ status: 503 }, { status: 500 }, { hangUp: "fin" }, { size: 1000 }])
      const result = yield* world.get("/a", ...soon)
      expectOnly(world, result, "a", "/a", 1000)
      expect(result.stderr).toMatch(/retrying .*: the server answered 503 \(service unavailable\)/)
      expect(origin.requests).toHaveLength(4)
    })
  )

  live("that stays is given up after --max-retries", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a", { status: 503 })
      const result = yield* world.get("/a", ...soon, "--max-retries", "2")
      expectFailed(world, result, origin.url("/a"), "503", "try again later")
      expect(origin.requests).toHaveLength(3)
    })
  )

  live("is waited for as long as Retry-After asks, which is no try", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const times = yield* timesOf(origin)
      origin.set("/a", [{ status: 503, retryAfter: "1" }, { status: 429, retryAfter: "2" }, { size: 1000 }])
      const result = yield* world.get("/a", ...soon, "--max-retries", "0")
      expectOnly(world, result, "a", "/a", 1000)
      expect(result.stderr).toContain("asked to wait 1 s")
      expect(times).toHaveLength(3)
      expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(1000)
      expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(2000)
    })
  )

  live("in the middle of a body: what has come is not fetched again", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const size = MiB
      origin.set("/a", [
        { size, cutAfter: 300_000 },
        { size, stallAfter: 100_000 },
        { size, cutAfter: 200_000, framing: "chunked" },
        { size, framing: "chunked" }
      ])
      // each brings something, so that no retry is used up
      const result = yield* world.get("/a", ...soon, "--stall-timeout", "300ms", "--max-retries", "1")
      expectOnly(world, result, "a", "/a", size)
      expect(origin.sent("/a")).toBe(size)
      expect(origin.requests.map(({ headers }) => headers["range"])).toEqual([
        undefined,
        "bytes=300000-",
        "bytes=400000-",
        "bytes=600000-"
      ])
      expect(result.stderr).toContain("no byte came for 0.3 s")
    })
  )

  live("in the middle of a body by a reset: what had arrived is kept", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      const size = MiB
      origin.set("/a", [{ size, cutAfter: 300_000, cut: "rst" }, { hangUp: "rst" }, { size }])
      const result = yield* world.get("/a", ...soon)
      expectOnly(world, result, "a", "/a", size)
      // a reset may overtake bytes on their way, never the other way round
      expect(origin.sent("/a")).toBeGreaterThanOrEqual(size)
      expect(origin.sent("/a")).toBeLessThanOrEqual(size + 300_000)
    })
  )

  live("is bounded in time: no answer within --timeout", (world) =>
    Effect.gen(function* () {
      const { origin } = world
      origin.set("/a", { silent: true })
      const result = yield* world.get("/a", "--timeout", "2s", "--max-retries", "0")
      expectFailed(world, result, origin.url("/a"), "no answer within 2 s", "--timeout")
    })
  )
})

describe.concurrent("a full disk", () => {
  live("is waited for, which the status says; SIGINT keeps what has come", (world, context) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      const [path, size] = ["/a", 8 * MiB]
      // of a length that nobody knows: else it would not be begun
      origin.set(path, { size, framing: "chunked" })
      yield* tmpfs(context, dir, 4096)
      const running = yield* world.startGet(path)
      yield* running.until(({ stderr }) => /waiting 10 s for .*: .*the disk is full/.test(stderr()))
      const { checkpoint, status } = world.row()!
      expect(status).toBe("waiting")
      expect(checkpoint).toBeGreaterThan(MiB)
      const listed = yield* world.run("ls", "--json")
      expect(eventsOf(listed.stdout)).toMatchObject([{ status: "waiting", reason: "DiskFull" }])
      yield* running.send("SIGINT")
      const interrupted = yield* running.result
      expect(interrupted.code).toBe(130)
      expect(interrupted.stderr).toContain("To go on:")
      expect(names(dir)).toEqual(["a.sluice-part"])
      yield* remount(dir, "size=16384k")
      expectOnly(world, yield* world.get(path), "a", path, size)
      expect(origin.requests.at(-1)!.headers["range"]).toBe(`bytes=${checkpoint}-`)
    })
  )
})

/** The URL of a server that answers whatever it gets with a refusal in plain HTTP, as servers do. */
const plainServer = Effect.acquireRelease(
  Effect.async<Server>((resume) => {
    const server = createServer((socket) => {
      socket.on("error", () => {}).on("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
    })
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
).pipe(
  // an AddressInfo, as it listens on a port
  Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/a`)
)

describe.concurrent("no connection", () => {
  live("is possible where nobody listens, or no host has the name", (world) =>
    Effect.gen(function* () {
      const url = yield* Effect.scoped(Effect.map(makeOrigin(), ({ url }) => url("/a")))
      const nowhere = "http://no-such-host.invalid/b"
      const result = yield* world.run("get", "--dir", world.dir, ...soon, "--max-retries", "1", url, nowhere)
      expectFailed(world, result, url, "refused the connection", "that the server is running")
      expectFailed(world, result, nowhere, "no-such-host.invalid", "check the host name")
    })
  )

  live("is trusted where TLS can't be spoken or proves nothing", (world) =>
    Effect.gen(function* () {
      const unknown = yield* makeOrigin({ tls: selfSigned() })
      const plain = (yield* plainServer).replace("http:", "https:")
      const result = yield* world.run("get", "--dir", world.dir, plain, unknown.url("/bytes/10/b"))
      expectFailed(world, result, plain, "check the URL and the clock")
      expectFailed(world, result, unknown.url("/bytes/10/b"), "check the URL and the clock")
      expect(unknown.requests).toHaveLength(0)
      expect(names(world.dir)).toEqual([])
    })
  )
})
