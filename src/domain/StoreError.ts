/**
 * What can go wrong between sluice and its database, each with what to do about it.
 */
import * as Schema from "effect/Schema"
import { DownloadId } from "./DownloadId.js"

/** A code of a closed set; each has its advice. */
export const StoreErrorReason = Schema.Literal(
  /** Another process holds the write lock for longer than we wait. */
  "Locked",
  "NotADatabase",
  "Corrupt",
  /** Made by a later version of sluice. */
  "Newer",
  /** An engine of an earlier version of sluice is at work on it, which could not read it any more. */
  "InUse",
  "ReadOnly",
  "Full",
  /** The file or its directory can't be opened or made. */
  "Unavailable",
  "Io",
  /** The row belongs to another engine now. */
  "Fenced",
  /** The row's status does not allow the message. */
  "Refused",
  "NotFound",
  /** The engine that owns the download has not done in time what it was asked to. */
  "Unanswered",
  /** The engine has been stopped. */
  "Stopped"
)
export type StoreErrorReason = typeof StoreErrorReason.Type

const text: Record<StoreErrorReason, readonly [what: string, advice: string]> = {
  Locked: ["is locked by another process", "wait for it to finish, or stop it"],
  NotADatabase: ["is not a sluice database", "choose another file with --db; this one was left as it is"],
  Corrupt: [
    "is damaged",
    "restore it from a copy, or move it away to start anew; the files already downloaded are not affected"
  ],
  Newer: [
    "was made by a newer version of sluice",
    "update sluice, or choose another file with --db; this one was left as it is"
  ],
  InUse: [
    "is of an older version of sluice, and an engine of that version is at work on it",
    "stop that engine (SIGTERM: nothing is lost) and run the same command again; the database was left as it is"
  ],
  ReadOnly: ["can't be written to", "correct its permissions, or choose another file with --db"],
  Full: [
    "can't grow: the disk is full",
    "free some space and run the same command again; nothing recorded is lost"
  ],
  Unavailable: [
    "can't be opened",
    "check that its directory exists and may be written to, or choose another file with --db"
  ],
  Io: ["could not be read or written", "check the disk; nothing recorded before is lost"],
  Fenced: ["no longer counts this engine as the owner of the download", "another engine has taken it over"],
  Refused: ["refused the change", "the download's status does not allow it"],
  NotFound: ["has no such download", "list what there is with sluice ls"],
  Unanswered: [
    "has recorded the wish, but the engine that owns the download has not followed it yet",
    "it will as soon as it can; look at it with sluice show"
  ],
  Stopped: ["has been closed", "start the engine again"]
}

/** `path` is the database file, `detail` what is known beyond the reason. */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  reason: StoreErrorReason,
  path: Schema.String,
  detail: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `the database ${this.path} ${text[this.reason][0]}${this.detail === undefined ? "" : ` (${this.detail})`}`
  }
  get advice(): string {
    return text[this.reason][1]
  }
}

/** The engine was asked to stop, and these had not let go of everything within `timeout` milliseconds. */
export class StopTimeout extends Schema.TaggedError<StopTimeout>()("StopTimeout", {
  downloads: Schema.Array(DownloadId),
  timeout: Schema.Number
}) {
  override get message(): string {
    return `did not stop within ${this.timeout} ms: ${this.downloads.join(", ")}`
  }
  get advice(): string {
    return "nothing recorded is lost; what hangs (a disk, most likely) ends with the process"
  }
}
