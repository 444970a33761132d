/**
 * What `sluice add` has acknowledged, held against the database and the directory: no row is lost, nothing under a
 * final name is anything but the whole file, no checkpoint claims what the part does not hold, and no part is left that nobody knows
 * of, but for the crash windows that PartSession and SmallFile name in their tables.
 */
import { expect } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import { join } from "node:path"
import { Coverage } from "../../../src/domain/Coverage.js"
import { type DownloadId, fromKey } from "../../../src/domain/DownloadId.js"
import { claims } from "../../../src/domain/Publication.js"
import { sha256 } from "./Cli.js"
import type { Item } from "./Load.js"

const suffix = ".sluice-part"

interface Columns {
  readonly id: number
  readonly status: string
  readonly part: string | null
  readonly publishing: string | null
  readonly checkpoint: number
  /** Where the bytes are that are claimed, as JSON. */
  readonly segments: string | null
  readonly attempt: number
  readonly crashes: number
  readonly failure: string | null
}

export interface Entry extends Omit<Columns, "id" | "part" | "publishing"> {
  readonly id: DownloadId
  /** The name of its part. */
  readonly part: string | null
  /** The final name that it may have got already. */
  readonly publishing: string | null
}

const decodeSegments = Schema.decodeSync(Schema.NullOr(Schema.parseJson(Coverage)))

const nameIn = (json: string | null): string | null =>
  // the engine writes it, with a name
  json === null ? null : (JSON.parse(json) as { readonly name: string }).name

export class Ledger {
  /** What was acknowledged. */
  readonly items = new Map<DownloadId, Item>()
  /** Parts that a kill has left between their creation and their row. */
  readonly orphans = new Set<string>()

  constructor(
    private readonly database: string,
    private readonly dir: string
  ) {}

  private query<A>(statement: string): ReadonlyArray<A> {
    const db = new Sqlite(this.database, { readonly: true, fileMustExist: true })
    try {
      // the columns named in the statement are those of A
      return db.prepare(statement).all() as Array<A>
    } finally {
      db.close()
    }
  }

  acknowledge(ids: ReadonlyArray<string>, items: ReadonlyArray<Item>): void {
    expect(ids).toHaveLength(items.length)
    // printed by the command, in the order of what was added
    ids.forEach((id, index) => this.items.set(id as DownloadId, items[index]!))
  }

  entries(): ReadonlyArray<Entry> {
    return this.query<Columns>(
      "SELECT id, status, part, publishing, checkpoint, segments, attempt, crashes, failure FROM sluice_downloads ORDER BY id"
    ).map((columns) => ({
      ...columns,
      id: fromKey(columns.id),
      part: nameIn(columns.part),
      publishing: nameIn(columns.publishing)
    }))
  }

  /** The database is sound, and its rows are exactly those that were acknowledged. */
  expectRows(): ReadonlyArray<Entry> {
    expect(this.query("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }])
    const entries = this.entries()
    expect(entries.map(({ id }) => id).sort()).toEqual([...this.items.keys()].sort())
    return entries
  }

  /** Every try of every row is on record. */
  expectAttempts(): number {
    const logged = this.query<{ download: number; first: number; last: number; count: number }>(
      `SELECT download_id AS download, min(attempt) AS first, max(attempt) AS last, count(*) AS count
       FROM sluice_attempts GROUP BY download_id`
    )
    const of = new Map(logged.map((log) => [fromKey(log.download), log]))
    for (const { attempt, id } of this.entries()) {
      const { count, first, last } = of.get(id) ?? { count: 0, first: 1, last: 0 }
      expect([this.items.get(id)!.name, first, last, count]).toEqual([
        this.items.get(id)!.name,
        1,
        attempt,
        attempt
      ])
    }
    return logged.reduce((sum, { count }) => sum + count, 0)
  }

  private exact(file: string, { origin, path, size }: Item): void {
    expect(fs.statSync(file).size, `the size of ${file}`).toBe(size)
    expect(sha256(file), `the bytes of ${file}`).toBe(origin.content(path).sha256(size))
  }

  /** Final names: each is one of what was asked for, whole; the names, sorted. */
  expectFiles(seen: Set<string> = new Set()): ReadonlyArray<string> {
    const byName = new Map([...this.items.values()].map((item) => [item.name, item]))
    const found = fs
      .readdirSync(this.dir)
      .filter((name) => !name.endsWith(suffix))
      .sort()
    for (const name of found) {
      const item = byName.get(name)
      expect(item, `${name} was not asked for`).toBeDefined()
      if (!seen.has(name)) this.exact(join(this.dir, name), item!)
    }
    return found
  }

  /** Completed rows have their file; the others have a part that holds what they claim. Returns the bytes claimed. */
  expectClaims(): number {
    let claimed = 0
    for (const { checkpoint, id, part, publishing, segments, status } of this.entries()) {
      const item = this.items.get(id)!
      if (status === "completed") expect(fs.existsSync(join(this.dir, item.name)), item.name).toBe(true)
      if (status === "completed" || status === "cancelled" || checkpoint === 0) continue
      const file = [part, publishing]
        .filter((name) => name !== null)
        .map((name) => join(this.dir, name))
        .find((file) => fs.existsSync(file))
      expect(file, `the part of ${item.name}, of which ${checkpoint} bytes are claimed`).toBeDefined()
      const bytes = fs.readFileSync(file!)
      let held = 0
      for (const [start, end] of claims({ checkpoint, segments: decodeSegments(segments) })) {
        const wanted = item.origin.content(item.path).slice(start, end)
        expect(bytes.subarray(start, end).equals(wanted), `${start} to ${end} of ${item.name}`).toBe(true)
        held += end - start
      }
      expect(held, `what is held of ${item.name}`).toBe(checkpoint)
      claimed += checkpoint
    }
    return claimed
  }

  /**
   * To be called where no engine runs: each part is known to its row, or belongs to one that was killed between creating its part
   * and recording it. The next try removes the part of a small file then; another makes `NAME.ID.sluice-part` beside the
   * orphan, as nothing proves whose that is.
   */
  expectParts(): void {
    const parts = fs.readdirSync(this.dir).filter((name) => name.endsWith(suffix))
    const entries = this.entries()
    const known = new Set(entries.map(({ part }) => part))
    for (const part of parts) {
      if (known.has(part) || this.orphans.has(part)) continue
      const owner = entries.find(({ id }) => {
        const { name } = this.items.get(id)!
        return [name, `${name}.${id}`, id].includes(part.slice(0, -suffix.length))
      })
      // another command may have cancelled it meanwhile, and removed it
      if (!fs.existsSync(join(this.dir, part))) continue
      expect(owner, `${part} is nobody's`).toMatchObject({ part: null, checkpoint: 0 })
      expect(owner!.attempt, `tries of ${part}`).toBeGreaterThan(0)
      this.orphans.add(part)
    }
  }

  /** At the end nothing is left but what was asked for, and orphans that no row can be proved to own. */
  expectNothingElse(): ReadonlyArray<string> {
    const parts = fs.readdirSync(this.dir).filter((name) => name.endsWith(suffix))
    const ids = new Set<string>(this.items.keys())
    for (const part of parts) {
      expect(this.orphans.has(part), `${part} is left`).toBe(true)
      expect(ids.has(part.slice(0, -suffix.length)), `${part}, of a small file, is left`).toBe(false)
    }
    return parts
  }
}
