/**
 * Engine locks between real processes, through every way a process can stop.
 */
import { afterAll, beforeAll, describe, expect, it } from "@effect/vitest"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as readline from "node:readline"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { EngineId } from "../../src/domain/Download.js"
import * as SidecarLock from "../../src/layers/SidecarLock.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import { bundle } from "./Bundle.js"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-lock-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/**
 * A process that starts engines on a database, one after the other, and says their ids; when its input ends, it stops
 * gracefully. With ids as arguments, it says whether they are alive.
 */
const program = `
  import * as Context from "effect/Context"
  import * as Effect from "effect/Effect"
  import * as Layer from "effect/Layer"
  import * as SidecarLock from "./src/layers/SidecarLock.js"
  import { EngineLife } from "./src/services/EngineLife.js"
  const [database, engines, ...ids] = process.argv.slice(2)
  const engine = Layer.build(Layer.fresh(SidecarLock.layer(database))).pipe(
    Effect.map((context) => Context.get(context, EngineLife)))
  const ended = Effect.async((resume) => { process.stdin.on("end", () => resume(Effect.void)).resume() })
  const program = Effect.gen(function* () {
    const started = []
    for (let i = 0; i < Number(engines); i++) started.push(yield* engine)
    process.stdout.write(started.map(({ id }) => id).join(" ") + "\\n")
    for (const id of ids) process.stdout.write((yield* started[0].isAlive(id)) + "\\n")
    yield* ended
  })
  Effect.runPromise(Effect.scoped(program)).then(() => process.exit(0))
`

interface Engines {
  readonly child: ChildProcess
  readonly ids: ReadonlyArray<EngineId>
}

let programs: string
let script: string
beforeAll(() => {
  programs = fs.mkdtempSync(join(tmpdir(), "sluice-lock-program-"))
  script = bundle(programs, program)
})
afterAll(() => fs.rmSync(programs, { recursive: true, force: true }))

