/**
 * Fleets that treat the hosts they share against the rules: they prove that the oracles over hosts can fail.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { probeWhy } from "../../../src/domain/Host.js"
import * as Engine from "../../../src/layers/Engine.js"
import { requestBy } from "../../../src/layers/ScopedRequest.js"
import { type Exchange, type Shape, Wire } from "../../../src/services/Wire.js"
import type { Trouble } from "../Storms.js"
import { beforeClaims, crowd, type FleetSabotage, onStore, plan } from "./FleetSabotage.js"
import type { Plan } from "./Plan.js"

/** One host for all, in trouble from the beginning. */
const overloaded =
  (troubles: ReadonlyArray<Omit<Trouble, "host">>, maxRetries = 100_000) =>
  (drawn: Plan): Plan => {
    const { scenario, ...rest } = plan([{}])(drawn)
    const { host } = scenario.resources[0]!
    return {
      ...rest,
      scenario: {
        ...scenario,
        calmAfter: 400_000,
        resources: scenario.resources.map((resource) => ({ ...resource, host })),
        troubles: troubles.map((trouble) => ({ host, ...trouble })),
        orders: scenario.orders.map((order) => ({
          ...order,
          options: { ...order.options, maxRetries, retryDelay: 5000 }
        }))
      }
    }
  }

/** A crowd whose host is down, and one download of another. */
const besides = (drawn: Plan): Plan => {
  const { scenario, ...rest } = crowd(drawn)
  const troubles = [{ host: "crowd.test", from: 0, until: 60_000, weather: { refused: 1 } }]
  const orders = scenario.orders.map((order) => ({
    ...order,
    options: { ...order.options, maxRetries: 100_000 }
  }))
  return { ...rest, scenario: { ...scenario, calmAfter: 400_000, orders, troubles } }
}

/** After one request that failed, none goes out for a while, to whomever. */
const holding = (wire: Shape): Shape => {
  let until = 0
  const held = ({ abort, run }: Exchange): Exchange => ({
    abort,
    run: Clock.currentTimeMillis.pipe(
      Effect.flatMap((now) => Effect.delay(run, Math.max(0, until - now))),
      Effect.tapError(() => Effect.map(Clock.currentTimeMillis, (now) => void (until = now + 60_000)))
    )
  })
  const exchange: Shape["exchange"] = (request, onHead) => held(wire.exchange(request, onHead))
  return { exchange, request: (request) => requestBy(exchange(request, () => undefined)) }
}

export const hostSabotages: ReadonlyArray<FleetSabotage> = [
  {
    what: "an admission that forgets which hosts cool down",
    // in the first two an engine is busy claiming in vain until the end of the run
    from: 3,
    noticed: ["C4"],
    says: "was to be left alone",
    options: {
      vary: overloaded([{ from: 0, until: 20_000, weather: { refused: 1 } }]),
      engine: () => beforeClaims("UPDATE sluice_hosts SET cooling_until = NULL")
    }
  },
  {
    what: "two probes",
    noticed: ["C4"],
    says: "was in trouble, and",
    options: {
      vary: overloaded([{ from: 0, until: 60_000, weather: { refused: 2, headStall: 1 } }]),
      engine: () =>
        beforeClaims(`UPDATE sluice_hosts SET cooling_until = 1 WHERE cooling_why = '${probeWhy}'`)
    }
  },
  {
    what: "a gate that holds all hosts for one in trouble",
    noticed: ["C4"],
    says: "was not asked",
    options: {
      vary: besides,
      engine: () => Layer.provide(Engine.layer, Layer.effect(Wire, Effect.map(Wire, holding)))
    }
  },
  {
    what: "waits that count as retries",
    noticed: ["Q2"],
    says: "failed tries, where",
    options: {
      vary: overloaded(
        [
          { from: 0, until: 60_000, weather: { busyUntil: 1 } },
          { from: 60_000, until: 300_000, weather: { busy: 1 } }
        ],
        1
      ),
      engine: () =>
        onStore((store) => ({
          tell: (id, message) =>
            store.tell(
              id,
              message._tag === "Failed" && message.verdict._tag === "WaitUntil"
                ? { ...message, verdict: { _tag: "RetryAt", at: message.verdict.at } }
                : message
            )
        }))
    }
  },
  {
    what: "an admission that always serves the same host first",
    noticed: ["C4"],
    says: "downloads of a crowd",
    options: {
      vary: crowd,
      engine: () =>
        beforeClaims("UPDATE sluice_downloads SET priority = -1 WHERE output = 'lone' AND status = 'pending'")
    }
  }
]
