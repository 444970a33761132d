/**
 * The oracle over limits of bandwidth: what an engine takes in, in all, from a host and for a download, in any window of time. Where a
 * scenario has limits, servers send in small pieces, so that what is on its way to a gate that is closed does not blur the figures.
 */
import type { DownloadOptions } from "../../src/domain/DownloadOptions.js"
import type { ResourceOptions } from "./Origin.js"
import type { Seeded } from "./Seeded.js"
import type { Simulator } from "./Simulator.js"
import type { Taker, Watch } from "./Watch.js"

/** Of an engine, in bytes per second. */
export interface Limits {
  readonly all: number | undefined
  /** Of each host. */
  readonly host: number | undefined
}

interface Order {
  readonly key: string
  readonly resource: number
  readonly options: Partial<DownloadOptions>
}

/** As much of a scenario as limits concern. */
interface Limitable {
  readonly limits: Limits
  readonly resources: ReadonlyArray<ResourceOptions>
  readonly orders: ReadonlyArray<Order>
}

export const unlimited: Limits = { all: undefined, host: undefined }

/** Servers send no more at once, as a share of the second's worth of the least limit. */
const piece = 1 / 50

/**
 * What may have come beyond the rate, in seconds of it: what gathers while nothing comes (a fifth), and a piece in each of some
 * gates. So in no second it is more than 1.6 times the rate.
 */
const burst = 0.6

/** Limits some scenarios so that what is asked for takes some seconds at least. */
export const limited = <S extends Limitable>(random: Seeded, scenario: S): S => {
  if (!random.chance(0.2)) return scenario
  const { orders, resources } = scenario
  const wanted = orders.reduce((sum, { resource }) => sum + resources[resource]!.size, 0)
  const rate = Math.max(5000, Math.floor(wanted / random.log(3, 15)))
  const limits = random.pick<ReadonlyArray<keyof Limits | "download">>([
    ["all"],
    ["host"],
    ["download"],
    ["all", "host", "download"]
  ])
  return within(scenario, {
    all: limits.includes("all") ? rate : undefined,
    host: limits.includes("host") ? Math.floor(rate * 0.8) : undefined,
    download: limits.includes("download") ? Math.floor(rate * 0.5) : undefined
  })
}

/** The same with limits of one's own. */
export const within = <S extends Limitable>(
  scenario: S,
  { download, ...limits }: Limits & { readonly download?: number | undefined }
): S => {
  const least = Math.min(limits.all ?? Infinity, limits.host ?? Infinity, download ?? Infinity)
  const limitRate = download === undefined ? {} : { limitRate: download }
  return {
    ...scenario,
    limits,
    resources: scenario.resources.map((resource) => ({ ...resource, piece: Math.floor(least * piece) })),
    orders: scenario.orders.map((order) => ({ ...order, options: { ...order.options, ...limitRate } }))
  }
}

/** What has come beyond the rate. */
interface Excess {
  bytes: number
  at: number
}

export class Intake {
  private readonly excesses = new Map<string, Excess>()
  /** Told once. */
  private readonly told = new Set<string>()

  constructor(
    private readonly sim: Simulator,
    private readonly limits: Limits,
    private readonly orders: ReadonlyArray<Pick<Order, "key" | "options">>,
    private readonly watch: Pick<Watch, "violation">
  ) {}

  take({ download, host, process }: Taker, bytes: number): void {
    const order = this.orders.find(({ key }) => key === download)
    this.count(`process ${process}`, this.limits.all, bytes)
    this.count(`process ${process} from ${host}`, this.limits.host, bytes)
    this.count(`process ${process} for d${download}`, order?.options.limitRate ?? undefined, bytes)
  }

  private count(who: string, rate: number | undefined, bytes: number): void {
    if (rate === undefined) return
    const { now } = this.sim
    const before = this.excesses.get(who) ?? { bytes: 0, at: now }
    const excess = Math.max(0, before.bytes - ((now - before.at) * rate) / 1000) + bytes
    this.excesses.set(who, { bytes: excess, at: now })
    if (excess <= rate * burst || this.told.has(who)) return
    this.told.add(who)
    this.watch.violation("Limit", `${who} took in ${Math.floor(excess)} bytes beyond ${rate} bytes/s`)
  }
}
