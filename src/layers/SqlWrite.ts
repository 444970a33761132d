/**
 * Downloads as rows of the database: writing them.
 *
 * Statements take all their rows as one JSON parameter, so that their text is constant whatever the batch: each is prepared
 * once. What is written is what has changed, by the narrowest of a few statements that covers it: most changes touch a few
 * columns and no index.
 */
import * as Redacted from "effect/Redacted"
import type { Download } from "../domain/Download.js"
import { toKey } from "../domain/DownloadId.js"
import { defaultOptions, type DownloadOptions } from "../domain/DownloadRequest.js"
import type { Row } from "./SqlRow.js"

const jsonOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))
const listOrNull = (value: ReadonlyArray<unknown>): string | null =>
  value.length === 0 ? null : JSON.stringify(value)

/** What is kept of a field that may change: its column, and the value there. Empty lists and defaults are nothing. */
const changing = {
  headers: ["headers", ({ headers }) => listOrNull(Redacted.value(headers))],
  options: ["options", ({ options }) => encodeOptions(options)],
  priority: ["priority", ({ priority }) => priority],
  tags: ["tags", ({ tags }) => listOrNull(tags)],
  meta: ["meta", ({ meta }) => jsonOrNull(meta)],
  status: ["status", ({ status }) => status],
  desired: ["desired", ({ desired }) => desired],
  owner: ["owner", ({ owner }) => owner],
  epoch: ["epoch", ({ epoch }) => epoch],
  filename: ["filename", ({ filename }) => filename],
  part: ["part", ({ part }) => jsonOrNull(part)],
  checkpoint: ["checkpoint", ({ checkpoint }) => checkpoint],
  total: ["total", ({ total }) => total],
  validator: ["validator", ({ validator }) => jsonOrNull(validator)],
  publishing: ["publishing", ({ publishing }) => jsonOrNull(publishing)],
  outcome: ["outcome", ({ outcome }) => outcome],
  attempt: ["attempt", ({ attempt }) => attempt],
  attemptStartedAt: ["attempt_started_at", ({ attemptStartedAt }) => attemptStartedAt],
  attemptFrom: ["attempt_from", ({ attemptFrom }) => attemptFrom],
  strikes: ["strikes", ({ strikes }) => listOrNull(strikes)],
  crashes: ["crashes", ({ crashes }) => crashes],
  nextAttemptAt: ["next_attempt_at", ({ nextAttemptAt }) => nextAttemptAt],
  waitingSince: ["waiting_since", ({ waitingSince }) => waitingSince],
  failure: ["failure", ({ failure }) => jsonOrNull(failure)],
  retriedAs: ["retried_as", ({ retriedAs }) => (retriedAs === null ? null : toKey(retriedAs))],
  pid: ["pid", ({ pid }) => pid],
  updatedAt: ["updated_at", ({ updatedAt }) => updatedAt],
  finishedAt: ["finished_at", ({ finishedAt }) => finishedAt]
} as const satisfies {
  readonly [Field in keyof Download]?: readonly [column: keyof Row, encode: (download: Download) => unknown]
}
type Field = keyof typeof changing
const allFields = Object.keys(changing) as ReadonlyArray<Field>

/** Options as they are stored: only what differs from the defaults that `DownloadOptions` decodes to. */
const encodeOptions = (options: DownloadOptions): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(options).filter(
        ([name, value]) => value !== defaultOptions[name as keyof DownloadOptions]
      )
    )
  )

/** An UPDATE of some fields, for any number of rows; its text never changes, so that it is prepared once. */
export interface Update {
  readonly statement: string
  readonly fields: ReadonlySet<Field>
  /** A row of the JSON parameter, to be written if the stored epoch is still `epoch`. */
  readonly encode: (download: Download, epoch: number) => ReadonlyArray<unknown>
}

