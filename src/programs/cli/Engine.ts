/**
 * The engine for a command. It is loaded when a command needs it, not before: usage errors and help don't wait for it.
 */
import * as Effect from "effect/Effect"
import type { Durability } from "../../domain/Durability.js"
import { defaultPolicy } from "../../domain/HostGate.js"
import type { TransportName } from "../../domain/TransportName.js"
import type { Options } from "../engine.js"

/** The module that puts the layers together. */
export const load = Effect.promise(() => import("../engine.js"))

/** The options of the engine, as commands have them; undefined for its own defaults. */
export interface Asked {
  readonly concurrency: number | undefined
  readonly perHost: number | undefined
  /** Of the downloads asked for, where there are any: one host bears as many, unless `perHost` says otherwise. */
  readonly connections?: number
  readonly durability: Durability | undefined
  /** Bytes per second. */
  readonly limitRate: number | undefined
  readonly transport: TransportName | undefined
}

/** As the engine takes them. */
export const options = ({
  concurrency,
  connections = 0,
  durability,
  limitRate,
  perHost = connections > defaultPolicy.connections ? connections : undefined,
  transport
}: Asked): Options => ({
  ...(perHost === undefined ? {} : { gate: () => ({ ...defaultPolicy, connections: perHost }) }),
  ...(concurrency === undefined ? {} : { concurrency }),
  ...(durability === undefined ? {} : { durability }),
  ...(transport === undefined ? {} : { transport }),
  ...(limitRate === undefined ? {} : { limits: { rate: limitRate } })
})
