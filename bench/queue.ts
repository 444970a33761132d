/**
 * The queue at scale: `npm run build && npm run bench:queue`. How fast a million downloads are recorded, what they cost while they
 * wait, and how soon work begins beside them; each figure from a process of its own, against a server on the loopback that
 * answers with four bytes. The table is on stdout. Speed never makes it fail.
 */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import Sqlite from "better-sqlite3"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { execFile, spawn } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const child = fileURLToPath(new URL("queueChild.mjs", import.meta.url))

/** Seconds, megabytes and milliseconds, as the child measured them. */
const Figures = Schema.parseJson(
  Schema.Struct({
    rows: Schema.Number,
    seconds: Schema.Number,
    cpu: Schema.Number,
    longestStall: Schema.Number,
    peak: Schema.Number
  })
)

const run = (...args: ReadonlyArray<string>) =>
  Effect.promise(() => promisify(execFile)(process.execPath, [child, ...args], { maxBuffer: 1e8 })).pipe(
    Effect.flatMap(({ stdout }) => Schema.decode(Figures)(stdout))
  )

/** A server that knows when it was first asked. */
const origin = Effect.acquireRelease(
  Effect.async<{ readonly url: string; onRequest: () => void; readonly close: () => void }>((resume) => {
    const handle = {
      url: "",
      onRequest: () => {},
      close: () => {
        server.closeAllConnections()
        server.close()
      }
    }
    const server = createServer((_, response) => {
      handle.onRequest()
      response.writeHead(200, { "content-length": "4", etag: '"1"' })
      response.end("body")
    })
    server.listen(0, "127.0.0.1", () => {
      handle.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      resume(Effect.succeed(handle))
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** Starts a working engine, waits for its first request, and kills it; milliseconds. */
const firstByte = (database: string, server: { readonly url: string; onRequest: () => void }) =>
  Effect.async<number>((resume) => {
    const began = performance.now()
    const engine = spawn(process.execPath, [child, "work", database, server.url, "600"])
    server.onRequest = () => {
      server.onRequest = () => {}
      const took = performance.now() - began
      engine.once("exit", () => resume(Effect.succeed(took)))
      engine.kill("SIGKILL")
    }
  })

/** As an engine leaves them that was killed while it worked on so many. */
const interrupt = (database: string, rows: number) =>
  Effect.sync(() => {
    const db = new Sqlite(database)
    db.exec(`INSERT OR IGNORE INTO sluice_engines (id, pid, started_at) VALUES ('dead', 1, 1);
      UPDATE sluice_downloads SET status = 'processing', owner = 'dead', epoch = 1, attempt = 1, attempt_started_at = 1
      WHERE id IN (SELECT id FROM sluice_downloads WHERE status = 'pending' ORDER BY id DESC LIMIT ${rows})`)
    db.close()
  })

/** Seconds from the start of an engine until nothing is a dead one's any more. */
const recovery = (database: string, url: string) =>
  Effect.async<number>((resume) => {
    const began = performance.now()
    const engine = spawn(process.execPath, [child, "work", database, url, "600"])
    const db = new Sqlite(database, { readonly: true })
    const left = db.prepare("SELECT 1 FROM sluice_engines WHERE id = 'dead'")
    const look = setInterval(() => {
      if (left.get() !== undefined) return
      clearInterval(look)
      db.close()
      const took = (performance.now() - began) / 1000
      engine.once("exit", () => resume(Effect.succeed(took)))
      engine.kill("SIGKILL")
    }, 20)
  })

const options = {
  count: Options.integer("count").pipe(
    Options.withDescription("Downloads in the queue."),
    Options.withDefault(1_000_000)
  ),
  tmpfs: Options.boolean("tmpfs").pipe(Options.withDescription("In memory, not on the disk."))
}

const program = ({ count, tmpfs }: Command.Command.ParseConfig<typeof options>) =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpfs ? "/dev/shm" : tmpdir(), "sluice-queue-"))),
      (made) => Effect.sync(() => rmSync(made, { recursive: true }))
    )
    const server = yield* origin
    const database = join(directory, "queue.db")
    const empty = join(directory, "empty.db")
    const copy = join(directory, "copy.db")
    for (const one of [database, empty, copy]) mkdirSync(`${one}.files`)
    const row = (what: string, figure: string, more = "") =>
      Console.log(`${what.padEnd(48)} ${figure.padStart(14)}  ${more}`)
    const per = (rows: number, seconds: number) => `${Math.round(rows / seconds).toLocaleString("en")}/s`
    const megabytes = (size: number) => `${Math.round(size)} MB`

    const enqueue = yield* run("enqueue", database, server.url, String(count))
    yield* row(
      `enqueue ${count.toLocaleString("en")}`,
      per(enqueue.rows, enqueue.seconds),
      `${enqueue.cpu.toFixed(1)} s CPU, longest stall ${Math.round(enqueue.longestStall)} ms, peak ${megabytes(enqueue.peak)}`
    )
    yield* Effect.sync(() => cpSync(database, copy))
    yield* run("enqueue", empty, server.url, "16")
    const alone = yield* firstByte(empty, server)
    const beside = yield* firstByte(copy, server)
    yield* row(
      "start of the process to first request",
      `${Math.round(beside)} ms`,
      `with 16 waiting ${Math.round(alone)} ms`
    )
    const work = yield* run("work", copy, server.url, "10")
    yield* row(
      "downloads completed beside them, 4 bytes each",
      per(work.rows, work.seconds),
      `five transitions each, peak ${megabytes(work.peak)}, longest stall ${Math.round(work.longestStall)} ms`
    )
    yield* interrupt(copy, 100_000)
    const recovered = yield* recovery(copy, server.url)
    yield* row("recovery of 100,000 that were at work", `${recovered.toFixed(1)} s`)
    for (const command of ["pause", "resume"]) {
      const all = yield* run(command, database, server.url, "0")
      yield* row(
        `${command} --all`,
        per(all.rows, all.seconds),
        `longest stall ${Math.round(all.longestStall)} ms, peak ${megabytes(all.peak)}`
      )
      if (command === "resume") continue
      const idle = yield* run("idle", database, server.url, "20")
      yield* row(
        "idle engine beside them",
        `${((idle.cpu / idle.seconds) * 100).toFixed(2)} % CPU`,
        `peak ${megabytes(idle.peak)}`
      )
    }
  }).pipe(Effect.scoped)

const command = Command.make("bench:queue", options, program)

Command.run(command, { name: "sluice bench:queue", version: "1" })(process.argv).pipe(
  Effect.provide(NodeContext.layer),
  NodeRuntime.runMain
)
