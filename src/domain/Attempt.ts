/**
 * One try of a download, as its log tells: what an operator reads to understand what happened.
 */
import type { EngineId, Failure, Status } from "./Download.js"

/** All times are milliseconds since the epoch, all sizes bytes. */
export interface Attempt {
  /** From 1 on; gaps are tries that an older retention has removed. */
  readonly number: number
  /** The URL that was asked, without credentials. */
  readonly source: string
  /** The engine that tried. */
  readonly engine: EngineId | null
  /** The child process that did the work, where there was one. */
  readonly pid: number | null
  /** When it was claimed. */
  readonly startedAt: number
  /** Null while it goes on. */
  readonly endedAt: number | null
  /** How the download stood afterwards; `processing` while the try goes on. */
  readonly status: Status
  /** Held when it began. */
  readonly fromBytes: number
  /** On stable storage when it ended. */
  readonly toBytes: number
  /** Why it ended, where it did not succeed. */
  readonly failure: Failure | null
  /** When the next try was due, as was decided then; null if none was to follow by itself. */
  readonly nextAttemptAt: number | null
}
