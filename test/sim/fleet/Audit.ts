/**
 * The oracles over several engines: what must hold of the database they share at any instant, between two looks, and at the
 * end. It looks through a connection of its own, so it sees what a crash in this instant would leave.
 */
import Sqlite from "better-sqlite3"
import * as Either from "effect/Either"
import * as fs from "node:fs"
import { type Download, type Status, terminal } from "../../../src/domain/Download.js"
import * as SqlRow from "../../../src/layers/SqlRow.js"
import { checkDirectories, checkOutcome } from "../FinalOracles.js"
import { checkRows } from "../Oracles.js"
import { dawn } from "../Simulator.js"
import type { Book } from "./Book.js"

/** A group's counters; they only grow. */
type Counters = Readonly<Record<"enqueued" | "completed" | "failed" | "cancelled", number>>

const counters = ["enqueued", "completed", "failed", "cancelled"] as const

/** A try that has ended, as logged. */
interface Try {
  readonly id: number
  readonly origin: string
  readonly startedAt: number
  readonly endedAt: number
  readonly reason: string | null
  readonly next: number | null
}

/** Failures after which a host is left alone by everybody. */
const cooling: ReadonlySet<string> = new Set(["TooManyRequests", "ConnectionRefused", "HostCooling"])

/** An engine at work, for those who ask what it should be doing. */
export interface AtWork {
  readonly id: string
  readonly adopt: boolean
  readonly concurrency: number
  readonly since: number
}

/** How long a row may wait beside a free permit, in milliseconds: the poll, the sweep, some commits, and a slow disk. */
const patience = 8000

/** A claim is stamped with the time at which its transaction began, and looks at the clock itself, in milliseconds. */
const stamping = 20

/** Looks in a row at which a permit has to have been free: one look may find it between two downloads. */
const looks = 3

export class Audit {
  private db: Sqlite.Database | undefined
  private path = ""
  private readonly ended = new Map<string, Status>()
  private seen: Counters = { enqueued: 0, completed: 0, failed: 0, cancelled: 0 }
  /** Rows that nobody takes up: since when, and how often they were seen so. */
  private waiting = new Map<string, { readonly since: number; readonly seen: number }>()

  constructor(
    private readonly book: Book,
    private readonly atWork: () => ReadonlyArray<AtWork>
  ) {}

  private open(): Sqlite.Database | undefined {
    const { database } = this.book.world
    if (this.path !== database) this.close()
    if (this.db === undefined && fs.existsSync(database)) {
      const db = new Sqlite(database, { readonly: true })
      const has = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'sluice_hosts'").get() !== undefined
      if (!has) db.close()
      else {
        this.db = db
        this.path = database
      }
    }
    return this.db
  }

  /** To be called before the database is moved, and at the end. */
  close(): void {
    this.db?.close()
    this.db = undefined
    this.waiting.clear()
  }

  rows(): ReadonlyArray<Download> {
    const found =
      this.open()?.prepare(`SELECT ${SqlRow.columns} FROM sluice_downloads ORDER BY id`).all() ?? []
    return Either.getOrThrowWith(SqlRow.decode("the copy")(found), (error) => error)
  }

  private all<A>(statement: string, ...parameters: ReadonlyArray<unknown>): ReadonlyArray<A> {
    return (this.open()
      ?.prepare(statement)
      .all(...parameters) ?? []) as ReadonlyArray<A>
  }

  /** At any instant. */
  look(): ReadonlyArray<Download> {
    const { book } = this
    const { violation } = book.world
    const rows = this.rows()
    for (const [key, id] of book.ids) {
      if (!book.world.ledger.removed.has(key) && !rows.some((row) => row.id === id))
        violation("Q1", `${id} was acknowledged and is gone`)
    }
    checkRows(book.world, rows)
    const live = new Map<string, Download>()
    for (const row of rows) {
      const key = book.keyOf(row)
      const before = this.ended.get(row.id)
      if (before !== undefined && before !== row.status)
        violation("Q2", `${row.id} was ${before} and is ${row.status}`)
      if (terminal.has(row.status)) {
        this.ended.set(row.id, row.status)
        continue
      }
      const request = `${row.url} ${row.directory} ${row.output}`
      const other = live.get(request)
      if (other !== undefined)
        violation("Q4", `${other.id} and ${row.id} are the same request, both unfinished`)
      live.set(request, row)
      const priority = book.wishes.priorities.get(key)
      if (priority !== undefined && priority !== row.priority)
        violation("Q2", `${row.id} has priority ${row.priority} where ${priority} was given`)
    }
    this.checkGroup(rows, false)
    this.checkWaiting(rows)
    return rows
  }

  /** Q5: counters only grow, and no more has ended than there is. */
  private checkGroup(rows: ReadonlyArray<Download>, exact: boolean): void {
    const { violation } = this.book.world
    const [group] = this.all<Counters>("SELECT enqueued, completed, failed, cancelled FROM sluice_groups")
    if (group === undefined) return
    for (const name of counters) {
      if (group[name] < this.seen[name])
        violation("Q5", `the group's ${name} fell from ${this.seen[name]} to ${group[name]}`)
    }
    this.seen = group
    if (group.completed + group.failed + group.cancelled > group.enqueued)
      violation("Q5", `more of the group has ended than was put in: ${JSON.stringify(group)}`)
    if (!exact || this.book.world.ledger.removed.size > 0) return
    const members = new Set(
      this.all<{ id: number }>("SELECT download_id AS id FROM sluice_members").map(({ id }) => id)
    )
    const keys = new Map(
      this.all<{ id: number; url: string; status: Status }>(
        "SELECT id, url, status FROM sluice_downloads"
      ).map((row) => [row.id, row])
    )
    const counted = { enqueued: members.size, completed: 0, failed: 0, cancelled: 0 }
    for (const id of members) {
      const status = keys.get(id)?.status
      if (status === "completed" || status === "failed" || status === "cancelled") counted[status]++
    }
    for (const name of counters) {
      if (counted[name] !== group[name])
        violation(
          "Q5",
          `the group says ${group[name]} ${name}, and ${counted[name]} members of ${rows.length} rows are`
        )
    }
  }

