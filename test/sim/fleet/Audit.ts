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
import { checkRetries } from "../Retries.js"
import { dawn } from "../Simulator.js"
import type { AtWork, Book } from "./Book.js"
import { checkAsked, checkCooling, checkCrowd, checkProbes, triesOf } from "./HostOracles.js"

/** A group's counters; they only grow. */
type Counters = Readonly<Record<"enqueued" | "completed" | "failed" | "cancelled", number>>

const counters = ["enqueued", "completed", "failed", "cancelled"] as const

/** How long a row may wait beside a free permit, in milliseconds: the poll, the sweep, some commits, and a slow disk. */
const patience = 8000

/** How long an engine that has lost its link may take to find out that it is back, in milliseconds. */
const groping = 60_000

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
    checkAsked(book, rows, this.atWork(), patience)
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
    const { perHost, troubles } = this.book.plan.scenario
    // without a link, and for a while after it, one at a time asks whether it is there again
    const lost = troubles.some(
      ({ from, host, until }) => host === undefined && from <= now - dawn && now - dawn < until + groping
    )
    if (lost) return this.waiting.clear()
    const working = rows
      .filter(({ status }) => status === "processing")
      .map(({ owner, url }) => ({ owner, origin: new URL(url).origin }))
    const atWork = (id: string, host?: string) =>
      working.filter(({ origin, owner }) => owner === id && (host === undefined || origin === host)).length
    const hosts = new Map(
      this.all<{ origin: string; until: number | null }>(
        "SELECT origin, cooling_until AS until FROM sluice_hosts"
      ).map(({ origin, until }) => [origin, until ?? 0])
    )
    const free = this.atWork().filter(
      ({ concurrency, id, since }) => now - since > patience && atWork(id) < concurrency
    )
    const waiting = new Map<string, { since: number; seen: number }>()
    for (const row of rows) {
      const { origin } = new URL(row.url)
      const due =
        row.status === "pending" ||
        ((row.status === "retrying" || row.status === "waiting") && row.nextAttemptAt! <= now - patience)
      const cool = hosts.get(origin) ?? 0
      if (!due || cool > now - patience) continue
      const takers = free.filter(
        ({ adopt, id }) => (row.owner === id || (adopt && row.owner === null)) && atWork(id, origin) < perHost
      )
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
    const tries = triesOf((statement) => this.all(statement))
    checkCooling(book, tries)
    checkProbes(book, tries)
    checkCrowd(book)
    checkRetries(world, rows, tries)
    for (const { id } of this.all<{ id: string }>("SELECT id FROM sluice_engines")) {
      world.violation("Q2", `${id} is listed as an engine after the end`)
    }
  }
}
