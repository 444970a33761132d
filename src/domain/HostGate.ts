/**
 * The door to one host: how many requests at once, how often, and who goes first. Pure; whoever sends requests asks here, and waits
 * where it is told to.
 *
 * Two kinds of requests: those that a download depends on wait for a place, in the order in which they came; those of further
 * connections (a large file in several parts) get a place that nobody wants, and give it up when somebody does. So a large
 * file never keeps other downloads of its host waiting for longer than it takes to end a connection, and nobody starves.
 */
import { type BreakerPolicy, defaultBreaker } from "./Host.js"

/** How a host is treated. */
export interface Policy {
  /** Requests at work at once, over all downloads of the engine; 0: the host is not asked at all. @default 6 */
  readonly connections: number
  /** Requests begun per second at most. @default Infinity */
  readonly requestsPerSecond: number
  /** Between the beginnings of two requests, in milliseconds. @default 0 */
  readonly minInterval: number
  /** When it is left alone. @default 5 failures in a row, from 2 s to 5 min */
  readonly breaker: BreakerPolicy
}

/** Kind to servers, and no rate. */
export const defaultPolicy: Policy = {
  connections: 6,
  requestsPerSecond: Infinity,
  minInterval: 0,
  breaker: defaultBreaker
}

/** How many at once a number means: none for what is no number, one for a part of one. */
export const whole = (count: number): number => (count > 0 ? Math.max(1, Math.floor(count)) : 0)

/** Between the beginnings of two requests, in milliseconds. */
export const spacing = ({ minInterval, requestsPerSecond }: Policy): number =>
  Math.max(minInterval, requestsPerSecond === Infinity ? 0 : 1000 / requestsPerSecond)

/** One request that is at work or waits; `yields`: that of a further connection, told when its place is wanted. */
export interface Guest {
  readonly yields: (() => void) | undefined
  /** It has a place, and may begin after so many milliseconds. */
  readonly enter: (delay: number) => void
}

/** The state of one door. Mutable: it is asked for each request. */
export class HostGate {
  private readonly inside = new Set<Guest>()
  private readonly line = new Set<Guest>()
  /** Told to leave, and not gone yet. */
  private readonly leaving = new Set<Guest>()
  private nextAt = -Infinity

  constructor(readonly policy: Policy) {}

  /** Nobody is here, and nobody has to be remembered. */
  isIdle(now: number): boolean {
    return this.inside.size === 0 && this.line.size === 0 && this.nextAt <= now
  }

  /** When the next request may begin, if it has a place; in the past, or never yet: at once. */
  get next(): number {
    return this.nextAt
  }

  get active(): number {
    return this.inside.size
  }

  get waiting(): number {
    return this.line.size
  }

  /** Takes a guest in, or into the line; false: there is no place, and it is not to wait. */
  arrive(guest: Guest, now: number): boolean {
    if (this.line.size === 0 && this.inside.size < this.policy.connections) {
      this.admit(guest, now)
      return true
    }
    if (guest.yields !== undefined) return false
    this.line.add(guest)
    this.makeRoom()
    return true
  }

  /** Its request has ended, or it does not want to wait any more. */
  leave(guest: Guest, now: number): void {
    this.line.delete(guest)
    this.leaving.delete(guest)
    if (!this.inside.delete(guest)) return
    for (const next of this.line) {
      if (this.inside.size >= this.policy.connections) break
      this.line.delete(next)
      this.admit(next, now)
    }
  }

  private admit(guest: Guest, now: number): void {
    this.inside.add(guest)
    const at = Math.max(now, this.nextAt)
    this.nextAt = at + spacing(this.policy)
    guest.enter(at - now)
  }

  /** As many of those that can be done without are told to leave as are waited for. */
  private makeRoom(): void {
    let wanted = this.line.size - this.leaving.size
    // the youngest first
    for (const guest of [...this.inside].reverse()) {
      if (wanted <= 0) return
      if (guest.yields === undefined || this.leaving.has(guest)) continue
      this.leaving.add(guest)
      wanted--
      guest.yields()
    }
  }
}
