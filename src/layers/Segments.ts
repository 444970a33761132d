/**
 * One try of one download, by as many connections as are worth it: who fetches what, as `SegmentPlan` has it, until nothing is
 * missing. Each connection's work is `Segment`'s, the part and what the row claims of it PartSession's.
 *
 * Tricky interleavings: connections run in fibers of their own, and all that is decided is decided here, in one fiber, which
 * they wake when they have ended. A connection that fails beside others is no failure of the try: what it was to fetch
 * is free again, and after one that was refused there are no more than are left. What one of them learns of
 * another version ends all the others first; only then is anything given up. They have all ended when this has.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Coverage from "../domain/Coverage.js"
import type { Source } from "../domain/Download.js"
import * as DownloadError from "../domain/DownloadError.js"
import { SourceSetAside } from "../domain/Message.js"
import * as Plan from "../domain/SegmentPlan.js"
import type { StoreError } from "../domain/StoreError.js"
import { canProve } from "../domain/Validator.js"
import type { Activity } from "../services/Wire.js"
import { monotonicOf } from "./Monotonic.js"
import { firstToEnd } from "./Race.js"
import { type Context, fetch, type Outcome, Segment } from "./Segment.js"
import { Sourcing } from "./Sourcing.js"
import { lowSpeedOf, type Watchdog } from "./Watchdog.js"

type Failures = DownloadError.DownloadError | StoreError

/** All there is has come, or there is nothing to do. */
export type Result = { readonly _tag: "Complete" } | Extract<Outcome, { readonly _tag: "Skipped" }>

/** After so long it is tried again whether a crowded host has a place for a further connection, in milliseconds. */
const crowdedPause = 2000

/** A connection that brings less than this before it fails is not wanted, in bytes. */
const welcome = 64 * 1024

interface Dependencies {
  readonly watchdog: Watchdog
  readonly clock: Clock.Clock
  readonly policy: Plan.Policy
  readonly interval: number
}

/** What the whole try has brought, and how fast of late. */
class Meter {
  private samples: Array<{ readonly time: number; readonly bytes: number }> = []

  look(time: number, bytes: number): void {
    this.samples.push({ time, bytes })
    // about the last second and a half
    while (this.samples.length > 2 && time - this.samples[1]!.time >= 1500) this.samples.shift()
  }

  /** Since when it has been measured. */
  get since(): number | undefined {
    return this.samples[0]?.time
  }

  /** Bytes per second. */
  get rate(): number {
    const first = this.samples[0]
    const last = this.samples.at(-1)
    return first === undefined || last === undefined || last.time === first.time
      ? 0
      : ((last.bytes - first.bytes) / (last.time - first.time)) * 1000
  }
}

