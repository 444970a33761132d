/**
 * Who one is at a server, with the shipped command: netrc, digest authentication, cookies; and that nobody else learns it.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { selfSigned } from "../origin/Certificate.js"
import { live, names, sha256, type World } from "./Cli.js"
import * as GuardedServer from "./GuardedServer.js"
import * as Hearing from "./Hearing.js"

const password = 'hunter2:"é\\'
const basic = `Basic ${Buffer.from(`me:${password}`).toString("base64")}`
const bytes = Buffer.alloc(300_000, "guarded ")

const write = ({ root }: World, name: string, text: string, mode = 0o600): string => {
  const path = join(root, name)
  fs.writeFileSync(path, text, { mode })
  return path
}

const quoted = (text: string): string => `"${text.replaceAll(/(["\\])/g, "\\$1")}"`

const netrcOf = (machine: string): string =>
  `machine ${machine}\n  login me\n  password ${quoted(password)}\n`

/** In none of these texts, and in no file below the world's root but those. */
const expectNoSecret = (
  world: World,
  except: ReadonlyArray<string>,
  ...texts: ReadonlyArray<string>
): void => {
  const files = fs
    .readdirSync(world.root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !except.includes(join(entry.parentPath, entry.name)))
    .map((entry) => fs.readFileSync(join(entry.parentPath, entry.name), "latin1"))
  for (const text of [...texts, ...files])
    for (const secret of ["hunter2", basic.slice(6), "sesame"]) expect(text).not.toContain(secret)
}