const startEngines = (database: string, count = 1) =>
  Effect.acquireRelease(
    Effect.promise(async (): Promise<Engines> => {
      const child = spawn(process.execPath, [script, database, String(count)], {
        stdio: ["pipe", "pipe", "inherit"]
      })
      const [line] = await once(readline.createInterface(child.stdout), "line")
      return {
        child,
        ids: String(line)
          .split(" ")
          .map((id) => EngineId.make(id))
      }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** What another process thinks. */
const askElsewhere = (database: string, id: EngineId): string =>
  execFileSync(process.execPath, [script, database, "1", id], {
    encoding: "utf8",
    input: ""
  }).split("\n")[1]!

const kill = (child: ChildProcess, signal: NodeJS.Signals) =>
  Effect.promise(async () => {
    const exit = once(child, "exit")
    child.kill(signal)
    await exit
  })

const engine = (database: string) =>
  Layer.build(Layer.fresh(SidecarLock.layer(database))).pipe(
    Effect.map((context) => Context.get(context, EngineLife))
  )

/** One turn of the event loop. */
const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const sidecars = (directory: string) =>
  fs.readdirSync(directory).filter((name) => name.startsWith("queue.db.engine-"))

const setting = Effect.map(temporary, (directory) => {
  const database = join(directory, "queue.db")
  return { directory, database, sidecar: (id: string) => `${database}.engine-${id}` }
})

describe("between processes", () => {
  it.scopedLive("running is alive, stopped is alive, killed is dead at once and leaves nothing", () =>
    Effect.gen(function* () {
      const { directory, database, sidecar } = yield* setting
      const { child, ids } = yield* startEngines(database)
      const id = ids[0]!
      const mine = yield* engine(database)
      expect(yield* mine.isAlive(id)).toBe(true)

      child.kill("SIGSTOP")
      expect(yield* mine.isAlive(id)).toBe(true)
      expect(fs.existsSync(sidecar(id))).toBe(true)

      yield* kill(child, "SIGKILL")
      expect(yield* mine.isAlive(id)).toBe(false)
      expect(fs.existsSync(sidecar(id))).toBe(false)
      expect(yield* mine.isAlive(id)).toBe(false)
      expect(sidecars(directory)).toEqual([`queue.db.engine-${mine.id}`])
    })
  )

  it.scopedLive("a graceful stop removes the file", () =>
    Effect.gen(function* () {
      const { database, sidecar } = yield* setting
      const { child, ids } = yield* startEngines(database)
      const mine = yield* engine(database)
      expect(yield* mine.isAlive(ids[0]!)).toBe(true)
      const exit = once(child, "exit")
      child.stdin!.end()
      yield* Effect.promise(() => exit)
      expect(fs.existsSync(sidecar(ids[0]!))).toBe(false)
      expect(yield* mine.isAlive(ids[0]!)).toBe(false)
    })
  )

  it.scopedLive("asking never loosens a lock, of this process or another", () =>
    Effect.gen(function* () {
      const { database } = yield* setting
      const first = yield* engine(database)
      const second = yield* engine(database)
      for (let i = 0; i < 50; i++) {
        expect(yield* first.isAlive(second.id)).toBe(true)
        expect(yield* second.isAlive(first.id)).toBe(true)
      }
      expect(askElsewhere(database, first.id)).toBe("true")
      expect(askElsewhere(database, second.id)).toBe("true")
    })
  )

  it.scopedLive("engines that start while others sweep are never taken for dead", () =>
    Effect.gen(function* () {
      const { directory, database } = yield* setting
      const mine = yield* engine(database)
      const starting = yield* Effect.fork(startEngines(database, 300))
      while (starting.unsafePoll() === null) {
        for (const name of sidecars(directory)) {
          yield* mine.isAlive(EngineId.make(name.slice("queue.db.engine-".length)))
        }
        yield* turn
      }
      const { ids } = yield* starting
      expect(ids.length).toBe(300)
      const dead: Array<string> = []
      for (const id of ids) if (!(yield* mine.isAlive(id))) dead.push(id)
      expect(dead).toEqual([])
    })
  )
})

describe("in one process", () => {
  it.scopedLive("one engine's end leaves the other's lock alone", () =>
    Effect.gen(function* () {
      const { database, sidecar } = yield* setting
      const scope = yield* Scope.make()
      const first = yield* Scope.extend(engine(database), scope)
      const second = yield* engine(database)
      expect(first.id).not.toBe(second.id)
      expect(yield* first.isAlive(first.id)).toBe(true)
      yield* Scope.close(scope, Exit.void)
      expect(yield* second.isAlive(first.id)).toBe(false)
      expect(fs.existsSync(sidecar(first.id))).toBe(false)
      expect(askElsewhere(database, second.id)).toBe("true")
    })
  )

  it.scopedLive("the file is for its owner only, stays empty, and has no journal", () =>
    Effect.gen(function* () {
      const { directory, database, sidecar } = yield* setting
      const mine = yield* engine(database)
      const stats = fs.lstatSync(sidecar(mine.id))
      expect([stats.mode & 0o777, stats.size]).toEqual([0o600, 0])
      expect(fs.readdirSync(directory)).toEqual([`queue.db.engine-${mine.id}`])
    })
  )

  it.scopedLive("a lock that nothing else refers to outlives a garbage collection", () =>
    Effect.gen(function* () {
      const { database } = yield* setting
      // a scope that is never closed and that nobody keeps
      const { id } = yield* Effect.flatMap(Scope.make(), (scope) => Scope.extend(engine(database), scope))
      v8.setFlagsFromString("--expose-gc")
      const collect: () => void = vm.runInNewContext("gc")
      collect()
      yield* turn
      collect()
      expect(askElsewhere(database, id)).toBe("true")
    })
  )

  it.scopedLive("engines meet whatever path they use for the database", () =>
    Effect.gen(function* () {
      const { directory, database } = yield* setting
      fs.mkdirSync(join(directory, "elsewhere"))
      fs.symlinkSync(database, join(directory, "elsewhere", "first.db"))
      fs.symlinkSync("first.db", join(directory, "elsewhere", "second.db"))
      fs.symlinkSync(join(directory, "elsewhere"), join(directory, "other"))
      const direct = yield* engine(database)
      // the links lead nowhere yet: SQLite would make the database where they point
      const linked = yield* engine(join(directory, "other", "second.db"))
      expect(yield* direct.isAlive(linked.id)).toBe(true)
      expect(yield* linked.isAlive(direct.id)).toBe(true)
      fs.writeFileSync(database, "")
      const later = yield* engine(join(directory, "elsewhere", "first.db"))
      expect(yield* direct.isAlive(later.id)).toBe(true)
      expect(sidecars(directory).length).toBe(3)
    })
  )

  it.scopedLive("what a dead engine left behind is swept away when another starts", () =>
    Effect.gen(function* () {
      const { directory, database, sidecar } = yield* setting
      const other = yield* engine(database)
      for (let i = 0; i < 5; i++) fs.writeFileSync(sidecar(randomUUID()), "")
      fs.writeFileSync(sidecar("not-one-of-ours"), "")
      const mine = yield* engine(database)
      const expected = [mine.id, other.id, "not-one-of-ours"].map((id) => `queue.db.engine-${id}`).sort()
      yield* Effect.sync(() => sidecars(directory).sort()).pipe(
        Effect.repeat({ until: (names) => names.length === 3, schedule: Schedule.spaced("5 millis") })
      )
      expect(sidecars(directory).sort()).toEqual(expected)
      // the sweep is over: now who asks removes
      const late = EngineId.make(randomUUID())
      fs.writeFileSync(sidecar(late), "")
      expect(yield* mine.isAlive(late)).toBe(false)
      expect(fs.existsSync(sidecar(late))).toBe(false)
    })
  )
})

describe("ids nobody should trust", () => {
  it.scopedLive("are just dead, and nothing is touched", () =>
    Effect.gen(function* () {
      const { directory, database, sidecar } = yield* setting
      const mine = yield* engine(database)
      // an empty file is a valid, unlocked SQLite database
      const victim = join(directory, "victim")
      fs.writeFileSync(victim, "")
      fs.mkdirSync(sidecar(""))
      const uuids = Array.from({ length: 5 }, () => randomUUID())
      fs.symlinkSync(victim, sidecar(uuids[0]!))
      fs.mkdirSync(sidecar(uuids[1]!))
      execFileSync("mkfifo", [sidecar(uuids[2]!)])
      fs.writeFileSync(
        sidecar(uuids[3]!),
        "this is no database, and long enough to be taken for one ".repeat(100)
      )
      fs.mkdirSync(sidecar(uuids[4]!.toUpperCase()))
      const before = fs.readdirSync(directory).sort()
      const hostile = [
        "",
        "/../victim",
        "../victim",
        "/../../victim",
        `${uuids[1]}/../victim`,
        `${uuids[1]}\n`,
        `${randomUUID()}/../../victim`,
        `${mine.id}\0`,
        mine.id.toUpperCase(),
        ` ${mine.id}`,
        "a".repeat(10_000),
        ...uuids
      ]
      for (const id of hostile) expect(yield* mine.isAlive(EngineId.make(id))).toBe(false)
      expect(fs.readdirSync(directory).sort()).toEqual(before)
      expect(yield* mine.isAlive(mine.id)).toBe(true)
    })
  )
})

describe("a place where no lock can be", () => {
  it.scopedLive("is told with a reason and the database's path", () =>
    Effect.gen(function* () {
      const { directory, database } = yield* setting
      fs.writeFileSync(join(directory, "file"), "")
      fs.symlinkSync("loop.db", join(directory, "loop.db"))
      const failure = (path: string) =>
        Effect.map(Effect.flip(engine(path)), (error) => [error.reason, error.path])
      for (const path of ["missing/queue.db", "file/queue.db", "loop.db", "x".repeat(250)].map((name) =>
        join(directory, name)
      )) {
        expect(yield* failure(path)).toEqual(["Unavailable", path])
      }
      expect(fs.readdirSync(directory).sort()).toEqual(["file", "loop.db"])
      expect(fs.existsSync(database)).toBe(false)
    })
  )
})

describe("alone", () => {
  it.scopedLive("only itself is alive", () =>
    Effect.gen(function* () {
      const alone = yield* EngineLife
      expect(yield* alone.isAlive(alone.id)).toBe(true)
      expect(yield* alone.isAlive(EngineId.make(randomUUID()))).toBe(false)
      const again = Context.get(yield* Layer.build(Layer.fresh(SidecarLock.layerAlone)), EngineLife)
      expect(again.id).not.toBe(alone.id)
    }).pipe(Effect.provide(SidecarLock.layerAlone))
  )
})
