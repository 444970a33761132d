/**
 * Rows of the database as downloads: reading them.
 *
 * What comes out is decoded by Schema: a row that another program has tampered with is a typed error, not undefined behaviour
 * later. How rows are written stands in SqlWrite.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Attempt } from "../domain/Attempt.js"
import { Coverage } from "../domain/Coverage.js"
import {
  Desired,
  type Download,
  EngineId,
  Failure,
  FinalRecord,
  noHeaders,
  Outcome,
  PartRecord,
  Source,
  Status,
  Strike
} from "../domain/Download.js"
import { fromKey } from "../domain/DownloadId.js"
import { DownloadOptions } from "../domain/DownloadOptions.js"
import type { ListedEngine } from "../domain/Stats.js"
import { StoreError } from "../domain/StoreError.js"
import { Validator } from "../domain/Validator.js"
import * as SqlSecrets from "./SqlSecrets.js"

const nullable = <A, I>(schema: Schema.Schema<A, I>) => Schema.NullOr(schema)
const json = <A, I>(schema: Schema.Schema<A, I>) => Schema.NullOr(Schema.parseJson(schema))

/** The columns as SQLite returns them. */
const Row = Schema.Struct({
  id: Schema.NonNegativeInt,
  url: Schema.String,
  sources: json(Schema.Array(Source)),
  directory: Schema.String,
  root: nullable(Schema.String),
  output: nullable(Schema.String),
  key: nullable(Schema.String),
  /** Where its header fields are kept, see SqlSecrets. */
  secret: nullable(Schema.NonNegativeInt),
  headers: json(Schema.Array(Schema.Tuple(Schema.String, Schema.String))),
  options: Schema.String,
  priority: Schema.Int,
  tags: json(Schema.Array(Schema.String)),
  meta: json(Schema.Unknown),
  status: Status,
  desired: Desired,
  owner: nullable(EngineId),
  epoch: Schema.NonNegativeInt,
  filename: nullable(Schema.String),
  part: json(PartRecord),
  checkpoint: Schema.NonNegativeInt,
  segments: json(Coverage),
  total: nullable(Schema.NonNegativeInt),
  validator: json(Validator),
  publishing: json(FinalRecord),
  outcome: nullable(Outcome),
  attempt: Schema.NonNegativeInt,
  attempt_started_at: nullable(Schema.Number),
  attempt_from: Schema.NonNegativeInt,
  strikes: json(Schema.Array(Strike)),
  crashes: Schema.NonNegativeInt,
  next_attempt_at: nullable(Schema.Number),
  waiting_since: nullable(Schema.Number),
  begun_at: nullable(Schema.Number),
  failure: json(Failure),
  retried_as: nullable(Schema.NonNegativeInt),
  earlier: nullable(Schema.NonNegativeInt),
  pid: nullable(Schema.Int),
  created_at: Schema.Int,
  updated_at: Schema.Int,
  finished_at: nullable(Schema.Number)
})
export type Row = typeof Row.Type

const decodeRow = ParseResult.decodeUnknownEither(Row)

const decodeOptions = ParseResult.decodeUnknownEither(Schema.parseJson(DownloadOptions))

/** Every column that `decode` reads, for SELECT and RETURNING. */
export const columns = Object.keys(Row.fields)
  .map((column) =>
    column === "headers"
      ? "(SELECT body FROM sluice_secrets WHERE sluice_secrets.id = secret) AS headers"
      : column
  )
  .join(", ")

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

/** The columns of an ended try. */
const AttemptRow = Schema.Struct({
  attempt: Schema.NonNegativeInt,
  source: Schema.String,
  owner: nullable(EngineId),
  pid: nullable(Schema.Int),
  started_at: Schema.Int,
  ended_at: Schema.Int,
  status: Status,
  from_bytes: Schema.NonNegativeInt,
  to_bytes: Schema.NonNegativeInt,
  failure: json(Failure),
  next_attempt_at: nullable(Schema.Number)
})

const decodeAttemptRows = ParseResult.decodeUnknownEither(Schema.Array(AttemptRow))

/** Decodes ended tries, as `decode` does rows. */
export const decodeAttempts =
  (path: string) =>
  (rows: ReadonlyArray<unknown>): Either.Either<ReadonlyArray<Attempt>, StoreError> =>
    Either.mapBoth(decodeAttemptRows(rows), {
      onLeft: (issue) => corrupt(path, issue),
      onRight: (attempts) =>
        attempts.map((row) => ({
          number: row.attempt,
          source: row.source,
          engine: row.owner,
          pid: row.pid,
          startedAt: row.started_at,
          endedAt: row.ended_at,
          status: row.status,
          fromBytes: row.from_bytes,
          toBytes: row.to_bytes,
          failure: row.failure,
          nextAttemptAt: row.next_attempt_at
        }))
    })

/** An engine as it is listed, and all of them. */
export interface EngineRow {
  readonly id: EngineId
  readonly pid: number | null
  readonly started_at: number
  readonly adopts: number
}
export const enginesStatement = "SELECT id, pid, started_at, adopts FROM sluice_engines ORDER BY started_at"

export const toEngine = ({ adopts, id, pid, started_at }: EngineRow, alive: boolean): ListedEngine => ({
  id,
  pid,
  startedAt: started_at,
  adopts: adopts === 1,
  alive
})

const corrupt = (path: string, issue: ParseResult.ParseIssue): StoreError =>
  new StoreError({
    reason: "Corrupt",
    path,
    detail: `a row makes no sense: ${ParseResult.TreeFormatter.formatIssueSync(issue).split("\n").at(-1)?.trim()}`
  })

const toDownload = (row: Row, options: DownloadOptions): Download => ({
  id: fromKey(row.id),
  url: row.url,
  sources: row.sources,
  directory: row.directory,
  root: row.root,
  output: row.output,
  key: row.key,
  headers:
    row.headers === null || row.secret === null
      ? noHeaders
      : SqlSecrets.kept(Redacted.make(row.headers), row.secret),
  options,
  priority: row.priority,
  tags: row.tags ?? [],
  meta: row.meta,
  status: row.status,
  desired: row.desired,
  owner: row.owner,
  epoch: row.epoch,
  filename: row.filename,
  part: row.part,
  checkpoint: row.checkpoint,
  segments: row.segments,
  total: row.total,
  validator: row.validator,
  publishing: row.publishing,
  outcome: row.outcome,
  attempt: row.attempt,
  attemptStartedAt: row.attempt_started_at,
  attemptFrom: row.attempt_from,
  strikes: row.strikes ?? [],
  crashes: row.crashes,
  nextAttemptAt: row.next_attempt_at,
  waitingSince: row.waiting_since,
  begunAt: row.begun_at,
  failure: row.failure,
  retriedAs: row.retried_as === null ? null : fromKey(row.retried_as),
  earlier: row.earlier === null ? null : fromKey(row.earlier),
  pid: row.pid,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  finishedAt: row.finished_at
})
