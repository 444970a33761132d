/**
 * A Wire with a door to each host in front of it (`domain/HostGate`): requests wait for a place at the host that they go to,
 * whichever host the download is of, and none goes to a host that has said when to come back.
 *
 * A place is held until the body has ended, or is let go of. Doors are forgotten when nobody is at them, so that memory is
 * bounded whatever the number of hosts.
 *
 * Tricky interleavings: the wait for a place is no silence of the server, so the request counts as held back by us meanwhile. A
 * request that is given up while it waits leaves the line; one that was told to yield may have ended already. Whatever ends a request
 * first gives its place up, and nothing that ends it later does so again.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import { type Cooling, maxAsked, originOf } from "../domain/Host.js"
import { type Guest, HostGate } from "../domain/HostGate.js"
import { waitOf } from "../domain/RateLimit.js"
import { HostGates } from "../services/HostGates.js"
import {
  type Exchange,
  type ResponseHead,
  Wire,
  type WireRequest,
  type WireResponse
} from "../services/Wire.js"
import * as HostPolicies from "./HostPolicies.js"
import { monotonicOf } from "./Monotonic.js"
import { requestBy } from "./ScopedRequest.js"

/** Hosts that are remembered though nobody asks them. */
const maxIdle = 256

const secondsOf = (millis: number): string => `${Math.ceil(millis / 1000)} s`

const make = Effect.gen(function* () {
  const wire = yield* Wire
  const { gate: policyOf } = yield* HostPolicies.make
  const clock = yield* Effect.clock
  const told = yield* Queue.sliding<readonly [string, Cooling]>(256)
  const gates = new Map<string, HostGate>()
  const coolings = new Map<string, Cooling>()
  const now = (): number => clock.unsafeCurrentTimeMillis()
  /** What rates go by: a clock that is set must not stop them. */
  const tick = (): number => monotonicOf(clock)

  const gateOf = (origin: string): HostGate => {
    const known = gates.get(origin)
    if (known !== undefined) return known
    if (gates.size >= maxIdle) for (const [one, gate] of gates) if (gate.isIdle(tick())) gates.delete(one)
    const made = new HostGate(policyOf(origin))
    gates.set(origin, made)
    return made
  }

  const coolingOf = (origin: string): Cooling | undefined => {
    const cooling = coolings.get(origin)
    if (cooling === undefined || cooling.until > now()) return cooling
    coolings.delete(origin)
    return undefined
  }

  const learn = (origin: string, cooling: Cooling | null): void => {
    if (cooling === null || cooling.until <= now()) coolings.delete(origin)
    else coolings.set(origin, cooling)
  }

  /** Why nobody asks that host now. */
  const closed = (origin: string): DownloadError | undefined => {
    const cooling = coolingOf(origin)
    if (cooling === undefined) return undefined
    const retryAfter = cooling.until - now()
    return makeError("HostCooling", `${origin} is left alone for ${secondsOf(retryAfter)}: ${cooling.why}`, {
      retryAfter,
      origin
    })
  }

  const observe = (origin: string, { headers, status }: ResponseHead): void => {
    const wait = waitOf(status, headers, now())
    if (wait === undefined || wait <= 0) return
    const why =
      status === 429 || status === 503
        ? `it answered ${status} and asked to wait ${secondsOf(wait)}`
        : `it permits no more requests for ${secondsOf(wait)}`
    const cooling = { until: Math.ceil(now() + Math.min(wait, maxAsked)), why }
    const known = coolingOf(origin)
    if (known !== undefined && known.until >= cooling.until) return
    coolings.set(origin, cooling)
    Queue.unsafeOffer(told, [origin, cooling])
  }

  const exchange = (request: WireRequest, onHead: Parameters<Wire["Type"]["exchange"]>[1]): Exchange => {
    const origin = originOf(request.url)
    const gate = gateOf(origin)
    const { activity } = request
    const inner = wire.exchange(request, (head) => {
      observe(origin, head)
      return onHead(head)
    })
    let enter: (outcome: Effect.Effect<void, DownloadError>) => void = () => {}
    const guest: Guest = {
      yields: request.yields,
      enter: (delay) => enter(delay <= 0 ? Effect.void : Effect.sleep(delay))
    }
    let gone = false
    const leave = (): void => {
      if (gone) return
      gone = true
      gate.leave(guest, tick())
    }

    /** Until it has a place, and its time has come. */
    const waiting = Effect.suspend(() => {
      const shut = closed(origin)
      if (shut !== undefined) return shut
      let outcome: Effect.Effect<void, DownloadError> | undefined
      enter = (given) => (outcome = given)
      if (!gate.arrive(guest, tick())) return makeError("HostBusy", `all places at ${origin} are taken`)
      // mostly there is one at once
      if (outcome === Effect.void) return outcome
      request.onWait?.(`waiting for a place at ${origin}`)
      activity.held = true
      return (outcome ?? Effect.async<void, DownloadError>((resume) => void (enter = resume))).pipe(
        Effect.flatMap((): Effect.Effect<void, DownloadError> => closed(origin) ?? Effect.void),
        Effect.ensuring(
          Effect.sync(() => {
            activity.held = false
            request.onWait?.(undefined)
          })
        )
      )
    })

    const leaving = Effect.sync(leave)
    const handedOn = (response: WireResponse): WireResponse => ({
      status: response.status,
      headers: response.headers,
      pipe: (sink) => Effect.ensuring(response.pipe(sink), leaving),
      discard: Effect.ensuring(response.discard, leaving)
    })

    return {
      run: Effect.zipRight(waiting, inner.run).pipe(
        Effect.onError(() => leaving),
        Effect.map((response) => {
          if (response !== undefined) return handedOn(response)
          leave()
          return undefined
        })
      ),
      abort: (error) => {
        enter(error ?? makeError("Network", `the request to ${origin} was given up`))
        inner.abort(error)
        leave()
      }
    }
  }

  return Context.make(
    Wire,
    Wire.of({ exchange, request: (request) => requestBy(exchange(request, () => undefined)) })
  ).pipe(
    Context.add(
      HostGates,
      HostGates.of({
        learn,
        told,
        nextAt: (origin) => gates.get(origin)?.next ?? -Infinity,
        gates: Effect.map(Clock.currentTimeMillis, () =>
          [...new Set([...gates.keys(), ...coolings.keys()])].flatMap((origin) => {
            const gate = gates.get(origin)
            const cooling = coolingOf(origin) ?? null
            const active = gate?.active ?? 0
            const waiting = gate?.waiting ?? 0
            return active === 0 && waiting === 0 && cooling === null
              ? []
              : [{ origin, active, waiting, cooling }]
          })
        )
      })
    )
  )
})

/** In front of a Wire. */
export const layer: Layer.Layer<Wire | HostGates, never, Wire> = Layer.scopedContext(make)
