/**
 * One run with several engines: processes that come and go on one database, one disk and one network, each with fibers, a
 * store and a lock of its own; commands from yet other processes; deaths at arbitrary steps while the others go on; power cuts that
 * end them all. The last engine must bring everything to its end.
 *
 * A death closes the process's connection to the database (what it had not committed is gone), frees its lock and drops
 * everything in flight; the others see nothing but that.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import { defaultPolicy } from "../../../src/domain/HostGate.js"
import type { DownloadError } from "../../../src/domain/DownloadError.js"
import type { StoreError } from "../../../src/domain/StoreError.js"
import * as Database from "../../../src/layers/Database.js"
import * as Engine from "../../../src/layers/Engine.js"
import type { Downloads } from "../../../src/services/Downloads.js"
import { defaults, EngineOptions, type EngineOptionsShape } from "../../../src/services/EngineOptions.js"
import { Fibers } from "../Fibers.js"
import { copyDatabase } from "../Rows.js"
import { segmentation } from "../Scenario.js"
import { dawn, type Driven } from "../Simulator.js"
import type { Enough } from "../Noticing.js"
import type { Told } from "../Told.js"
import { World } from "../World.js"
import { Audit } from "./Audit.js"
import { Book } from "./Book.js"
import { Connections } from "./Connections.js"
import { draw, type EnginePlan, type Plan } from "./Plan.js"
import * as Programs from "./Programs.js"

export interface FleetOptions {
  /** Changes the plan that was drawn from the seed. */
  readonly vary?: (plan: Plan) => Plan
  /** Takes the engine's place, to prove that an oracle notices; told how many processes there were before. */
  readonly engine?: (process: number) => typeof Engine.layer
  readonly tune?: Partial<EngineOptionsShape>
  readonly onNote?: (line: string) => void
  readonly steps?: number
  /** Stops when this is true of what was noticed. */
  readonly enough?: Enough
}

const maxTime = 12 * 3_600_000
const maxSteps = 2_000_000

/** What an orderly stop may take: the engine's own bound, and a little to say so. */
const stopTime = defaults.shutdownTimeout + 5000

/** How often the rows are looked at, in milliseconds. */
const lookInterval = 3000

interface Process {
  readonly number: number
  readonly what: string
  readonly main: Fiber.RuntimeFiber<void, unknown>
  readonly fibers: Fibers
  readonly plan: EnginePlan | undefined
  readonly since: number
  exit: Exit.Exit<void, unknown> | undefined
  /** Since when it has been told to stop. */
  stopping: number | undefined
  /** It is to die, or to be told to stop, at this step. */
  dueAt: number
  countdown: number
}

class FleetRun {
  private readonly world: World
  private readonly book: Book
  private readonly audit: Audit
  private readonly connections = new Connections()
  private readonly programs: ReturnType<typeof Programs.make>
  private readonly processes = new Map<number, Process>()
  private readonly endings: Array<string> = []
  private started = 0
  private last: Process | undefined
  private finished = false
  /** How many violations have been looked at, and whether that is enough. */
  private judged = 0
  private enough = false

  constructor(
    readonly seed: number,
    private readonly options: FleetOptions
  ) {
    let plan: Plan | undefined
    this.world = new World(
      seed,
      (random) => {
        plan = (options.vary ?? ((same) => same))(draw(random.fork("fleet")))
        return plan.scenario
      },
      (line) => this.heard(line),
      (download) => this.book.checkAsked(download)
    )
    this.book = new Book(plan!, this.world)
    this.programs = Programs.make(this.book)
    this.audit = new Audit(this.book, () =>
      [...this.processes.values()].flatMap(({ exit, number, plan, since, stopping }) =>
        plan === undefined || exit !== undefined || stopping !== undefined
          ? []
          : [{ id: `engine-${number}`, adopt: plan.adopt, concurrency: plan.concurrency, since }]
      )
    )
  }

