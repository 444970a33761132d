/**
 * What an engine's options say of hosts, made safe to go by: these are functions of the program's own. One that throws is told in the
 * log, once, and its default holds instead: it must neither fail a download nor stop an engine. A number that makes no sense of
 * requests at once (half a one) is made one that does.
 */
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import { defaultPolicy, type Policy, whole } from "../domain/HostGate.js"
import { EngineOptions } from "../services/EngineOptions.js"

/** Each by the host's origin. */
export interface HostPolicies {
  readonly gate: (origin: string) => Policy
  /** Downloads of it that may transfer at once. */
  readonly most: (origin: string) => number
}

type ByHost<A> = (origin: string) => A

/** Functions that have been told of. */
const told = new WeakSet<ByHost<unknown>>()

export const make: Effect.Effect<HostPolicies> = Effect.gen(function* () {
  const options = yield* EngineOptions
  const runtime = yield* Effect.runtime<never>()

  const safely =
    <A>(name: string, policy: ByHost<A>, otherwise: A): ByHost<A> =>
    (origin) => {
      try {
        return policy(origin)
      } catch (thrown) {
        if (!told.has(policy)) {
          told.add(policy)
          Runtime.runFork(runtime)(
            Effect.logError(`the policy ${name} died, asked about ${origin}; the default holds`, thrown)
          )
        }
        return otherwise
      }
    }

  const given = safely("gate", options.gate, defaultPolicy)
  const perHost = safely("admission.perHost", options.admission.perHost, Infinity)
  const gate = (origin: string): Policy => {
    const policy = given(origin)
    const connections = whole(policy.connections)
    return connections === policy.connections ? policy : { ...policy, connections }
  }
  return {
    gate,
    most: (origin) => Math.min(gate(origin).connections, whole(perHost(origin)))
  }
})
