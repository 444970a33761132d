/**
 * How an engine works, as opposed to how a single download does (that is stored with its row).
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { defaultPolicy as defaultAdmission, type Policy as AdmissionPolicy } from "../domain/Admission.js"
import type { Download } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadOptions } from "../domain/DownloadOptions.js"
import type { DownloadRequest } from "../domain/DownloadRequest.js"
import type { Durability } from "../domain/Durability.js"
import type { RetryPolicy } from "../domain/RetryPolicy.js"
import { defaultPolicy as defaultGate, type Policy as GatePolicy } from "../domain/HostGate.js"
import * as RetryPolicies from "../domain/RetryPolicy.js"
import { defaultPolicy, type Policy as SegmentPolicy } from "../domain/SegmentPlan.js"

/** Bytes per second. What is left out is not limited. */
export interface EngineLimits {
  /** All downloads of the engine together. */
  readonly rate?: number | undefined
  /** All downloads from one host together: by origin (`https://example.org`), or as a function of it. */
  readonly perHost?: Readonly<Record<string, number>> | ((origin: string) => number | undefined) | undefined
}

/** What is set for a host. */
export const perHostOf = ({ perHost }: EngineLimits): ((origin: string) => number | undefined) => {
  if (typeof perHost === "function") return perHost
  const rates = new Map(Object.entries(perHost ?? {}))
  return (origin) => rates.get(origin)
}

/** @see {@link EngineOptions} */
export interface EngineOptionsShape {
  /**
   * Downloads at once. More keep a fast line busy with small files; each costs a descriptor, and for each of its connections up
   * to 4 MiB of buffers while its disk is slower than its server. @default 3
   */
  readonly concurrency: number
  /**
   * Take up downloads that no living engine owns (a queue that goes on by itself after a crash), or only those asked for
   * here. Where several processes share a database, those that adopt share the work. @default false (`layer` of the library: true)
   */
  readonly adopt: boolean
  /** Start working as soon as the layer is built; otherwise with `Downloads.start`. @default true */
  readonly autoStart: boolean
  /**
   * Bytes on disk are synced and recorded this often, in milliseconds, while they change. Less is fetched again after a
   * crash if it is shorter; each time costs an fdatasync and a row. @default 500
   */
  readonly checkpointInterval: number
  /**
   * Commits are followed by a pause of so many milliseconds, in which further changes gather, to be committed together: many
   * small files cost few transactions, and a lone change waits for nobody. 0 commits whatever is there at once, and needs no
   * clock. @default 0; the live engine uses 2
   */
  readonly commitInterval: number
  /** `Downloads.progress` and a group's progress speak at most this often, in milliseconds. @default 500 */
  readonly progressInterval: number
  /**
   * How often other processes' changes are looked for while something depends on them, in milliseconds. A look costs some
   * microseconds. @default 200
   */
  readonly pollInterval: number
  /** The bound on a graceful stop, in milliseconds; what is left then is named. @default 10000 */
  readonly shutdownTimeout: number
  /**
   * How long downloads that have ended stay listed, in milliseconds; then an engine that adopts forgets them, their files stay.
   * Longer costs some hundred bytes each. `Infinity` keeps them all. @default 90 days
   */
  readonly retention: number
  /**
   * How fast bytes may come. What is set for the database (`Downloads.limit`) and for a download (`options.limitRate`) holds beside
   * it: the least counts. @default none
   */
  readonly limits: EngineLimits
  /** Where files go whose request names no directory; relative to the process's. @default the process's own */
  readonly directory: string
  /**
   * What requests leave open of `DownloadRequest.options`: the same for all, or a function of the request, by host or whatever it says.
   * Asked when a request is made; what it answers is kept with the download. @default none: the defaults of DownloadOptions
   */
  readonly downloadDefaults:
    Partial<DownloadOptions> | ((request: DownloadRequest) => Partial<DownloadOptions>)
  /**
   * What survives: `power-loss` syncs files, directories and the database; `crash` leaves that to the system, and
   * relies on the machine to go on. @default "power-loss"
   */
  readonly durability: Durability
  /**
   * When a download is divided among several connections (`options.connections` says how many it may have). @default 4 MiB and
   * 2 s are left
   */
  readonly segmentation: SegmentPolicy
  /**
   * How a host is treated, by its origin (`https://example.org`, with a port if it is not the scheme's): connections at once, requests per
   * second, when it is left alone. Stricter is kinder to servers, and slower. @default `HostGate.defaultPolicy` for all
   */
  readonly gate: (origin: string) => GatePolicy
  /**
   * Which of the waiting downloads begins next, among those of one priority; so many of a host at once, or of whatever a function of the
   * download says. It is this engine's: another one of the same database may have another. @default the oldest, host by host in turn
   */
  readonly admission: AdmissionPolicy
  /**
   * Which failed tries are followed by another, and when: a Schedule, replayed from the recorded failures, so that it goes on
   * where it was after a restart. The download tells its host, tags, key and meta: so it is one for all, by host, or by download. It is asked
   * anew after each failed try, and must answer alike for the same download. @default exponential by the download's own options
   */
  readonly retryPolicy: (options: DownloadOptions, download: Download) => RetryPolicy
  /**
   * Asked for a fresh URL of the same file where a download is about to fail as its server answers 401, 403, 404 or 410: an expired signature,
   * a link that was for one use. `failure` says which. None lets it fail. The URL becomes a further source (`Downloads.addSource`), those that have
   * failed are set aside, and the next try begins at once; what is held is kept by the same proofs as with a mirror. One answer may
   * take 30 s, three in a row may bring no progress; each is a try that `retryPolicy` sees. The URL is stored with the download,
   * as its own is; header fields go to the first URL's origin only. @default none
   */
  readonly refresh?:
    ((download: Download, failure: DownloadError) => Effect.Effect<Option.Option<string>>) | undefined
}

export const defaults: EngineOptionsShape = {
  concurrency: 3,
  adopt: false,
  autoStart: true,
  checkpointInterval: 500,
  commitInterval: 0,
  progressInterval: 500,
  pollInterval: 200,
  shutdownTimeout: 10_000,
  retention: 90 * 86_400_000,
  limits: {},
  directory: ".",
  downloadDefaults: {},
  durability: "power-loss",
  segmentation: defaultPolicy,
  gate: () => defaultGate,
  admission: defaultAdmission,
  retryPolicy: RetryPolicies.fromOptions
}

/** Has a default value; override it with `Layer.succeed(EngineOptions, { ...defaults, concurrency: 8 })`. */
export class EngineOptions extends Context.Reference<EngineOptions>()("sluice/EngineOptions", {
  defaultValue: () => defaults
}) {}
