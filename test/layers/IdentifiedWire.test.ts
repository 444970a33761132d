/**
 * Who asks, over a network that plays a script: what is sent with each request, and what is remembered of answers.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as DownloadError from "../../src/domain/DownloadError.js"
import * as Cookies from "../../src/layers/Cookies.js"
import type { Lookup } from "../../src/layers/Credentials.js"
import { over, type Settings } from "../../src/layers/IdentifiedWire.js"
import * as ScriptedWire from "../../src/layers/ScriptedWire.js"
import type { WireRequest } from "../../src/services/Wire.js"

const to = (url: string, more: Partial<WireRequest> = {}): WireRequest => ({
  url,
  headers: [],
  activity: { phase: "connecting", bytes: 0, held: false },
  ...more
})

const nobody: Settings = { lookup: undefined, jar: undefined, digestOnly: false }
const mine = { headers: [["Authorization", "Basic dTpw"]] as const }
const basic = { status: 401, headers: { "WWW-Authenticate": 'Basic realm="r"' } }
const digest = (nonce: string, more = "") => ({
  status: 401,
  headers: { "WWW-Authenticate": `Digest realm="r", nonce="${nonce}", qop="auth"${more}` }
})

/** What was asked with: of a digest its nonce and count. */
const told = (served: ReadonlyArray<ScriptedWire.Served>) =>
  served.map(({ headers }) => {
    const field = headers.get("authorization") ?? "none"
    return field.startsWith("Digest")
      ? `${/nonce="(\w+)"/.exec(field)![1]} ${Number.parseInt(/nc=(\w+)/.exec(field)![1]!, 16)}`
      : field
  })

/** Requests that are answered by these in turn, and then well. */
const world = (...answers: ReadonlyArray<ScriptedWire.Answer>) => {
  const phases: Array<string> = []
  const { served, wire } = ScriptedWire.make((n, { activity }) => {
    phases.push(activity.phase)
    return answers[n] ?? { status: 204 }
  })
  const heads: Array<number> = []
  const wired = over(
    {
      ...wire,
      exchange: (request, onHead) => {
        phases.push(request.activity.phase)
        return wire.exchange(request, onHead)
      }
    },
    nobody
  )
  const ask = (url = "http://a.example/x") =>
    Effect.map(wired.exchange(to(url, mine), ({ status }) => void heads.push(status)).run, (response) =>
      response === undefined ? undefined : response.status
    )
  return { ask, heads, phases, served }
}

describe("a digest that a server wants", () => {
  it.effect("is answered unseen by those above, and by each further request, each counted", () =>
    Effect.gen(function* () {
      const { ask, heads, phases, served } = world(digest("n1"))
      expect(yield* ask()).toBe(204)
      expect(yield* ask("http://b.example/y")).toBe(204)
      yield* Effect.all(
        Array.from({ length: 3 }, () => ask()),
        { concurrency: "unbounded" }
      )
      expect(told(served)).toEqual(["Basic dTpw", "n1 1", "Basic dTpw", "n1 2", "n1 3", "n1 4"])
      expect(heads).toEqual([204, 204, 204, 204, 204])
      // each connects anew, as far as its timeouts are concerned; the first one's connection can be used again
      expect(phases.slice(0, 3)).not.toContain("body")
      expect(phases[2]).toBe("connecting")
      expect(served[0]!.aborted).toBe(false)
    })
  )

  it.effect("that was wrong is not asked with again; one too old is, and no more than that", () =>
    Effect.gen(function* () {
      const wrong = world(digest("n1"), digest("n2"))
      expect(yield* wrong.ask()).toBe(401)
      expect(told(wrong.served)).toEqual(["Basic dTpw", "n1 1"])
      const endless = world(...Array.from({ length: 20 }, (_, i) => digest(`n${i}`, ", stale=true")))
      expect(yield* endless.ask()).toBe(401)
      expect(endless.served).toHaveLength(3)
      const forgotten = world(digest("n1"), { status: 204 }, digest("n2"))
      expect([yield* forgotten.ask(), yield* forgotten.ask()]).toEqual([204, 204])
      expect(told(forgotten.served)).toEqual(["Basic dTpw", "n1 1", "n1 2", "n2 1"])
    })
  )

  it.effect("is given up where another path of the origin wants Basic, and only once", () =>
    Effect.gen(function* () {
      const { ask, served } = world(digest("n1"), { status: 204 }, basic)
      expect([yield* ask(), yield* ask("http://a.example/other")]).toEqual([204, 204])
      expect(told(served)).toEqual(["Basic dTpw", "n1 1", "n1 2", "Basic dTpw"])
      const shut = world(digest("n1"), { status: 204 }, basic, basic)
      expect([yield* shut.ask(), yield* shut.ask()]).toEqual([204, 401])
      expect(shut.served).toHaveLength(4)
    })
  )

  it.effect("is never followed by a password where none may be sent", () =>
    Effect.gen(function* () {
      const { served, wire } = ScriptedWire.make((n) => [digest("n1"), { status: 204 }, basic][n] ?? basic)
      const wired = over(wire, { ...nobody, digestOnly: true })
      for (let i = 0; i < 3; i++) yield* wired.exchange(to("http://a.example/", mine), () => undefined).run
      expect(told(served).filter((one) => one.startsWith("Basic"))).toEqual([])
    })
  )

  it.effect("is of a realm's octets, whatever they mean, and of one session", () =>
    Effect.gen(function* () {
      // as the parser gives it: octets
      const realm = Buffer.from("Büro", "utf8").toString("latin1")
      const { served, wire } = ScriptedWire.make((n) =>
        n === 0
          ? {
              status: 401,
              headers: {
                "WWW-Authenticate": `Digest realm="${realm}", nonce="n", qop=auth, algorithm=MD5-sess`
              }
            }
          : { status: 204 }
      )
      const wired = over(wire, nobody)
      yield* wired.exchange(to("http://a.example/x", mine), () => undefined).run
      yield* wired.exchange(to("http://a.example/x", mine), () => undefined).run
      const md5 = (data: string | Buffer) => createHash("md5").update(data).digest("hex")
      const fields = served.slice(1).map(({ headers }) => headers.get("authorization")!)
      const [cnonce, second] = fields.map((field) => /cnonce="([^"]+)"/.exec(field)![1]!)
      // some servers take the first one's for all of them
      expect(second).toBe(cnonce)
      const secret = md5(Buffer.from("u:Büro:p", "utf8"))
      const response = md5(`${md5(`${secret}:n:${cnonce}`)}:n:00000001:${cnonce}:auth:${md5("GET:/x")}`)
      expect(fields[0]).toContain(`response="${response}"`)
      expect(fields[0]).toContain(`realm="${realm}"`)
    })
  )
})