/** `activity`: of the first answer, where that is there already. */
export const run = (
  { clock, interval, policy, watchdog }: Dependencies,
  given: Pick<Context, "download" | "ensureRoom" | "follow" | "reporter" | "session">,
  activity: Activity | undefined
): Effect.Effect<Result, Failures> =>
  Effect.gen(function* () {
    const { session } = given
    const { connections, stallTimeout, timeout } = given.download.options
    const lowSpeed = lowSpeedOf(given.download.options)
    const scope = yield* Effect.scope
    /** Those at work; their fibers, once they have any. */
    const running = new Map<Segment, Fiber.RuntimeFiber<void> | undefined>()
    const ended: Array<readonly [Segment, Exit.Exit<Outcome, Failures>]> = []
    const bell = yield* Effect.makeLatch(false)
    let meter = new Meter()
    /** Chunks that limits of ours had made wait, when it was last looked. */
    let limited = 0
    /** Connections that were given up because they crawled. */
    let crawled = 0
    /** Those whose place at the host others need. */
    const yielding = new Set<Segment>()
    /** Until then the host has no place for further connections. */
    let crowdedUntil = -Infinity
    let ramp = Plan.begin(connections)
    /** The server serves ranges of something whose rest can be proved. */
    let divisible = false
    let first = activity
    const sourcing = new Sourcing(given.download)
    /** Whom the last connection that led has asked. */
    let leading: Source | undefined

    const now = (): number => monotonicOf(clock)
    const total = (): number => session.held.total ?? Infinity

    const context: Context = {
      ...given,
      sourcing,
      distrusted: false,
      plainly: false,
      broken: undefined,
      onBody: (segment, body) => {
        if (!segment.leads) return
        divisible = body.ranges && body.total !== undefined && canProve(body.validator)
        bell.unsafeOpen()
      },
      extend: (segment) => {
        const free = Plan.unclaimed(session.coverage, total(), [...running.keys()])
        segment.end = free.find(([start]) => start === segment.end)?.[1] ?? segment.end
      }
    }

    const start = (segment: Segment) => {
      // before anything else runs: nobody else is to fetch its span
      running.set(segment, undefined)
      segment.yields = () => {
        yielding.add(segment)
        bell.unsafeOpen()
      }
      return watchdog
        .watch(Effect.scoped(fetch(context, segment)), {
          activity: segment.activity,
          timeout,
          stallTimeout,
          lowSpeed,
          interval,
          onTick: Effect.void
        })
        .pipe(
          Effect.exit,
          Effect.flatMap((exit) =>
            Effect.sync(() => {
              running.delete(segment)
              ended.push([segment, exit])
              bell.unsafeOpen()
            })
          ),
          // in one step with its being known to the scope: what was forked is waited for, whatever comes in between
          Effect.interruptible,
          Effect.forkIn(scope),
          // it may have ended already
          Effect.flatMap((fiber) =>
            running.has(segment) ? Effect.sync(() => running.set(segment, fiber)) : Effect.void
          ),
          Effect.asVoid,
          Effect.uninterruptible
        )
    }

    const stop = (segments: ReadonlyArray<Segment>) =>
      Effect.forEach(
        segments,
        (segment) =>
          Effect.zipRight(
            Effect.suspend(() => {
              const fiber = running.get(segment)
              return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
            }),
            Effect.sync(() => running.delete(segment))
          ),
        { discard: true }
      )
    const stopAll = Effect.suspend(() => stop([...running.keys()]))

    const lead = Effect.suspend(() => {
      const [gap] = context.distrusted ? [] : Coverage.gaps(session.coverage, total())
      divisible = false
      leading = sourcing.next ?? leading!
      const segment = new Segment(true, gap ?? [0, Infinity], leading, first)
      first = undefined
      return start(segment)
    })

    /** As many more connections as are allowed and have something to do. */
    const others = Effect.suspend(() => {
      const work: Array<Effect.Effect<void>> = []
      const at = [...running.keys()]
      while (divisible && at.length < ramp.allowed && now() >= crowdedUntil) {
        const assigned = Plan.next(policy, session.coverage, total(), at)
        const source = sourcing.further(at.map((segment) => segment.source))
        if (assigned === undefined || source === undefined) break
        if (assigned.from !== undefined) assigned.from.end = assigned.span[0]
        const segment = new Segment(false, assigned.span, source)
        at.push(segment)
        work.push(start(segment))
      }
      return Effect.all(work, { discard: true })
    })

    const look = Effect.suspend(() => {
      const time = now()
      const bytes = Coverage.count(session.coverage)
      const limitedNow = [...running.keys()].reduce((all, { activity }) => all + (activity.limited ?? 0), 0)
      if (limitedNow > limited && !ramp.settled) {
        // how fast it goes is our own doing, and tells nothing about connections: no more are needed, and it is looked at anew
        // when nothing has had to wait for a while
        ramp = Plan.begin(connections)
        meter = new Meter()
      }
      limited = limitedNow
      meter.look(time, bytes)
      for (const segment of running.keys()) segment.look(time)
      if (!divisible || meter.since === undefined) return Effect.void
      const { rate, since } = meter
      ramp = Plan.observe(policy, ramp, connections, { now: time, since, rate, left: total() - bytes })
      // those that have not helped, the youngest first
      return stop([...running.keys()].slice(ramp.allowed))
    })

    const alone = (why: string) =>
      Effect.zipRight(
        stopAll,
        Effect.suspend(() => {
          ramp = Plan.refused(1)
          return Effect.logInfo(`starting again from 0: ${why}`)
        })
      )

    /** What follows for the source that has failed; whether there is another to turn to. */
    const turnedAway = (source: Source, error: DownloadError.DownloadError) =>
      Effect.gen(function* () {
        const blamed = sourcing.several ? sourcing.fail(source, error) : undefined
        if (blamed === undefined) return false
        const { detail, reason, status } = error
        const failure = { reason, detail, ...(status === undefined ? {} : { status }) }
        if (blamed === "aside") yield* given.reporter.tell(SourceSetAside({ url: source.url, failure }))
        yield* Effect.logInfo(`turning to another source, as ${source.url} fails: ${detail}`)
        return true
      })

    /** What follows from how a connection has ended; a result if that was all. */
    const conclude = (
      segment: Segment,
      exit: Exit.Exit<Outcome, Failures>
    ): Effect.Effect<Result | undefined, Failures> =>
      Effect.gen(function* () {
        if (Exit.isFailure(exit)) {
          const { cause } = exit
          if (Cause.isInterruptedOnly(cause)) return undefined
          const error = Option.getOrUndefined(Cause.failureOption(cause))
          if (error?._tag !== "DownloadError") return yield* Effect.failCause(cause)
          // no fault of the source: there is no place for one more
          if (error.reason === "HostBusy" && !segment.leads) {
            crowdedUntil = now() + crowdedPause
            return undefined
          }
          if (yield* turnedAway(segment.source, error)) return undefined
          if (segment.leads && running.size === 0) return yield* sourcing.verdict(error)
          // another may do better; where several have crawled, there are enough of them
          if (error.reason === "TooSlow" && ++crawled <= connections) return undefined
          if (segment.brought < welcome) ramp = Plan.refused(running.size)
          return undefined
        }
        const outcome = exit.value
        switch (outcome._tag) {
          case "Complete":
          case "Skipped":
            return outcome
          case "Fetched":
            return outcome.last ? { _tag: "Complete" } : undefined
          case "AskPlainly":
            context.plainly = true
            yield* Effect.logDebug(`asking once more, without If-Range: ${outcome.why}`)
            return undefined
          case "AskAgainFromZero":
            if (outcome.elsewhere && !segment.leads) sourcing.keepApart(segment.source)
            else if (outcome.elsewhere && !sourcing.mayBegin(segment.source)) {
              if (!sourcing.decline(segment.source))
                return yield* sourcing.verdict(DownloadError.make("IdentityLost", outcome.why))
            } else if (segment.leads || outcome.changed) {
              yield* alone(outcome.why)
              context.distrusted = true
            } else ramp = Plan.refused(running.size)
            return undefined
        }
      })

    for (;;) {
      yield* bell.close
      const { condemned } = session
      // also where a connection was stopped before it could say so
      if (condemned !== undefined) {
        yield* alone(condemned.fault.detail)
        yield* session.renounce
        if (condemned.fresh && !(yield* turnedAway(leading!, condemned.fault)))
          return yield* sourcing.verdict(condemned.fault)
        // what the others had to say was of bytes that are no more
        ended.length = 0
      }
      for (let next = ended.shift(); next !== undefined; next = ended.shift()) {
        const result = yield* conclude(...next)
        if (result !== undefined) return result
      }
      // also where a connection was stopped before it could say so
      if (context.broken !== undefined) return yield* context.broken
      if (yielding.size > 0) {
        crowdedUntil = now() + crowdedPause
        yield* stop([...yielding].filter((segment) => running.has(segment)))
        yielding.clear()
      }
      if (running.size > 0) yield* others
      else if (!context.distrusted && session.held.bytes === total()) return { _tag: "Complete" } as const
      else yield* lead
      if (ended.length > 0) continue
      const unsettled = !ramp.settled || running.size < ramp.allowed
      if (!(divisible && unsettled)) yield* bell.await
      else {
        yield* look
        yield* firstToEnd(bell.await, Effect.sleep(policy.watch / 2))
      }
    }
  }).pipe(Effect.scoped)
