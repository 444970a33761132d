/**
 * The clockwork beside a transfer: one fiber that ends it when the network is silent for too long, and
 * that ticks so that what has arrived gets recorded.
 *
 * It never runs per chunk: it samples what the Wire counts. Silence while we ourselves hold the Wire back (a slow disk) is
 * not the server's fault. Being sampled, a timeout fires at most one tick late.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type DownloadError, make } from "../domain/DownloadError.js"
import type { Activity, Phase } from "../services/Wire.js"

/** All times in milliseconds. */
interface Options<E> {
  readonly activity: Activity
  /** For connecting, and for the response head. */
  readonly timeout: number
  /** Between two bytes of a body. */
  readonly stallTimeout: number
  /** Between two runs of `onTick`. */
  readonly interval: number
  readonly onTick: Effect.Effect<void, E>
}

const expired = (phase: Phase, limit: number): DownloadError => {
  const seconds = `${Math.round(limit / 100) / 10} s`
  switch (phase) {
    case "connecting":
      return make("ConnectTimeout", `no connection within ${seconds}`)
    case "awaiting-head":
      return make("HeadersTimeout", `no answer within ${seconds}`)
    case "body":
      return make("Stalled", `no byte came for ${seconds}`)
  }
}

/** Milliseconds of a clock that nobody sets: a step of the wall clock must neither fire a timeout nor switch it off. */
const monotonic = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** Never succeeds; fails when a phase takes too long, or with what `onTick` fails with. */
export const watch = <E>(options: Options<E>): Effect.Effect<never, DownloadError | E> =>
  Effect.gen(function* () {
    const { activity, interval, onTick, stallTimeout, timeout } = options
    let now = yield* monotonic
    let since = now
    let nextTick = now + interval
    let { bytes, phase } = activity
    for (;;) {
      const limit = phase === "body" ? stallTimeout : timeout
      yield* Effect.sleep(Math.max(1, Math.min(nextTick, since + limit) - now))
      now = yield* monotonic
      if (activity.phase !== phase || activity.bytes !== bytes || activity.held) {
        phase = activity.phase
        bytes = activity.bytes
        since = now
      } else if (now - since >= limit) {
        return yield* expired(phase, limit)
      }
      if (now >= nextTick) {
        yield* onTick
        now = yield* monotonic
        nextTick = now + interval
      }
    }
  })
