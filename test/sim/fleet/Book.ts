/**
 * What everybody in a run knows, and what they do with it: orders, the downloads they became, the wishes. The programs of
 * processes (Programs) write it, the oracles (Audit) read it.
 */
import type { Download } from "../../../src/domain/Download.js"
import type { DownloadId } from "../../../src/domain/DownloadId.js"
import type { Order } from "../Scenario.js"
import type { World } from "../World.js"
import type { Plan } from "./Plan.js"
import { Wishes, type Asked } from "./Wishes.js"

/** How long commands for many may take to be followed by engines that were asked, in milliseconds. */
const grace = 12_000

/** An engine at work, for those who ask what it should be doing. */
export interface AtWork {
  readonly id: string
  readonly adopt: boolean
  readonly concurrency: number
  readonly since: number
}

export class Book {
  readonly wishes: Wishes
  /** The download that each order (by its key) became last, as acknowledged. */
  readonly ids = new Map<string, DownloadId>()

  constructor(
    readonly plan: Plan,
    readonly world: World
  ) {
    this.wishes = new Wishes(world.sim)
  }

  get orders(): ReadonlyArray<Order> {
    return this.plan.scenario.orders
  }

  keyOf(row: Pick<Download, "url">): string {
    return new URL(row.url).searchParams.get("d")!
  }

  /** C1: a command that halts has returned, and nothing may be left running. */
  halted(asked: Asked, key: string, row: Download): void {
    const { disk, violation, wire } = this.world
    if (!this.wishes.hold(asked, key)) return
    if (row.status === "processing") violation("C1", `${row.id} is processing when ${asked.what} returns`)
    if (wire.openExchanges.some((exchange) => exchange.asked.download === key)) {
      violation("C1", `${row.id} has a connection when ${asked.what} returns`)
    }
    const part = row.part === null ? undefined : disk.find(row.part)
    if (part !== undefined && disk.opened.inodes.includes(part)) {
      violation("C1", `${row.part?.name} is open when ${asked.what} returns`)
    }
    const path = `${row.directory}/${row.part?.name}`
    if (
      row.status === "cancelled" &&
      part !== undefined &&
      disk.at(path) === part &&
      !disk.mishaps.has(part)
    ) {
      violation("C1", `${path} is there when ${asked.what} returns`)
    }
  }

  /** The same for a command for many, which other engines follow a little later. */
  haltedSoon(asked: Asked): void {
    const { sim, violation, wire } = this.world
    sim.worldAfter(grace, () => {
      for (const key of asked.keys) {
        if (!this.wishes.hold(asked, key)) continue
        if (wire.openExchanges.some((exchange) => exchange.asked.download === key)) {
          violation("C1", `d${key} has a connection ${grace} ms after ${asked.what}`)
        }
      }
    })
  }

  /** A request goes out: may it? */
  checkAsked(key: string): void {
    const held = this.wishes.heldOf(key)
    if (held !== undefined) {
      this.world.violation("C1", `d${key} runs, though ${held.what} returned and nobody asked for it since`)
    }
  }
}
