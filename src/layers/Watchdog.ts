/**
 * The clockwork beside all transfers of an engine: one fiber that ends those whose network is silent for too long, and that
 * has each recorded now and then. A fiber for each would cost a small file more than its bytes do.
 *
 * It never runs per chunk: it samples what the Wire counts. Silence while we ourselves hold the Wire back (a slow disk, a limit
 * of ours) is not the server's fault. Being sampled, a timeout fires at most one tick late.
 *
 * Tricky interleavings: a watched effect runs in a fiber of its own, so that it can be ended from here with an error; whoever
 * waits for it is answered when that fiber has ended, and the last tick with it. A tick that fails ends what it belongs to.
 * What is mostly over at once does without such a fiber: it is told that its time is over, and ends itself.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import type { DownloadOptions } from "../domain/DownloadOptions.js"
import type { Activity, Phase } from "../services/Wire.js"
import * as Metrics from "./Metrics.js"
import { monotonicOf } from "./Monotonic.js"
import { firstToEnd } from "./Race.js"

/** So many bytes per second at least, in any stretch of so many milliseconds in which nobody held the Wire back. */
export interface LowSpeed {
  readonly limit: number
  readonly time: number
}

/** What a download's options say. */
export const lowSpeedOf = ({ lowSpeedLimit, lowSpeedTime }: DownloadOptions): LowSpeed | undefined =>
  lowSpeedLimit === null ? undefined : { limit: lowSpeedLimit, time: lowSpeedTime }

/** All times in milliseconds. */
export interface Options<E> {
  readonly activity: Activity
  /** For connecting, and for the response head. */
  readonly timeout: number
  /** Between two bytes of a body. */
  readonly stallTimeout: number
  /** The least that a body must bring. @default none */
  readonly lowSpeed?: LowSpeed | undefined
  /** Between two runs of `onTick`. */
  readonly interval: number
  readonly onTick: Effect.Effect<void, E>
  /** Whether the activity is a connection's, to be measured as one. @default true */
  readonly connection?: boolean
}

export interface Watchdog {
  /** Runs the effect; fails when a phase takes too long, or with what `onTick` fails with. */
  readonly watch: <A, E, E2, R>(
    effect: Effect.Effect<A, E, R>,
    options: Options<E2>
  ) => Effect.Effect<A, E | E2 | DownloadError, R>
  /**
   * Calls `expire` once, when a phase takes too long, and runs `onTick`, until what this returns is called: which gives the
   * fiber of a last tick that is still at it, if there is one.
   */
  readonly attend: (
    options: Options<never>,
    expire: (error: DownloadError) => void
  ) => () => Fiber.Fiber<unknown> | undefined
}

const inSeconds = (millis: number): string => `${Math.round(millis / 100) / 10} s`

const expired = (phase: Phase, limit: number): DownloadError => {
  const seconds = inSeconds(limit)
  switch (phase) {
    case "connecting":
      return makeError("ConnectTimeout", `no connection within ${seconds}`)
    case "awaiting-head":
      return makeError("HeadersTimeout", `no answer within ${seconds}`)
    case "body":
      return makeError("Stalled", `no byte came for ${seconds}`)
  }
}

/** So many samples cover the time that a low speed may last. */
const samples = 5

/** Whether a body has been too slow for too long. */
class Speed {
  private seen: Array<{ readonly at: number; readonly bytes: number }> = []
  private holds: number | undefined

  constructor(private readonly rule: LowSpeed) {}

  /** When to look again. */
  get due(): number {
    const last = this.seen.at(-1)
    return last === undefined ? Infinity : last.at + this.rule.time / samples
  }

  /** What is wrong, if it is. */
  look(now: number, { bytes, held, holds, phase }: Activity): DownloadError | undefined {
    const { limit, time } = this.rule
    // what passed before a hold says nothing about the server: it is measured anew
    if (phase !== "body" || held || holds !== this.holds) {
      this.holds = holds
      this.seen = phase === "body" ? [{ at: now, bytes }] : []
      return undefined
    }
    if (this.seen.length > 0 && now < this.due) return undefined
    this.seen.push({ at: now, bytes })
    while (this.seen.length > 1 && now - this.seen[1]!.at >= time) this.seen.shift()
    const first = this.seen[0]!
    const elapsed = now - first.at
    if (elapsed < time) return undefined
    const rate = ((bytes - first.bytes) / elapsed) * 1000
    return rate >= limit
      ? undefined
      : makeError(
          "TooSlow",
          `it brought ${Math.round(rate)} bytes per second for ${inSeconds(elapsed)}, and ${limit} are the least`
        )
  }
}

/** One watched effect, or something that looks after itself. */
class Watched {
  private since: number
  private nextTick: number
  private phase: Phase
  private bytes: number
  private readonly speed: Speed | undefined
  /** It has been told. */
  private told = false
  /** Why it was ended from here. */
  cause: Cause.Cause<unknown> | undefined
  ticking: Fiber.Fiber<unknown> | undefined
  fiber: Fiber.RuntimeFiber<unknown, unknown> | undefined

