/**
 * Downloads as rows of the database: writing them.
 *
 * What is written is what has changed, by the narrowest of a few statements that covers it: most changes touch a few
 * columns and no index.
 */
import * as Redacted from "effect/Redacted"
import type { Download } from "../domain/Download.js"
import { toKey } from "../domain/DownloadId.js"
import { defaultOptions, type DownloadOptions } from "../domain/DownloadOptions.js"
import * as SqlBulk from "./SqlBulk.js"
import type { Row } from "./SqlRow.js"
import * as SqlSecrets from "./SqlSecrets.js"

const jsonOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))
const listOrNull = (value: ReadonlyArray<unknown>): string | null =>
  value.length === 0 ? null : JSON.stringify(value)

/** What is kept of a field that may change: its column, and the value there. Empty lists and defaults are nothing. */
const changing = {
  sources: ["sources", ({ sources }) => jsonOrNull(sources)],
  headers: ["secret", ({ headers }) => SqlSecrets.placeOf(headers)],
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
  segments: ["segments", ({ segments }) => jsonOrNull(segments)],
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
  begunAt: ["begun_at", ({ begunAt }) => begunAt],
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

/** Thousands of rows have the same options, as one value. */
const encodedOptions = new WeakMap<DownloadOptions, string>()

/** Options as they are stored: only what differs from the defaults that `DownloadOptions` decodes to. */
const encodeOptions = (options: DownloadOptions): string => {
  const known = encodedOptions.get(options)
  if (known !== undefined) return known
  const text = JSON.stringify(
    Object.fromEntries(
      Object.entries(options).filter(
        ([name, value]) => value !== defaultOptions[name as keyof DownloadOptions]
      )
    )
  )
  encodedOptions.set(options, text)
  return text
}

/** A row to be written, if the stored epoch is still `epoch`. */
interface Changed {
  readonly next: Download
  readonly epoch: number
}

/** A statement that writes some fields. */
interface Update extends SqlBulk.Bulk<Changed> {
  readonly fields: ReadonlySet<Field>
}

const encoderOf = (field: Field): ((download: Download) => unknown) => changing[field][1]

const update = (own: ReadonlyArray<Field>, shared: ReadonlyArray<Field>): Update => {
  const fields = new Set([...own, ...shared])
  const finishedAt = ({ next }: Changed) => next.finishedAt
  return {
    ...SqlBulk.update<Changed>(
      "sluice_downloads",
      [
        ["id", ({ next }) => toKey(next.id)],
        ...own.map((field): SqlBulk.Value<Changed> => [
          changing[field][0],
          ({ next }) => encoderOf(field)(next)
        ])
      ],
      [
        ...shared.map((field): SqlBulk.Value<Changed> => [
          `${changing[field][0]} = ?`,
          ({ next }) => encoderOf(field)(next)
        ]),
        // of what has ended, nothing more is wanted
        ...(fields.has("finishedAt")
          ? [["intent = iif(? IS NULL, intent, NULL)", finishedAt] as SqlBulk.Value<Changed>]
          : [])
      ],
      ["epoch", ({ epoch }) => epoch]
    ),
    fields
  }
}

/** What is different from row to row, as a rule; anything else mostly is the same for those that are written together. */
const individual = [
  "sources",
  "filename",
  "part",
  "checkpoint",
  "segments",
  "total",
  "validator",
  "publishing",
  "headers",
  "tags",
  "meta",
  "strikes",
  "failure",
  "retriedAs",
  "attemptStartedAt",
  "nextAttemptAt",
  "waitingSince",
  "begunAt"
] as const
const isIndividual = (field: Field): boolean => (individual as ReadonlyArray<Field>).includes(field)

const wide = (fields: ReadonlyArray<Field>): Update =>
  update(
    fields.filter(isIndividual),
    fields.filter((field) => !isIndividual(field))
  )

/**
 * From the narrowest to the widest: what a claim changes, what a response and its bytes change, what a success changes, anything but
 * what other processes may write too, everything.
 */
const updates: ReadonlyArray<Update> = [
  update(
    [],
    ["status", "owner", "epoch", "attempt", "attemptStartedAt", "attemptFrom", "begunAt", "updatedAt"]
  ),
  update(
    ["filename", "part", "checkpoint", "segments", "total", "validator", "publishing"],
    ["strikes", "crashes", "waitingSince", "updatedAt"]
  ),
  update(
    ["filename", "checkpoint", "total", "validator", "publishing"],
    [
      "segments",
      "status",
      "owner",
      "headers",
      "part",
      "outcome",
      "failure",
      "pid",
      "attemptStartedAt",
      "strikes",
      "crashes",
      "waitingSince",
      "nextAttemptAt",
      "updatedAt",
      "finishedAt"
    ]
  ),
  wide(allFields.filter((field) => field !== "priority")),
  wide(allFields)
]

/** A statement, its parameters, and the rows it writes. */
export type Write = { readonly statement: string } & SqlBulk.Call<Changed>

/** The statements that write all in which these rows differ from what is stored. */
export const writes = (
  rows: ReadonlyArray<readonly [stored: Download, next: Download]>
): ReadonlyArray<Write> => {
  const portions = new Map<Update, Array<Changed>>()
  for (const [stored, next] of rows) {
    const different = allFields.filter((field) => stored[field] !== next[field])
    const narrowest = updates.find(({ fields }) => different.every((field) => fields.has(field)))!
    const changed: Changed = { next, epoch: stored.epoch }
    const portion = portions.get(narrowest)
    if (portion === undefined) portions.set(narrowest, [changed])
    else portion.push(changed)
  }
  return Array.from(portions, ([update, changed]) =>
    SqlBulk.calls(update, changed).map((call) => ({ ...call, statement: update.statement }))
  ).flat()
}

/** A new row, with what identifies its request in the database. */
export interface Fresh {
  readonly download: Download
  /** 20 hexadecimal digits. */
  readonly requestKey: string
  readonly hostId: number
}

const columnOf = (field: Field): SqlBulk.Value<Fresh> => [
  changing[field][0],
  ({ download }) => encoderOf(field)(download)
]

const isNew: ReadonlyArray<SqlBulk.Value<Fresh>> = [
  ["id", ({ download }) => toKey(download.id)],
  ["request_key", ({ requestKey }) => requestKey],
  ["url", ({ download }) => download.url],
  ["host_id", ({ hostId }) => hostId]
]
const isCommon: ReadonlyArray<SqlBulk.Value<Fresh>> = [
  ["directory", ({ download }) => download.directory],
  ["created_at", ({ download }) => download.createdAt],
  ["updated_at", ({ download }) => download.updatedAt],
  ...(["options", "priority", "owner"] as const).map(columnOf)
]
const isSpecial: ReadonlyArray<SqlBulk.Value<Fresh>> = [
  ["output", ({ download }) => download.output],
  ["root", ({ download }) => download.root],
  ["key", ({ download }) => download.key],
  ["earlier", ({ download }) => (download.earlier === null ? null : toKey(download.earlier))],
  ...(
    [
      "sources",
      "headers",
      "tags",
      "meta",
      // what it has from a failed one of the same request
      "filename",
      "part",
      "checkpoint",
      "segments",
      "total",
      "validator",
      "publishing"
    ] as const
  ).map(columnOf)
]

const keys = [["request_key", "unhex(j.request_key)"]] as const

const plain = SqlBulk.insert("INSERT INTO sluice_downloads", isNew, isCommon, keys)
const special = SqlBulk.insert("INSERT INTO sluice_downloads", [...isNew, ...isSpecial], isCommon, keys)

const isPlain = ({ download }: Fresh): boolean =>
  download.part === null &&
  download.sources === null &&
  download.output === null &&
  download.key === null &&
  download.earlier === null &&
  download.meta === null &&
  download.tags.length === 0 &&
  Redacted.value(download.headers).length === 0

/** The statements that add these rows. */
export const inserts = (
  rows: ReadonlyArray<Fresh>
): ReadonlyArray<{ readonly statement: string; readonly parameters: ReadonlyArray<unknown> }> =>
  [[plain, rows.filter(isPlain)] as const, [special, rows.filter((row) => !isPlain(row))] as const].flatMap(
    ([bulk, some]) =>
      SqlBulk.calls(bulk, some).map(({ parameters }) => ({ parameters, statement: bulk.statement }))
  )
