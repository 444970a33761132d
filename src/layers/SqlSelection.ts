/**
 * A selection as a condition in SQL.
 */
import type { Status } from "../domain/Download.js"
import { toKey } from "../domain/DownloadId.js"
import type { Selection } from "../domain/Selection.js"
import { acknowledgedByAll } from "./StoreOutbox.js"
import { keyOfGroup } from "./StoreGroups.js"

/** A condition and its parameters. */
export type Condition = readonly [text: string, parameters: ReadonlyArray<unknown>]

const all: Condition = ["true", []]

export const and = (conditions: ReadonlyArray<Condition>): Condition =>
  conditions.length === 0
    ? all
    : [conditions.map(([text]) => text).join(" AND "), conditions.flatMap(([, parameters]) => parameters)]

export const inStatus = (status: ReadonlyArray<Status>): Condition => [
  "status IN (SELECT value FROM json_each(?))",
  [JSON.stringify(status)]
]

export const inKeys = (keys: ReadonlyArray<number>): Condition => [
  "id IN (SELECT value FROM json_each(?))",
  [JSON.stringify(keys)]
]

/** Everything that is given must hold. */
export const selected = ({ endedBefore, group, ids, status, tag }: Selection): Condition => {
  const conditions: Array<Condition> = []
  if (ids !== undefined) conditions.push(inKeys(ids.map(toKey)))
  if (status !== undefined) conditions.push(inStatus(status))
  if (tag !== undefined) conditions.push(["id IN (SELECT download_id FROM sluice_tags WHERE tag = ?)", [tag]])
  if (endedBefore !== undefined) conditions.push([`finished_at < ? AND ${acknowledgedByAll}`, [endedBefore]])
  if (group !== undefined) {
    conditions.push([
      "id IN (SELECT download_id FROM sluice_members WHERE group_id = ?)",
      [keyOfGroup(group)]
    ])
  }
  return and(conditions)
}
