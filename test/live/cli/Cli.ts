/**
 * The real command (dist/bin/sluice.js) as a child process, in a directory of its own: the database, the files and the
 * home of each test lie in there, and an origin belongs to it.
 *
 * Tests wait for what they see (bytes served, output, rows in the database), not for time to pass. A process that is
 * still there when a test ends is killed.
 */
import { expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { EventEmitter } from "node:events"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { TestContext } from "vitest"
import * as Events from "../../../src/programs/cli/Events.js"
import { bundled } from "../Bundled.js"
import type { Origin } from "../Origin.js"
import { make as makeOrigin } from "../Origin.js"

/** Another build can be tested by naming its script. */
const script =
  process.env["SLUICE_TEST_COMMAND"] ?? fileURLToPath(new URL("../../../dist/bin/sluice.js", import.meta.url))

export const MiB = 1024 * 1024

/** What a process has left behind. `code` is null where a signal ended it. */
export interface Result {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  /** Nothing happens if the process has ended. */
  readonly send: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for the effect; dies with what the process said if it ends before that. */
  readonly during: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Waits until what the process has written so far is as wanted. */
  readonly until: (condition: (running: Running) => boolean) => Effect.Effect<void>
  readonly result: Effect.Effect<Result>
  /** kill -9, awaited. */
  readonly kill: Effect.Effect<Result>
}

const start = (
  [file, ...args]: readonly [file: string, ...args: ReadonlyArray<string>],
  options: {
    readonly cwd: string
    readonly env: Readonly<Record<string, string>>
    /** What it reads; nothing if not given. */
    readonly stdin?: string
  }
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { stdin, ...how } = options
      const child = spawn(file, args, { ...how, stdio: ["pipe", "pipe", "pipe"] })
      // a process that ends without reading it is not an error here
      child.stdin.on("error", () => {}).end(stdin)
      const events = new EventEmitter().setMaxListeners(0)
      const text = { stdout: "", stderr: "" }
      let ended: Result | undefined
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (data: string) => {
          text[name] += data
          events.emit("change")
        })
      }
      child.on("close", (code, signal) => {
        ended = { code, signal, ...text }
        events.emit("change")
      })
      const when = <A>(look: () => A | undefined): Effect.Effect<A> =>
        Effect.async((resume) => {
          const check = () => {
            const found = look()
            if (found === undefined) return
            events.off("change", check)
            resume(Effect.succeed(found))
          }
          events.on("change", check)
          check()
          return Effect.sync(() => events.off("change", check))
        })
      const result = when(() => ended)
      const send = (signal: NodeJS.Signals) => Effect.sync(() => void child.kill(signal))
      const running: Running = {
        pid: child.pid!,
        stdout: () => text.stdout,
        stderr: () => text.stderr,
        send,
        during: (effect) =>
          Effect.raceFirst(
            effect,
            Effect.flatMap(result, (early) =>
              Effect.die(new Error(`it ended too early: ${JSON.stringify(early)}`))
            )
          ),
        until: (condition) =>
          running.during(Effect.asVoid(when(() => (condition(running) ? true : undefined)))),
        result,
        kill: Effect.zipRight(send("SIGKILL"), result)
      }
      return running
    }),
    (running) => running.kill
  )

/** The columns of the table `downloads` that tests look at. */
export interface Row {
  readonly id: number
  readonly status: string
  readonly checkpoint: number
  readonly total: number | null
  readonly attempt: number
  readonly publishing: string | null
  readonly headers: string | null
}

/** The rows as they are committed; none while there is no such table. */
export const rows = (database: string): ReadonlyArray<Row> => {
  try {
    const db = new Sqlite(database, { readonly: true, fileMustExist: true })
    try {
      // the columns named are those of the interface
      return db
        .prepare(
          "SELECT id, status, checkpoint, total, attempt, publishing, headers FROM sluice_downloads ORDER BY id"
        )
        .all() as Array<Row>
    } finally {
      db.close()
    }
  } catch {
    return []
  }
}

/** Waits until something is so that nobody announces. */
export const eventually = (condition: () => boolean): Effect.Effect<void> =>
  Effect.asVoid(
    Effect.repeat(Effect.sync(condition), { until: (is) => is, schedule: Schedule.spaced("5 millis") })
  )

