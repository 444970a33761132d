/**
 * sluice: durable downloads for Effect. What is exported here and by `sluice/testing` is the public API; everything else may
 * change.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Downloads, layer } from "sluice"
 *
 * const program = Effect.gen(function* () {
 *   const downloads = yield* Downloads
 *   const { path, size } = yield* downloads.download({ url: "https://example.org/file.iso" })
 *   yield* Effect.log(`${path}: ${size} bytes`)
 * })
 * void program.pipe(Effect.provide(layer({ database: "downloads.db" })), Effect.runPromise)
 * ```
 *
 * @module
 */

// the engine: its service, and the layers to take it from
export {
  Downloads,
  type AwaitAllOptions,
  type Enqueued,
  type Group,
  type RetryOptions,
  type Shape as DownloadsShape
} from "./services/Downloads.js"
export {
  fromEnvironment,
  layer,
  layerClient,
  layerConfig,
  layerMemory,
  type ConfigOptions,
  type FileOptions,
  type Options
} from "./programs/engine.js"
export type { Proxy, Rules as ProxyRules, Scheme as ProxyScheme } from "./domain/Proxy.js"
export * as Credentials from "./layers/Credentials.js"
export type { Options as CookieOptions } from "./layers/Cookies.js"
export type { ClientCertificate, TlsOptions } from "./layers/Tls.js"
export * as Pool from "./layers/Pool.js"
export * as Destination from "./layers/Destinations.js"
export type { Durability } from "./domain/Durability.js"
export { EngineOptions, type EngineOptionsShape } from "./services/EngineOptions.js"
export type {
  CompletionsOptions,
  ConsumeOptions,
  Consumers,
  Delivery,
  RegisterOptions
} from "./services/Consumers.js"
export type { Active } from "./services/Supervisor.js"
export type { Filter } from "./services/Store.js"

// what a download is, how it ends, what happens to it
export { percent, retryCount, Status, type Download, type Failure, type Outcome } from "./domain/Download.js"
export { DownloadId } from "./domain/DownloadId.js"
export type { Algorithm, Checksum, ChecksumFile, ChecksumList } from "./domain/Checksum.js"
export type { Completed } from "./domain/Completion.js"
export { DownloadEvent } from "./domain/DownloadEvent.js"
export { HostEvent } from "./domain/HostEvent.js"
export type { Attempt } from "./domain/Attempt.js"
export type { Affected, Command, Selection } from "./domain/Selection.js"
export type { CoolingHost, ListedEngine, Stats } from "./domain/Stats.js"
export type { Progress } from "./domain/Progress.js"
export type {
  ConflictPolicy,
  DownloadOptions,
  RefetchPolicy,
  RequestOptions
} from "./domain/DownloadOptions.js"
export type { DownloadRequest, Header, Mirror } from "./domain/DownloadRequest.js"
export type { Pieces } from "./domain/Pieces.js"
export type { Known, Result, Verification, Voucher } from "./domain/Verification.js"
export type { Ending } from "./domain/Ending.js"
export type { Consumer } from "./domain/Consumer.js"
export { GroupId, GroupSealed, type GroupProgress } from "./domain/Group.js"

// what can go wrong
export { DownloadError, type Kind, type Reason } from "./domain/DownloadError.js"
export { ConsumerBusy, ConsumerUnknown } from "./domain/Consumer.js"
export { StopTimeout, StoreError, type StoreErrorReason } from "./domain/StoreError.js"

// policies
export * as Admission from "./domain/Admission.js"
export { defaultPolicy as defaultGate, type Policy as GatePolicy } from "./domain/HostGate.js"
export type { RetryPolicy } from "./domain/RetryPolicy.js"

// what an engine measures
export * as Metrics from "./layers/Metrics.js"

// to put an engine together from other parts: another network, another disk, another database
export * as Database from "./layers/Database.js"
export * as Engine from "./layers/Engine.js"
export * as NodePartFile from "./layers/NodePartFile.js"
export * as SidecarLock from "./layers/SidecarLock.js"
export * as UndiciWire from "./layers/UndiciWire.js"
export * as ThreadHasher from "./layers/ThreadHasher.js"
export { EngineLife } from "./services/EngineLife.js"
export { Hasher } from "./services/Hasher.js"
export { PartFile } from "./services/PartFile.js"
export {
  Wire,
  type Activity,
  type ByteSink,
  type Exchange,
  type ResponseHead,
  type Shape as WireShape,
  type WireRequest,
  type WireResponse
} from "./services/Wire.js"