  constructor(
    readonly options: Options<unknown>,
    now: number,
    private readonly expire?: (error: DownloadError) => void
  ) {
    this.since = now
    this.nextTick = now + options.interval
    this.phase = options.activity.phase
    this.bytes = options.activity.bytes
    this.speed = options.lowSpeed && new Speed(options.lowSpeed)
    if (options.connection !== false) Metrics.connected(1)
  }

  private count(): void {
    const { activity } = this.options
    const { bytes, counted = 0 } = activity
    if (bytes === counted) return
    Metrics.received(bytes - counted)
    activity.counted = bytes
  }

  /** It is watched no more. */
  leave(): void {
    this.count()
    if (this.options.connection !== false) Metrics.connected(-1)
  }

  private get limit(): number {
    return this.phase === "body" ? this.options.stallTimeout : this.options.timeout
  }

  /** When to look again. */
  get due(): number {
    return Math.min(
      this.nextTick,
      this.since + this.limit,
      this.told ? Infinity : (this.speed?.due ?? Infinity)
    )
  }

  /** Whether it is time for a tick. */
  look(now: number): boolean {
    const { activity, interval } = this.options
    if (activity.phase !== this.phase || activity.bytes !== this.bytes || activity.held) {
      this.phase = activity.phase
      this.bytes = activity.bytes
      if (!this.told) this.since = now
    } else if (now - this.since >= this.limit) this.tell(expired(this.phase, this.limit))
    const slow = this.speed?.look(now, activity)
    if (slow !== undefined) this.tell(slow)
    if (now < this.nextTick) return false
    this.nextTick = now + interval
    this.count()
    // the last one may still be at it
    return this.ticking === undefined && this.cause === undefined
  }

  private tell(error: DownloadError): void {
    if (this.told) return
    this.told = true
    this.since = Infinity
    if (this.expire === undefined) this.end(Cause.fail(error))
    else this.expire(error)
  }

  end(cause: Cause.Cause<unknown>): void {
    this.cause ??= cause
    const { fiber } = this
    if (fiber !== undefined) fiber.unsafeInterruptAsFork(fiber.id())
  }
}

export const make: Effect.Effect<Watchdog, never, Scope.Scope> = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const clock = yield* Effect.clock
  const monotonic = Effect.sync(() => monotonicOf(clock))
  const all = new Set<Watched>()
  const bell = yield* Effect.makeLatch(false)
  let wakesAt = 0

  /** In a fiber of its own, which makes itself known first: whoever ends its transfer from then on waits for it. */
  const tick = (watched: Watched) =>
    Effect.withFiberRuntime<void>((fiber) => {
      if (!all.has(watched)) return Effect.void
      watched.ticking = fiber
      return Effect.map(Effect.exit(watched.options.onTick), (exit) => {
        watched.ticking = undefined
        return Exit.isFailure(exit) ? watched.end(exit.cause) : undefined
      })
    }).pipe(Effect.forkIn(scope))

  yield* Effect.gen(function* () {
    for (;;) {
      yield* bell.close
      const now = yield* monotonic
      let due = Infinity
      for (const watched of all) {
        if (watched.due <= now && watched.look(now)) yield* tick(watched)
        due = Math.min(due, watched.due)
      }
      wakesAt = due
      if (due === Infinity) yield* bell.await
      else yield* firstToEnd(Effect.sleep(Math.max(1, due - now)), bell.await)
    }
  }).pipe(Effect.interruptible, Effect.forkScoped)

  const add = (watched: Watched): void => {
    all.add(watched)
    if (watched.due < wakesAt) bell.unsafeOpen()
  }

  const attend: Watchdog["attend"] = (options, expire) => {
    const watched = new Watched(options, monotonicOf(clock), expire)
    add(watched)
    return () => {
      if (all.delete(watched)) watched.leave()
      return watched.ticking
    }
  }

  const watch: Watchdog["watch"] = (effect, options) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const watched = new Watched(options, yield* monotonic)
        const fiber = yield* Effect.fork(restore(effect))
        watched.fiber = fiber
        add(watched)
        const awaited = yield* Effect.exit(restore(Fiber.await(fiber)))
        const exit = Exit.isSuccess(awaited) ? awaited.value : yield* Fiber.interrupt(fiber)
        all.delete(watched)
        watched.leave()
        if (watched.ticking !== undefined) yield* Fiber.await(watched.ticking)
        if (Exit.isFailure(awaited)) return yield* Effect.failCause(awaited.cause)
        // whatever it made of being ended, this is why
        if (watched.cause !== undefined) return yield* Effect.failCause(watched.cause as Cause.Cause<never>)
        return yield* exit
      })
    )

  return { attend, watch }
})
