/**
 * What has become of the downloads of a command: counts, the first of those that are not done (and the first of each
 * reason), and how many more there are for each reason. What it keeps has a bound, however many fail.
 */
import type { Change } from "./EventSchema.js"

/** A download that ended otherwise than completed, or was paused by somebody else. */
export type NotDone = Extract<Change, { readonly event: "failed" | "cancelled" | "paused" }>

/** Downloads that are not done for the same reason. */
export interface Group {
  readonly first: NotDone
  readonly count: number
  /** Whether the sentences of all of them are that of the first. */
  readonly alike: boolean
}

/** @see the file's header */
export interface Tally {
  readonly completed: number
  /** Complete before, and left alone: not among the completed ones. */
  readonly unchanged: number
  /** The sizes of the completed ones, together. */
  readonly bytes: number
  readonly failed: number
  /** Cancelled or paused by somebody else. */
  readonly stopped: number
  /** Those that failed or were stopped and are told one by one. */
  readonly notDone: ReadonlyArray<NotDone>
  /** The others, the most frequent reason first. */
  readonly others: ReadonlyArray<Group>
}

/** So many are told one by one, and the first of each reason. */
export const maxNotDone = 20

const reasonOf = (event: NotDone): string =>
  event.event === "failed" ? `${event.reason} ${event.status ?? ""}` : event.event

const sentenceOf = (event: NotDone): string => (event.event === "failed" ? event.detail : "")

/** @see the file's header */
export class Tallier {
  private readonly counts = { completed: 0, unchanged: 0, bytes: 0, failed: 0, stopped: 0 }
  private readonly notDone: Array<NotDone> = []
  private readonly reasons = new Set<string>()
  private readonly groups = new Map<string, Group>()

  get failed(): number {
    return this.counts.failed
  }

  get bytes(): number {
    return this.counts.bytes
  }

  add(event: Change): void {
    switch (event.event) {
      case "completed":
        if (event.outcome === "unchanged") {
          this.counts.unchanged++
          return
        }
        this.counts.completed++
        this.counts.bytes += event.bytes
        return
      case "failed":
        this.counts.failed++
        return this.keep(event)
      case "cancelled":
      case "paused":
        this.counts.stopped++
        return this.keep(event)
      default:
    }
  }

  value(): Tally {
    const others = Array.from(this.groups.values()).sort((one, other) => other.count - one.count)
    return { ...this.counts, notDone: this.notDone, others }
  }

  private keep(event: NotDone): void {
    const reason = reasonOf(event)
    // there are not many reasons, but statuses of servers are among them
    const isNew = !this.reasons.has(reason) && this.reasons.size < maxNotDone
    if (isNew) this.reasons.add(reason)
    if (isNew || this.notDone.length < maxNotDone) {
      this.notDone.push(event)
      return
    }
    const group = this.groups.get(reason)
    this.groups.set(reason, {
      first: group?.first ?? event,
      count: (group?.count ?? 0) + 1,
      alike: group === undefined || (group.alike && sentenceOf(group.first) === sentenceOf(event))
    })
  }
}
