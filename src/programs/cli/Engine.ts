/**
 * The engine for a command. It is loaded when a command needs it, not before: usage errors and help don't wait for it.
 */
import * as Effect from "effect/Effect"
import type { Durability } from "../../domain/Durability.js"
import type { EngineOptionsShape } from "../../services/EngineOptions.js"

/** The module that puts the layers together. */
export const load = Effect.promise(() => import("../engine.js"))

/** The options of the engine, as commands have them; undefined for its own defaults. */
export interface Asked {
  readonly concurrency: number | undefined
  readonly durability: Durability | undefined
}

/** As the engine takes them. */
export const options = ({ concurrency, durability }: Asked): Partial<EngineOptionsShape> => ({
  ...(concurrency === undefined ? {} : { concurrency }),
  ...(durability === undefined ? {} : { durability })
})
