/**
 * Whether this machine has a network at all, as far as its downloads tell: where they fail for want of one, and none gets anywhere,
 * an engine need not find that out for each of a thousand rows. One at a time asks, ever more seldom, and with the first answer
 * all go on.
 */
import type { Download } from "../domain/Download.js"

/** Between two that ask, in milliseconds. */
const firstPause = 1000
const maxPause = 30_000

const ended: ReadonlySet<Download["status"]> = new Set<Download["status"]>(["failed", "retrying", "waiting"])

/** Failures that may be for want of a network as well. */
const unclear: ReadonlySet<string> = new Set([
  "ConnectTimeout",
  "DnsFailed",
  "Network",
  "GaveUp",
  "DiskFull",
  "DiskFailed",
  "DiskStayedFull"
])

export class Reachability {
  private failures = 0

  get isLost(): boolean {
    return this.failures > 0
  }

  /** Before the next one asks, in milliseconds. */
  get pause(): number {
    return Math.min(maxPause, firstPause * 2 ** Math.min(10, this.failures - 1))
  }

  /** Rows as a commit has left them. */
  observe(rows: Iterable<Download>): void {
    for (const { attemptFrom, checkpoint, failure, status } of rows) {
      if (status === "waiting" && failure?.reason === "Offline") this.failures++
      else if (status === "completed" || (status === "processing" && checkpoint > attemptFrom))
        this.failures = 0
      else if (ended.has(status) && failure !== null && !unclear.has(failure.reason)) this.failures = 0
    }
  }
}
