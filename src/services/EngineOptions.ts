/**
 * How an engine works, as opposed to how a single download does (that is stored with its row).
 */
import * as Context from "effect/Context"
import type { DownloadOptions } from "../domain/DownloadRequest.js"
import type { RetryPolicy } from "../domain/RetryPolicy.js"
import * as RetryPolicies from "../domain/RetryPolicy.js"

export interface EngineOptionsShape {
  /** Downloads at once. @default 3 */
  readonly concurrency: number
  /** Take up unowned downloads too (a queue runner), or only this engine's own. @default false */
  readonly adopt: boolean
  /** Bytes on disk are synced and recorded this often, in milliseconds, while they change. @default 500 */
  readonly checkpointInterval: number
  /**
   * Commits are followed by a pause of so many milliseconds, in which further changes gather, to be committed together: many
   * small files cost few transactions, and a lone change waits for nobody. 0 commits whatever is there at once, and needs no
   * clock. @default 0; the live engine uses 2
   */
  readonly commitInterval: number
  /** How often other processes' changes are looked for while something depends on them, in milliseconds. @default 200 */
  readonly pollInterval: number
  /** The bound on a graceful stop, in milliseconds; what is left then is named. @default 10000 */
  readonly shutdownTimeout: number
  /** @default exponential by the download's own options */
  readonly retryPolicy: (options: DownloadOptions) => RetryPolicy
}

export const defaults: EngineOptionsShape = {
  concurrency: 3,
  adopt: false,
  checkpointInterval: 500,
  commitInterval: 0,
  pollInterval: 200,
  shutdownTimeout: 10_000,
  retryPolicy: RetryPolicies.fromOptions
}

/** Has a default value; override it with `Layer.succeed(EngineOptions, { ...defaults, concurrency: 8 })`. */
export class EngineOptions extends Context.Reference<EngineOptions>()("sluice/EngineOptions", {
  defaultValue: () => defaults
}) {}
