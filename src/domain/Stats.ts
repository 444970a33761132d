/**
 * The queue in numbers, whoever works on it.
 */
import type { EngineId, Status } from "./Download.js"
import type { HostState } from "./Host.js"

/** A host that is left alone for a while. */
export interface CoolingHost {
  /** Scheme, host and port. */
  readonly origin: string
  /** When it may be asked again, in milliseconds since the epoch. */
  readonly until: number
  /** What it said, in a sentence. */
  readonly why: string
}

/** An engine that is listed in the database. */
export interface ListedEngine {
  /** By which rows name their owner. */
  readonly id: EngineId
  /** Its process, where that is known. */
  readonly pid: number | null
  /** In milliseconds since the epoch. */
  readonly startedAt: number
  /** Whether it takes up downloads that no living engine owns, or only works on what it was asked for itself. */
  readonly adopts: boolean
  /** Whether its life lock is held; what a dead one owned goes to the next engine. */
  readonly alive: boolean
}

/** @see {@link Downloads.stats} */
export interface Stats {
  /** Downloads by status; every status is there. */
  readonly downloads: Readonly<Record<Status, number>>
  /** Bytes of completed downloads that are still listed. */
  readonly bytes: number
  /** Hosts that are left alone now, those that are soonest free first. */
  readonly cooling: ReadonlyArray<CoolingHost>
  /** All hosts that a download was ever asked of, by how they stand; every state is there. */
  readonly hostStates: Readonly<Record<HostState, number>>
  /** Engines that own downloads, or owned some and died; oldest first. */
  readonly engines: ReadonlyArray<ListedEngine>
}
