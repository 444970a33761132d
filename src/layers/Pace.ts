/**
 * The pace of an engine: which chunk may pass now, and whose turn it is, under limits of the whole engine, of hosts and of single
 * downloads. A plain data structure without fibers, told the time by whoever calls it: by network events for each chunk
 * (`pass`), by a metronome for what had to wait (`beat`). Where limits come from is the business of Bandwidth.
 *
 * A chunk passes at once while all its buckets hold enough and nobody waits for one of them; otherwise it waits in its gate for
 * the metronome, which serves downloads by what they have had (`FairShare`), in pieces no larger than what drips in.
 *
 * Tricky interleavings: handing on a piece may make the Wire write the next chunk from within that call; while the metronome is at
 * it, such a chunk always waits, or the first to be served would take everything. Rates may change at any moment: each gate
 * looks its buckets up again then.
 */
import type { DownloadId } from "../domain/DownloadId.js"
import * as FairShare from "../domain/FairShare.js"
import { least, type Limits, none } from "../domain/Limits.js"
import * as TokenBucket from "../domain/TokenBucket.js"

/** A bucket in use, and how many wait for it. */
interface Cell {
  bucket: TokenBucket.TokenBucket
  waiting: number
}

/** One download on its way. */
interface Flow extends FairShare.Sharer {
  readonly id: DownloadId
  /** What its own options say. */
  readonly rate: number | null
  cell: Cell | undefined
  gates: number
}

/** Where the chunks of one body pass. */
export interface Gate {
  readonly flow: Flow
  readonly origin: string
  /** Bytes that wait and could be taken by whoever they are for. */
  readonly queued: () => number
  /** Hands on so many of them. */
  readonly hand: (bytes: number) => void
}

/** What the options of an engine say. */
export interface Given {
  readonly rate: number | undefined
  readonly perHost: (origin: string) => number | undefined
}

/** No single turn is longer than this, in bytes. */
const longestTurn = 64 * 1024

/** So many downloads and hosts are remembered that nothing may be coming from at the moment. */
const mostKnown = 1024

/** Whether it holds too little for so many bytes, or a piece of them. */
const isShort = ({ bucket }: Cell, bytes: number): boolean =>
  bucket.level < Math.min(bytes, TokenBucket.pieceOf(bucket.rate))

export class Pace {
  private limits: Limits = none
  /** Grows when limits change. */
  private generation = 0
  private all: Cell | undefined
  /** Those that are limited. */
  private readonly hosts = new Map<string, Cell>()
  private readonly flows = new Map<DownloadId, Flow>()
  private readonly known = new WeakMap<Gate, { generation: number; cells: ReadonlyArray<Cell> }>()
  private readonly queue = new Set<Gate>()
  private readonly round: FairShare.Round = { front: 0, turns: 0 }
  private beating = false
  /** Called when something waits and nothing did. */
  onWait: () => void = () => {}

  constructor(
    private readonly given: Given,
    private readonly now: () => number
  ) {
    this.govern(none)
  }

  /** Other limits from now on, also for what is on its way. */
  govern(limits: Limits): void {
    const now = this.now()
    this.limits = limits
    this.generation++
    this.all = this.changed(this.all, least(this.given.rate, limits.all), now)
    for (const [origin, cell] of this.hosts) {
      if (this.changed(cell, this.hostRate(origin), now) === undefined) this.hosts.delete(origin)
    }
    for (const flow of this.flows.values()) {
      flow.cell = this.changed(flow.cell, least(flow.rate, limits.downloads.get(flow.id)), now)
    }
  }

  /** A body of a download begins; to be ended with `leave`. */
  enter(id: DownloadId, rate: number | null): Flow {
    let flow = this.flows.get(id)
    if (flow === undefined) {
      const cell = this.changed(undefined, least(rate, this.limits.downloads.get(id)), this.now())
      flow = { id, rate, cell, gates: 0, had: 0, turn: 0 }
      this.flows.set(id, flow)
    }
    flow.gates++
    return flow
  }

  leave(gate: Gate): void {
    const { flow } = gate
    this.queue.delete(gate)
    if (--flow.gates > 0) return
    // its bucket stays as long as another body may follow: or each new connection would begin with an empty one
    if (this.flows.size > mostKnown) this.forget()
  }

  /** Whether a chunk may pass; it is counted then. */
  pass(gate: Gate, bytes: number): boolean {
    const cells = this.cellsOf(gate)
    if (cells.length === 0) return true
    if (this.beating) return false
    const now = this.now()
    for (const cell of cells) {
      cell.bucket = TokenBucket.refill(cell.bucket, now)
      if (cell.waiting > 0 || cell.bucket.level < bytes) return false
    }
    this.count(gate, cells, bytes)
    return true
  }

