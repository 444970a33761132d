/**
 * What can happen to a download. Workers, the supervisor and people speak to the store in these messages and in
 * nothing else; the store applies them one by one with `transition`.
 */
import * as Data from "effect/Data"
import type { Expected } from "./Checksum.js"
import type { Coverage } from "./Coverage.js"
import type {
  EngineId,
  Failure,
  FinalRecord,
  Outcome,
  PartRecord,
  PartState,
  SunkRecord
} from "./Download.js"
import type { Mirror } from "./DownloadRequest.js"
import type { Validator } from "./Validator.js"

/** What follows from a failed try, as the retry policy decided. */
export type Verdict =
  | { readonly _tag: "RetryAt"; readonly at: number }
  | { readonly _tag: "WaitUntil"; readonly at: number }
  | { readonly _tag: "Final" }

export type Message = Data.TaggedEnum<{
  /** An engine takes the download up: a new epoch and a new attempt begin. */
  Claimed: { readonly owner: EngineId }
  /**
   * A response was accepted for offset 0: its name, size and validator are known and its part file exists.
   * Whatever was held before is given up (the checkpoint goes to 0 before the file is cut).
   */
  Identified: {
    readonly filename: string
    readonly part: PartRecord
    readonly total: number | null
    readonly validator: Validator
  }
  /**
   * `bytes` are on stable storage: the first ones, or where `segments` says. `left`: nothing more is written in this try, and this
   * is how the part is left; without it, writing goes on, and how it was left before counts no more.
   */
  Checkpointed: {
    readonly bytes: number
    readonly total: number | null
    readonly segments: Coverage | null
    readonly left?: PartState
  }
  /**
   * All bytes are verified and on stable storage; the file is about to get this name. `verified` is the checksum they have
   * been found to have: where the row asks for another by now, nothing is recorded, and it has to be verified first. What was
   * read from a list takes the list's place in the row.
   */
  Publishing: { readonly record: FinalRecord; readonly verified: Expected | null }
  /** `validator`: of the file, where it is not the one that `Identified` has told. */
  Succeeded: {
    readonly outcome: Outcome
    readonly record: FinalRecord | SunkRecord
    readonly validator?: Validator
    /**
     * Of a file that is left as it is, and of bytes for a sink: the checksum they have been found to have. Where the row asks for another by now, or for the
     * file to be fetched whatever there is, nothing is recorded.
     */
    readonly verified?: Expected | null
  }
  /**
   * Of all that had come, this much has proved right, and the rest is given up; those who have sent it are not asked any more, as far
   * as that is known and others are left.
   */
  Spoiled: { readonly kept: Coverage; readonly senders: ReadonlyArray<string>; readonly failure: Failure }
  /** A process of its own does the work: that one, from now on. */
  Spawned: { readonly pid: number }
  /** A server has named other places of the same file. */
  SourcesOffered: { readonly sources: ReadonlyArray<Required<Mirror>> }
  /** Of several sources, this one is not asked any more. */
  SourceSetAside: { readonly url: string; readonly failure: Failure }
  /** Of several sources, this one brings bytes. */
  SourceUsed: { readonly url: string }
  Failed: { readonly failure: Failure; readonly verdict: Verdict }
  /** The worker was interrupted and has let go of everything. */
  Released: {}
  /** The owner died (its lock is free) and an heir found the row. */
  Abandoned: {}
  /** The time of a retry or the end of a wait has come: it stands in line again. */
  Due: {}
  /** It has stood in line for a host that is left alone for longer than it was to. */
  Expired: { readonly failure: Failure }
  /** The part of a cancelled download is gone. */
  Discarded: {}
  /** The bytes held are given up: their file is about to be cut or removed. */
  Renounced: {}
  PauseRequested: {}
  CancelRequested: {}
  /** Go on after a pause; also ends a wait or a backoff early. */
  ResumeRequested: {}
}>

export const {
  Abandoned,
  CancelRequested,
  Checkpointed,
  Claimed,
  Discarded,
  Due,
  Expired,
  Failed,
  Identified,
  PauseRequested,
  Publishing,
  Released,
  Renounced,
  ResumeRequested,
  SourcesOffered,
  SourceSetAside,
  SourceUsed,
  Spoiled,
  Spawned,
  Succeeded
} = Data.taggedEnum<Message>()

export type Tag = Message["_tag"]