describe("whoever is looked up", () => {
  it.effect("can be waited for no longer than the request is wanted", () =>
    Effect.gen(function* () {
      const { served, wire } = ScriptedWire.make(() => ({ status: 204 }))
      const looking = yield* Deferred.make<void>()
      const lookup: Lookup = () => Effect.zipRight(Deferred.succeed(looking, undefined), Effect.never)
      const exchange = over(wire, { ...nobody, lookup }).exchange(to("https://a.example/"), () => undefined)
      const fiber = yield* Effect.fork(exchange.run)
      yield* Deferred.await(looking)
      exchange.abort(DownloadError.make("ConnectTimeout", "too long"))
      expect(yield* Effect.flip(Fiber.join(fiber))).toMatchObject({ reason: "ConnectTimeout" })
      expect(served).toEqual([])
    })
  )
})

/** Long before any time of the jar's own. */
const now = () => 1_700_000_000_000

const jarOf = (lines: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-jar-"))),
      (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
    )
    const load = join(directory, "in")
    fs.writeFileSync(load, lines.join("\n"))
    return { load, save: join(directory, "out") }
  })

describe("cookies", () => {
  it.scoped("of servers can't fill the memory, nor make anything throw", () =>
    Effect.gen(function* () {
      const jar = yield* Cookies.make({}, now)
      jar.store("https://a.example/", [
        "=",
        ";;;",
        "\u0000=\u0000",
        "x=1; Domain=org",
        "y=1; Domain=b.example",
        `long=${"x".repeat(5000)}`
      ])
      expect(jar.header("https://a.example/")).toBeUndefined()
      jar.store(
        "https://a.example/",
        Array.from({ length: 1000 }, (_, i) => `c${i}=x; Path=/${i}`)
      )
      jar.store("https://a.example/", ["c1=changed; Path=/1"])
      expect(jar.header("https://a.example/1")).toBe("c1=changed")
      expect(jar.count()).toBeLessThanOrEqual(50)
      for (let i = 0; i < 100; i++)
        jar.store(
          `https://h${i}.example/`,
          Array.from({ length: 50 }, (_, n) => `c${n}=x`)
        )
      expect(jar.count()).toBeLessThanOrEqual(3000)
    })
  )

  it.scoped("of a file go out as the octets they are, and come back so", () =>
    Effect.gen(function* () {
      const files = yield* jarOf([
        "a.example\tFALSE\t/\tFALSE\t0\tname\t日本",
        // as a host, as no domain of others can be meant
        "127.0.0.1\tTRUE\t/\tFALSE\t0\tip\t1"
      ])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const jar = yield* Cookies.make(files, now)
          const field = jar.header("http://a.example/")!
          expect(Array.from(field).every((octet) => octet.codePointAt(0)! < 256)).toBe(true)
          expect(Buffer.from(field, "latin1").toString("utf8")).toBe("name=日本")
          expect(jar.header("http://127.0.0.1:8080/")).toBe("ip=1")
        })
      )
      expect(fs.readFileSync(files.save, "utf8")).toContain("\tname\t日本\n")
      expect(fs.statSync(files.save).mode & 0o777).toBe(0o600)
    })
  )

  it.scoped("that the answer to a first question set are told with the second", () =>
    Effect.gen(function* () {
      const jar = yield* Cookies.make({}, now)
      const { served, wire } = ScriptedWire.make((n) =>
        n === 0
          ? { status: 401, headers: { ...digest("n1").headers, "Set-Cookie": "visit=1" } }
          : { status: 204 }
      )
      yield* over(wire, { ...nobody, jar }).exchange(to("http://a.example/", mine), () => undefined).run
      expect(served.map(({ headers }) => headers.get("cookie"))).toEqual([undefined, "visit=1"])
    })
  )
})