  /** Who has a free permit takes up what may be taken up. */
  private checkWaiting(rows: ReadonlyArray<Download>): void {
    const { sim, violation } = this.book.world
    const { now } = sim
    const hosts = new Map(
      this.all<{ origin: string; until: number | null }>(
        "SELECT origin, cooling_until AS until FROM sluice_hosts"
      ).map(({ origin, until }) => [origin, until ?? 0])
    )
    const free = this.atWork().filter(
      ({ concurrency, id, since }) =>
        now - since > patience &&
        rows.filter((row) => row.status === "processing" && row.owner === id).length < concurrency
    )
    const waiting = new Map<string, { since: number; seen: number }>()
    for (const row of rows) {
      const due =
        row.status === "pending" ||
        ((row.status === "retrying" || row.status === "waiting") && row.nextAttemptAt! <= now - patience)
      const cool = hosts.get(new URL(row.url).origin) ?? 0
      if (!due || cool > now - patience) continue
      const takers = free.filter(({ adopt, id }) => row.owner === id || (adopt && row.owner === null))
      if (takers.length === 0) continue
      const key = `${row.id} ${row.epoch} ${row.updatedAt}`
      const known = this.waiting.get(key)
      waiting.set(key, { since: known?.since ?? now, seen: (known?.seen ?? 0) + 1 })
      if (known !== undefined && known.seen >= looks && now - known.since > patience) {
        violation(
          "Q2",
          `${row.id} is ${row.status} for ${Math.floor(now - known.since)} ms, while ${takers[0]!.id} has a free permit`
        )
      }
    }
    this.waiting = waiting
  }

  /** C4: nothing was claimed from a host that was known to be cooling. */
  private checkCooling(): void {
    const { violation } = this.book.world
    const tries = this.all<Try>(
      `SELECT a.download_id AS id, h.origin AS origin, a.started_at AS startedAt, a.ended_at AS endedAt,
         json_extract(a.failure, '$.reason') AS reason, a.next_attempt_at AS next
       FROM sluice_attempts AS a JOIN sluice_downloads AS d ON d.id = a.download_id JOIN sluice_hosts AS h ON h.id = d.host_id`
    )
    for (const { endedAt, next, origin, reason } of tries) {
      if (next === null || !cooling.has(reason ?? "")) continue
      const early = tries.find(
        (one) => one.origin === origin && one.startedAt > endedAt && one.startedAt < next - stamping
      )
      if (early === undefined) continue
      const at = (time: number) => `${time - dawn} ms`
      violation(
        "C4",
        `${origin} was to be left alone from ${at(endedAt)} to ${at(next)} (${reason}), and was asked at ${at(early.startedAt)}`
      )
      return
    }
  }

  /** C4, no starvation: one download of another host comes soon, however many there are of the first. */
  private checkCrowd(): void {
    const { book } = this
    const { exchanges } = book.world.wire
    const lone = book.orders.find(({ output }) => output === "lone")
    const entry = book.world.ledger.entries.find(({ order }) => order === lone)
    const wanted = lone !== undefined && ![...book.wishes.paused, ...book.wishes.cancelled].includes(lone.key)
    if (entry?.askedAt === undefined || !wanted) return
    const first = exchanges.find(({ asked }) => asked.download === lone!.key)
    const before = new Set(
      exchanges
        .filter(({ asked, startedAt }) => asked.host === "crowd.test" && startedAt > entry.askedAt!)
        .filter(({ startedAt }) => first === undefined || startedAt < first.startedAt)
        .map(({ asked }) => asked.download)
    )
    // whom its owner does not work for has to wait for the next engine
    if (before.size > crowdBound && this.loneWaits(entry.id)) {
      book.world.violation("C4", `${before.size} downloads of a crowd went before the only one of its host`)
    }
  }

  private loneWaits(id: string | undefined): boolean {
    return id !== undefined && this.book.plan.engines.length === 1
  }

  /** When all has come to its end. */
  end(): void {
    const { book } = this
    const { world } = book
    const rows = this.look()
    for (const row of rows) {
      const key = book.keyOf(row)
      if (row.status === "paused" && book.wishes.paused.has(key) && row.owner === null) continue
      checkOutcome(world, row, (asked) => book.wishes.cancelled.has(asked))
    }
    if (world.ledger.removed.size === 0) checkDirectories(world, rows)
    this.checkGroup(rows, true)
    this.checkCooling()
    this.checkCrowd()
    for (const { id } of this.all<{ id: string }>("SELECT id FROM sluice_engines")) {
      world.violation("Q2", `${id} is listed as an engine after the end`)
    }
  }
}

/** So many of a crowd may go before a newcomer from another host. */
const crowdBound = 12
