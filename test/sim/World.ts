/**
 * The world of one run, as the scenario has it: simulator, servers, network, disk, users, and the watch that gathers
 * what the oracles object to. Processes live and die in it (see Run).
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { defaultOptions } from "../../src/domain/DownloadOptions.js"
import { type Consumption, consumptionOf } from "./Consumption.js"
import { checkPublished, checkRows, type Evidence } from "./Oracles.js"
import { Intake } from "./Intake.js"
import type { Inode } from "./Inode.js"
import { Ledger } from "./Ledger.js"
import { Resource } from "./Origin.js"
import { checkOutbox, peekOutbox } from "./OutboxOracles.js"
import { peekRows } from "./Rows.js"
import { calmWeather, directory, type Scenario, type UserAct } from "./Scenario.js"
import type { Seeded } from "./Seeded.js"
import { SimDisk } from "./SimDisk.js"
import { SimLife } from "./SimLife.js"
import { SimWire } from "./SimWire.js"
import { dawn, Simulator } from "./Simulator.js"
import type { Oracle, Taker, Watch } from "./Watch.js"

export interface Violation {
  readonly oracle: Oracle
  readonly what: string
}

/** Real disks only cost time here: what survives is decided by copying at the right instant. */
const scratch = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir()

/** How often the database is compared with the disk while all is running. */
const audits = 6

export class World implements Watch, Evidence {
  readonly sim: Simulator
  readonly scenario: Scenario
  readonly resources: ReadonlyArray<Resource>
  readonly disk: SimDisk
  readonly wire: SimWire
  readonly life: SimLife
  readonly ledger: Ledger
  private readonly intake: Intake
  readonly consumptions: ReadonlyArray<Consumption>
  readonly violations: Array<Violation> = []
  readonly touched = new Set<string>()
  /** What users saved, by path. */
  readonly userFiles = new Map<string, Inode>()
  /** The database of the current process. */
  database: string
  private readonly folder: string

  constructor(
    seed: number,
    make: (random: Seeded) => Scenario,
    onNote: (line: string) => void,
    /** Told of every request that goes out. */
    readonly asked: (download: string) => void = () => {}
  ) {
    const sim = new Simulator(seed)
    sim.onNote = onNote
    this.sim = sim
    this.scenario = make(sim.random)
    const { diskSpeed, hardLinks, lyingSync, orders, resources, roughDisk, troubles } = this.scenario
    this.resources = resources.map(
      (options, i) => new Resource(i, options, dawn, sim.random.fork(`resource ${i}`))
    )
    this.disk = new SimDisk(
      sim,
      {
        directories: [directory],
        hardLinks,
        speed: diskSpeed,
        lyingSync,
        rough: () => roughDisk && !this.calm
      },
      this
    )
    this.wire = new SimWire(
      sim,
      {
        resources: this.resources,
        weather: (resuming, download, host) => {
          const { badRanges, corruption, weather } = this.scenario
          if (this.calm) return calmWeather
          const age = sim.now - dawn
          const trouble = troubles.find(
            (one) => (one.host ?? host) === host && one.from <= age && age < one.until
          )
          if (trouble !== undefined) return trouble.weather
          const order = orders.find(({ key }) => key === download)
          const checked = order?.checksum !== undefined
          const announced = order !== undefined && resources[order.resource]?.announces === true
          return {
            ...weather,
            ...(resuming ? badRanges : {}),
            ...(checked ? { corrupt: corruption } : announced ? { corrupt: Math.min(corruption, 5) } : {})
          }
        },
        calm: () => this.calm,
        perHost: this.scenario.perHost,
        fickleness: () => (this.calm ? 0 : this.scenario.fickleness),
        connections: (download) =>
          Math.max(
            ...orders.flatMap(({ key, options }) =>
              key === download ? [options.connections ?? defaultOptions.connections] : []
            )
          )
      },
      this
    )
    this.intake = new Intake(sim, this.scenario.limits, orders, this)
    this.life = new SimLife(sim)
    this.ledger = new Ledger(orders)
    this.consumptions = this.scenario.consumers.map(consumptionOf)
    this.folder = fs.mkdtempSync(path.join(scratch, "sluice-sim-"))
    this.database = this.databaseOf(0)
    this.schedule()
  }

