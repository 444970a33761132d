/**
 * What happens to hosts, as data: one is left alone from now on, or answers again. Made from what commits say of their health;
 * the contract is that of DownloadEvent, but it is about a host and not about a download, so it has neither `id` nor `url`.
 *
 * That the time of a host is over is no event: `until` says it in advance, and then one download asks. What comes of that is one.
 */
import * as Schema from "effect/Schema"
import { iso } from "./DownloadEvent.js"
import type { Cooling } from "./Host.js"

/** `open`: nobody asks it before `until` (its circuit is open). `closed`: it has answered again, and everybody may ask. */
export const HostEvent = Schema.Struct({
  v: Schema.Literal(1),
  event: Schema.Literal("host"),
  at: Schema.String,
  /** Scheme, name and port. */
  origin: Schema.String,
  state: Schema.Literal("open", "closed"),
  /** Null where it is closed. */
  until: Schema.NullOr(Schema.String),
  /** A sentence without a full stop; null where it is closed. */
  why: Schema.NullOr(Schema.String)
})
export type HostEvent = typeof HostEvent.Type

/** Until when hosts are left alone, as was told last; hosts that are not in it are well, as far as was told. */
export type Told = ReadonlyMap<string, number>

/** An answer and the failure that it makes say the same, some milliseconds apart. */
const same = 1000

/** So many hosts that are left alone are remembered; the closing of others is not told. */
const remembered = 4096

const open = (origin: string, { until, why }: Cooling, at: number): HostEvent => ({
  v: 1,
  event: "host",
  at: iso(at),
  origin,
  state: "open",
  until: iso(until),
  why
})

const closed = (origin: string, at: number): HostEvent => ({
  v: 1,
  event: "host",
  at: iso(at),
  origin,
  state: "closed",
  until: null,
  why: null
})

/** What is to be told of hosts that are like this now, and what has been told then. */
export const changes = (
  told: Told,
  hosts: Iterable<readonly [origin: string, cooling: Cooling | null]>,
  at: number
): { readonly told: Told; readonly events: ReadonlyArray<HostEvent> } => {
  const next = new Map(told)
  const events: Array<HostEvent> = []
  for (const [origin, cooling] of hosts) {
    const before = next.get(origin)
    if (cooling === null) {
      if (next.delete(origin)) events.push(closed(origin, at))
    } else if (cooling.until > at && (before === undefined || cooling.until >= before + same)) {
      next.delete(origin)
      next.set(origin, cooling.until)
      events.push(open(origin, cooling, at))
    }
  }
  for (const origin of next.keys()) {
    if (next.size <= remembered) break
    next.delete(origin)
  }
  return { told: next, events }
}