/** A directory that is gone when the scope closes. */
export const temporary: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "sluice-cli-")))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/** A directory for one test, and what is in it. */
export interface World {
  readonly origin: Origin
  /** Of this test alone; the working directory of its processes. */
  readonly root: string
  /** Where `get` puts files: `root`/files, there already. */
  readonly dir: string
  /** The default database. */
  readonly database: string
  readonly start: (...args: ReadonlyArray<string>) => Effect.Effect<Running, never, Scope.Scope>
  readonly run: (...args: ReadonlyArray<string>) => Effect.Effect<Result>
  /** The same, with more variables, or with something to read from stdin. */
  readonly runWith: (
    more: { readonly env?: Readonly<Record<string, string>>; readonly stdin?: string },
    ...args: ReadonlyArray<string>
  ) => Effect.Effect<Result>
  /** A program in TypeScript beside this file, with `sluice` as its users import it; one process, so that it can be killed. */
  readonly startProgram: (
    file: string,
    ...args: ReadonlyArray<string>
  ) => Effect.Effect<Running, never, Scope.Scope>
  /** A line that the command has told people to type. */
  readonly shell: (line: string) => Effect.Effect<Result>
  /** `sluice get --dir DIR ...more URL` of a path of the origin. */
  readonly startGet: (
    path: string,
    ...more: ReadonlyArray<string>
  ) => Effect.Effect<Running, never, Scope.Scope>
  readonly get: (path: string, ...more: ReadonlyArray<string>) => Effect.Effect<Result>
  /** The only row there is. */
  readonly row: () => Row | undefined
}

export const makeWorld: Effect.Effect<World, never, Scope.Scope> = Effect.gen(function* () {
  const origin = yield* makeOrigin()
  const root = yield* temporary
  const dir = join(root, "files")
  fs.mkdirSync(dir)
  const database = join(root, "state", "sluice", "sluice.db")
  const options = {
    cwd: root,
    env: { PATH: process.env["PATH"] ?? "", HOME: root, TMPDIR: root, XDG_STATE_HOME: join(root, "state") }
  }
  const begin: World["start"] = (...args) => start([process.execPath, script, ...args], options)
  const run: World["run"] = (...args) => Effect.scoped(Effect.flatMap(begin(...args), ({ result }) => result))
  const runWith: World["runWith"] = ({ env, ...more }, ...args) =>
    Effect.scoped(
      Effect.flatMap(
        start([process.execPath, script, ...args], { ...options, ...more, env: { ...options.env, ...env } }),
        ({ result }) => result
      )
    )
  const getting = (path: string, more: ReadonlyArray<string>) => [
    "get",
    "--dir",
    dir,
    ...more,
    path.startsWith("/") ? origin.url(path) : path
  ]
  return {
    origin,
    root,
    dir,
    database,
    start: begin,
    run,
    runWith,
    startProgram: (file, ...args) =>
      Effect.flatMap(bundled(fileURLToPath(new URL(file, import.meta.url))), (program) =>
        start([process.execPath, program, ...args], options)
      ),
    shell: (line) =>
      Effect.scoped(Effect.flatMap(start(["/bin/sh", "-c", line], options), ({ result }) => result)),
    startGet: (path, ...more) => begin(...getting(path, more)),
    get: (path, ...more) => run(...getting(path, more)),
    row: () => rows(database)[0]
  }
})

/** No test takes nearly as long; on a busy machine processes start slowly. */
const patience = 120_000

/** A test in a world of its own. `timeout` in milliseconds. */
export const live = <E>(
  title: string,
  body: (world: World, context: TestContext) => Effect.Effect<void, E, Scope.Scope>,
  timeout: number = patience
): void =>
  it.scopedLive(title, (context) => Effect.flatMap(makeWorld, (world) => body(world, context)), timeout)

/** The names in a directory, sorted. */
export const names = (directory: string): ReadonlyArray<string> => fs.readdirSync(directory).sort()

/** Makes two links in the directory of a world's files: `in` stays inside, `out` leads to `outside`, beside it. */
export const linked = ({ dir, root }: Pick<World, "dir" | "root">): void => {
  fs.mkdirSync(join(root, "outside"))
  fs.mkdirSync(join(dir, "inside"))
  fs.symlinkSync("../outside", join(dir, "out"))
  fs.symlinkSync("inside", join(dir, "in"))
}

export const sha256 = (file: string): string =>
  createHash("sha256").update(fs.readFileSync(file)).digest("hex")

/** Expects that a file holds the first `size` bytes of what the origin serves at `path`. */
export const expectExact = (
  { origin }: World,
  file: string,
  path: string,
  size: number,
  version?: number
): void => {
  expect(fs.statSync(file).size).toBe(size)
  expect(sha256(file), `the bytes of ${file}`).toBe(origin.content(path, version).sha256(size))
}

/** Expects success, and that the only file in `dir` is the one named, exact, and told on stdout. */
export const expectOnly = (
  world: World,
  result: Result,
  name: string,
  path: string,
  size: number,
  version?: number
): void => {
  expect(result).toMatchObject({ code: 0, stdout: `${join(world.dir, name)}\n` })
  expect(names(world.dir)).toEqual([name])
  expectExact(world, join(world.dir, name), path, size, version)
}

/** The lines of `--json`, each checked against the contract. */
export const eventsOf = (stdout: string): ReadonlyArray<Events.Event> => {
  expect(stdout === "" || stdout.endsWith("\n")).toBe(true)
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) =>
      Schema.decodeUnknownSync(Schema.parseJson(Events.Event), { onExcessProperty: "error" })(line)
    )
}
