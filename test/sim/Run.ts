/**
 * One run: processes of the real engine, on a real SQLite file, between the simulated disk and network, used by clients, killed
 * and restarted as the scenario says, judged by the oracles all the while.
 *
 * A process is one process of the simulator. When it dies, its database is copied as it stands, the disk keeps what that
 * death leaves, and the next process starts on the copy. The last process must bring everything to its end.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { Download } from "../../src/domain/Download.js"
import { defaultPolicy } from "../../src/domain/HostGate.js"
import * as Database from "../../src/layers/Database.js"
import * as Engine from "../../src/layers/Engine.js"
import { defaults, EngineOptions, type EngineOptionsShape } from "../../src/services/EngineOptions.js"
import { clients } from "./Clients.js"
import { Fibers } from "./Fibers.js"
import { checkEnd } from "./FinalOracles.js"
import type { Entry } from "./Ledger.js"
import { checkNoReader, checkOutbox, peekOutbox } from "./OutboxOracles.js"
import { checkRows } from "./Oracles.js"
import { copyDatabase, peekRows } from "./Rows.js"
import type { Enough } from "./Noticing.js"
import type { Told } from "./Told.js"
import { draw, segmentation, type Ending, type Scenario } from "./Scenario.js"
import type { CrashKind } from "./SimDisk.js"
import { dawn, type Driven } from "./Simulator.js"
import { checkCost, checkResumed, type Reached } from "./Waste.js"
import { World } from "./World.js"

export interface Report extends Told {
  readonly scenario: Scenario
}

export interface RunOptions {
  /** Changes the scenario that was drawn from the seed. */
  readonly vary?: (scenario: Scenario) => Scenario
  /** Takes the engine's place, to prove that an oracle notices. */
  readonly engine?: typeof Engine.layer
  /** Engine options beyond the scenario's. */
  readonly tune?: Partial<EngineOptionsShape>
  /** Whether commits survive a crash; false to prove that an oracle notices. @default true */
  readonly keepsLog?: boolean
  /** How long a process may take, in virtual milliseconds. @default 12 h */
  readonly time?: number
  /** Stops after so many steps in all. */
  readonly steps?: number
  /** Stops when this is true of what was noticed. */
  readonly enough?: Enough
  readonly onNote?: (line: string) => void
}

/** No process runs longer, in virtual milliseconds and in steps. */
const maxTime = 12 * 3_600_000
const maxSteps = 3_000_000

/** What an orderly stop may take: the engine's own bound, and a little to say so. */
const stopTime = defaults.shutdownTimeout + 5000

interface Process {
  readonly main: Fiber.RuntimeFiber<void, unknown>
  readonly fibers: Fibers
  readonly exit: () => Exit.Exit<void, unknown> | null
}

class Run {
  readonly endings: Array<string> = []
  private readonly world: World
  private reached: ReadonlyArray<Reached> = []
  private crashAt = Infinity
  /** How many violations have been looked at, and whether that is enough. */
  private judged = 0
  private enough = false
  private countdown: { readonly text: string; left: number; readonly step: number } | undefined

  constructor(
    readonly seed: number,
    private readonly options: RunOptions
  ) {
    const vary = options.vary ?? ((scenario: Scenario) => scenario)
    this.world = new World(
      seed,
      (random) => vary(draw(random.fork("scenario"))),
      (line) => this.heard(line)
    )
    this.world.scheduleAudits()
  }

