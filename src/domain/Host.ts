/**
 * Hosts as downloads share them: what is known of one is known to all that come from there.
 *
 * A host is an origin: scheme, name and port. One that asks for time, or that nobody answers at, is left alone until then by
 * everybody; downloads from other hosts go on.
 */
import type { Failure } from "./Download.js"
import type { Verdict } from "./Message.js"

/** Until when a host is to be left alone, and why. */
export interface Cooling {
  /** Milliseconds since the epoch. */
  readonly until: number
  /** A sentence without a full stop. */
  readonly why: string
}

/** Of a URL as requests are kept: normalised, and without credentials. */
export const originOf = (url: string): string => url.slice(0, url.indexOf("/", url.indexOf("//") + 2))

/** Failures that speak of the host, not of the one resource that was asked for. */
const ofTheHost: ReadonlySet<Failure["reason"]> = new Set<Failure["reason"]>([
  "HostCooling",
  "TooManyRequests",
  "ConnectionRefused"
])

/**
 * What a failed try says about its host; undefined if nothing. A download that gives up speaks for itself: others may be willing to
 * wait longer, and ask for themselves.
 */
export const coolingOf = (failure: Failure, verdict: Verdict): Cooling | undefined =>
  verdict._tag === "Final" || !ofTheHost.has(failure.reason)
    ? undefined
    : { until: verdict.at, why: failure.detail }