describe.concurrent("netrc", () => {
  live("is read for whom it names, and stored nowhere", (world) =>
    Effect.gen(function* () {
      const server = yield* Hearing.make()
      const file = write(world, "my netrc", netrcOf("127.0.0.1"))
      const debug = ["--log-level", "debug"]
      const one = yield* world.get(server.url("/a"), "--netrc-file", file, ...debug)
      expect(one.code).toBe(0)
      expect(server.heard).toEqual([["/a", basic, undefined]])
      // what a request says itself goes before it
      expect(yield* world.get(server.url("/b"), "--netrc-file", file, "--user", "you:x")).toMatchObject({
        code: 0
      })
      expect(server.heard[1]?.[1]).toBe(`Basic ${Buffer.from("you:x").toString("base64")}`)
      fs.writeFileSync(join(world.root, ".netrc"), netrcOf("127.0.0.1"), { mode: 0o600 })
      expect(yield* world.get(server.url("/c"), "--netrc")).toMatchObject({ code: 0 })
      expect(server.heard[2]?.[1]).toBe(basic)
      expect(yield* world.get(server.url("/d"))).toMatchObject({ code: 0 })
      expect(server.heard[3]?.[1]).toBeUndefined()
      expectNoSecret(world, [file, join(world.root, ".netrc")], one.stdout, one.stderr)
    })
  )

  live("goes with redirects to machines that it names, by https only; its default goes nowhere", (world) =>
    Effect.gen(function* () {
      const certificate = selfSigned()
      const from = yield* Hearing.make()
      const plain = yield* Hearing.make()
      const secure = yield* Hearing.make(certificate)
      const ca = write(world, "ca.pem", certificate.cert)
      for (const path of ["/plain", "/plain2"])
        from.redirects.set(path, plain.url("/x").replace("127.0.0.1", "localhost"))
      for (const path of ["/secure", "/secure2"])
        from.redirects.set(path, secure.url("/x").replace("127.0.0.1", "localhost"))
      const named = write(world, "named", netrcOf("localhost"))
      const either = write(world, "either", netrcOf("x").replace("machine x", "default"))
      const get = (path: string, netrc: string) =>
        Effect.map(world.get(from.url(path), "--netrc-file", netrc, "--cacert", ca), ({ code }) =>
          expect(code).toBe(0)
        )
      yield* get("/secure", named)
      expect(secure.heard.map(([, who]) => who)).toEqual([basic])
      yield* get("/plain", named)
      yield* get("/plain2", either)
      expect(plain.heard.map(([, who]) => who)).toEqual([undefined, undefined])
      yield* get("/secure2", either)
      expect(secure.heard.map(([, who]) => who)).toEqual([basic, undefined])
      expect(from.heard.map(([, who]) => who)).toEqual([undefined, undefined, basic, basic])
    })
  )

  live("that can't be used is told before anything starts, and one that others can read, too", (world) =>
    Effect.gen(function* () {
      const server = yield* Hearing.make()
      const bad = write(world, "bad", "machine a\npasswort hunter2")
      for (const [file, words] of [
        ["missing", /missing can't be read \(ENOENT\)/],
        [bad, /bad, line 2: a word that is neither/]
      ] as const) {
        const { code, stderr } = yield* world.get(server.url("/a"), "--netrc-file", file)
        expect(code).toBe(2)
        expect(stderr).toMatch(words)
        expect(stderr).not.toContain("hunter2")
      }
      expect(server.heard).toEqual([])
      const open = write(world, "open", netrcOf("127.0.0.1"))
      fs.chmodSync(open, 0o644)
      const { code, stderr } = yield* world.get(server.url("/a"), "--netrc-file", open)
      expect([code, stderr]).toEqual([0, expect.stringContaining("chmod 600")])
    })
  )
})

describe.concurrent("digest authentication", () => {
  for (const [transport, algorithm] of [
    ["http", "SHA-256"],
    ["http", "MD5"],
    ["wget", "SHA-256"]
  ] as const) {
    live(
      `${algorithm} by ${transport}: answered, also for the rest of a body, and nonces grow old`,
      (world) =>
        Effect.gen(function* () {
          const server = yield* GuardedServer.make({
            algorithm,
            user: "me",
            password,
            uses: 2,
            bytes,
            cutAfter: 100_000
          })
          const args = [
            "--transport",
            transport,
            "--user",
            `me:${password}`,
            "--retry-delay",
            "1ms",
            "--digest"
          ]
          const result = yield* world.get(server.url("/a?b=c"), ...args, "--connections", "1")
          expect(result).toMatchObject({ code: 0 })
          expect(fs.readFileSync(join(world.dir, "a")).equals(bytes)).toBe(true)
          expect(server.asked.map(({ status }) => status)).toEqual([401, 200, 206])
          const more = ["b", "c", "d"].map((name) => server.url(`/${name}`))
          expect(yield* world.run("get", "--dir", world.dir, ...more, ...args)).toMatchObject({ code: 0 })
          expect(names(world.dir)).toEqual(["a", "b", "c", "d"])
          // a password never left
          for (const { headers } of server.asked) expect(headers.authorization ?? "").not.toMatch(/^basic/i)
          expectNoSecret(world, [], result.stdout, result.stderr)
        })
    )
  }

  live(
    "without --digest a password is sent at once, to origins that have not asked for a digest yet",
    (world) =>
      Effect.gen(function* () {
        const server = yield* GuardedServer.make({ algorithm: "MD5", user: "me", password, bytes })
        const urls = ["a", "b", "c"].map((name) => server.url(`/${name}`))
        expect(
          yield* world.run(
            "get",
            "--dir",
            world.dir,
            ...urls,
            "--concurrency",
            "1",
            "--user",
            `me:${password}`
          )
        ).toMatchObject({
          code: 0
        })
        expect(
          server.asked.map(({ headers, status }) => [status, headers.authorization?.split(" ")[0]])
        ).toEqual([
          [401, "Basic"],
          [200, "Digest"],
          [200, "Digest"],
          [200, "Digest"]
        ])
      })
  )

  live("a wrong password fails at once, in words", (world) =>
    Effect.gen(function* () {
      const server = yield* GuardedServer.make({ algorithm: "MD5", user: "me", password, bytes })
      const { code, stderr } = yield* world.get(server.url("/a"), "--user", "me:wrong", "--digest")
      expect(code).toBe(1)
      expect(stderr).toContain("401 (unauthorized)")
      expect(server.asked).toHaveLength(2)
    })
  )
})

describe.concurrent("cookies", () => {
  live("are loaded, taken, sent where they belong, and saved; never stored", (world) =>
    Effect.gen(function* () {
      const server = yield* Hearing.make()
      const other = yield* Hearing.make()
      const file = write(
        world,
        "in.txt",
        "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tsesame\n" +
          "#HttpOnly_127.0.0.1\tFALSE\t/deep\tFALSE\t2000000000\tdeep\tsesame2\nelse.example\tFALSE\t/\tFALSE\t0\tno\tno\n" +
          "127.0.0.1\tFALSE\t/\tFALSE\t1000000000\told\told\n"
      )
      server.cookies.set("/from", [
        "given=sesame3; Path=/; Max-Age=3600",
        "evil=x; Domain=example.org",
        "gone=; Max-Age=0"
      ])
      server.redirects.set("/from", server.url("/to"))
      server.redirects.set("/away", other.url("/x").replace("127.0.0.1", "localhost"))
      const out = join(world.root, "out.txt")
      const args = [
        "--load-cookies",
        file,
        "--save-cookies",
        out,
        "--concurrency",
        "1",
        "--log-level",
        "debug"
      ]
      const urls = ["/from", "/deep/x", "/away"].map((path) => server.url(path))
      const result = yield* world.run("get", "--dir", world.dir, ...urls, ...args)
      expect(result).toMatchObject({ code: 0 })
      expect(server.heard.map(([path, , cookie]) => [path, cookie])).toEqual([
        ["/from", "session=sesame"],
        ["/to", "session=sesame; given=sesame3"],
        ["/deep/x", "deep=sesame2; session=sesame; given=sesame3"],
        ["/away", "session=sesame; given=sesame3"]
      ])
      expect(other.heard.map(([, , cookie]) => cookie)).toEqual([undefined])
      expect(fs.statSync(out).mode & 0o777).toBe(0o600)
      const saved = fs
        .readFileSync(out, "utf8")
        .split("\n")
        .filter((line) => line.includes("\t"))
      expect(
        saved
          .map((line) =>
            line
              .split("\t")
              .filter((_, index) => index !== 4)
              .join(" ")
          )
          .sort()
      ).toEqual([
        "#HttpOnly_127.0.0.1 FALSE /deep FALSE deep sesame2",
        "127.0.0.1 FALSE / FALSE given sesame3",
        "127.0.0.1 FALSE / FALSE session sesame",
        "else.example FALSE / FALSE no no"
      ])
      expectNoSecret(world, [file, out], result.stdout, result.stderr)
      // what was saved is loaded; a header of one's own goes before it
      const again = ["--load-cookies", out]
      expect(yield* world.get(server.url("/z"), ...again)).toMatchObject({ code: 0 })
      expect(yield* world.get(server.url("/y"), ...again, "--header", "Cookie: mine")).toMatchObject({
        code: 0
      })
      expect(server.heard.slice(-2).map(([, , cookie]) => cookie)).toEqual([
        "session=sesame; given=sesame3",
        "mine"
      ])
      expect(yield* world.get(server.url("/w"), ...again, "--transport", "wget")).toMatchObject({ code: 0 })
      expect(server.heard.at(-1)?.[2]).toBe("session=sesame; given=sesame3")
    })
  )

  live("are saved by who is interrupted; files that can't be used are told before anything starts", (world) =>
    Effect.gen(function* () {
      const server = yield* Hearing.make()
      server.cookies.set("/hang", ["given=sesame; Path=/"])
      const out = join(world.root, "out.txt")
      const running = yield* world.start("get", server.url("/hang"), "--save-cookies", out)
      yield* running.during(server.hanging)
      yield* running.send("SIGINT")
      expect((yield* running.result).code).toBe(130)
      expect(fs.readFileSync(out, "utf8")).toContain("given\tsesame")
      expect(fs.readdirSync(world.root).filter((name) => name.includes("out.txt"))).toEqual(["out.txt"])
      // the first run of many with one jar
      const jar = join(world.root, "jar.txt")
      server.cookies.set("/first", ["first=1; Path=/"])
      for (const path of ["/first", "/second"])
        expect(
          yield* world.get(server.url(path), "--load-cookies", jar, "--save-cookies", jar)
        ).toMatchObject({ code: 0 })
      expect(server.heard.slice(-2).map(([, , cookie]) => cookie)).toEqual([undefined, "first=1"])
      const bad = write(world, "bad.txt", "secret")
      for (const [option, file, words] of [
        ["--load-cookies", "missing", /can't be read/],
        ["--load-cookies", bad, /bad\.txt, line 1: it has 1 fields/],
        ["--save-cookies", "no/such/file", /no\/such is no directory/]
      ] as const) {
        const { code, stderr } = yield* world.get(server.url("/a"), option, file)
        expect([file, code]).toEqual([file, 2])
        expect(stderr).toMatch(words)
        expect(stderr).not.toContain("secret")
      }
      expect(server.heard).toHaveLength(3)
    })
  )
})

// what was asked for is the whole of it
describe.concurrent("what is guarded", () => {
  live("is fetched whole by several connections", (world) =>
    Effect.gen(function* () {
      const large = Buffer.alloc(12 * 1024 * 1024, "0123456789abcde")
      const server = yield* GuardedServer.make({
        algorithm: "SHA-256",
        user: "me",
        password,
        uses: 3,
        bytes: large
      })
      const args = ["--user", `me:${password}`, "--connections", "4", "--limit-rate", "6000000"]
      expect(yield* world.get(server.url("/a"), ...args)).toMatchObject({ code: 0 })
      fs.writeFileSync(join(world.root, "expected"), large)
      expect(sha256(join(world.dir, "a"))).toBe(sha256(join(world.root, "expected")))
    })
  )
})
