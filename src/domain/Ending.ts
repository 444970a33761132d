/**
 * The end of a download, as consumers get it: one number in the order of endings, how it ended, and what the caller said of
 * it. Where the download is removed before every consumer has acknowledged its end, a remnant stays for those that have not.
 * Pure; who gets which ending when is the business of the outbox.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { type Completed, completionOf, type Ended } from "./Completion.js"
import { Failure, Outcome, pathOf, Status } from "./Download.js"
import type { DownloadError } from "./DownloadError.js"
import { DownloadId } from "./DownloadId.js"

/** A download that has ended for good. */
export interface Ending {
  /** Its place in the order in which downloads ended; grows, with gaps, and is never used again. */
  readonly seq: number
  /** The download's. */
  readonly id: DownloadId
  /** As it was asked for, without credentials. */
  readonly url: string
  /** How it ended: completed, failed or cancelled. */
  readonly status: Status
  /** What there is now, or the error that says why there is nothing. */
  readonly completion: Either.Either<Completed, DownloadError>
  /** The whole path of the file, or the one it would have got; null where no name was known. */
  readonly path: string | null
  /** What the request gave; null for nothing. */
  readonly meta: unknown
  /** The names of the groups it belongs to, sorted; groups without a name are left out. */
  readonly groups: ReadonlyArray<string>
  /** Milliseconds since the epoch. */
  readonly finishedAt: number
}

/** What is kept of a removed download for those who are still to hear of its end. Holds no secrets. */
const Remnant = Schema.Struct({
  id: DownloadId,
  url: Schema.String,
  directory: Schema.String,
  output: Schema.NullOr(Schema.String),
  filename: Schema.NullOr(Schema.String),
  status: Status,
  total: Schema.NullOr(Schema.Number),
  checkpoint: Schema.Number,
  outcome: Schema.NullOr(Outcome),
  attempt: Schema.Number,
  failure: Schema.NullOr(Failure),
  meta: Schema.Unknown,
  finishedAt: Schema.NullOr(Schema.Number),
  updatedAt: Schema.Number,
  groups: Schema.Array(Schema.String)
})
const RemnantText = Schema.parseJson(Remnant)
const encodeText = Schema.encodeSync(RemnantText)
const decodeText = ParseResult.decodeUnknownEither(RemnantText)

export const encodeRemnant = (ended: Ended, groups: ReadonlyArray<string>): string =>
  encodeText({ ...ended, meta: ended.meta ?? null, groups })

export const decodeRemnant = (text: string, seq: number): Either.Either<Ending, ParseResult.ParseIssue> =>
  Either.map(decodeText(text), ({ groups, ...ended }) => endingOf(ended, groups, seq))

export const endingOf = (ended: Ended, groups: ReadonlyArray<string>, seq: number): Ending => ({
  seq,
  id: ended.id,
  url: ended.url,
  status: ended.status,
  completion: completionOf(ended),
  path: pathOf(ended),
  meta: ended.meta,
  groups,
  finishedAt: ended.finishedAt ?? ended.updatedAt
})
