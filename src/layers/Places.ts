/**
 * Who holds a permit of the engine, and how many more of each host may: those that would only wait, for a place at their host or for
 * its request rate, must not keep others from beginning.
 *
 * A rate is looked ahead at for an instant (`ahead`): a download may be claimed that long before its request may begin, so that the
 * time it takes to claim it is not lost, and holds its permit in vain for no longer than that. What was claimed and has not reached
 * the host's door yet is counted here; what else passes the door (redirects, further connections, retries) is seen there.
 */
import type { Download } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { originOf } from "../domain/Host.js"
import { spacing } from "../domain/HostGate.js"
import type { Shape as HostGates } from "../services/HostGates.js"
import type { Places as Shape } from "../services/Store.js"
import type { HostPolicies } from "./HostPolicies.js"

/** In milliseconds. */
const ahead = 50

/** Of one run of an engine. */
export class Places implements Shape {
  private readonly rows = new Map<DownloadId, Download>()
  private permits = 0
  readonly held = new Map<string, number>()
  /** When the next download of a host may begin, where that is not yet. */
  private readonly paced = new Map<string, number>()
  /** Hosts that were looked at and had no place, though nobody may be at them. */
  private readonly shut = new Set<string>()
  /** When they were asked for last: what may begin since then must not be slept through. */
  private lookedAt = -Infinity

  /** `now`: milliseconds of the clock that `gates` go by. */
  constructor(
    private readonly policies: HostPolicies,
    private readonly gates: Pick<HostGates, "nextAt">,
    private readonly now: () => number
  ) {}

  /** Permits that are held. */
  get size(): number {
    return this.permits
  }

  take(row: Download): void {
    const origin = originOf(row.url)
    this.rows.set(row.id, row)
    this.permits++
    this.held.set(origin, (this.held.get(origin) ?? 0) + 1)
    const pause = spacing(this.policies.gate(origin))
    if (pause > 0) this.paced.set(origin, Math.max(this.now(), this.nextAt(origin)) + pause)
  }

  /** It needs no permit any more. True: somebody may have been kept back for it. */
  give({ url }: Download): boolean {
    this.permits--
    const origin = originOf(url)
    const before = this.held.get(origin) ?? 1
    if (before > 1) this.held.set(origin, before - 1)
    else this.held.delete(origin)
    return before >= this.policies.most(origin)
  }

  /** Nothing of it is left: also what is being published counts as at work. */
  end(row: Download): void {
    if (this.rows.get(row.id) === row) this.rows.delete(row.id)
  }

  full(): ReadonlyArray<string> {
    this.lookedAt = this.now()
    for (const origin of this.paced.keys()) if (this.nextAt(origin) <= this.now()) this.paced.delete(origin)
    for (const origin of this.shut) if (this.room(origin) > 0) this.shut.delete(origin)
    return [...new Set([...this.held.keys(), ...this.paced.keys(), ...this.shut])].filter(
      (origin) => this.room(origin) === 0
    )
  }

  /** Whether the policy keeps a host back at which nobody is: nothing that ends here will tell of another mind. */
  get keepsBack(): boolean {
    return [...this.shut].some((origin) => !this.held.has(origin))
  }

  room(origin: string): number {
    const free = Math.max(0, this.policies.most(origin) - (this.held.get(origin) ?? 0))
    if (free === 0) this.shut.add(origin)
    const pause = spacing(this.policies.gate(origin))
    if (pause === 0 || free === 0) return free
    const next = this.nextAt(origin)
    const left = this.now() + ahead - Math.max(this.now(), next)
    if (left >= 0) return Math.min(free, Math.floor(left / pause) + 1)
    // requests of other hosts' downloads may have been led there
    this.paced.set(origin, next)
    return 0
  }

  atWork(): ReadonlyArray<Download> {
    return [...this.rows.values()]
  }

  /** In how many milliseconds another download of a host with a rate may be claimed; none that already might have been. */
  get pause(): number {
    const times = [...this.paced.keys()].map((origin) => this.nextAt(origin) - ahead)
    return Math.max(0, Math.min(Infinity, ...times.filter((at) => at > this.lookedAt)) - this.now())
  }

  private nextAt(origin: string): number {
    return Math.max(this.paced.get(origin) ?? -Infinity, this.gates.nextAt(origin))
  }
}
