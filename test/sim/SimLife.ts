/**
 * Which simulated engines are alive: what the operating system's locks would say.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { EngineId } from "../../src/domain/Download.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import type { Simulator } from "./Simulator.js"

export class SimLife {
  private readonly alive = new Set<string>()
  constructor(private readonly sim: Simulator) {}

  get layer(): Layer.Layer<EngineLife> {
    return Layer.scoped(
      EngineLife,
      Effect.acquireRelease(
        Effect.sync(() => {
          const id = `engine-${this.sim.process}` as EngineId
          this.alive.add(id)
          return { id, isAlive: (other: EngineId) => Effect.sync(() => this.alive.has(other)) }
        }),
        ({ id }) => Effect.sync(() => this.alive.delete(id))
      )
    )
  }

  /** The system frees the lock of a process that is gone. */
  crash(process: number): void {
    this.alive.delete(`engine-${process}`)
  }

  /** Whether that engine is alive. */
  has(id: string): boolean {
    return this.alive.has(id)
  }
}