  /** Bytes have come that could not be held back. */
  charge(id: DownloadId, origin: string, bytes: number): void {
    const now = this.now()
    for (const cell of [this.all, this.host(origin), this.flows.get(id)?.cell]) {
      if (cell !== undefined) cell.bucket = TokenBucket.take(TokenBucket.refill(cell.bucket, now), bytes)
    }
  }

  /** Something waits in this gate. */
  wait(gate: Gate): void {
    if (this.queue.has(gate)) return
    this.queue.add(gate)
    if (this.queue.size === 1) this.onWait()
    FairShare.join(this.round, gate.flow, this.slack(this.cellsOf(gate)))
    if (!this.beating) this.block(gate)
  }

  get isIdle(): boolean {
    return this.queue.size === 0
  }

  /** Hands on what may pass by now, fairly. */
  beat(): void {
    const now = this.now()
    this.beating = true
    /** Gates of each download, the next to be served first. */
    const turns = new Map<Flow, Array<Gate>>()
    for (const gate of this.queue) {
      const cells = this.cellsOf(gate)
      for (const cell of cells) {
        cell.bucket = TokenBucket.refill(cell.bucket, now)
        cell.waiting = 0
      }
      const gates = turns.get(gate.flow)
      if (gates === undefined) turns.set(gate.flow, [gate])
      else gates.push(gate)
    }
    const kept = new Set<Cell>()
    for (;;) {
      const flow = FairShare.next(turns.keys())
      if (flow === undefined) break
      if (!this.serve(turns.get(flow)!, turns.size, kept)) turns.delete(flow)
    }
    this.beating = false
    for (const gate of this.queue) {
      if (gate.queued() === 0) this.queue.delete(gate)
      else this.block(gate)
    }
  }

  /**
   * Gives a piece to the first of these gates that may have one. Limits that one of them waits for are `kept` for it, or those that
   * want less at once would take for ever what it is to gather. They waste nothing meanwhile: a piece is less than a bucket holds.
   */
  private serve(gates: Array<Gate>, among: number, kept: Set<Cell>): boolean {
    for (let count = gates.length; count > 0; count--) {
      const gate = gates.shift()!
      const queued = gate.queued()
      if (queued === 0) continue
      gates.push(gate)
      const cells = this.cellsOf(gate)
      if (cells.length === 0) {
        gate.hand(queued)
        return true
      }
      if (cells.some((cell) => kept.has(cell))) continue
      const short = cells.filter((cell) => isShort(cell, queued))
      for (const cell of short) kept.add(cell)
      if (short.length > 0) continue
      const level = Math.floor(Math.min(...cells.map(({ bucket }) => bucket.level)))
      const bytes = Math.min(queued, longestTurn, Math.ceil(level / among))
      this.count(gate, cells, bytes)
      // the next time, another connection of this download comes first
      this.queue.delete(gate)
      this.queue.add(gate)
      gate.hand(bytes)
      return true
    }
    return false
  }

  private count(gate: Gate, cells: ReadonlyArray<Cell>, bytes: number): void {
    for (const cell of cells) cell.bucket = TokenBucket.take(cell.bucket, bytes)
    FairShare.serve(this.round, gate.flow, bytes, this.slack(cells))
  }

  /** Makes others wait behind it, where it waits. */
  private block(gate: Gate): void {
    const cells = this.cellsOf(gate)
    const queued = gate.queued()
    const short = cells.find((cell) => isShort(cell, queued))
    if (short !== undefined) short.waiting++
  }

  private slack(cells: ReadonlyArray<Cell>): number {
    return Math.min(Infinity, ...cells.map(({ bucket }) => TokenBucket.capacityOf(bucket.rate)))
  }

  private cellsOf(gate: Gate): ReadonlyArray<Cell> {
    const known = this.known.get(gate)
    if (known?.generation === this.generation) return known.cells
    const cells = [this.all, this.host(gate.origin), gate.flow.cell].filter((cell) => cell !== undefined)
    this.known.set(gate, { generation: this.generation, cells })
    return cells
  }

  private host(origin: string): Cell | undefined {
    const known = this.hosts.get(origin)
    if (known !== undefined) return known
    const cell = this.changed(undefined, this.hostRate(origin), this.now())
    if (cell === undefined) return undefined
    if (this.hosts.size >= mostKnown) {
      this.hosts.delete(this.hosts.keys().next().value!)
      // whoever still goes by it is to look again
      this.generation++
    }
    this.hosts.set(origin, cell)
    return cell
  }

  private hostRate(origin: string): number | undefined {
    return least(this.given.perHost(origin), this.limits.hosts.get(origin))
  }

  private changed(cell: Cell | undefined, rate: number | undefined, now: number): Cell | undefined {
    if (rate === undefined) return undefined
    if (cell === undefined) return { bucket: TokenBucket.make(rate, now), waiting: 0 }
    cell.bucket = TokenBucket.withRate(cell.bucket, rate, now)
    return cell
  }

  private forget(): void {
    for (const [id, flow] of this.flows) if (flow.gates === 0) this.flows.delete(id)
  }
}
