/**
 * sluice: durable downloads for Effect. What is exported here is the public API; everything else may change.
 *
 * @example
 * ```ts
 * const program = Effect.gen(function* () {
 *   const downloads = yield* Downloads
 *   const { id } = yield* downloads.enqueue({ url: "https://example.org/file.iso", directory: "/tmp" })
 *   return yield* downloads.await(id)
 * })
 * program.pipe(Effect.provide(layer({ database: "/tmp/sluice.db" })), Effect.runPromise)
 * ```
 */

// the engine
export { Downloads } from "./services/Downloads.js"
export { layer } from "./programs/engine.js"
export { EngineOptions, type EngineOptionsShape } from "./services/EngineOptions.js"
export type { Active } from "./services/Supervisor.js"
export type { Filter } from "./services/Store.js"

// what a download is
export type { Download, Failure, Outcome, Status } from "./domain/Download.js"
export { percent, retryCount } from "./domain/Download.js"
export { DownloadId } from "./domain/DownloadId.js"
export type { Checksum } from "./domain/Checksum.js"
export type { ConflictPolicy, DownloadOptions, DownloadRequest, Header } from "./domain/DownloadRequest.js"

// what can go wrong
export { DownloadError, type Kind, type Reason } from "./domain/DownloadError.js"
export { StoreError, type StoreErrorReason } from "./domain/StoreError.js"

// policies
export type { RetryPolicy } from "./domain/RetryPolicy.js"

// to put an engine together from other parts: another network, another disk, another database
export * as Database from "./layers/Database.js"
export * as Engine from "./layers/Engine.js"
export * as NodePartFile from "./layers/NodePartFile.js"
export * as SidecarLock from "./layers/SidecarLock.js"
export * as UndiciWire from "./layers/UndiciWire.js"
export { EngineLife } from "./services/EngineLife.js"
export { PartFile } from "./services/PartFile.js"
export { Wire } from "./services/Wire.js"
