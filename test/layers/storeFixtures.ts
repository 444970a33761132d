/**
 * What the suites of the store have in common: two engines, requests, and claims.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { EngineId } from "../../src/domain/Download.js"
import { accept, type DownloadRequest } from "../../src/domain/DownloadRequest.js"
import type { StoreError } from "../../src/domain/StoreError.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import { Store } from "../../src/services/Store.js"

/** Opens the same database for each engine id it is given. */
export type StoreLayer = (engine: EngineId) => Layer.Layer<Store, StoreError>

export const me = EngineId.make("engine-a")
export const other = EngineId.make("engine-b")

export const lifeOf = (id: EngineId) =>
  Layer.succeed(EngineLife, { id, isAlive: (asked) => Effect.succeed(asked === id) })

export const accepted = (url: string, more: Partial<DownloadRequest> = {}) =>
  Either.getOrThrow(accept({ url, directory: "/tmp/d", ...more }))

export const one = (url: string, more: Partial<DownloadRequest> = {}) =>
  Effect.gen(function* () {
    const store = yield* Store
    const [enqueued] = yield* store.enqueue([accepted(url, more)], { own: true })
    return enqueued!
  })

export const claim = (limit: number, adopt = false) =>
  Effect.gen(function* () {
    const store = yield* Store
    return (yield* store.claim({ limit, adopt, onClaimed: () => {} })).rows
  })

export const claimOne = Effect.map(claim(1), (rows) => rows[0]!)
