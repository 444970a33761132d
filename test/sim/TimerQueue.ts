/**
 * What waits for virtual time: a binary heap by time, with seeded chance deciding between equal times.
 */
import type { Seeded } from "./Seeded.js"

export interface Timer {
  readonly at: number
  readonly tie: number
  /** The process whose timer it is: it ends with that. */
  readonly owner: number
  readonly run: () => void
}

interface Entry extends Timer {
  live: boolean
}

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.tie < b.tie)

export class TimerQueue {
  private heap: Array<Entry> = []
  private readonly counts = new Map<number, number>()

  constructor(
    private readonly random: Seeded,
    timers: ReadonlyArray<Timer> = []
  ) {
    for (const timer of timers) this.push({ ...timer, live: true })
  }

  /** Returns how to call it off; that says whether it was still waiting. An infinite time never comes. */
  add(at: number, owner: number, run: () => void): () => boolean {
    const entry: Entry = { at, tie: this.random.next(), owner, run, live: true }
    if (at < Infinity) this.push(entry)
    return () => {
      const waiting = entry.live && at < Infinity
      if (waiting) this.countUp(owner, -1)
      entry.live = false
      return waiting
    }
  }

  count(owner: number): number {
    return this.counts.get(owner) ?? 0
  }

  private countUp(owner: number, difference: number): void {
    this.counts.set(owner, this.count(owner) + difference)
  }

  /** When the next timer is due. */
  get nextAt(): number | undefined {
    this.dropDead()
    return this.heap[0]?.at
  }

  /** Takes the first timer that is due at `now`. */
  takeDue(now: number): Timer | undefined {
    this.dropDead()
    const first = this.heap[0]
    if (first === undefined || first.at > now) return undefined
    this.pop()
    first.live = false
    this.countUp(first.owner, -1)
    return first
  }

  /** Takes all timers of one owner, in no particular order. */
  takeAll(owner: number): ReadonlyArray<Timer> {
    const live = this.heap.filter((entry) => entry.live)
    const taken = live.filter((entry) => entry.owner === owner)
    this.heap = []
    this.counts.clear()
    for (const entry of live) {
      if (entry.owner === owner) entry.live = false
      else this.push(entry)
    }
    return taken
  }

  private dropDead(): void {
    while (this.heap[0]?.live === false) this.pop()
  }

  private push(entry: Entry): void {
    this.countUp(entry.owner, 1)
    const heap = this.heap
    let i = heap.push(entry) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(entry, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = entry
  }

  private pop(): void {
    const heap = this.heap
    const last = heap.pop()
    if (heap.length === 0 || last === undefined) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}
