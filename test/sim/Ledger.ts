/**
 * What the world outside the process knows for certain, across crashes: what was acknowledged to whom, and what was
 * reported as finished. The oracles hold the database to it.
 */
import type { Download, PartRecord } from "../../src/domain/Download.js"
import type { DownloadId } from "../../src/domain/DownloadId.js"
import type { Order } from "./Scenario.js"

/** One order and what became of it. */
export interface Entry {
  readonly order: Order
  /** The download that was acknowledged, and when. */
  id: DownloadId | undefined
  askedAt: number | undefined
  /** Its end, as reported. */
  finished: Download | undefined
  /** What was asked to be done to it has been done. */
  interfered: boolean
}

export class Ledger {
  readonly entries: ReadonlyArray<Entry>
  /** The part that each download was last seen with: a row forgets its own when it says that it is gone. */
  readonly parts = new Map<DownloadId, PartRecord>()
  /** Orders (by key) whose download somebody may have removed. */
  readonly removed = new Set<string>()
  constructor(orders: ReadonlyArray<Order>) {
    this.entries = orders.map((order) => ({
      order,
      id: undefined,
      askedAt: undefined,
      finished: undefined,
      interfered: false
    }))
  }

  get acknowledged(): ReadonlyArray<DownloadId> {
    return this.entries.flatMap((entry) => (entry.id === undefined ? [] : [entry.id]))
  }
}
