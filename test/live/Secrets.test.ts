/**
 * The hunt: secrets are planted wherever one can be given, downloads come to every kind of end, and then no output, log, event,
 * error, metric or span may hold any of them, nor, once no unfinished download needs them, any byte of the database.
 *
 * What counts as a secret: credentials in URLs, headers, `--user`, `--bearer`, and whatever a server echoes of those. A query is a
 * part of the address that people list and resume by; it is shown where addresses are, and nowhere else.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import * as Tracer from "../layers/Recorder.js"
import type { Download } from "../../src/domain/Download.js"
import { accept, type Accepted } from "../../src/domain/DownloadRequest.js"
import * as Message from "../../src/domain/Message.js"
import type { Verdict } from "../../src/domain/Message.js"
import { Downloads, layer, Metrics, type DownloadRequest } from "../../src/index.js"
import { layerStore } from "../../src/programs/engine.js"
import { defaultPolicy as defaultGate } from "../../src/domain/HostGate.js"
import { defaults, EngineOptions } from "../../src/services/EngineOptions.js"
import { Store } from "../../src/services/Store.js"
import { eventually, live, MiB, temporary, type Result } from "./cli/Cli.js"
import { make as makeOrigin, type Origin } from "./Origin.js"

const user = "zwergnase"
const password = "geheimkammer-pw"
const planted = {
  password,
  basic: Buffer.from(`${user}:${password}`).toString("base64"),
  bearer: "bearer-Xq7Lrm2Vw",
  cookie: "cookie-Pd94Hkz1c",
  custom: "custom-Rt55Nbw8y",
  location: "location-Jf31Ycs6u",
  option: Buffer.from("wanda:option-Mv62Tgd0e").toString("base64"),
  optionPassword: "option-Mv62Tgd0e",
  fragment: "fragment-Bz20Wqk9a"
}

/** Where in the text a secret is, for a message that tells what leaks. */
const hunt = (where: string, found: string | Buffer): void => {
  const text = typeof found === "string" ? found : found.toString("latin1")
  for (const [name, secret] of Object.entries(planted)) {
    const at = text.indexOf(secret)
    expect(at, `${name} in ${where}: …${text.slice(Math.max(0, at - 80), at + 80)}…`).toBe(-1)
  }
}

/** Every file below a directory, but those that were downloaded. */
const huntBelow = (directory: string): void => {
  for (const name of fs.readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const path = join(directory, name)
    if (!fs.statSync(path).isFile()) continue
    hunt(path, fs.readFileSync(path))
  }
}

/** A server that repeats in every place what it was told. */
const behave = (origin: Origin, elsewhere: string): void => {
  const { basic, bearer, cookie } = planted
  const echo = `${basic} ${bearer} ${cookie} ${password}`
  const answer = (line: string, fields: ReadonlyArray<string>, body = "") => ({
    raw: [`HTTP/1.1 ${line}`, ...fields, `Content-Length: ${body.length}`, "", body].join("\r\n")
  })
  origin.set(
    "/status-line",
    answer(`403 Forbidden for ${echo}`, ["Content-Type: text/html"], `<p>${echo}</p>`)
  )
  origin.set("/fields", answer("404 Not Found", [`X-Echo: ${echo}`, `Set-Cookie: ${cookie}`]))
  origin.set("/garbage", { raw: `HTTP/1.1 ${echo}\r\n\r\n` })
  origin.set("/broken-length", { raw: `HTTP/1.1 200 OK\r\nContent-Length: ${echo}\r\n\r\n${echo}` })
  origin.set("/coding", answer("200 OK", [`Content-Encoding: ${echo.replaceAll(" ", "-")}`], "x"))
  origin.set("/range", answer("206 Partial Content", [`Content-Range: bytes ${echo}`], "x"))
  origin.set(
    "/retry-after",
    answer("401 Unauthorized", [`WWW-Authenticate: Basic realm="${echo}"`, `Retry-After: ${echo}`])
  )
  const there = `http://${user}:${planted.location}@${elsewhere.slice("http://".length)}`
  origin.set("/moved", { redirect: `${there}/bytes/10/moved` })
  origin.set("/moved-away", { redirect: `${there}/missing` })
  origin.set("/moved-ftp", { redirect: `ftp://${user}:${planted.location}@h/f` })
  origin.set("/moved-broken", { redirect: `http://${user}:${planted.location}@` })
  origin.set("/circle", { redirect: `http://${user}:${planted.location}@127.0.0.1:${origin.port}/circle` })
  origin.set("/again", [{ status: 503 }, { hangUp: "rst" }, { size: MiB, cutAfter: 1000 }, { size: MiB }])
  origin.set("/slow", { size: MiB, stallAfter: 1000 })
  origin.set("/silent", { silent: true })
}

