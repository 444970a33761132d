/**
 * Counts the living fibers of a program, to see that none is left when it has ended.
 */
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Effect from "effect/Effect"
import * as Supervisor from "effect/Supervisor"

export class Fibers extends Supervisor.AbstractSupervisor<number> {
  private readonly living = new Set<Fiber.RuntimeFiber<unknown, unknown>>()

  override get value(): Effect.Effect<number> {
    return Effect.sync(() => this.living.size)
  }

  override onStart<A, E, R>(
    _context: unknown,
    _effect: Effect.Effect<A, E, R>,
    _parent: unknown,
    fiber: Fiber.RuntimeFiber<A, E>
  ): void {
    this.living.add(fiber)
  }

  override onEnd<A, E>(_exit: Exit.Exit<A, E>, fiber: Fiber.RuntimeFiber<A, E>): void {
    this.living.delete(fiber)
  }

  get count(): number {
    return this.living.size
  }
}
