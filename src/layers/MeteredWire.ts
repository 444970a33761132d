/**
 * The network as it is seen by whoever watches the engine: times to the head of an answer, classes of its status, a line of the log
 * (debug) and, where a tracer is set, a span for each request. It changes nothing of what passes.
 *
 * Neither line nor span holds more of an address than its origin: paths and queries may be what a link keeps secret. Small
 * files come by the thousand, so where nobody listens a request costs two looks at the clock and one at its fiber.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { DownloadError } from "../domain/DownloadError.js"
import { originOf } from "../domain/Host.js"
import { type Exchange, type Shape, Wire, type WireResponse } from "../services/Wire.js"
import * as Metrics from "./Metrics.js"
import * as Tracing from "./Tracing.js"

const told = (url: string, response: WireResponse | void) =>
  Effect.logDebug(
    response === undefined
      ? `asked ${originOf(url)}: the body has come with its head`
      : `asked ${originOf(url)}: ${response.status}`
  )

const failed = (url: string, error: DownloadError) =>
  Effect.logDebug(`asked ${originOf(url)}: ${error.reason}: ${error.detail}`)

/** The response, whose span ends with its body. */
const spanned = (response: WireResponse, end: ReturnType<typeof Tracing.ender>): WireResponse => ({
  status: response.status,
  headers: response.headers,
  pipe: (sink) => Effect.onExit(response.pipe(sink), (exit) => end(exit)),
  discard: Effect.onExit(response.discard, (exit: Exit.Exit<void>) => end(exit))
})

const headOf = (span: Tracer.Span, status: number): void => {
  span.attribute("http.response.status_code", status)
}

/** `run` under a span, which ends when nothing more is to come of the request; `onClose` hears how to end it from elsewhere. */
const inSpan = <A extends WireResponse | void>(
  url: string,
  run: Effect.Effect<A, DownloadError>,
  onSpan: (span: Tracer.Span, end: ReturnType<typeof Tracing.ender>) => Effect.Effect<void>
): Effect.Effect<A, DownloadError> =>
  Effect.flatMap(Tracing.request(url), (span) => {
    const end = Tracing.ender(span)
    return Effect.zipRight(onSpan(span, end), run).pipe(
      Effect.tapError(({ reason }) => Effect.sync(() => span.attribute("error.type", reason))),
      Effect.onExit((exit) => (Exit.isSuccess(exit) && exit.value !== undefined ? Effect.void : end(exit))),
      Effect.map((response) => {
        if (response === undefined) return response
        headOf(span, response.status)
        // the same response otherwise
        return spanned(response, end) as A
      })
    )
  })

const listened = <A extends WireResponse | void>(
  fiber: Fiber.RuntimeFiber<unknown, unknown>,
  url: string,
  run: Effect.Effect<A, DownloadError>
): Effect.Effect<A, DownloadError> =>
  Tracing.debugs(fiber)
    ? Effect.tapBoth(run, {
        onSuccess: (response) => told(url, response),
        onFailure: (error) => failed(url, error)
      })
    : run

export const metered = (wire: Shape, clock: Clock.Clock): Shape => ({
  exchange: (request, onHead) => {
    const since = clock.unsafeCurrentTimeNanos()
    let span: Tracer.Span | undefined
    let end: (() => void) | undefined
    const exchange = wire.exchange(request, (head) => {
      Metrics.answered(head.status, clock.unsafeCurrentTimeNanos() - since)
      if (span !== undefined) headOf(span, head.status)
      return onHead(head)
    })
    const run: Exchange["run"] = Effect.withFiberRuntime((fiber) => {
      const run = listened(fiber, request.url, exchange.run)
      if (!Tracing.isOn(fiber)) return run
      return inSpan(request.url, run, (made, ends) =>
        Effect.sync(() => {
          span = made
          end = () => Effect.runSync(Effect.withClock(ends(Exit.interrupt(fiber.id())), clock))
        })
      )
    })
    return {
      run,
      abort: (error) => {
        exchange.abort(error)
        end?.()
      }
    }
  },
  request: (request) =>
    Effect.withFiberRuntime((fiber) => {
      const since = clock.unsafeCurrentTimeNanos()
      const answered = Effect.map(wire.request(request), (response) => {
        Metrics.answered(response.status, clock.unsafeCurrentTimeNanos() - since)
        return response
      })
      return Effect.flatMap(Effect.scope, (scope) => {
        const run = listened(fiber, request.url, Effect.provideService(answered, Scope.Scope, scope))
        return Tracing.isOn(fiber)
          ? inSpan(request.url, run, (_, end) => Scope.addFinalizer(scope, end(Exit.interrupt(fiber.id()))))
          : run
      })
    })
})

/** Around the Wire that it is given. */
export const layer: Layer.Layer<Wire, never, Wire> = Layer.effect(
  Wire,
  Effect.gen(function* () {
    return metered(yield* Wire, yield* Effect.clock)
  })
)
