/**
 * The life of a download: one table, and the one function that reads it.
 *
 * The table says, for each message and each status, which statuses may follow; a message that finds no entry is rejected
 * and changes nothing. `transition` picks among them and writes the fields that go with it. Guards in SQL are derived
 * from the same table (`accepting`), so the bulk and the single path can't drift apart.
 */
import * as Either from "effect/Either"
import { type Expected, isList, same } from "./Checksum.js"
import type { Desired, Download, Failure, Status, Strike } from "./Download.js"
import { noHeaders, terminal } from "./Download.js"
import { kindOf } from "./DownloadError.js"
import type { Message, Tag } from "./Message.js"
import { canProve } from "./Validator.js"

type Row = Partial<Record<Status, readonly [Status, ...ReadonlyArray<Status>]>>

/** message -> status -> the statuses that may follow. */
export const table: Record<Tag, Row> = {
  Due: { retrying: ["pending"], waiting: ["pending"] },
  Claimed: { pending: ["processing"] },
  Identified: { processing: ["processing"] },
  Checkpointed: { processing: ["processing"] },
  Publishing: { processing: ["processing"] },
  Succeeded: { processing: ["completed", "processing"] },
  Failed: { processing: ["retrying", "waiting", "failed", "paused", "cancelled"] },
  Released: { processing: ["pending", "paused", "cancelled"] },
  Abandoned: { processing: ["pending", "failed", "paused", "cancelled"] },
  Discarded: { cancelled: ["cancelled"] },
  Renounced: { paused: ["paused"], processing: ["processing"] },
  PauseRequested: {
    pending: ["paused"],
    retrying: ["paused"],
    waiting: ["paused"],
    processing: ["processing"],
    paused: ["paused"]
  },
  CancelRequested: {
    pending: ["cancelled"],
    retrying: ["cancelled"],
    waiting: ["cancelled"],
    paused: ["cancelled"],
    processing: ["processing"]
  },
  ResumeRequested: {
    paused: ["pending"],
    retrying: ["pending"],
    waiting: ["pending"],
    pending: ["pending"],
    processing: ["processing"]
  }
}

/** The statuses in which a message is accepted. */
export const accepting = (tag: Tag): ReadonlyArray<Status> => Object.keys(table[tag]) as Array<Status>

/** So many engine deaths in a row without progress, and a download is failed rather than tried once more. */
export const maxCrashes = 10

/** The message does not fit the status. */
export interface Rejected {
  readonly _tag: "Rejected"
  readonly message: Tag
  readonly status: Status
}

/** Applies a message. `at` is the time of the change in milliseconds. */
export const transition = (
  download: Download,
  message: Message,
  at: number
): Either.Either<Download, Rejected> => {
  const targets = table[message._tag][download.status]
  if (targets === undefined) {
    return Either.left({ _tag: "Rejected", message: message._tag, status: download.status })
  }
  const next = apply(download, message, at)
  const status = next.status
  const entered = status !== download.status
  return Either.right({
    ...next,
    updatedAt: at,
    ...(status === "processing" ? {} : { pid: null, attemptStartedAt: null }),
    ...(status === "retrying" || status === "waiting" ? {} : { nextAttemptAt: null }),
    ...(entered && terminal.has(status) ? { finishedAt: at, owner: null, headers: noHeaders } : {})
  })
}

