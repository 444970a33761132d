/**
 * What a download may fail for, by its tries as they are on record: those that failed count as retries, those that waited do not.
 */
import Sqlite from "better-sqlite3"
import type { Download } from "../../src/domain/Download.js"
import { type DownloadId, fromKey } from "../../src/domain/DownloadId.js"
import { kindOf, type Reason } from "../../src/domain/DownloadError.js"
import type { World } from "./World.js"

/** A try that has ended, of a download. */
export interface Ended {
  readonly id: DownloadId
  readonly reason: Reason | null
}

/** The log keeps no more tries of a download. */
const kept = 90

/** All that a copy of the database has on record. */
export const readTries = (copy: string): ReadonlyArray<Ended> => {
  const db = new Sqlite(copy)
  const rows = db
    .prepare(`SELECT download_id AS id, json_extract(failure, '$.reason') AS reason FROM sluice_attempts`)
    .all() as ReadonlyArray<{ readonly id: number; readonly reason: Reason | null }>
  db.close()
  return rows.map(({ id, reason }) => ({ id: fromKey(id), reason }))
}

/** Q2: nothing fails for want of retries before it has had them all. */
export const checkRetries = (
  { violation }: Pick<World, "violation">,
  rows: ReadonlyArray<Download>,
  tries: ReadonlyArray<Ended>
): void => {
  for (const { failure, id, options, status } of rows) {
    if (status !== "failed" || failure === null || kindOf(failure.reason) !== "transient") continue
    const had = tries.filter(
      (one) => one.id === id && one.reason !== null && kindOf(one.reason) === "transient"
    )
    if (had.length <= options.maxRetries && options.maxRetries < kept) {
      violation(
        "Q2",
        `${id} failed (${failure.reason}) after ${had.length} failed tries, where ${options.maxRetries + 1} are due`
      )
    }
  }
}
