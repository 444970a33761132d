/**
 * Time, order and chance of a simulated world: an Effect Scheduler that runs ready tasks in seeded random order, an Effect
 * Clock whose time passes only when nothing is left to run (plus a tiny cost per step), and the seeded randomness.
 *
 * The same seed gives the same run, step by step: nothing here reads a real clock or lets a real event in. Two kinds of
 * things wait in it: those of simulated processes (fibers, sleeps, replies to their system calls), which a crash
 * wipes out, and those of the world around them (users, servers that change), which go on. Whatever a process's task
 * schedules is that process's.
 *
 * A crash is: stop driving. `crash` takes a process's tasks and timers away, so that nothing of it is finalised in the
 * simulated world; `bury` then ends its fibers out of sight, only so that this (real) process leaks nothing.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { Scheduler } from "effect/Scheduler"
import { Fingerprint, Seeded } from "./Seeded.js"
import { TimerQueue, type Timer } from "./TimerQueue.js"

/** How a stretch of driving ended. */
export type Driven =
  /** What was waited for has happened. */
  | "Reached"
  /** The limit of steps is used up. */
  | "StepLimit"
  /** The virtual time is used up. */
  | "TimeLimit"
  /** Nothing is left that could ever run, and what was waited for has not happened. */
  | "Deadlock"

export interface Limits {
  /** Steps from here. */
  readonly steps?: number
  /** Virtual milliseconds from here. */
  readonly time?: number
}

/** 2025-01-01T00:00:00Z, when every simulation starts. */
export const dawn = 1_735_689_600_000

/** Effect's own bound on operations between two yields. */
const maxOps = 2048

interface Task {
  readonly run: () => void
  readonly number: number
  /**
   * Whose task it is. A fiber's own tasks stay in order. One of no fiber comes after all that was scheduled before
   * it: by such a one Effect's Mailbox wakes its taker, who would be missed if it yielded between looking and lying down;
   * under Effect's own schedulers it has lain down by then.
   */
  readonly fiber: object | undefined
  /** The process that it belongs to. */
  readonly process: number
}

/** Timers of the world belong to no process. */
const world = -1

