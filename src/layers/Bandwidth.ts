/**
 * The limits of an engine, laid over a Wire: bodies go through a `Throttle` each, and one fiber (the metronome) lets pass
 * what had to wait, as `Pace` says. It sleeps while nothing waits.
 *
 * Tricky interleavings: an exchange that has succeeded on the Wire has not here before its throttle is empty, and giving it up
 * meanwhile ends that wait. Bodies that nobody wants are read by the Wire itself, without pace; they are charged afterwards.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import { Bandwidth, type Shape } from "../services/Bandwidth.js"
import { EngineOptions, perHostOf } from "../services/EngineOptions.js"
import {
  type Activity,
  type ByteSink,
  type Exchange,
  type Shape as WireShape,
  type WireRequest,
  type WireResponse,
  Wire
} from "../services/Wire.js"
import { monotonicOf } from "./Monotonic.js"
import { Pace } from "./Pace.js"
import { Throttle } from "./Throttle.js"

/** How often what waits is looked at, in milliseconds. */
const beat = 10

/** As far as the host; callers give normalised URLs. */
const originOf = (url: string): string => /^https?:\/\/[^/?#]*/.exec(url)?.[0] ?? url

const givenUp = makeError("Network", "the exchange was given up")

const make = Effect.gen(function* () {
  const wire = yield* Wire
  const { limits } = yield* EngineOptions
  const clock = yield* Effect.clock
  const bell = yield* Effect.makeLatch(false)
  const pace = new Pace({ rate: limits.rate, perHost: perHostOf(limits) }, () => monotonicOf(clock))
  pace.onWait = () => void bell.unsafeOpen()

  yield* Effect.gen(function* () {
    for (;;) {
      yield* bell.await
      while (!pace.isIdle) {
        yield* Effect.sleep(beat)
        pace.beat()
      }
      yield* bell.close
      // what began to wait in between
      if (!pace.isIdle) yield* bell.open
    }
  }).pipe(Effect.interruptible, Effect.forkScoped)

  const wireFor: Shape["wireFor"] = ({ id, options }) => {
    const throttled = (sink: ByteSink, activity: Activity, origin: string) =>
      new Throttle(sink, pace, activity, origin, pace.enter(id, options.limitRate))

    const throttledResponse = (response: WireResponse, { activity, url }: WireRequest): WireResponse => ({
      status: response.status,
      headers: response.headers,
      pipe: (sink) =>
        Effect.suspend(() => {
          const throttle = throttled(sink, activity, originOf(url))
          return Effect.ensuring(
            afterwards(response.pipe(throttle), throttle),
            Effect.sync(() => throttle.drop(givenUp))
          )
        }),
      discard: Effect.suspend(() => {
        const before = activity.bytes
        return Effect.ensuring(
          response.discard,
          Effect.sync(() => {
            const bytes = activity.bytes - before
            if (bytes > 0) pace.charge(id, originOf(url), bytes)
          })
        )
      })
    })

    return {
      exchange: (request, onHead): Exchange => {
        let throttle: Throttle | undefined
        const exchange = wire.exchange(request, (head) => {
          const sink = onHead(head)
          if (sink === undefined) return undefined
          throttle = throttled(sink, request.activity, originOf(request.url))
          return throttle
        })
        return {
          run: Effect.matchCauseEffect(exchange.run, {
            onSuccess: (response): Effect.Effect<WireResponse | void, DownloadError> => {
              if (response !== undefined) return Effect.succeed(throttledResponse(response, request))
              if (throttle === undefined || throttle.isEmpty) {
                throttle?.drop(givenUp)
                return Effect.void
              }
              return Effect.ensuring(
                throttle.emptied,
                Effect.sync(() => throttle!.drop(givenUp))
              )
            },
            onFailure: (cause) => ending(cause, throttle)
          }),
          abort: (error) => {
            exchange.abort(error)
            throttle?.drop(error ?? givenUp)
          }
        }
      },
      request: (request) =>
        Effect.map(wire.request(request), (response) => throttledResponse(response, request))
    } satisfies WireShape
  }

  return Bandwidth.of({
    wireFor,
    govern: (limits) => Effect.sync(() => pace.govern(limits))
  })
})

/** What came before it broke still counts, and takes its time; not where it was given up. */
const ending = (
  cause: Cause.Cause<DownloadError>,
  throttle: Throttle | undefined
): Effect.Effect<never, DownloadError> => {
  const failed = Effect.failCause(cause)
  if (throttle === undefined || throttle.isEmpty || Cause.isInterrupted(cause)) {
    throttle?.drop(givenUp)
    return failed
  }
  return Effect.ensuring(
    Effect.zipRight(throttle.emptied, failed),
    Effect.sync(() => throttle.drop(givenUp))
  )
}

/** The end of a body, once all of it has passed. */
const afterwards = (body: Effect.Effect<void, DownloadError>, throttle: Throttle) =>
  Effect.matchCauseEffect(body, {
    onSuccess: () => throttle.emptied,
    onFailure: (cause) => ending(cause, throttle)
  })

/** Needs the network. */
export const layer: Layer.Layer<Bandwidth, never, Wire> = Layer.scoped(Bandwidth, make)
