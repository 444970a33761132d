/**
 * Which engines are alive. An engine's life is a lock that the operating system frees the moment the process dies,
 * never a heartbeat: a stopped (SIGSTOP) engine is alive, a killed one is dead at once.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { EngineId } from "../domain/Download.js"

/** @see {@link EngineLife} */
export interface Shape {
  /** This engine's id; its lock is held from before the id is first written anywhere until the layer closes. */
  readonly id: EngineId
  /** Whether the lock of that engine is held. */
  readonly isAlive: (id: EngineId) => Effect.Effect<boolean>
}

/** Layers: a locked sidecar file beside the database; alone (a database that no other process can see). */
export class EngineLife extends Context.Tag("sluice/EngineLife")<EngineLife, Shape>() {}
