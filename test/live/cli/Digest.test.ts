/**
 * Digest authentication with the real command, against a server that is not ours.
 */
import { describe, expect } from "vitest"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import type { TestContext } from "vitest"
import { make as makeOrigin } from "../Origin.js"
import { isThere } from "../Wget.js"
import { eventsOf, live, MiB, names } from "./Cli.js"
import * as DigestServer from "./DigestServer.js"
import { skip } from "./Mounts.js"

const password = "Zx-secret-7"
const user = ["--user", `wanda:${password}`]
const small = Buffer.from("behind a digest")

const schemes = (asked: ReadonlyArray<DigestServer.Asked>) =>
  asked.map(({ authorization, path }) => [path, authorization.split(" ")[0]])

describe.concurrent("digest authentication", () => {
  for (const algorithm of ["MD5", "MD5-sess"] as const) {
    live(`${algorithm}: one request more for the first, none for the next, and no try`, (world) =>
      Effect.gen(function* () {
        const server = yield* DigestServer.make(password, { algorithm, content: small })
        const got = yield* world.run(
          "get",
          "--dir",
          world.dir,
          "--concurrency",
          "1",
          "--json",
          "--log-level",
          "all",
          ...user,
          server.url("/a?x=1&y"),
          server.url("/b"),
          server.url("/c")
        )
        expect(got.code).toBe(0)
        expect(fs.readFileSync(join(world.dir, "b"))).toEqual(small)
        expect(schemes(server.asked)).toEqual([
          ["/a?x=1&y", "Basic"],
          ["/a?x=1&y", "Digest"],
          ["/b", "Digest"],
          ["/c", "Digest"]
        ])
        expect(server.asked.map(({ authorization }) => /nc=(\w+)/.exec(authorization)?.[1])).toEqual([
          undefined,
          "00000001",
          "00000002",
          "00000003"
        ])
        const events = eventsOf(got.stdout)
        expect(events.filter(({ event }) => event === "retrying")).toEqual([])
        expect(got.stdout + got.stderr).not.toContain("Zx-secret")
        expect(got.stdout + got.stderr).not.toMatch(/response=|Digest /)
        for (const name of fs.readdirSync(join(world.root, "state", "sluice"))) {
          const bytes = fs.readFileSync(join(world.root, "state", "sluice", name), "latin1")
          expect(bytes).not.toContain("Zx-secret")
          expect(bytes).not.toContain(Buffer.from(`wanda:${password}`).toString("base64"))
        }
      })
    )
  }

  live("what is left after a cut is asked for with the same challenge", (world) =>
    Effect.gen(function* () {
      const content = randomBytes(12 * MiB)
      const server = yield* DigestServer.make(password, { content })
      server.cuts.set("/big", 3 * MiB)
      const got = yield* world.get(server.url("/big"), ...user, "--retry-delay", "5ms")
      expect(got).toMatchObject({ code: 0 })
      expect(fs.readFileSync(join(world.dir, "big")).equals(content)).toBe(true)
      // Basic was sent once, and what was resumed was resumed
      expect(schemes(server.asked).filter(([, scheme]) => scheme === "Basic")).toHaveLength(1)
      expect(server.asked.at(-1)).toMatchObject({ status: 206 })
      expect(Number(/^bytes=(\d+)/.exec(server.asked.at(-1)!.range ?? "")?.[1])).toBeGreaterThan(0)
    })
  )

  live("a wrong password is the end, and says what to do; a netrc will do, too", (world) =>
    Effect.gen(function* () {
      const server = yield* DigestServer.make(password, { content: small })
      const wrong = yield* world.get(
        server.url("/a"),
        "--user",
        "wanda:Zx-secret-wrong",
        "--max-retries",
        "3"
      )
      expect(wrong.code).toBe(1)
      expect(wrong.stderr).toMatch(/401 \(unauthorized\)/)
      expect(wrong.stderr).toContain("or other ones; pass them with --user or --bearer")
      expect(wrong.stderr + wrong.stdout).not.toContain("Zx-secret")
      expect(schemes(server.asked)).toEqual([
        ["/a", "Basic"],
        ["/a", "Digest"]
      ])
      fs.writeFileSync(join(world.root, ".netrc"), `machine 127.0.0.1 login wanda password ${password}`, {
        mode: 0o600
      })
      expect(yield* world.get(server.url("/b"), "--netrc")).toMatchObject({ code: 0 })
      const none = yield* world.get(server.url("/c"))
      expect(none.code).toBe(1)
      expect(names(world.dir)).toEqual(["b"])
    })
  )

  live("nothing of it goes where a redirect leads, whatever that asks for", (world) =>
    Effect.gen(function* () {
      const server = yield* DigestServer.make(password, { content: small })
      const other = yield* makeOrigin()
      other.set("/asks", {
        status: 401,
        headers: [["WWW-Authenticate", 'Digest realm="the vault", nonce="abc", qop="auth", algorithm=MD5']]
      })
      server.redirects.set("/away", other.url("/asks"))
      expect(yield* world.get(server.url("/away"), ...user)).toMatchObject({ code: 1 })
      expect(other.requests.map(({ headers }) => headers["authorization"])).toEqual([undefined])
    })
  )

  live(
    "by way of wget, digests and cookies too, and neither on its command line",
    (world, context: TestContext) =>
      isThere
        ? Effect.gen(function* () {
            const server = yield* DigestServer.make(password, { content: small })
            fs.writeFileSync(join(world.root, "jar.txt"), "127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tZx-cookie\n")
            // a wget that tells how it was called
            const bin = join(world.root, "bin")
            fs.mkdirSync(bin)
            fs.writeFileSync(
              join(bin, "wget"),
              `#!/bin/sh\nprintf '%s\\n' "$@" >> ${world.root}/called\nexec ${wget()} "$@"\n`,
              { mode: 0o755 }
            )
            const env = { PATH: `${bin}:${process.env["PATH"]}` }
            const got = yield* world.runWith(
              { env },
              "get",
              "--dir",
              world.dir,
              "--transport",
              "wget",
              "--load-cookies",
              "jar.txt",
              ...user,
              server.url("/a")
            )
            expect(got).toMatchObject({ code: 0 })
            expect(schemes(server.asked)).toEqual([
              ["/a", "Basic"],
              ["/a", "Digest"]
            ])
            expect(server.asked.map(({ cookie }) => cookie)).toEqual(["sid=Zx-cookie", "sid=Zx-cookie"])
            const called = fs.readFileSync(join(world.root, "called"), "utf8")
            expect(called).toContain("--server-response")
            expect(called).not.toMatch(/Zx-|wanda|Digest/)
          })
        : skip(context, "GNU Wget 1 is not installed")
  )
})

/** Where the real one is. */
const wget = (): string =>
  (process.env["PATH"] ?? "")
    .split(":")
    .map((directory) => join(directory, "wget"))
    .find((path) => fs.existsSync(path)) ?? "wget"