  get watch(): Watch {
    return this
  }

  /** From some time on nothing goes wrong any more, so that all must come to an end. */
  get calm(): boolean {
    return this.sim.now - dawn > this.scenario.calmAfter
  }

  databaseOf(process: number): string {
    return path.join(this.folder, `${process}.db`)
  }

  /** Compares the database, as a crash in this instant would leave it, with everything else. */
  audit(): void {
    const rows = peekRows(this.database)
    checkRows(this, rows)
    checkOutbox(this, rows, peekOutbox(this.database))
  }

  /** Looks at the database, as a crash in some instants would leave it. */
  scheduleAudits(): void {
    const random = this.sim.random.fork("audits")
    for (let i = 0; i < audits; i++) {
      this.sim.worldAfter(random.log(100, 60_000), () => this.audit())
    }
  }

  dispose(): void {
    fs.rmSync(this.folder, { recursive: true, force: true })
  }

  // ---- the watch

  readonly violation = (oracle: Oracle, what: string): void => {
    if (this.sim.burying) return
    this.sim.note(`VIOLATION ${oracle}: ${what}`)
    this.violations.push({ oracle, what })
  }

  readonly took = (taker: Taker, bytes: number): void => {
    if (!this.sim.burying) this.intake.take(taker, bytes)
  }

  readonly published = (path: string, inode: Inode): void => {
    checkPublished(this, path, inode)
  }

  readonly replaced = (path: string, old: Inode): void => {
    const { hardLinks, orders, resources } = this.scenario
    const overwriting = orders.some(
      (order) =>
        order.options.onConflict === "overwrite" &&
        path.startsWith(`${order.directory}/`) &&
        (order.output ?? `r${order.resource}.bin`) === path.slice(order.directory.length + 1)
    )
    const placeholder = !hardLinks && old.maker === "engine" && old.size === 0
    if (overwriting) {
      this.touched.add(path)
      this.userFiles.delete(path)
    } else if (!placeholder) {
      this.violation("B5", `${path} of ${old.maker} was replaced (${resources.length} resources)`)
    }
  }

  // ---- what happens by itself

  private schedule(): void {
    const { changes, diskFull, troubles, user } = this.scenario
    const { sim } = this
    for (const { at, resource } of changes) {
      sim.worldAfter(at, () => {
        const changing = this.resources[resource]!
        if (this.calm) return
        changing.change(sim.now)
        const { number, size } = changing.current
        sim.note(`server r${resource} is now v${number}, ${size} bytes`)
      })
    }
    for (const { at, lasts } of diskFull) {
      sim.worldAfter(at, () => this.fill(true))
      sim.worldAfter(at + lasts, () => this.fill(false))
    }
    for (const { from, host } of troubles) {
      if (host !== undefined) continue
      sim.worldAfter(from, () => {
        if (this.calm) return
        sim.note("the link is lost")
        this.wire.sever()
      })
    }
    for (const act of user) sim.worldAfter(act.at, () => this.act(act))
  }

  private fill(full: boolean): void {
    this.sim.note(full ? "the disk is full" : "the disk has space again")
    this.disk.full = full
  }

  private act({ kind, path }: UserAct): void {
    if (kind === "create") {
      const bytes = new Uint8Array(1000).fill(1)
      if (!this.disk.userCreates(path, bytes)) return
      this.userFiles.set(path, this.disk.at(path)!)
    } else {
      if (this.disk.at(path)?.maker !== "engine") return
      if (kind === "truncate" || kind === "append") {
        if (!this.disk.userChanges(path, kind)) return
      } else this.disk.userRemoves(path)
      if (kind === "replace") this.act({ at: 0, kind: "create", path })
    }
    this.touched.add(path)
  }
}
