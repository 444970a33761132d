/**
 * Hosts as downloads share them: what is known of one is known to all that come from there. A circuit breaker (Nygard, Release
 * It!) whose state is the host's row, so that it survives restarts and all engines of a database have the same.
 *
 * A host is an origin: scheme, name and port. Closed: everybody asks. Open: it cools down, and nobody asks; downloads from other
 * hosts go on. Half-open: its time is over, and one download alone, the probe, is let through; the claim of it closes the door
 * behind it for a while (`probeWindow`), so that of all engines exactly one asks. What comes of the probe closes the breaker, or
 * opens it for longer. A probe whose engine dies costs its window.
 */
import type { Failure } from "./Download.js"
import type { Verdict } from "./Message.js"

/** When a host is left alone. Times in milliseconds. */
export interface BreakerPolicy {
  /**
   * So many failures in a row (server errors, timeouts, resets, names that are not found) open it. A refused connection, and an
   * answer that asks for fewer requests, open it at once. @default 5
   */
  readonly threshold: number
  /** The first pause, doubled with each that follows, where the server does not say how long. @default 2000 */
  readonly pause: number
  /** No pause is longer, unless the server asks for it. @default 300000, 5 min */
  readonly maxPause: number
}

export const defaultBreaker: BreakerPolicy = { threshold: 5, pause: 2000, maxPause: 5 * 60_000 }

/** What a server asks for is obeyed up to here, in milliseconds: after a day, one download asks again. */
export const maxAsked = 86_400_000

/** A probe that has brought no answer for so long is not waited for, in milliseconds: longer than the default timeouts together. */
export const probeWindow = 90_000

/** Said of a host while its probe is under way: the door that is closed behind it, no verdict on the host. */
export const probeWhy = "one download asks whether it is well again"

/** Until when a host is to be left alone, and why. */
export interface Cooling {
  /** Milliseconds since the epoch. */
  readonly until: number
  /** A sentence without a full stop. */
  readonly why: string
}

/** What is known of a host. */
export interface Health {
  /** In a row. */
  readonly failures: number
  /** Since when nothing but failures has come; null while it is well. */
  readonly since: number | null
  /** Open until then; null: closed. */
  readonly cooling: Cooling | null
}

/**
 * How a host stands, whichever engine found out: asked as usual; open: left alone after failures; half-open: its time is over,
 * and one download asks, or is about to; cooling: not in trouble, left alone as it has asked for that.
 */
export type HostState = (typeof hostStates)[number]
export const hostStates = ["closed", "open", "half-open", "cooling"] as const

export const well: Health = { failures: 0, since: null, cooling: null }

/** Of a URL as requests are kept: normalised, and without credentials. */
export const originOf = (url: string): string => url.slice(0, url.indexOf("/", url.indexOf("//") + 2))

type Reason = Failure["reason"]

/** Nobody is there, or it wants fewer requests: one such failure says enough. */
const enough: ReadonlySet<Reason> = new Set<Reason>(["HostCooling", "TooManyRequests", "ConnectionRefused"])

/** What may be the host's trouble, or an accident. */
const doubtful: ReadonlySet<Reason> = new Set<Reason>([
  "ConnectionReset",
  "ConnectTimeout",
  "HeadersTimeout",
  "DnsFailed",
  "Network",
  "ServerError"
])

/** Failures that come of this machine, of what was asked for, or before anybody was asked: they say nothing of the host. */
const neutral: ReadonlySet<Reason> = new Set<Reason>([
  "HostBusy",
  "TimedOut",
  "Offline",
  "ProxyFailed",
  "ProxyRefused",
  "DiskFull",
  "DiskFailed",
  "DestinationUnusable",
  "DestinationExists",
  "SinkFailed",
  "SinkRefused",
  "SinkMissing",
  "InvalidUrl",
  "UnsupportedScheme",
  "InvalidRequest",
  "Defect"
])

/** What a failed try says of its host: trouble, that it answers, or nothing. */
export const saysOfHost = (reason: Reason): "trouble" | "answers" | "nothing" => {
  if (enough.has(reason) || doubtful.has(reason)) return "trouble"
  return neutral.has(reason) ? "nothing" : "answers"
}

/** The host has failed once more. `verdict`: what became of the download that it failed. */
export const troubled = (
  policy: BreakerPolicy,
  health: Health,
  failure: Pick<Failure, "reason" | "detail" | "retryAfter">,
  verdict: Verdict,
  now: number
): Health => {
  const { detail, reason, retryAfter } = failure
  // what was on its way when the door was closed says nothing new
  const isNews = health.cooling === null || health.cooling.until <= now
  const failures = health.failures + (isNews ? 1 : 0)
  const since = health.since ?? now
  const beyond = enough.has(reason) ? failures : failures - policy.threshold + 1
  // what was open or half-open has not got over it
  if (beyond < 1 && health.cooling === null) return { failures, since, cooling: null }
  const pause =
    retryAfter === undefined
      ? Math.min(policy.maxPause, policy.pause * 2 ** Math.min(30, Math.max(0, beyond - 1)))
      : Math.min(maxAsked, retryAfter)
  // the download that has failed is not to come back to a closed door
  const at = verdict._tag === "Final" ? 0 : verdict.at
  const until = Math.ceil(Math.max(now + pause, Math.min(at, now + maxAsked)))
  const cooling = health.cooling
  return {
    failures,
    since,
    cooling: cooling !== null && cooling.until > until ? cooling : { until, why: detail }
  }
}