const update = (fields: ReadonlyArray<Field>): Update => {
  const columns = fields.map((field) => changing[field][0])
  const encoders = fields.map((field) => changing[field][1] as (download: Download) => unknown)
  const finishes = fields.includes("finishedAt")
  const sets = [
    ...columns.map((column) => `${column} = j.${column}`),
    // what has ended is nobody's, can be asked for again, and nothing more is wanted of it
    ...(finishes ? ["live_key = iif(j.finished_at IS NULL, live_key, NULL)"] : []),
    ...(finishes ? ["intent = iif(j.finished_at IS NULL, intent, NULL)"] : [])
  ]
  const values = ["id", "was", ...columns].map((column, i) => `json_extract(value, '$[${i}]') AS ${column}`)
  return {
    statement: `UPDATE sluice_downloads SET ${sets.join(", ")}
FROM (SELECT ${values.join(", ")} FROM json_each(?)) AS j
WHERE sluice_downloads.id = j.id AND sluice_downloads.epoch = j.was
RETURNING sluice_downloads.id`,
    fields: new Set(fields),
    encode: (download, epoch) => [toKey(download.id), epoch, ...encoders.map((encode) => encode(download))]
  }
}

const taken = ["status", "owner", "epoch", "attempt", "attemptStartedAt", "attemptFrom", "updatedAt"] as const
const brought = [
  "filename",
  "part",
  "checkpoint",
  "total",
  "validator",
  "publishing",
  "strikes",
  "crashes",
  "waitingSince",
  "updatedAt"
] as const
const ended = [
  ...brought,
  "status",
  "owner",
  "headers",
  "outcome",
  "failure",
  "pid",
  "attemptStartedAt",
  "nextAttemptAt",
  "finishedAt"
] as const

/**
 * From the narrowest to the widest: what a claim changes, what a response and its bytes change, what an ending changes, anything but
 * what other processes may write too, everything. A statement over all columns costs four times one over a few.
 */
const updates: ReadonlyArray<Update> = [
  update(taken),
  update(brought),
  update(ended),
  update(allFields.filter((field) => field !== "priority")),
  update(allFields)
]

/** The narrowest statement that writes all in which the two differ. */
export const updateFor = (stored: Download, next: Download): Update => {
  const different = allFields.filter((field) => stored[field] !== next[field])
  return updates.find(({ fields }) => different.every((field) => fields.has(field)))!
}

/** What identifies a request in the database. */
export interface RequestKeys {
  readonly requestKey: string
  readonly hostId: number
}

const inserted: ReadonlyArray<
  readonly [column: string, encode: (download: Download, keys: RequestKeys) => unknown]
> = [
  ["id", ({ id }) => toKey(id)],
  ["request_key", (_, { requestKey }) => requestKey],
  ["live_key", (_, { requestKey }) => requestKey],
  ["url", ({ url }) => url],
  ["host_id", (_, { hostId }) => hostId],
  ["directory", ({ directory }) => directory],
  ["output", ({ output }) => output],
  ["key", ({ key }) => key],
  ["created_at", ({ createdAt }) => createdAt],
  ["updated_at", ({ updatedAt }) => updatedAt],
  ...(["headers", "options", "priority", "tags", "meta", "owner"] as const).map((field) => changing[field])
]

/** What a download has from a failed one of the same request; the columns of all others have the defaults of the table. */
const inherited: ReadonlyArray<Field> = ["filename", "part", "checkpoint", "total", "validator", "publishing"]

/** A row of the insert statement's JSON parameter. A new download is pending, and holds at most what it has inherited. */
export const encodeInsert = (download: Download, keys: RequestKeys): ReadonlyArray<unknown> => {
  const values = inserted.map(([, encode]) => encode(download, keys))
  return download.part === null
    ? values
    : [...values, ...inherited.map((field) => changing[field][1](download))]
}

const insert = (columns: ReadonlyArray<string>): string =>
  `INSERT INTO sluice_downloads (${columns.join(", ")})
SELECT ${columns.map((_, i) => `json_extract(value, '$[${i}]')`).join(", ")} FROM json_each(?)`

/** For rows that hold nothing. */
export const insertStatement = insert(inserted.map(([column]) => column))

/** For rows that have inherited something. */
export const insertHeirsStatement = insert([
  ...inserted.map(([column]) => column),
  ...inherited.map((field) => changing[field][0])
])