const apply = (download: Download, message: Message, at: number): Download => {
  switch (message._tag) {
    case "Claimed":
      return {
        ...download,
        status: "processing",
        owner: message.owner,
        epoch: download.epoch + 1,
        attempt: download.attempt + 1,
        attemptStartedAt: at,
        attemptFrom: download.checkpoint
      }
    case "Due":
      return { ...download, status: "pending" }
    case "Discarded":
      return { ...download, part: null, crashes: 0 }
    case "Identified":
      return {
        ...download,
        filename: message.filename,
        part: message.part,
        total: message.total,
        validator: message.validator,
        publishing: null,
        checkpoint: 0,
        segments: null
      }
    case "Checkpointed":
      return {
        ...download,
        checkpoint: message.bytes,
        segments: message.segments,
        total: message.total,
        ...(resumable(download, message.bytes)
          ? { strikes: download.strikes.filter(isMismatch), crashes: 0, waitingSince: null }
          : {})
      }
    case "Publishing":
      return isVerified(download, message.verified)
        ? {
            ...download,
            options: withoutList(download.options, message.verified),
            publishing: message.record,
            total: message.record.size
          }
        : download
    case "Succeeded":
      if (
        message.outcome === "unchanged" &&
        (!isVerified(download, message.verified ?? null) || download.options.refetch === "always")
      )
        return download
      return {
        ...download,
        status: "completed",
        outcome: message.outcome,
        filename: message.record.name,
        publishing: message.record,
        checkpoint: message.record.size,
        segments: null,
        total: message.record.size,
        validator: message.validator ?? download.validator,
        part: null,
        failure: null,
        strikes: [],
        crashes: 0,
        waitingSince: null
      }
    case "Failed":
      return failed(download, message, at)
    case "Released":
      return { ...download, status: settled(download) }
    case "Abandoned": {
      const crashes = download.crashes + 1
      const exhausted = crashes >= maxCrashes && download.desired === "run"
      return {
        ...download,
        owner: null,
        // fences whatever the dead engine's last writes might still be
        epoch: download.epoch + 1,
        crashes,
        status: exhausted ? "failed" : settled(download),
        failure: exhausted
          ? {
              reason: "CrashedTooOften",
              detail: `the engine died ${crashes} times in a row while fetching this`
            }
          : download.failure
      }
    }
    case "Renounced":
      // the part stays on record, so that whoever comes after a crash here can still remove it
      return {
        ...download,
        checkpoint: 0,
        segments: null,
        attemptFrom: 0,
        total: null,
        validator: null,
        publishing: null
      }
    case "PauseRequested":
      return download.status === "processing"
        ? { ...download, desired: unlessCancelled(download, "paused") }
        : { ...download, desired: "paused", status: "paused" }
    case "CancelRequested":
      return download.status === "processing"
        ? { ...download, desired: "cancelled" }
        : { ...download, desired: "cancelled", status: "cancelled" }
    case "ResumeRequested":
      return download.status === "processing"
        ? { ...download, desired: unlessCancelled(download, "run") }
        : // a person asked: the time it stood paused is no time without progress
          { ...download, desired: "run", status: "pending", waitingSince: null }
  }
}

/**
 * Whether `bytes` are progress after which earlier failures no longer count: more than the try began with (a version
 * begun anew has to get further than the lost one), and such that a later try can be proved to continue them. Else a
 * server that cuts every answer would be asked for the same bytes for ever.
 */
const resumable = (download: Download, bytes: number): boolean =>
  bytes > download.attemptFrom &&
  download.validator !== null &&
  (canProve(download.validator) ||
    // the digest of the whole decides, where its length is known
    (download.total !== null &&
      (download.options.checksum !== null || download.validator.digest !== undefined)))

/**
 * Failures that no progress makes up for: the bytes came well and were the wrong ones, so that the next ones' coming well
 * says nothing. Else a wrong checksum would have its file fetched for ever.
 */
const isMismatch = ({ failure }: Strike): boolean => failure.reason === "ChecksumMismatch"

/** Whether nothing is left to be verified of what the row asks for; a checksum may have been added meanwhile. */
const isVerified = ({ options }: Download, verified: Expected | null): boolean =>
  options.checksum === null || (verified !== null && same(options.checksum, verified))

/** The digest that was found in a list, in place of the list: what was verified once can be verified again without it. */
const withoutList = (options: Download["options"], verified: Expected | null): Download["options"] =>
  verified !== null && isList(options.checksum) && !isList(verified)
    ? { ...options, checksum: verified }
    : options

/** A cancelled download ends, also when a pause or a resume arrives before its worker has let go. */
const unlessCancelled = (download: Download, desired: Desired): Desired =>
  download.desired === "cancelled" ? "cancelled" : desired

/** A wait that is over without success is not a wait any more. */
const ended = (failure: Failure): Failure =>
  kindOf(failure.reason) === "wait"
    ? { ...failure, reason: "GaveUp", detail: `gave up waiting: ${failure.detail}` }
    : failure

const failed = (download: Download, message: Extract<Message, { _tag: "Failed" }>, at: number): Download => {
  const { failure, verdict } = message
  if (download.desired !== "run") return { ...download, failure, status: settled(download) }
  switch (verdict._tag) {
    case "Final":
      return { ...download, failure: ended(failure), status: "failed" }
    case "RetryAt":
      return {
        ...download,
        failure,
        status: "retrying",
        strikes: [...download.strikes, { at, failure }],
        nextAttemptAt: verdict.at
      }
    case "WaitUntil":
      return {
        ...download,
        failure,
        status: "waiting",
        waitingSince: download.waitingSince ?? at,
        nextAttemptAt: verdict.at
      }
  }
}

/** Where a download goes that nobody works on any more. */
const settled = (download: Download): Status => (download.desired === "run" ? "pending" : download.desired)
