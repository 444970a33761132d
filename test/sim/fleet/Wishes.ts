/**
 * What people have asked for, in every process, and what therefore has to hold: nothing of a download runs after `pause` or
 * `cancel` has returned until somebody begins to ask for it again; a priority that was given stays.
 *
 * Only what is certain is held against the engines: where two commands overlapped in time, either may have been the later one.
 */
import type { Simulator } from "../Simulator.js"

/** What a command does to the wish that a download runs. */
type Effect = "halt" | "revive" | "rank" | "none"

export interface Asked {
  readonly process: number
  readonly effect: Effect
  readonly what: string
  readonly keys: ReadonlySet<string>
  readonly began: number
  ended: number
}

export interface Held {
  readonly what: string
  readonly since: number
}

export class Wishes {
  private readonly log: Array<Asked> = []
  private readonly held = new Map<string, Held>()
  /** The priority that each download has to have, where that is certain. */
  readonly priorities = new Map<string, number>()
  /** Downloads of which somebody has ever asked such a thing. */
  readonly paused = new Set<string>()
  readonly cancelled = new Set<string>()

  constructor(private readonly sim: Simulator) {}

  begin(effect: Effect, what: string, keys: Iterable<string>): Asked {
    const asked: Asked = {
      process: this.sim.process,
      effect,
      what,
      keys: new Set(keys),
      began: this.sim.now,
      ended: Infinity
    }
    this.log.push(asked)
    for (const key of asked.keys) {
      if (effect === "revive") this.held.delete(key)
      if (effect !== "halt") this.priorities.delete(key)
    }
    return asked
  }

  end(asked: Asked): void {
    asked.ended = this.sim.now
  }

  /** The process is gone: whatever it had not done it does not do any more. */
  abandon(process: number): void {
    for (const asked of this.log) if (asked.process === process && asked.ended === Infinity) this.end(asked)
  }

  /** Whether something of that effect may have come after this command. */
  private contested({ began }: Asked, effect: Effect, key: string, self?: Asked): boolean {
    return this.log.some(
      (other) => other !== self && other.effect === effect && other.ended >= began && other.keys.has(key)
    )
  }

  /** A command that halts has come true for a download: so it has to stay. */
  hold(asked: Asked, key: string): boolean {
    if (this.contested(asked, "revive", key)) return false
    this.held.set(key, { what: asked.what, since: this.sim.now })
    return true
  }

  /** The same for a priority. */
  rank(asked: Asked, key: string, priority: number): void {
    const others = (["rank", "revive"] as const).some((effect) => this.contested(asked, effect, key, asked))
    if (!others) this.priorities.set(key, priority)
  }

  heldOf(key: string): Held | undefined {
    return this.held.get(key)
  }
}
