/**
 * Spans, for programs that have set a tracer: one for each claim of a download, in it one for the try to bring its bytes, in
 * that one for each request. None per chunk, and where only Effect's own tracer is set, which keeps nothing, none at all.
 *
 * Names and attributes follow OpenTelemetry where it has any for this (HTTP client spans); nothing that can hold a secret is
 * among them: no path, no query, no header. What a claim ended in is read from its row, as committed.
 *
 * Tricky: a download goes on for days and in other processes, so its claims are roots, each a trace of its own; the attribute
 * `sluice.download.id` joins them. A span is ended once, whichever end comes first.
 */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Download } from "../domain/Download.js"
import { originOf } from "../domain/Host.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Begun, Shape as Transport, Whole } from "../services/Transport.js"
import type { Shape as Store } from "../services/Store.js"

const native = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/** Whether anybody would see a span of this fiber's. */
export const isOn = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentTracer !== native && fiber.getFiberRef(FiberRef.currentTracerEnabled)

/** Whether a line of level debug would be seen. */
export const debugs = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  LogLevel.lessThanEqual(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), LogLevel.Debug)

/** Ends a span, the first time. */
export const ender = (span: Tracer.Span) => {
  let open = true
  return (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
    Effect.clockWith((clock) =>
      Effect.sync(() => {
        if (open) span.end(clock.unsafeCurrentTimeNanos(), exit)
        open = false
      })
    )
}

/** Where a request goes, by OpenTelemetry's names. */
export const server = (href: string): Record<string, unknown> => {
  const { hostname, port, protocol } = new URL(href)
  return {
    "url.scheme": protocol.slice(0, -1),
    "server.address": hostname,
    "server.port": port === "" ? (protocol === "https:" ? 443 : 80) : Number(port)
  }
}

/** What lines of the log and spans tell of the download they are about. */
export const annotations = ({ attempt, id, url }: Download) => ({
  download: id,
  attempt,
  origin: originOf(url)
})

/** Lines that are logged in it tell of what download they are. */
export const annotated = <A, E, R>(
  download: Download,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => Effect.annotateLogs(effect, annotations(download))

/** Who listens to an engine. */
export interface Listeners {
  /** A tracer that keeps spans. */
  readonly spans: boolean
  /** A logger that shows what is debugged. */
  readonly lines: boolean
}

export const nobody: Listeners = { spans: false, lines: false }

/**
 * Who listens to what is forked from here. Found out once for all the work of an engine that is started: small files come by the
 * thousand, and mostly nobody does.
 */
export const listeners: Effect.Effect<Listeners> = Effect.withFiberRuntime((fiber) =>
  Effect.succeed({ spans: isOn(fiber), lines: debugs(fiber) })
)

/**
 * A claim whose every line is annotated. Where nobody reads what is debugged, only what logs more than that is worth it:
 * whoever does annotates that by itself.
 */
const overheard = <A, E>(download: Download, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  annotated(
    download,
    // what fails in a fiber is told by whoever it fails for
    Effect.withUnhandledErrorLogLevel(effect, Option.none())
  )

/** The claim of a download as it is to be seen and heard. */
export const claim = (
  { lines, spans }: Listeners,
  store: Store,
  download: Download,
  effect: Effect.Effect<void, StoreError>
): Effect.Effect<void, StoreError> => {
  const seen = spans ? claimSpan(store, download, effect) : effect
  return lines ? overheard(download, seen) : seen
}

/** `sluice.download`: a claim, from the claimed row to the message that ended it. */
const claimSpan = (
  store: Store,
  download: Download,
  effect: Effect.Effect<void, StoreError>
): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    const attributes = {
      "sluice.download.id": download.id,
      "sluice.attempt": download.attempt,
      "sluice.origin": originOf(download.url),
      ...server(download.url)
    }
    return Effect.gen(function* () {
      const span = yield* Effect.makeSpan("sluice.download", { root: true, kind: "consumer", attributes })
      const exit = yield* Effect.exit(Effect.withParentSpan(effect, span))
      const row = Option.getOrUndefined(
        yield* Effect.withTracerEnabled(Effect.orElseSucceed(store.get(download.id), Option.none), false)
      )
      if (row !== undefined) {
        const { attemptFrom, checkpoint, failure, status, total } = row
        span.attribute("sluice.outcome", status)
        const held = status === "completed" ? (total ?? checkpoint) : checkpoint
        span.attribute("sluice.bytes", Math.max(0, held - attemptFrom))
        if (failure !== null && status !== "completed") span.attribute("error.type", failure.reason)
      }
      // a try that failed has failed, though its claim has ended well
      const failed = row !== undefined && row.failure !== null && failing.has(row.status)
      yield* ender(span)(failed && Exit.isSuccess(exit) ? Exit.fail(row.failure.detail) : exit)
      return yield* exit
    })
  })

const failing: ReadonlySet<Download["status"]> = new Set<Download["status"]>(["failed", "retrying"])

/** `sluice.attempt`: the try to bring the bytes, over both halves of a transport. */
export const attempts = (transport: Transport): Transport => ({
  begin: (download, reporter) =>
    Effect.withFiberRuntime((fiber) => {
      const begin = transport.begin(download, reporter)
      const { attempt, attemptFrom, id } = download
      const attributes = {
        "sluice.download.id": id,
        "sluice.attempt": attempt,
        "sluice.from": attemptFrom,
        ...server(download.url)
      }
      return Effect.flatMap(Effect.makeSpan("sluice.attempt", { attributes }), (span) => {
        const end = ender(span)
        return Effect.withParentSpan(begin, span).pipe(
          Effect.map((begun): Whole | Begun => {
            if (begun._tag === "Whole") return begun
            const rest = Effect.onExit(Effect.withParentSpan(begun.rest, span), end)
            return {
              ...begun,
              rest,
              abandon: Effect.zipRight(begun.abandon, end(Exit.interrupt(fiber.id())))
            }
          }),
          Effect.onExit((exit) =>
            Exit.isSuccess(exit) && exit.value._tag === "Begun" ? Effect.void : end(exit)
          )
        )
      })
    }),
  transfer: transport.transfer
})

/** `GET`: one request, from its start to the end of its body. */
export const request = (href: string) =>
  Effect.makeSpan("GET", {
    kind: "client",
    attributes: { "http.request.method": "GET", ...server(href) }
  })