/** They come to an end by themselves. */
const ending = [
  "/bytes/10/small",
  "/bytes/300000/large",
  "/missing",
  "/status-line",
  "/fields",
  "/garbage",
  "/broken-length",
  "/coding",
  "/range",
  "/retry-after",
  "/moved",
  "/moved-away",
  "/moved-ftp",
  "/moved-broken",
  "/circle",
  "/again"
]

describe("secrets", () => {
  live("are in nothing that the command writes, nor in its database at the end", (world) =>
    Effect.gen(function* () {
      const { database, dir, origin, root } = world
      const other = yield* makeOrigin()
      behave(origin, other.url(""))
      const results: Array<Result> = []
      const run = (...args: ReadonlyArray<string>) =>
        Effect.tap(world.run(...args), (result) => Effect.sync(() => results.push(result)))
      const address = (path: string) =>
        `http://${user}:${password}@127.0.0.1:${origin.port}${path}#${planted.fragment}`
      const headers = [`Cookie: ${planted.cookie}`, `X-Api-Key: ${planted.custom}`].flatMap((field) => [
        "--header",
        field
      ])
      const how = ["--dir", dir, "--log-level", "all", "--max-retries", "3", "--retry-delay", "5ms"]
      const wrong = ["--checksum", `sha-256:${"0".repeat(64)}`]
      yield* run("get", ...how, ...headers, ...ending.map(address), "--json")
      yield* run(
        "get",
        ...how,
        "--bearer",
        planted.bearer,
        origin.url("/bytes/10/b"),
        origin.url("/status-line")
      )
      yield* run(
        "get",
        ...how,
        "--user",
        `wanda:${planted.optionPassword}`,
        origin.url("/bytes/10/c"),
        origin.url("/fields")
      )
      yield* run("get", ...how, ...headers, ...wrong, address("/bytes/10/checked"))
      // refused before they are recorded
      for (const url of [
        `http://${user}:${password}@`,
        `ftp://${user}:${password}@h/f`,
        `http://${user}:${password}@[bad/`
      ])
        yield* run("get", ...how, url)
      yield* run("get", ...how, "--header", `X-Api-Key: ${planted.custom}\n`, origin.url("/a"))
      yield* run("get", ...how, "--header", `no-colon-${planted.custom} `, origin.url("/a"))
      // interrupted, listed while it waits, commanded, and cancelled
      const got = yield* world.start("get", ...how, ...headers, address("/slow"), address("/silent"))
      yield* got.during(
        origin.until(() => origin.sent("/slow") === 1000 && origin.requestsFor("/silent").length > 0)
      )
      yield* run("ls", "--json", "--log-level", "all")
      yield* got.send("SIGINT")
      results.push(yield* got.result)
      yield* run(
        "add",
        "--dir",
        dir,
        ...headers,
        "--log-level",
        "all",
        "--json",
        address("/later"),
        address("/later2")
      )
      for (const command of ["pause", "resume", "cancel", "retry", "cancel"])
        yield* run(command, "--all", "--json", "--log-level", "all")
      const ids = (yield* world.run("ls", "--json")).stdout
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => (JSON.parse(line) as { readonly id: string }).id)
      expect(ids.length).toBeGreaterThan(20)
      yield* run("show", ...ids)
      yield* run("show", "--json", ...ids)
      for (const args of [["ls"], ["ls", "--json"], ["stats"], ["stats", "--json"], ["verify"]])
        yield* run(...args, "--log-level", "all")
      for (const [i, { stderr, stdout }] of results.entries()) {
        hunt(`stdout of command ${i}`, stdout)
        hunt(`stderr of command ${i}`, stderr)
      }
      // they were sent, and said enough
      expect(origin.requestsFor("/missing")[0]!.headers).toMatchObject({
        authorization: `Basic ${planted.basic}`,
        cookie: planted.cookie,
        "x-api-key": planted.custom
      })
      expect(results.map(({ stderr }) => stderr).join("")).toMatch(/debug: asked http:\/\/127/)
      expect(other.requests.map(({ headers }) => headers["authorization"])).toEqual(
        other.requests.map(() => undefined)
      )
      expect(fs.existsSync(database)).toBe(true)
      huntBelow(join(root, "state"))
    })
  )

  it.scopedLive(
    "are in no event, error, log, metric or span of the library, and leave the database while it is open",
    () =>
      Effect.gen(function* () {
        const root = yield* temporary
        const origin = yield* makeOrigin()
        const other = yield* makeOrigin()
        behave(origin, other.url(""))
        const told: Array<readonly [where: string, text: string]> = []
        const tell = (where: string, what: unknown) => {
          told.push([where, inspect(what, { depth: 20, showHidden: true })])
          told.push([where, String(what)])
          const json = JSON.stringify(what, (_, value: unknown) =>
            typeof value === "bigint" ? String(value) : value
          )
          if (json !== undefined) told.push([`${where}, as JSON`, json])
        }
        const logger = Logger.make((line) => {
          told.push(["log, as JSON", Logger.jsonLogger.log(line)])
          told.push(["log", Logger.logfmtLogger.log(line)])
        })
        const recorder = Tracer.make()
        const database = join(root, "queue.db")
        const request = (path: string): DownloadRequest => ({
          url: `http://${user}:${password}@127.0.0.1:${origin.port}${path}#${planted.fragment}`,
          directory: root,
          headers: [
            ["Cookie", planted.cookie],
            ["X-Api-Key", planted.custom]
          ],
          options: { maxRetries: 3, retryDelay: 5 }
        })
        yield* Effect.gen(function* () {
          const downloads = yield* Downloads
          const events = yield* Effect.fork(
            Stream.runForEach(downloads.events, (event) => Effect.sync(() => tell("event", event)))
          )
          const changes = yield* Effect.fork(
            Stream.runForEach(downloads.changes, (row) => Effect.sync(() => tell("row", row)))
          )
          const enqueued = yield* downloads.enqueueAll(ending.map(request))
          tell("what enqueue says", enqueued)
          const exits = yield* downloads.awaitAll(enqueued.map(({ id }) => id))
          for (const exit of exits) {
            tell("exit", exit)
            if (exit._tag === "Failure")
              told.push(["Cause.pretty", Cause.pretty(exit.cause, { renderErrorCause: true })])
          }
          expect(exits.filter(({ _tag }) => _tag === "Failure").length).toBeGreaterThan(8)
          const [slow, silent] = yield* downloads.enqueueAll([request("/slow"), request("/silent")])
          yield* origin.until(() => origin.sent("/slow") === 1000 && origin.requestsFor("/silent").length > 0)
          tell("progress", yield* downloads.active)
          yield* downloads.pause(slow!.id)
          tell("paused", yield* downloads.get(slow!.id))
          yield* downloads.cancel(slow!.id)
          yield* downloads.cancel(silent!.id)
          for (const url of [`http://${user}:${password}@`, `ftp://${user}:${password}@h/f`])
            tell("refusal", yield* Effect.exit(downloads.enqueue({ ...request("/"), url })))
          const rows = yield* downloads.list()
          expect(rows.every(({ finishedAt }) => finishedAt !== null)).toBe(true)
          tell("rows", rows)
          for (const { id } of rows) tell("tries", yield* downloads.attempts(id))
          yield* Metrics.sample
          tell("stats", yield* downloads.stats)
          tell("metrics", Metric.unsafeSnapshot())
          yield* Fiber.interruptAll([events, changes])
          // nothing needs them any more, and the engine is idle
          const files = () =>
            ["", "-wal", "-shm"].map((end) => database + end).filter((file) => fs.existsSync(file))
          const gone = () =>
            files().every((file) => {
              const bytes = fs.readFileSync(file)
              return Object.values(planted).every((secret) => !bytes.includes(secret))
            })
          yield* eventually(gone)
        }).pipe(
          Effect.provide(
            layer({ database, directory: root }).pipe(
              Layer.provide([
                Logger.replace(Logger.defaultLogger, logger),
                Logger.minimumLogLevel(LogLevel.All),
                recorder.layer
              ])
            )
          )
        )
        expect(recorder.spans.length).toBeGreaterThan(50)
        for (const span of recorder.spans) tell("span", { ...span, parent: undefined, context: undefined })
        expect(told.length).toBeGreaterThan(200)
        for (const [where, text] of told) hunt(where, text)
        for (const name of fs.readdirSync(root).filter((name) => name.startsWith("queue.db")))
          hunt(name, fs.readFileSync(join(root, name)))
      }),
    60_000
  )

  it.scopedLive("leave no byte of a database, however its pages were split and joined", () =>
    Effect.gen(function* () {
      const root = yield* temporary
      const database = join(root, "queue.db")
      const random = seeded(1)
      let count = 0
      const request = (): Accepted => {
        const i = count++
        const secret = `Kq7vT-${i}-${"Zx".repeat(1 + Math.floor(random() * (i % 50 === 0 ? 4000 : 40)))}`
        return Either.getOrThrow(
          accept({
            url: `http://h${i % 5}/${"p".repeat(Math.floor(random() * 60))}${i}`,
            directory: root,
            headers: [["X-Api-Key", secret]]
          })
        )
      }
      const failed = (length: number, verdict: Verdict) =>
        Message.Failed({ failure: { reason: "ConnectionReset", detail: "r".repeat(length) }, verdict })
      yield* Effect.gen(function* () {
        const store = yield* Store
        /** Messages to many rows, in one transaction. */
        const tell = (rows: ReadonlyArray<Download>, message: () => Message.Message) =>
          Effect.forEach(rows, ({ id }) => Effect.flatten(store.note(id, message())), {
            concurrency: "unbounded",
            discard: true
          })
        for (let round = 0; round < 6; round++) {
          const requests = Array.from({ length: 400 }, request)
          yield* store.enqueue(requests, { own: true })
          // asked again, with others
          yield* store.enqueue(
            requests.slice(0, 50).map((one) => ({ ...one, headers: request().headers })),
            { own: true }
          )
          // rows that become longer while they need their secrets, and rows that end among them
          for (let i = 0; i < 3; i++) {
            const { rows } = yield* store.claim({ limit: 300, adopt: false, onClaimed: () => {} })
            expect(rows.length).toBeGreaterThan(20)
            expect(JSON.stringify(Redacted.value(rows[0]!.headers))).toContain("Kq7vT-")
            const some = rows.filter(() => random() < 0.5)
            yield* tell(some, () => failed(10 + Math.floor(random() * 400), { _tag: "RetryAt", at: 0 }))
            yield* tell(
              rows.filter((row) => !some.includes(row)),
              () => failed(20, { _tag: "Final" })
            )
          }
        }
        const left = yield* store.list({
          status: ["pending", "processing", "retrying", "waiting"],
          limit: 10_000
        })
        expect(left.length).toBeGreaterThan(100)
        yield* store.command(
          "cancel",
          left.map(({ id }) => id)
        )
      }).pipe(
        Effect.provide(layerStore({ database })),
        Effect.provideService(EngineOptions, { ...defaults, gate: () => forgiving })
      )
      const bytes = fs.readFileSync(database, "latin1")
      expect(bytes.match(/Kq7vT-\d+/g) ?? []).toEqual([])
      expect(bytes).not.toContain("ZxZxZx")
      // places are used again
      expect(fs.statSync(database).size).toBeLessThan(8 * MiB)
    })
  )
})

/** Failures are not held against a host. */
const forgiving = { ...defaultGate, breaker: { ...defaultGate.breaker, threshold: Infinity } }

/** Numbers below 1, the same each time. */
const seeded = (seed: number) => () => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
  return seed / 2 ** 32
}
