/**
 * Which downloads a listing shows or a command is for, and what can be asked of them.
 */
import type { Status } from "./Download.js"
import type { DownloadId } from "./DownloadId.js"
import type { GroupId } from "./Group.js"

/** All conditions that are given must hold; none means every download there is. */
export interface Selection {
  /** These. */
  readonly ids?: ReadonlyArray<DownloadId> | undefined
  /** Those that stand so. */
  readonly status?: ReadonlyArray<Status> | undefined
  /** Those with this tag. */
  readonly tag?: string | undefined
  /** Members of this group. */
  readonly group?: GroupId | undefined
  /** Those that ended before this, in milliseconds since the epoch, and whose end every consumer has acknowledged. */
  readonly endedBefore?: number | undefined
}

/** What people ask of unfinished downloads. */
export type Command = "pause" | "resume" | "cancel"

/** What a command for many has done. */
export interface Affected {
  /** Downloads that have changed. */
  readonly changed: number
  /** Downloads that another live engine owns: it has been asked to, and takes it up within its `pollInterval`. */
  readonly asked: number
}
