/**
 * Q6, as the database has it: an ending for each terminal row and for nothing else, and of each consumer exactly that counts as
 * acknowledged which it has acknowledged. And at the end: everything was delivered.
 */
import Sqlite from "better-sqlite3"
import * as fs from "node:fs"
import { terminal, type Download } from "../../src/domain/Download.js"
import { type DownloadId, fromKey } from "../../src/domain/DownloadId.js"
import type { Consumption } from "./Consumption.js"
import { peek } from "./Rows.js"
import type { Watch } from "./Watch.js"

/** The outbox of a database. */
export interface OutboxRows {
  readonly endings: ReadonlyMap<number, DownloadId>
  readonly consumers: ReadonlyArray<{
    readonly name: string
    readonly position: number
    readonly reader: string | null
    readonly acks: ReadonlySet<number>
  }>
}

const readOutbox = (copy: string): OutboxRows | undefined => {
  if (!fs.existsSync(copy)) return undefined
  const db = new Sqlite(copy)
  try {
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'sluice_endings'").get() === undefined)
      return undefined
    const endings = db.prepare("SELECT seq, download_id FROM sluice_endings").raw().all() as Array<
      [number, number]
    >
    const consumers = db.prepare("SELECT id, name, position, reader FROM sluice_consumers").all() as Array<{
      readonly id: number
      readonly name: string
      readonly position: number
      readonly reader: string | null
    }>
    const acks = db.prepare("SELECT seq FROM sluice_acks WHERE consumer_id = ?").pluck()
    return {
      endings: new Map(endings.map(([seq, key]) => [seq, fromKey(key)])),
      consumers: consumers.map((one) => ({ ...one, acks: new Set(acks.all(one.id) as Array<number>) }))
    }
  } finally {
    db.close()
  }
}

/** The outbox of a live database as a crash in this instant would leave it. */
export const peekOutbox = (path: string): OutboxRows | undefined => peek(path, readOutbox)

interface Evidence {
  readonly consumptions: ReadonlyArray<Consumption>
  readonly watch: Watch
}

/** Whether this counts as acknowledged by the consumer. */
const counts = ({ acks, position }: OutboxRows["consumers"][number], seq: number): boolean =>
  seq <= position || acks.has(seq)

/** What must hold of the outbox at any instant. */
export const checkOutbox = (
  { consumptions, watch }: Evidence,
  rows: ReadonlyArray<Download>,
  outbox: OutboxRows | undefined
): void => {
  if (outbox === undefined) return
  const ended = new Set(rows.filter(({ status }) => terminal.has(status)).map(({ id }) => id))
  const recorded = new Set(outbox.endings.values())
  for (const id of ended) {
    if (!recorded.has(id)) watch.violation("Q6", `${id} has ended, and nobody will ever hear of it`)
  }
  for (const id of recorded) {
    if (!ended.has(id)) watch.violation("Q6", `${id} counts as ended and has not`)
  }
  for (const { acknowledged, asked, kind, registered } of consumptions) {
    const consumer = outbox.consumers.find(({ name }) => name === kind)
    if (consumer === undefined) {
      if (registered) watch.violation("Q6", `the consumer ${kind} was registered and is gone`)
      continue
    }
    for (const seq of acknowledged) {
      if (!counts(consumer, seq))
        watch.violation("Q6", `${seq} was acknowledged by ${kind}, and that is lost`)
    }
    // they are registered before anything is asked for, so nothing has ended before them
    for (const seq of outbox.endings.keys()) {
      if (counts(consumer, seq) && !asked.has(seq))
        watch.violation("Q6", `${seq} counts as acknowledged by ${kind}, which never did`)
    }
  }
}

/**
 * What must hold when nothing more is going to end, and who reads has read. (What is acknowledged is asked of the database: a
 * consumer that was stopped in the instant after the commit has not heard of it.)
 */
export const checkDelivered = ({ consumptions, watch }: Evidence, outbox: OutboxRows | undefined): void => {
  for (const { delivered, kind } of consumptions) {
    if (kind === "dead") continue
    const consumer = outbox?.consumers.find(({ name }) => name === kind)
    for (const [seq, id] of outbox?.endings ?? []) {
      if (delivered.get(seq) !== id) watch.violation("Q6", `${kind} was never given ${seq}: ${id}`)
      else if (consumer === undefined || !counts(consumer, seq))
        watch.violation("Q6", `${kind} ended with ${seq} unacknowledged`)
    }
  }
}

/** Nobody reads any more after an orderly stop. */
export const checkNoReader = (watch: Watch, outbox: OutboxRows | undefined, engine: string): void => {
  for (const { name, reader } of outbox?.consumers ?? []) {
    if (reader === engine) watch.violation("Q6", `${name} has the reader ${reader} after an orderly stop`)
  }
}
