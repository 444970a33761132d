/**
 * Ways out through proxies, by options and by the environment, with the shipped command and real proxies.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { selfSigned } from "../origin/Certificate.js"
import { eventually, live, names, sha256, type World } from "./Cli.js"
import * as Proxies from "./Proxies.js"
import * as SecureServer from "./SecureServer.js"

const server = selfSigned()
const credentials = { user: "us er", password: "hunter2:%" }
const who = "us%20er:hunter2%3A%25"

const hostOf = ({ origin }: World): string => new URL(origin.url("/")).host

const write = ({ root }: World, name: string, text: string): string => {
  const path = join(root, name)
  fs.writeFileSync(path, text, { mode: 0o600 })
  return path
}

const expectNoSecret = (world: World, ...texts: ReadonlyArray<string>): void => {
  const files = fs
    .readdirSync(world.root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => fs.readFileSync(join(entry.parentPath, entry.name), "latin1"))
  for (const text of [...texts, ...files]) {
    expect(text).not.toContain("hunter2")
    expect(text).not.toContain(Buffer.from("us er:hunter2:%").toString("base64"))
  }
}

const once = ["--max-retries", "0"]

describe.concurrent("an HTTP proxy", () => {
  live("forwards requests for http, and connections for https; its credentials go to nobody else", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.http({ credentials })
      const secure = yield* SecureServer.make(server)
      const ca = write(world, "ca.pem", server.cert)
      const args = ["--proxy", proxy.url(who), "--cacert", ca, "--log-level", "debug"]
      const one = yield* world.get("/bytes/300000/a", ...args)
      expect(one).toMatchObject({ code: 0 })
      expect(sha256(join(world.dir, "a"))).toBe(world.origin.content("/bytes/300000/a").sha256(300000))
      const two = yield* world.get(secure.url("/b"), ...args)
      expect(two).toMatchObject({ code: 0 })
      expect(proxy.asked).toEqual([`http ${hostOf(world)}`, new URL(secure.url("/")).host])
      expect(names(world.dir)).toEqual(["a", "b"])
      for (const { headers } of world.origin.requests) {
        expect(headers["host"]).toBe(hostOf(world))
        expect(headers["proxy-authorization"]).toBeUndefined()
      }
      expectNoSecret(world, one.stdout, one.stderr, two.stdout, two.stderr)
    })
  )

  live("that wants credentials, or others, is told of in words, and nothing is tried twice", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.http({ credentials })
      const secure = yield* SecureServer.make(server)
      for (const url of [world.origin.url("/bytes/10/a"), secure.url("/a")]) {
        for (const given of [undefined, "us%20er:wrong"]) {
          const before = proxy.asked.length
          const { code, stderr } = yield* world.get(url, "--proxy", proxy.url(given), "--insecure")
          expect(code).toBe(1)
          expect(stderr).toMatch(/the proxy .*(wants|does not accept).*credentials/)
          expect(stderr).toContain("--proxy http://user:password@host:port")
          expect(proxy.asked.length - before).toBe(1)
        }
      }
      expect(world.origin.requests).toHaveLength(0)
      expect(secure.asked).toEqual([])
    })
  )

  live("with TLS", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.http({ credentials, secure: server })
      const secure = yield* SecureServer.make(server)
      const ca = ["--cacert", write(world, "ca.pem", server.cert)]
      const args = ["--proxy", proxy.url(who)]
      expect(yield* world.get("/bytes/300000/a", ...args, ...ca)).toMatchObject({ code: 0 })
      expect(yield* world.get(secure.url("/b"), ...args, ...ca)).toMatchObject({ code: 0 })
      expect(names(world.dir)).toEqual(["a", "b"])
      const untrusted = yield* world.get("/bytes/10/c", ...args, ...once)
      expect(untrusted.code).toBe(1)
      expect(untrusted.stderr).toContain("no secure connection to the proxy 127.0.0.1:")
    })
  )

  live("that breaks off in the middle costs no byte twice", (world) =>
    Effect.gen(function* () {
      const path = "/bytes/3000000/a"
      let cuts = 0
      // forwards what a tunnel carries, and cuts the first one after a megabyte
      const net = yield* Effect.promise(() => import("node:net"))
      const proxy = yield* Proxies.odd((socket) => {
        const head = proxy.asked.at(-1)!
        const [, target] = /^GET http:\/\/([^/]+)\S* /.exec(head)!
        const [host, port] = target!.split(":")
        const there = net.connect(Number(port), host, () => {
          there.write(head.replace(/^GET http:\/\/[^/]+/, "GET "), "latin1")
        })
        const cut = cuts++ === 0
        let count = 0
        there.on("data", (bytes) => {
          if (cut && (count += bytes.length) > 1_000_000) {
            socket.resetAndDestroy()
            there.destroy()
          } else if (!socket.write(bytes)) {
            there.pause()
            socket.once("drain", () => there.resume())
          }
        })
        there.on("error", () => socket.destroy()).on("close", () => socket.end())
        socket.on("close", () => there.destroy())
      })
      expect(
        yield* world.get(path, "--proxy", proxy.url(), "--connections", "1", "--retry-delay", "1ms")
      ).toMatchObject({ code: 0 })
      expect(sha256(join(world.dir, "a"))).toBe(world.origin.content(path).sha256(3_000_000))
      expect(proxy.asked).toHaveLength(2)
      expect(proxy.asked[1]).toMatch(/^range: bytes=[1-9]/im)
    })
  )

  live("that is not there, hangs, or talks nonsense, is told of", (world) =>
    Effect.gen(function* () {
      const gone = yield* world.get("/bytes/10/a", "--proxy", "http://127.0.0.1:1", ...once)
      expect(gone.code).toBe(1)
      expect(gone.stderr).toContain("the proxy 127.0.0.1:1 refused the connection")
      const nameless = yield* world.get(
        "/bytes/10/a",
        "--proxy",
        "http://no-such-name.invalid:1",
        "--give-up",
        "1s",
        ...once
      )
      expect(nameless.stderr).toMatch(/the name of the proxy no-such-name\.invalid:1 could not be resolved/)
      const secure = "https://127.0.0.1:9/a"
      const silent = yield* Proxies.odd(() => {})
      const hung = yield* world.get(secure, "--proxy", silent.url(), "--timeout", "300ms", ...once)
      expect(hung.code).toBe(1)
      expect(silent.asked).toHaveLength(1)
      const answers: ReadonlyArray<readonly [answer: string, words: RegExp]> = [
        ["SSH-2.0-OpenSSH_9.2\r\n", /the proxy 127\.0\.0\.1:\d+.* is not valid HTTP/],
        [`HTTP/1.1 200 OK\r\nX: ${"x".repeat(100_000)}`, /the proxy 127\.0\.0\.1:\d+.* is not valid HTTP/],
        ["HTTP/1.1 403 No\r\n\r\n", /answered 403 to the wish for a connection to 127\.0\.0\.1:9/],
        ["HTTP/1.1 502 No\r\n\r\n", /answered 502 to the wish/],
        ["", /the proxy .*closed/]
      ]
      for (const [answer, words] of answers) {
        const proxy = yield* Proxies.odd((socket) => void socket.end(answer))
        const { code, stderr } = yield* world.get(secure, "--proxy", proxy.url(), ...once)
        expect([answer.slice(0, 20), code]).toEqual([answer.slice(0, 20), 1])
        expect(stderr).toMatch(words)
      }
      expect(names(world.dir)).toEqual([])
    })
  )

  live("that hangs is left at once by who is interrupted", (world) =>
    Effect.gen(function* () {
      const silent = yield* Proxies.odd(() => {})
      const running = yield* world.start("get", "https://127.0.0.1:9/a", "--proxy", silent.url())
      yield* running.during(eventually(() => silent.asked.length === 1))
      yield* running.send("SIGINT")
      expect((yield* running.result).code).toBe(130)
      yield* eventually(() => silent.connections() === 0)
    })
  )
})

describe.concurrent("a SOCKS5 proxy", () => {
  live("connects to http and https, resolves names, and gets its credentials", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.socks(credentials)
      const secure = yield* SecureServer.make(server)
      const args = ["--proxy", proxy.url(who), "--insecure"]
      const named = world.origin.url("/bytes/300000/a").replace("127.0.0.1", "localhost")
      expect(yield* world.get(named, ...args)).toMatchObject({ code: 0 })
      expect(sha256(join(world.dir, "a"))).toBe(world.origin.content("/bytes/300000/a").sha256(300000))
      expect(yield* world.get(secure.url("/b"), ...args)).toMatchObject({ code: 0 })
      const here = ["--proxy", proxy.url(who).replace("socks5h", "socks5"), "--insecure", "-4"]
      expect(yield* world.get(`${named}2`, ...here)).toMatchObject({ code: 0 })
      const port = new URL(named).port
      expect(proxy.asked).toEqual([`localhost:${port}`, new URL(secure.url("/")).host, `127.0.0.1:${port}`])
      const wrong = yield* world.get("/bytes/10/c", "--proxy", proxy.url("a:b"))
      expect(wrong.code).toBe(1)
      expect(wrong.stderr).toMatch(/the proxy .* does not accept the credentials/)
      const none = yield* world.get("/bytes/10/c", "--proxy", proxy.url())
      expect(none.stderr).toMatch(/the proxy .* wants credentials/)
    })
  )

  live("says what it could not do", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.socks()
      const { code, stderr } = yield* world.get("http://127.0.0.1:1/a", "--proxy", proxy.url(), ...once)
      expect(code).toBe(1)
      expect(stderr).toMatch(/says the proxy|did not connect to 127\.0\.0\.1:1/)
    })
  )
})

describe.concurrent("the environment", () => {
  live("names proxies and exceptions; options go before it", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.http({ credentials })
      const other = yield* Proxies.http()
      const env = { http_proxy: proxy.url(who), SLUICE_DIR: world.dir }
      const get = (more: Readonly<Record<string, string>>, path: string, ...args: ReadonlyArray<string>) =>
        Effect.map(
          world.runWith({ env: { ...env, ...more } }, "get", world.origin.url(path), ...args),
          ({ code, stderr }) => expect([code, stderr.includes("hunter2")]).toEqual([0, false])
        )
      yield* get({}, "/bytes/10/a")
      expect(proxy.asked).toHaveLength(1)
      yield* get({ no_proxy: "127.0.0.0/8" }, "/bytes/10/b")
      yield* get({}, "/bytes/10/c", "--no-proxy", "127.0.0.1")
      yield* get({ http_proxy: "nonsense://" }, "/bytes/10/d", "--no-proxy", "*")
      expect(proxy.asked).toHaveLength(1)
      yield* get({}, "/bytes/10/e", "--proxy", other.url())
      yield* get({ http_proxy: "", SLUICE_PROXY: other.url() }, "/bytes/10/f")
      expect([proxy.asked.length, other.asked.length]).toEqual([1, 2])
      const wrong = yield* world.runWith(
        { env: { ...env, http_proxy: "ftp://u:hunter2@proxy" } },
        "get",
        world.origin.url("/bytes/10/g")
      )
      expect(wrong.code).toBe(2)
      expect(wrong.stderr).toContain("http_proxy")
      expect(wrong.stderr).not.toContain("hunter2")
      expectNoSecret(world)
    })
  )

  live("a redirect goes its own way", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.http()
      const secure = yield* SecureServer.make(server)
      const to = secure.url("/there")
      world.origin.set("/from", { status: 302, headers: [["Location", to]] })
      const result = yield* world.get(
        "/from",
        "--insecure",
        "--proxy",
        proxy.url(),
        "--no-proxy",
        new URL(to).host
      )
      expect(result).toMatchObject({ code: 0 })
      expect(proxy.asked).toEqual([`http ${hostOf(world)}`])
      expect(secure.asked).toHaveLength(1)
    })
  )
})

describe.concurrent("wget", () => {
  live("goes through HTTP proxies, and by no way of its own", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.http({ credentials })
      const secure = yield* SecureServer.make(server)
      const wget = ["--transport", "wget", "--insecure"]
      const through = [...wget, "--proxy", proxy.url(who)]
      expect(yield* world.get("/bytes/300000/a", ...through)).toMatchObject({ code: 0 })
      expect(sha256(join(world.dir, "a"))).toBe(world.origin.content("/bytes/300000/a").sha256(300000))
      expect(yield* world.get(secure.url("/b"), ...through)).toMatchObject({ code: 0 })
      expect(proxy.asked).toEqual([`http ${hostOf(world)}`, new URL(secure.url("/")).host])
      const rc = write(world, "wgetrc", `http_proxy = http://127.0.0.1:1\nuse_proxy = on\n`)
      const env = { http_proxy: "http://127.0.0.1:1", WGETRC: rc, SLUICE_DIR: world.dir }
      const besides = yield* world.runWith(
        { env },
        "get",
        world.origin.url("/bytes/10/c"),
        ...wget,
        "--no-proxy",
        "*"
      )
      expect(besides).toMatchObject({ code: 0 })
      expect(proxy.asked).toHaveLength(2)
      expectNoSecret(world)
    })
  )

  live("tells a proxy's trouble from that of the host", (world) =>
    Effect.gen(function* () {
      const proxy = yield* Proxies.http({ credentials })
      const secure = yield* SecureServer.make(server)
      for (const url of [world.origin.url("/bytes/10/a"), secure.url("/a")]) {
        const wget = ["--transport", "wget", "--insecure", ...once]
        const refused = yield* world.get(url, ...wget, "--proxy", proxy.url("us%20er:wrong"))
        expect(refused.code).toBe(1)
        expect(refused.stderr).toMatch(/the proxy .*(does not let this through|wants credentials)/)
        const gone = yield* world.get(url, ...wget, "--proxy", "http://127.0.0.1:1")
        expect(gone.code).toBe(1)
        expect(gone.stderr).toContain("the proxy 127.0.0.1:1 refused the connection")
      }
    })
  )

  live("refuses what it can't do before anything starts", (world) =>
    Effect.gen(function* () {
      const ca = write(world, "ca.pem", server.cert)
      const both = write(world, "both.pem", `${server.cert}${server.key}`)
      for (const args of [
        ["--cacert", ca],
        ["--cert", both],
        ["--proxy", "socks5://127.0.0.1:1"],
        ["--proxy", "https://127.0.0.1:1"]
      ]) {
        const { code, stderr } = yield* world.get("/bytes/10/a", "--transport", "wget", ...args)
        expect([args[0], code]).toEqual([args[0], 2])
        expect(stderr).toContain("the transport wget")
      }
      expect(fs.existsSync(world.database)).toBe(false)
      expect(world.origin.requests).toHaveLength(0)
    })
  )
})
