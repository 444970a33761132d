/**
 * How an engine works, as opposed to how a single download does (that is stored with its row).
 */
import * as Context from "effect/Context"
import type { DownloadOptions } from "../domain/DownloadRequest.js"
import type { Durability } from "../domain/Durability.js"
import type { RetryPolicy } from "../domain/RetryPolicy.js"
import * as RetryPolicies from "../domain/RetryPolicy.js"

export interface EngineOptionsShape {
  /** Downloads at once. @default 3 */
  readonly concurrency: number
  /** Take up unowned downloads too (a queue runner), or only this engine's own. @default false */
  readonly adopt: boolean
  /** Bytes on disk are synced and recorded this often, in milliseconds, while they change. @default 500 */
  readonly checkpointInterval: number
  /** How often other processes' changes are looked for while something depends on them, in milliseconds. @default 200 */
  readonly pollInterval: number
  /** The bound on a graceful stop, in milliseconds; what is left then is named. @default 10000 */
  readonly shutdownTimeout: number
  /**
   * What survives: `power-loss` syncs files, directories and the database; `crash` leaves that to the system, and
   * relies on the machine to go on. @default "power-loss"
   */
  readonly durability: Durability
  /** @default exponential by the download's own options */
  readonly retryPolicy: (options: DownloadOptions) => RetryPolicy
}

export const defaults: EngineOptionsShape = {
  concurrency: 3,
  adopt: false,
  checkpointInterval: 500,
  pollInterval: 200,
  shutdownTimeout: 10_000,
  durability: "power-loss",
  retryPolicy: RetryPolicies.fromOptions
}

/** Has a default value; override it with `Layer.succeed(EngineOptions, { ...defaults, concurrency: 8 })`. */
export class EngineOptions extends Context.Reference<EngineOptions>()("sluice/EngineOptions", {
  defaultValue: () => defaults
}) {}
