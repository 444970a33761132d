/**
 * Rows of the table `downloads`: the order of the columns, and the translation to and from the domain.
 *
 * Statements take all their rows as one JSON parameter, so that their text is constant whatever the batch: one prepared
 * statement each, about 2 microseconds a row. What comes out is decoded by Schema: a row that another program has
 * tampered with is a typed error, not undefined behaviour later.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  Desired,
  type Download,
  EngineId,
  Failure,
  FinalRecord,
  noHeaders,
  Outcome,
  PartRecord,
  Status,
  Strike
} from "../domain/Download.js"
import { fromKey, toKey } from "../domain/DownloadId.js"
import { DownloadOptions } from "../domain/DownloadRequest.js"
import { StoreError } from "../domain/StoreError.js"
import { Validator } from "../domain/Validator.js"

const nullable = <A, I>(schema: Schema.Schema<A, I>) => Schema.NullOr(schema)
const json = <A, I>(schema: Schema.Schema<A, I>) => Schema.NullOr(Schema.parseJson(schema))

/** The columns as SQLite returns them. */
const Row = Schema.Struct({
  id: Schema.NonNegativeInt,
  url: Schema.String,
  directory: Schema.String,
  output: nullable(Schema.String),
  headers: json(Schema.Array(Schema.Tuple(Schema.String, Schema.String))),
  options: Schema.String,
  priority: Schema.Int,
  meta: json(Schema.Unknown),
  status: Status,
  desired: Desired,
  owner: nullable(EngineId),
  epoch: Schema.NonNegativeInt,
  filename: nullable(Schema.String),
  part: json(PartRecord),
  checkpoint: Schema.NonNegativeInt,
  total: nullable(Schema.NonNegativeInt),
  validator: json(Validator),
  publishing: json(FinalRecord),
  outcome: nullable(Outcome),
  attempt: Schema.NonNegativeInt,
  attempt_started_at: nullable(Schema.Number),
  attempt_from: Schema.NonNegativeInt,
  strikes: Schema.parseJson(Schema.Array(Strike)),
  crashes: Schema.NonNegativeInt,
  next_attempt_at: nullable(Schema.Number),
  waiting_since: nullable(Schema.Number),
  failure: json(Failure),
  pid: nullable(Schema.Int),
  created_at: Schema.Int,
  updated_at: Schema.Int,
  finished_at: nullable(Schema.Number)
})
type Row = typeof Row.Type

const decodeRow = ParseResult.decodeUnknownEither(Row)

const decodeOptions = ParseResult.decodeUnknownEither(Schema.parseJson(DownloadOptions))

/** Every column that `decode` reads, for SELECT and RETURNING. */
export const columns = Object.keys(Row.fields).join(", ")

/** The columns a transition may change: all that are not set once at the beginning. */
const changing = [
  "headers",
  "options",
  "priority",
  "meta",
  "status",
  "desired",
  "owner",
  "epoch",
  "filename",
  "part",
  "checkpoint",
  "total",
  "validator",
  "publishing",
  "outcome",
  "attempt",
  "attempt_started_at",
  "attempt_from",
  "strikes",
  "crashes",
  "next_attempt_at",
  "waiting_since",
  "failure",
  "pid",
  "updated_at",
  "finished_at"
] as const satisfies ReadonlyArray<keyof Row>

const jsonOrNull = (value: unknown): string | null => (value === null ? null : JSON.stringify(value))

const encodeChanging = (download: Download): Record<(typeof changing)[number], unknown> => {
  const headers = Redacted.value(download.headers)
  return {
    headers: headers.length === 0 ? null : JSON.stringify(headers),
    options: JSON.stringify(download.options),
    priority: download.priority,
    meta: jsonOrNull(download.meta),
    status: download.status,
    desired: download.desired,
    owner: download.owner,
    epoch: download.epoch,
    filename: download.filename,
    part: jsonOrNull(download.part),
    checkpoint: download.checkpoint,
    total: download.total,
    validator: jsonOrNull(download.validator),
    publishing: jsonOrNull(download.publishing),
    outcome: download.outcome,
    attempt: download.attempt,
    attempt_started_at: download.attemptStartedAt,
    attempt_from: download.attemptFrom,
    strikes: JSON.stringify(download.strikes),
    crashes: download.crashes,
    next_attempt_at: download.nextAttemptAt,
    waiting_since: download.waitingSince,
    failure: jsonOrNull(download.failure),
    pid: download.pid,
    updated_at: download.updatedAt,
    finished_at: download.finishedAt
  }
}