  run(): Report {
    const { world } = this
    const { scenario, sim } = world
    for (const ending of [...scenario.endings, undefined]) {
      if (this.life(ending)) break
    }
    world.dispose()
    const outcomes: Record<string, number> = {}
    for (const { finished } of world.ledger.entries) {
      const outcome =
        finished === undefined
          ? "unfinished"
          : (finished.outcome ?? finished.failure?.reason ?? finished.status)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    return {
      seed: this.seed,
      scenario,
      violations: world.violations,
      fingerprint: sim.fingerprint,
      steps: sim.steps,
      time: sim.now - dawn,
      endings: this.endings,
      outcomes,
      story: [...sim.story]
    }
  }

  private get cutShort(): boolean {
    return this.world.sim.steps >= (this.options.steps ?? Infinity) || this.hasEnough
  }

  private get hasEnough(): boolean {
    const { violations } = this.world
    if (violations.length === this.judged) return this.enough
    this.judged = violations.length
    return (this.enough = this.options.enough?.(violations) === true)
  }

  private heard(line: string): void {
    this.options.onNote?.(line)
    const { countdown } = this
    if (countdown === undefined || !line.includes(countdown.text) || --countdown.left > 0) return
    this.crashAt = this.world.sim.steps + countdown.step
    this.countdown = undefined
  }

  /** One process, from its start to its end. True if nothing is left to do. */
  private life(ending: Ending | undefined): boolean {
    const { sim } = this.world
    const process = this.start()
    this.crashAt = Infinity
    this.countdown = undefined
    if (ending !== undefined && "after" in ending) {
      this.countdown = { text: ending.after, left: ending.nth, step: ending.step }
    } else if (ending !== undefined && "time" in ending) {
      const mine = sim.process
      sim.worldAfter(ending.time, () => {
        if (sim.process === mine) this.crashAt = sim.steps
      })
    } else if (ending !== undefined) this.crashAt = sim.steps + ending.step
    const driven = sim.drive(() => process.exit() !== null || sim.steps >= this.crashAt || this.hasEnough, {
      steps: Math.min(maxSteps, (this.options.steps ?? Infinity) - sim.steps),
      time: this.options.time ?? maxTime
    })
    checkResumed(this.world, this.reached, sim.process)
    this.reached = []
    if (process.exit() !== null) return this.finished(process)
    if (this.hasEnough) return this.stuck(process, driven)
    if (driven !== "Reached" || ending === undefined) return this.stuck(process, driven)
    if (ending.kind === "stop") return this.stop(process)
    this.crash(process, ending.kind)
    return false
  }

  private start(): Process {
    const { database, disk, life, scenario, sim, wire } = this.world
    const fibers = new Fibers()
    const base = Layer.mergeAll(
      Database.layerFile(database),
      disk.layer,
      wire.layer,
      life.layer,
      Layer.succeed(EngineOptions, {
        ...defaults,
        concurrency: scenario.concurrency,
        gate: () => ({ ...defaultPolicy, connections: scenario.perHost }),
        limits: { rate: scenario.limits.all, perHost: () => scenario.limits.host },
        adopt: scenario.adopt,
        commitInterval: scenario.commitInterval,
        segmentation,
        ...this.options.tune
      })
    )
    const story = Logger.make(({ cause, logLevel, message }) => {
      sim.tell(`log ${logLevel.label} ${String(message)} ${Cause.isEmpty(cause) ? "" : Cause.pretty(cause)}`)
    })
    const surroundings = { ...this.world, watch: this.world, halted: this.halted }
    const program = Effect.zipRight(this.checkPragmas, clients(surroundings)).pipe(
      Effect.provide(
        Layer.provideMerge(
          (this.options.engine ?? Engine.layer).pipe(Layer.provideMerge(base)),
          Logger.replace(Logger.defaultLogger, story)
        )
      ),
      Logger.withMinimumLogLevel(LogLevel.Info),
      Effect.supervised(fibers)
    )
    sim.note(`process ${sim.process} starts`)
    const main = sim.fork(program)
    let exit: Exit.Exit<void, unknown> | null = null
    main.addObserver((value) => {
      exit = value
    })
    return { main, fibers, exit: () => exit }
  }

  /** What the copies of the database stand for: every commit is on stable storage. */
  private readonly checkPragmas = Effect.gen(this, function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ synchronous: number }>`PRAGMA synchronous`
    if (row?.synchronous !== 2) this.world.violation("B6", "the database does not sync its commits")
  })

  /** C1: when pause or cancel has returned, nothing of the download runs. */
  private readonly halted = (entry: Entry, download: Download): void => {
    const { disk, ledger, violation, wire } = this.world
    const { key } = entry.order
    // somebody else asked for the same, and may have resumed it meanwhile
    if (ledger.entries.filter((other) => other.order.key === key).length > 1) return
    if (download.status === "processing")
      violation("C1", `${download.id} is still processing when told to halt`)
    if (wire.openExchanges.some((exchange) => exchange.asked.download === key)) {
      violation("C1", `${download.id} has a connection after it was halted`)
    }
    const part = download.part === null ? undefined : disk.find(download.part)
    if (part !== undefined && disk.opened.inodes.includes(part)) {
      violation("C1", `${download.part?.name} is open after its download was halted`)
    }
  }

  private finished(process: Process): boolean {
    const { sim, violation } = this.world
    const exit = process.exit()
    if (exit !== null && Exit.isFailure(exit)) {
      sim.tell(Cause.pretty(exit.cause))
      violation("Engine", `the process ended by itself: ${Cause.pretty(exit.cause).split("\n")[0]}`)
    }
    this.endings.push("finished")
    this.checkLeftovers(process)
    checkEnd(this.world, peekRows(this.world.database))
    return true
  }

  private checkLeftovers({ fibers }: Process): void {
    const { disk, sim, violation, wire } = this.world
    // fibers that were interrupted and not waited for
    sim.drive(() => sim.isIdle(sim.process), { steps: 10_000 })
    if (fibers.count > 0) violation("C1", `${fibers.count} fibers are left when the engine is closed`)
    const pending = sim.pending(sim.process)
    if (pending > 0) violation("C1", `${pending} timers are left when the engine is closed`)
    const paths = disk.opened.pathsOf(sim.process)
    if (paths.length > 0) violation("C1", `left open: ${paths.join(", ")}`)
    if (wire.openExchanges.length > 0) violation("C1", `${wire.openExchanges.length} connections are left`)
  }

  private stuck({ main }: Process, driven: Driven): boolean {
    const { database, sim, violation } = this.world
    this.endings.push(driven)
    if (!this.cutShort) {
      const states = peekRows(database).map(
        (row) => `${row.id} ${row.status} of ${row.owner} ${row.failure?.reason}`
      )
      violation("Q2", `${driven}, unfinished: ${states.join("; ")}`)
    }
    sim.bury(main, sim.crash())
    return true
  }

  private crash({ main }: Process, kind: CrashKind): void {
    const { world } = this
    const { disk, life, sim, wire } = world
    sim.note(`process ${sim.process} dies: ${kind}`)
    this.endings.push(kind)
    const rows = peekRows(world.database)
    checkRows(world, rows)
    checkOutbox(world, rows, peekOutbox(world.database))
    this.reached = checkCost(world, rows, sim.process, sim.now)
    const next = world.databaseOf(sim.process + 1)
    copyDatabase(world.database, next, this.options.keepsLog)
    disk.kill(sim.process)
    if (kind === "power") disk.powerCut()
    wire.crash(sim.process)
    life.crash(sim.process)
    sim.bury(main, sim.crash())
    sim.spawn()
    world.database = next
    checkRows(world, peekRows(next))
    checkOutbox(world, peekRows(next), peekOutbox(next))
    sim.elapse(kind === "kill" ? 100 : 5000)
  }

  private stop(process: Process): boolean {
    const { world } = this
    const { sim } = world
    sim.note(`process ${sim.process} is told to stop`)
    process.main.unsafeInterruptAsFork(FiberId.none)
    const driven = sim.drive(() => process.exit() !== null, { time: stopTime, steps: maxSteps })
    if (driven !== "Reached") {
      world.violation("C1", "the engine does not stop within its bound")
      return this.stuck(process, driven)
    }
    this.endings.push("stop")
    this.checkLeftovers(process)
    const rows = peekRows(world.database)
    checkRows(world, rows)
    const outbox = peekOutbox(world.database)
    checkOutbox(world, rows, outbox)
    checkNoReader(world, outbox, `engine-${sim.process}`)
    for (const row of rows) {
      if (row.owner === `engine-${sim.process}`)
        world.violation("Q2", `${row.id} has the owner ${row.owner} after an orderly stop`)
    }
    const next = world.databaseOf(sim.process + 1)
    copyDatabase(world.database, next)
    world.database = next
    sim.crash()
    sim.spawn()
    return false
  }
}

/** Runs a seed. */
export const run = (seed: number, options: RunOptions = {}): Report => new Run(seed, options).run()