export class Simulator implements Scheduler, Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  /** Milliseconds since the epoch; fractions count. */
  now = dawn
  /** Tasks and timers run so far. */
  steps = 0
  /** Whose task runs, or ran last: what is made and asked for now is that process's. */
  process = 0
  /** The only process that may run, while others would have to wait for it (a transaction on the database they share). */
  alone: number | undefined
  readonly random: Seeded
  /** Called with every line of the story. */
  onNote: ((line: string) => void) | undefined

  private ready: Array<Task> = []
  private scheduled = 0
  private timers: TimerQueue
  private readonly order: Seeded
  private readonly yields: Seeded
  private readonly yieldChance: number
  private readonly minOps: number
  private readonly stepCost: number
  private readonly print = new Fingerprint()
  private readonly tail: Array<string> = []
  private dead = false
  private spawned = 0
  private readonly gone = new Set<number>()

  constructor(readonly seed: number) {
    this.random = new Seeded(seed)
    this.order = this.random.fork("order")
    this.yields = this.random.fork("yields")
    this.timers = new TimerQueue(this.random.fork("timers"))
    const pace = this.random.fork("pace")
    this.yieldChance = pace.pick([0, 0.02, 0.1, 0.3])
    // a yield costs a fiber about ten operations of its own, and must not end in the next one
    this.minOps = pace.pick([24, 48, 128])
    this.stepCost = pace.pick([0, 0.001, 0.01, 0.1])
  }

  // ---- Scheduler

  shouldYield(fiber: Fiber.RuntimeFiber<unknown, unknown>): number | false {
    const ops = (fiber as Partial<{ readonly currentOpCount: number }>).currentOpCount ?? maxOps
    if (ops > maxOps) return 0
    return this.yieldChance > 0 && ops > this.minOps && this.yields.chance(this.yieldChance) ? 0 : false
  }

  scheduleTask(task: () => void, _priority?: number, fiber?: Fiber.RuntimeFiber<unknown, unknown>): void {
    this.ready.push({ run: task, number: this.scheduled++, fiber, process: this.process })
  }

  // ---- Clock

  unsafeCurrentTimeMillis(): number {
    return Math.floor(this.now)
  }
  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.floor(this.now * 1000)) * 1000n
  }
  readonly currentTimeMillis: Effect.Effect<number> = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos: Effect.Effect<bigint> = Effect.sync(() => this.unsafeCurrentTimeNanos())
  scheduler(): Effect.Effect<Clock.ClockScheduler> {
    return Effect.succeed({
      unsafeSchedule: (task, duration) => this.after(Duration.toMillis(duration), task)
    })
  }
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    // Not `Effect.async`: a fiber that is made to yield right after the registration, and interrupted then, forgets to undo it.
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const due = Deferred.unsafeMake<void>(FiberId.none)
        const cancel = this.after(Duration.toMillis(duration), () => Deferred.unsafeDone(due, Effect.void))
        return Effect.onInterrupt(restore(Deferred.await(due)), () => Effect.sync(cancel))
      })
    )
  }

  // ---- for the simulated parts

  /** Runs something of the process later; a crash forgets it. Returns how to call it off. */
  after(delay: number, run: () => void): () => boolean {
    return this.timers.add(this.now + Math.max(0, delay), this.process, run)
  }

  /** Runs something of the world later; crashes don't touch it. */
  worldAfter(delay: number, run: () => void): () => boolean {
    return this.timers.add(this.now + Math.max(0, delay), world, run)
  }

  /** Adds a line to the story (and to the fingerprint). */
  note(line: string): void {
    if (this.dead) return
    this.print.text(line)
    this.tell(line)
  }

  /** Adds a line to the story only: for text that may differ between runs, such as stack traces. */
  tell(line: string): void {
    if (this.dead) return
    const full = `${(this.now - dawn).toFixed(2).padStart(11)} ms #${this.steps}  ${line}`
    this.tail.push(full)
    if (this.tail.length > 400) this.tail.splice(0, 100)
    this.onNote?.(full)
  }

  /** The last lines of the story. */
  get story(): ReadonlyArray<string> {
    return this.tail
  }

  /** A fingerprint of the run so far: equal for equal runs. */
  get fingerprint(): string {
    return this.print.value
  }

  /** What runs now is a dead process, out of sight: nothing it does has happened. */
  get burying(): boolean {
    return this.dead
  }

  /** Tasks and timers that belong to a process. */
  pending(process: number): number {
    return this.ready.filter((task) => task.process === process).length + this.timers.count(process)
  }

  /** Nothing of a process is ready to run; timers may wait. */
  isIdle(process: number): boolean {
    return !this.ready.some((task) => task.process === process)
  }

  /** What is made from now on is a new process's. */
  spawn(): number {
    return (this.process = ++this.spawned)
  }

  lives(process: number): boolean {
    return !this.gone.has(process)
  }

  /** Does something in the name of a process: a signal, say. */
  as<A>(process: number, act: () => A): A {
    const before = this.process
    this.process = process
    const value = act()
    this.process = before
    return value
  }

  // ---- running

  /** Starts a program in this world. */
  fork<A, E>(effect: Effect.Effect<A, E>): Fiber.RuntimeFiber<A, E> {
    const seed = `${this.seed}/${this.process}`
    return Effect.runFork(effect.pipe(Effect.withClock(this), Effect.withRandom(Random.make(seed))), {
      scheduler: this,
      immediate: false
    })
  }

  /** Runs until `until` is true, or a limit is reached, or nothing can run any more. */
  drive(until: () => boolean, limits: Limits = {}): Driven {
    const lastStep = this.steps + (limits.steps ?? Infinity)
    const lastTime = this.now + (limits.time ?? Infinity)
    while (!until()) {
      if (this.steps >= lastStep) return "StepLimit"
      const next = this.ready.length > 0 ? this.now : (this.timers.nextAt ?? this.now)
      if (next > lastTime) {
        this.now = Math.max(this.now, lastTime)
        return "TimeLimit"
      }
      if (!this.step()) return "Deadlock"
    }
    return "Reached"
  }

  private step(): boolean {
    if (this.alone !== undefined && this.stepAlone(this.alone)) return true
    const next = this.timers.nextAt
    const ready = this.ready
    if (ready.length === 0) {
      if (next === undefined) return false
      this.now = Math.max(this.now, next)
    }
    // a timer that is due stands in line with the ready tasks
    const waiting = ready.length + (next !== undefined && next <= this.now ? 1 : 0)
    const index = waiting === 1 ? 0 : this.order.int(0, waiting - 1)
    this.steps++
    this.now += this.stepCost
    this.print.number(index)
    this.print.number(Math.floor((this.now - dawn) * 16))
    this.take(index)
    return true
  }

  /** The next of a process whose transaction keeps the others waiting; false if it has nothing to run. */
  private stepAlone(process: number): boolean {
    const mine = [...this.ready.keys()].filter((i) => this.ready[i]!.process === process)
    if (mine.length === 0) return false
    const index = mine.length === 1 ? 0 : this.order.int(0, mine.length - 1)
    this.steps++
    this.now += this.stepCost
    this.print.number(index)
    this.take(mine[index]!)
    return true
  }

  private take(chosen: number): void {
    const ready = this.ready
    const first = ready[chosen]
    if (first === undefined) {
      const timer = this.timers.takeDue(this.now)!
      if (timer.owner === world) return timer.run()
      this.process = timer.owner
      return timer.run()
    }
    let index = chosen
    for (const [i, task] of ready.entries()) {
      const before = task.number < ready[index]!.number && task.process === first.process
      if (before && (first.fiber === undefined || task.fiber === first.fiber)) index = i
    }
    const task = ready[index]!
    const last = ready.pop()!
    if (index < ready.length) ready[index] = last
    this.process = task.process
    task.run()
  }

  /** Time passes while nothing of a process runs. */
  elapse(millis: number): void {
    this.now += millis
  }

  /** A process is gone: nothing of it will run any more. Returns what it left, for `bury`. */
  crash(process = this.process): Corpse {
    this.gone.add(process)
    if (this.alone === process) this.alone = undefined
    const ready = this.ready.filter((task) => task.process === process)
    this.ready = this.ready.filter((task) => task.process !== process)
    return { process, ready, timers: this.timers.takeAll(process) }
  }

  /**
   * Lets the fibers of a crashed process end outside the story, with the simulated parts failing whatever they ask for. Gives up
   * after some steps: what is left then is only memory.
   */
  bury(fiber: Fiber.RuntimeFiber<unknown, unknown>, corpse: Corpse): void {
    const { now, process, ready, steps, timers } = this
    this.dead = true
    this.process = corpse.process
    this.ready = [...corpse.ready]
    this.timers = new TimerQueue(new Seeded(1), corpse.timers)
    fiber.unsafeInterruptAsFork(FiberId.none)
    for (let i = 0; i < 50_000 && (this.ready.length > 0 || this.timers.nextAt !== undefined); i++) {
      const due = this.ready.length === 0 ? this.timers.takeDue(Infinity) : undefined
      if (due !== undefined) {
        this.now = Math.max(this.now, due.at)
        due.run()
      } else this.ready.shift()?.run()
    }
    this.dead = false
    this.process = process
    this.ready = ready
    this.timers = timers
    this.now = now
    this.steps = steps
  }
}

/** What a crashed process had still to do. */
export interface Corpse {
  readonly process: number
  readonly ready: ReadonlyArray<Task>
  readonly timers: ReadonlyArray<Timer>
}
