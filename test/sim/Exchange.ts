/**
 * One request and its answer on the simulated network: delivers the body piece by piece into the sink, holds back when
 * told so, ends as planned, and remembers what was delivered when.
 */
import * as Effect from "effect/Effect"
import { type DownloadError, make as makeError } from "../../src/domain/DownloadError.js"
import type { Activity, ByteSink } from "../../src/services/Wire.js"
import type { Range, Resource, Version } from "./Origin.js"
import type { Seeded } from "./Seeded.js"
import type { Simulator } from "./Simulator.js"
import type { Watch } from "./Watch.js"

/** What was asked for, and by whom. */
export interface Asked {
  readonly process: number
  readonly download: string
  readonly host: string
  readonly path: string
  /** Bytes asked for; undefined for all. */
  readonly range: Range | undefined
  readonly ifRange: string | undefined
  /** The validator of If-None-Match or If-Modified-Since. */
  readonly unlessStill: string | undefined
  /** Redirects behind it. */
  readonly hop: number
  readonly activity: Activity
}

/** What will be answered. */
export interface Plan {
  readonly status: number
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  readonly resource: Resource | undefined
  readonly version: Version | undefined
  /** Offsets of the resource that the body consists of, `end` excluded. */
  readonly start: number
  readonly end: number
  /** Bytes per millisecond. */
  readonly rate: number
  readonly ending: "complete" | "cut" | "stall"
  /** The byte of the body that is changed on the way. */
  readonly corrupt?: number
  /** After so many bytes of the body, where it does not end completely. */
  readonly endsAt?: number
}

type Ending = Effect.Effect<void, DownloadError>

export class Exchange {
  /** No more is to come. */
  over = false
  /** What the body is being, or was, delivered of. */
  body:
    | {
        readonly resource: Resource
        readonly version: Version
        readonly start: number
        readonly status: number
      }
    | undefined
  /** Body bytes that a sink has taken. */
  delivered = 0
  /** When how much had been delivered. */
  readonly log: Array<readonly [at: number, delivered: number]> = []
  readonly startedAt: number
  /** A sink is attached and the body is not at its end. */
  piping = false
  /** Of the answer. */
  status: number | undefined
  /** When its head came. */
  answeredAt: number | undefined
  /** What it says of the version: its tag, else its date. */
  validator: string | undefined
  /** The answer is a lie, or of another version than was asked for: what was held may be given up for it. */
  provokes = false
  /** What went wrong with it, by the seed. */
  fault = "none"

  private silent = false
  private readonly timers = new Set<() => boolean>()
  private settle: ((ending: Ending) => void) | undefined

  constructor(
    private readonly sim: Simulator,
    private readonly watch: Watch,
    readonly asked: Asked
  ) {
    this.startedAt = sim.now
  }

  /** Does it after a while, unless the exchange is over by then. */
  later(delay: number, run: () => void): void {
    if (this.silent) return
    const cancel = this.sim.after(delay, () => {
      this.timers.delete(cancel)
      if (!this.over && this.sim.lives(this.asked.process)) run()
    })
    this.timers.add(cancel)
  }

  abort(): void {
    this.over = true
    for (const cancel of this.timers) cancel()
    this.timers.clear()
    this.piping = false
    this.asked.activity.held = false
  }

  /** Nothing comes any more, and nobody says so. */
  silence(): void {
    for (const cancel of this.timers) cancel()
    this.timers.clear()
    this.silent = true
  }

  /** Bytes delivered since an instant. */
  deliveredSince(at: number): number {
    let before = 0
    for (const [time, delivered] of this.log) if (time <= at) before = delivered
    return this.delivered - before
  }

  pipe(plan: Plan, sink: ByteSink, random: Seeded): Ending {
    return Effect.async<void, DownloadError>((resume) => {
      if (this.over) return resume(Effect.fail(makeError("Network", "the exchange was given up")))
      this.receive(plan, sink, random, resume)
      return Effect.sync(() => this.abort())
    })
  }

  /** Delivers the body, and says how it ended. */
  receive(plan: Plan, sink: ByteSink, random: Seeded, settle: (ending: Ending) => void): void {
    if (this.settle !== undefined) this.watch.violation("Wire", "a body was piped twice")
    this.settle = settle
    this.piping = true
    if (plan.resource !== undefined && plan.version !== undefined && plan.status < 300) {
      this.body = { resource: plan.resource, version: plan.version, start: plan.start, status: plan.status }
    }
    this.deliver(plan, sink, random)
  }

  /** Ends it from this side, with an error for whoever waits for the body. */
  fail(error: DownloadError): void {
    this.finish(Effect.fail(error))
  }

  private finish(ending: Ending): void {
    if (this.over) return
    this.abort()
    this.settle?.(ending)
  }

  private deliver(plan: Plan, sink: ByteSink, random: Seeded): void {
    const { activity, download, host } = this.asked
    const length = plan.ending === "complete" ? plan.end - plan.start : plan.endsAt!
    // servers that send little at a time, or as much as a socket takes
    const usual = plan.rate > 1000 ? 65_536 : random.pick([1460, 16_384, 65_536])
    const piece = Math.min(usual, plan.resource?.options.piece ?? usual)
    let waiting = false
    sink.onFailure = (error) => this.finish(Effect.fail(error))
    sink.onDrain = () => {
      if (!activity.held || this.over) return
      activity.held = false
      if (!waiting) next()
    }
    const next = (): void => {
      const left = length - this.delivered
      if (left === 0) return end()
      const size = Math.min(left, random.chance(0.1) ? random.int(1, piece) : piece)
      waiting = true
      this.later(Math.max(size / plan.rate, plan.resource!.turn(size, this.sim.now)), () => {
        waiting = false
        take(size)
      })
    }
    const take = (size: number): void => {
      const chunk = plan.resource!.bytes(plan.version!, plan.start + this.delivered, size)
      const corrupt = (plan.corrupt ?? -1) - this.delivered
      if (corrupt >= 0 && corrupt < size) chunk[corrupt]! ^= 1
      activity.bytes += size
      this.delivered += size
      this.watch.took?.(this.asked, size)
      this.log.push([this.sim.now, this.delivered])
      this.sim.note(`wire d${download} +${size} = ${this.delivered}`)
      const more = sink.write(chunk)
      // the sink may have failed, and ended the exchange
      if (this.over) return
      if (more) next()
      else activity.held = true
    }
    const end = (): void => {
      if (plan.ending === "stall") return
      if (plan.ending === "complete") this.later(0, () => this.finish(Effect.void))
      else {
        const error = random.chance(0.5)
          ? makeError("ConnectionReset", `${host} reset the connection`)
          : makeError("Truncated", `${host} closed the connection early`)
        this.later(random.log(0.1, 20), () => this.finish(Effect.fail(error)))
      }
    }
    next()
  }
}
