/**
 * The life of a download: one table, and the one function that reads it.
 *
 * The table says, for each message and each status, which statuses may follow; a message that finds no entry is rejected
 * and changes nothing. `transition` picks among them and writes the fields that go with it. Guards in SQL are derived
 * from the same table (`accepting`), so the bulk and the single path can't drift apart.
 */
import * as Either from "effect/Either"
import { type Expected, isList, same } from "./Checksum.js"
import * as Coverage from "./Coverage.js"
import type {
  Desired,
  Download,
  Failure,
  FinalRecord,
  PartRecord,
  PartState,
  Status,
  SunkRecord
} from "./Download.js"
import { noHeaders, terminal } from "./Download.js"
import { kindOf } from "./DownloadError.js"
import type { Message, Tag } from "./Message.js"
import { credited, furthest, markLast } from "./Strikes.js"
import * as Sources from "./Source.js"

type Row = Partial<Record<Status, readonly [Status, ...ReadonlyArray<Status>]>>

/** message -> status -> the statuses that may follow. */
export const table: Record<Tag, Row> = {
  Due: { retrying: ["pending"], waiting: ["pending"] },
  Claimed: { pending: ["processing"] },
  Expired: { pending: ["failed"] },
  Identified: { processing: ["processing"] },
  Checkpointed: { processing: ["processing"] },
  Publishing: { processing: ["processing"] },
  Succeeded: { processing: ["completed", "processing"] },
  Spoiled: { processing: ["processing"] },
  SourcesOffered: { processing: ["processing"] },
  SourceSetAside: { processing: ["processing"] },
  SourceUsed: { processing: ["processing"] },
  Spawned: { processing: ["processing"] },
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
  const next = apply(endsTry.has(message._tag) ? credited(download) : download, message, at)
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
        attemptFrom: download.checkpoint,
        strikes: markLast(download.strikes, false),
        begunAt: download.options.maxTime === null ? null : (download.begunAt ?? at)
      }
    case "Due":
      return { ...download, status: "pending" }
    case "Expired":
      return { ...download, status: "failed", failure: ended(message.failure) }
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
        segments: null,
        strikes: furthest(download) > 0 ? markLast(download.strikes, true) : download.strikes,
        sources: Sources.unuse(download.sources)
      }
    case "Checkpointed":
      return {
        ...download,
        part: leftAs(download.part, message.left),
        checkpoint: message.bytes,
        segments: message.segments,
        total: message.total
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
      if (
        !isFile(message.record) &&
        message.verified !== undefined &&
        !isVerified(download, message.verified)
      )
        return download
      return {
        ...download,
        status: "completed",
        outcome: message.outcome,
        filename: message.record.name,
        publishing: isFile(message.record) ? message.record : null,
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
    case "Spoiled":
      return {
        ...download,
        checkpoint: Coverage.count(message.kept),
        segments: Coverage.isPrefix(message.kept) ? null : message.kept,
        sources: Sources.setAsideAll(download, message.senders, message.failure)
      }
    case "Spawned":
      return { ...download, pid: message.pid }
    case "SourcesOffered":
      return { ...download, sources: Sources.offer(download, message.sources) }
    case "SourceSetAside":
      return { ...download, sources: Sources.setAside(download, message.url, message.failure) }
    case "SourceUsed":
      return { ...download, sources: Sources.use(download, message.url) }
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
        // it may have been written to after it was recorded how an earlier try had left it
        part: leftAs(download.part, undefined),
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
        // who had brought the bytes stays on record until others come: they may have been wrong
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
          { ...download, desired: "run", status: "pending", waitingSince: null, begunAt: null }
  }
}

/** The part with what is known of how it was left. */
const leftAs = (part: PartRecord | null, left: PartState | undefined): PartRecord | null => {
  if (part === null || (left === undefined && part.size === undefined && part.mtime === undefined))
    return part
  const { mtime: _, size: __, ...made } = part
  return left === undefined ? made : { ...made, size: left.size, mtime: left.mtime }
}

/** What ends a try that is not the last. */
const endsTry: ReadonlySet<Tag> = new Set<Tag>(["Failed", "Released", "Abandoned"])

const isFile = (record: FinalRecord | SunkRecord): record is FinalRecord => "ino" in record

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
    ? {
        ...failure,
        reason: failure.reason === "DiskFull" ? "DiskStayedFull" : "GaveUp",
        detail: `gave up waiting: ${failure.detail}`
      }
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
        strikes: [
          ...download.strikes,
          { at, failure, ...(download.checkpoint > 0 ? { held: download.checkpoint } : {}) }
        ],
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