  run(): Told {
    const { sim } = this.world
    this.schedule()
    const driven = this.connections.during(
      () => sim.process,
      () =>
        sim.drive(() => this.turn(), {
          steps: Math.min(maxSteps, this.options.steps ?? Infinity),
          time: maxTime
        })
    )
    if (driven !== "Reached" && this.options.steps === undefined) this.stuck(driven)
    if (this.finished) this.audit.end()
    const outcomes: Record<string, number> = {}
    for (const row of this.audit.rows()) {
      const outcome = row.outcome ?? row.failure?.reason ?? row.status
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    this.audit.close()
    for (const process of this.processes.values()) this.kill(process)
    this.world.dispose()
    return {
      seed: this.seed,
      violations: this.world.violations,
      fingerprint: sim.fingerprint,
      steps: sim.steps,
      time: sim.now - dawn,
      endings: this.endings,
      outcomes,
      story: [...sim.story]
    }
  }

  private schedule(): void {
    const { commands, engines, lastAt, powerCuts } = this.book.plan
    const { sim } = this.world
    for (const plan of engines) sim.worldAfter(plan.at, () => this.startEngine(plan))
    for (const plan of commands) {
      sim.worldAfter(plan.at, () => {
        const options = { autoStart: false, adopt: false }
        const process = this.start(`command ${plan.deed}`, options, () => this.programs.command(plan))
        if (plan.dies !== undefined) process.dueAt = sim.steps + plan.dies
      })
    }
    for (const at of powerCuts) sim.worldAfter(at, () => this.powerCut())
    sim.worldAfter(lastAt, () => {
      const plan: EnginePlan = { at: lastAt, adopt: true, concurrency: 4, orders: [], ending: undefined }
      const isAlone = () => this.processes.size === 1
      this.last = this.start("last engine", plan, () => this.programs.last(isAlone), plan)
      const random = sim.random.fork("dusk")
      for (const process of this.processes.values()) {
        if (process !== this.last) sim.worldAfter(random.log(10, 20_000), () => this.stop(process))
      }
    })
    const look = (): void => {
      this.audit.look()
      if (!this.finished) sim.worldAfter(lookInterval, look)
    }
    sim.worldAfter(lookInterval, look)
  }

  private startEngine(plan: EnginePlan): void {
    const { sim } = this.world
    const process = this.start("engine", plan, () => this.programs.user(plan), plan)
    const { ending } = plan
    if (ending === undefined) return
    if ("time" in ending) {
      sim.worldAfter(ending.time, () => {
        process.dueAt = Math.min(process.dueAt, sim.steps)
      })
    } else process.countdown = ending.nth
  }

  private start(
    what: string,
    options: Partial<EngineOptionsShape>,
    program: () => Effect.Effect<void, DownloadError | StoreError, Downloads | Scope.Scope>,
    plan?: EnginePlan
  ): Process {
    const { database, disk, life, scenario, sim, wire } = this.world
    const number = this.started++ === 0 ? sim.process : sim.spawn()
    const fibers = new Fibers()
    const base = Layer.mergeAll(
      Layer.suspend(() => Database.layerFile(database)),
      disk.layer,
      wire.layer,
      life.layer,
      Layer.succeed(EngineOptions, {
        ...defaults,
        commitInterval: scenario.commitInterval,
        segmentation,
        gate: () => ({ ...defaultPolicy, connections: scenario.perHost }),
        limits: { rate: scenario.limits.all, perHost: () => scenario.limits.host },
        ...("concurrency" in options ? { concurrency: options.concurrency! } : {}),
        ...("adopt" in options ? { adopt: options.adopt! } : {}),
        ...("autoStart" in options ? { autoStart: options.autoStart! } : {}),
        ...this.options.tune
      })
    )
    const story = Logger.make(({ cause, logLevel, message }) => {
      sim.tell(`log ${logLevel.label} ${String(message)} ${Cause.isEmpty(cause) ? "" : Cause.pretty(cause)}`)
    })
    const engine = this.options.engine?.(number) ?? Engine.layer
    const main = sim.as(number, () =>
      sim.fork(
        Effect.suspend(program).pipe(
          Effect.scoped,
          Effect.provide(
            Layer.provideMerge(
              engine.pipe(Layer.provideMerge(base)),
              Logger.replace(Logger.defaultLogger, story)
            )
          ),
          Logger.withMinimumLogLevel(LogLevel.Info),
          Effect.supervised(fibers)
        )
      )
    )
    sim.note(`process ${number} starts: ${what}`)
    const process: Process = {
      number,
      what,
      main,
      fibers,
      plan,
      since: sim.now,
      exit: undefined,
      stopping: undefined,
      dueAt: Infinity,
      countdown: 0
    }
    main.addObserver((exit) => {
      process.exit = exit
    })
    this.processes.set(number, process)
    return process
  }

  private heard(line: string): void {
    this.options.onNote?.(line)
    const process = this.processes?.get(this.world.sim.process)
    const ending = process?.plan?.ending
    if (process === undefined || ending === undefined || !("after" in ending) || process.countdown === 0)
      return
    if (!line.includes(ending.after) || --process.countdown > 0) return
    process.dueAt = Math.min(process.dueAt, this.world.sim.steps + ending.steps)
  }

  /** Between two steps: who is due dies, who has ended is looked after. True when all is over. */
  private turn(): boolean {
    const { sim } = this.world
    sim.alone = this.connections.isBusy(sim.process) ? sim.process : undefined
    for (const process of this.processes.values()) {
      if (process.exit !== undefined) {
        if (sim.isIdle(process.number)) this.ended(process)
      } else if (process.dueAt <= sim.steps) {
        process.dueAt = Infinity
        if (process.plan?.ending?.kind === "stop") this.stop(process)
        else this.kill(process)
      } else if (process.stopping !== undefined && sim.now - process.stopping > stopTime) {
        this.world.violation("C1", `the engine of process ${process.number} does not stop within its bound`)
        this.kill(process)
      }
    }
    return this.finished || this.hasEnough
  }

  private get hasEnough(): boolean {
    const { violations } = this.world
    if (violations.length === this.judged) return this.enough
    this.judged = violations.length
    return (this.enough = this.options.enough?.(violations) === true)
  }

  private stop(process: Process): void {
    const { sim } = this.world
    if (process.exit !== undefined || process.stopping !== undefined || !this.processes.has(process.number))
      return
    sim.note(`process ${process.number} is told to stop`)
    process.stopping = sim.now
    sim.as(process.number, () => process.main.unsafeInterruptAsFork(FiberId.none))
  }

  private kill(process: Process): void {
    const { disk, life, sim, wire } = this.world
    const { main, number } = process
    if (!this.processes.delete(number)) return
    sim.note(`process ${number} dies`)
    this.endings.push(`kill ${process.what}`)
    this.connections.close(number)
    disk.kill(number)
    wire.crash(number)
    life.crash(number)
    this.book.wishes.abandon(number)
    const corpse = sim.crash(number)
    sim.bury(main, corpse)
  }

  private powerCut(): void {
    const { world } = this
    const { sim } = world
    sim.note("the power fails")
    for (const process of this.processes.values()) this.kill(process)
    const next = world.databaseOf(sim.spawn())
    this.started++
    this.audit.close()
    copyDatabase(world.database, next)
    world.database = next
    world.disk.powerCut()
    sim.elapse(5000)
    this.endings.push("power")
    this.audit.look()
    if (this.book.plan.engines[0] !== undefined) this.startEngine(this.book.plan.engines[0])
  }

  /** A process has ended by itself: nothing of it may be left. */
  private ended(process: Process): void {
    const { disk, life, sim, violation, wire } = this.world
    const { exit, fibers, number, stopping, what } = process
    this.processes.delete(number)
    if (exit !== undefined && Exit.isFailure(exit) && (stopping === undefined || !Exit.isInterrupted(exit))) {
      sim.tell(Cause.pretty(exit.cause))
      violation("Engine", `process ${number}, ${what}, failed: ${Cause.pretty(exit.cause).split("\n")[0]}`)
    }
    sim.note(`process ${number} has ended`)
    this.endings.push(stopping === undefined ? what : `stop ${what}`)
    const id = `process ${number}, ${what}`
    if (fibers.count > 0) violation("C1", `${fibers.count} fibers are left of ${id}`)
    if (sim.pending(number) > 0) violation("C1", `${sim.pending(number)} timers are left of ${id}`)
    const paths = disk.opened.pathsOf(number)
    if (paths.length > 0) violation("C1", `${id} leaves open: ${paths.join(", ")}`)
    if (wire.openExchanges.some(({ asked }) => asked.process === number))
      violation("C1", `${id} leaves connections`)
    if (life.has(`engine-${number}`)) violation("C1", `${id} keeps its lock`)
    this.book.wishes.abandon(number)
    this.connections.close(number)
    sim.crash(number)
    for (const row of this.audit.look()) {
      if (row.owner === `engine-${number}`) violation("Q2", `${row.id} is owned by ${id}, which has ended`)
    }
    if (process === this.last) this.finished = true
  }

  private stuck(driven: Driven): void {
    const states = this.audit
      .rows()
      .filter(({ finishedAt }) => finishedAt === null)
      .map((row) => `${row.id} ${row.status} of ${row.owner} ${row.failure?.reason}`)
    this.world.violation("Q2", `${driven}, unfinished: ${states.join("; ")}`)
  }
}

/** Runs a seed. */
export const runFleet = (seed: number, options: FleetOptions = {}): Told => new FleetRun(seed, options).run()
