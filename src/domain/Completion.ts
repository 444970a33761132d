/**
 * How a download ended, as a value: what there is now, or the error that says why there is nothing.
 */
import * as Either from "effect/Either"
import { type Download, type Outcome, pathOf } from "./Download.js"
import { DownloadError } from "./DownloadError.js"
import type { DownloadId } from "./DownloadId.js"

/** A finished download. */
export interface Completed {
  /** The download's. */
  readonly id: DownloadId
  /** As it was asked for, without credentials. */
  readonly url: string
  /** The whole path of the file; of what went to a sink, the one it would have had: nothing is there. */
  readonly path: string
  /** An absolute path. */
  readonly directory: string
  /** The name it really got: not the one asked for, where that was taken. */
  readonly filename: string
  /** Its size in bytes. */
  readonly size: number
  /**
   * `skipped`: a file of that name was there already and was left alone, as asked. `unchanged`: the same request had brought
   * it before, and it is still what the server has.
   */
  readonly outcome: Outcome
  /** What the request gave; null for nothing. */
  readonly meta: unknown
  /** Tries it took. */
  readonly attempts: number
  /** Milliseconds since the epoch. */
  readonly finishedAt: number
}

/** As much of a download as tells how it ended. */
export type Ended = Pick<
  Download,
  | "id"
  | "url"
  | "directory"
  | "output"
  | "filename"
  | "status"
  | "total"
  | "checkpoint"
  | "outcome"
  | "attempt"
  | "failure"
  | "meta"
  | "finishedAt"
  | "updatedAt"
>

/** Of a download that has settled (is terminal or paused); that of any other is the failure it has met so far. */
export const completionOf = (download: Ended): Either.Either<Completed, DownloadError> => {
  const { directory, failure, filename, id, meta, outcome, status, url } = download
  const error = (detail: DownloadError["reason"], text: string): Either.Either<never, DownloadError> =>
    Either.left(new DownloadError({ reason: detail, detail: text, download: id, url }))
  switch (status) {
    case "completed":
      return Either.right({
        id,
        url,
        path: pathOf(download) ?? directory,
        directory,
        filename: filename ?? "",
        size: download.total ?? download.checkpoint,
        outcome: outcome ?? "fetched",
        meta,
        attempts: download.attempt,
        finishedAt: download.finishedAt ?? download.updatedAt
      })
    case "cancelled":
      return error("Cancelled", "it was cancelled")
    case "paused":
      return error("Paused", "it was paused; what has arrived is kept")
    default:
      return failure === null
        ? error("Network", "the reason is not known")
        : Either.left(new DownloadError({ ...failure, download: id, url }))
  }
}