/** A row of the statement's JSON parameter, to be written if the stored epoch is still `epoch`. */
export const encodeUpdate = (download: Download, epoch: number): ReadonlyArray<unknown> => {
  const values = encodeChanging(download)
  return [toKey(download.id), epoch, ...changing.map((column) => values[column])]
}

/** Writes rows given by `encodeUpdate`; returns the keys of those that were still under the epoch named. */
export const updateStatement = `UPDATE sluice_downloads SET ${changing.map((column) => `${column} = j.${column}`).join(", ")}
FROM (SELECT ${["id", "was", ...changing].map((column, i) => `json_extract(value, '$[${i}]') AS ${column}`).join(", ")}
      FROM json_each(?)) AS j
WHERE sluice_downloads.id = j.id AND sluice_downloads.epoch = j.was
RETURNING sluice_downloads.id`

const fixed = ["id", "request_key", "url", "origin", "directory", "output", "created_at"] as const

/** A row of the insert statement's JSON parameter. */
export const encodeInsert = (download: Download, requestKey: string): ReadonlyArray<unknown> => {
  const values = encodeChanging(download)
  return [
    toKey(download.id),
    requestKey,
    download.url,
    new URL(download.url).origin,
    download.directory,
    download.output,
    download.createdAt,
    ...changing.map((column) => values[column])
  ]
}

export const insertStatement = `INSERT INTO sluice_downloads (${[...fixed, ...changing].join(", ")})
SELECT ${[...fixed, ...changing].map((_, i) => `json_extract(value, '$[${i}]')`).join(", ")} FROM json_each(?)`

/** Distinct texts of options whose meaning is kept. */
const maxKnown = 64

export type Decode = (rows: ReadonlyArray<unknown>) => Either.Either<ReadonlyArray<Download>, StoreError>

/** Decodes rows of `columns`; a row that makes no sense is `Corrupt`. Options, mostly the same in thousands of rows, are decoded once. */
export const decode = (path: string): Decode => {
  const known = new Map<string, DownloadOptions>()

  const optionsOf = (text: string): Either.Either<DownloadOptions, ParseResult.ParseIssue> => {
    const found = known.get(text)
    if (found !== undefined) return Either.right(found)
    return Either.map(decodeOptions(text), (options) => {
      if (known.size >= maxKnown) known.clear()
      known.set(text, options)
      return options
    })
  }

  return (rows) => {
    const downloads: Array<Download> = []
    for (const row of rows) {
      const decoded = decodeRow(row)
      if (Either.isLeft(decoded)) return Either.left(corrupt(path, decoded.left))
      const options = optionsOf(decoded.right.options)
      if (Either.isLeft(options)) return Either.left(corrupt(path, options.left))
      downloads.push(toDownload(decoded.right, options.right))
    }
    return Either.right(downloads)
  }
}

const corrupt = (path: string, issue: ParseResult.ParseIssue): StoreError =>
  new StoreError({
    reason: "Corrupt",
    path,
    detail: `a row makes no sense: ${ParseResult.TreeFormatter.formatIssueSync(issue).split("\n").at(-1)?.trim()}`
  })

const toDownload = (row: Row, options: DownloadOptions): Download => ({
  id: fromKey(row.id),
  url: row.url,
  directory: row.directory,
  output: row.output,
  headers: row.headers === null ? noHeaders : Redacted.make(row.headers),
  options,
  priority: row.priority,
  tags: [],
  meta: row.meta,
  status: row.status,
  desired: row.desired,
  owner: row.owner,
  epoch: row.epoch,
  filename: row.filename,
  part: row.part,
  checkpoint: row.checkpoint,
  total: row.total,
  validator: row.validator,
  publishing: row.publishing,
  outcome: row.outcome,
  attempt: row.attempt,
  attemptStartedAt: row.attempt_started_at,
  attemptFrom: row.attempt_from,
  strikes: row.strikes,
  crashes: row.crashes,
  nextAttemptAt: row.next_attempt_at,
  waitingSince: row.waiting_since,
  failure: row.failure,
  pid: row.pid,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  finishedAt: row.finished_at
})
