/**
 * A network that plays a script, for programs that test what they build on downloads: no sockets, and all time is Clock's.
 * What a response means is judged by the same rules as that of a real server.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import { fromPairs } from "../domain/Headers.js"
import type { Shape, WireRequest, WireResponse } from "../services/Wire.js"
import { firstToEnd } from "./Race.js"

/** One step of a body: bytes, a pause in milliseconds, something to do, or how it ends early. */
export type Step = Uint8Array | number | (() => void) | DownloadError | "forever"

export interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: ReadonlyArray<Step>
  /** Milliseconds before the head. */
  readonly delay?: number
}

/** What the server does with the n-th request (from 0); an error means that no head ever comes. */
export type Script = (n: number, request: WireRequest) => Answer | DownloadError | "forever"

/** A request as it arrived. */
export interface Served {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly url: string
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>
  /** Whether its answer was not taken to the end (or not yet). */
  aborted: boolean
}

export const make = (script: Script) => {
  const served: Array<Served> = []
  const respond = (request: WireRequest): Effect.Effect<WireResponse, DownloadError> =>
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const log: Served = {
        at: clock.unsafeCurrentTimeMillis(),
        url: request.url,
        headers: new Map(request.headers.map(([name, value]) => [name.toLowerCase(), value])),
        aborted: true
      }
      const answer = script(served.push(log) - 1, request)
      request.activity.phase = "awaiting-head"
      if (answer === "forever") return yield* Effect.never
      if ("reason" in answer) return yield* answer
      if (answer.delay !== undefined) yield* Effect.sleep(answer.delay)
      return {
        status: answer.status,
        headers: fromPairs(Object.entries(answer.headers ?? {})),
        discard: Effect.sync(() => void (log.aborted = false)),
        pipe: (sink) =>
          Effect.gen(function* () {
            request.activity.phase = "body"
            let refused: DownloadError | undefined
            const ready = yield* Effect.makeLatch(true)
            sink.onFailure = (error) => {
              refused = error
              ready.unsafeOpen()
            }
            sink.onDrain = () => void ready.unsafeOpen()
            for (const step of answer.body ?? []) {
              if (step === "forever") return yield* Effect.never
              if (typeof step === "function") step()
              else if (typeof step === "number") yield* Effect.sleep(step)
              else if (step instanceof Uint8Array) {
                request.activity.bytes += step.length
                ready.unsafeClose()
                if (!sink.write(step) && refused === undefined) {
                  request.activity.held = true
                  yield* ready.await
                  request.activity.held = false
                }
                if (refused !== undefined) return yield* refused
              } else return yield* step
            }
            log.aborted = false
          })
      }
    })
  const wire: Shape = {
    request: respond,
    exchange: (request, onHead) => {
      const ended = Deferred.unsafeMake<never, DownloadError>(FiberId.none)
      const whole = Effect.flatMap(
        respond(request),
        (response): Effect.Effect<WireResponse | void, DownloadError> => {
          const sink = onHead(response)
          return sink === undefined ? Effect.succeed(response) : response.pipe(sink)
        }
      )
      return {
        run: firstToEnd(whole, Deferred.await(ended)),
        abort: (error = makeError("Network", "the exchange was given up")) =>
          Deferred.unsafeDone(ended, Effect.fail(error))
      }
    }
  }
  return { wire, served }
}
