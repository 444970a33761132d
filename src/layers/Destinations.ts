/**
 * Where an engine's bytes go, as layers: files (what there is without any), memory, and batches into a store of the program's own. Each is
 * provided to the engine's layer: `layer(options).pipe(Layer.provide(Destination.batched(...)))`.
 */
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { accept, type DownloadRequest } from "../domain/DownloadRequest.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { SinkError } from "../domain/SinkError.js"
import { Destination, type Item, type Sink, type SinkDestination } from "../services/Destination.js"
import * as BatchedSink from "./BatchedSink.js"
import { keyOf } from "./Delivery.js"

export { SinkError, make as sinkError } from "../domain/SinkError.js"
export type { Item, Sink } from "../services/Destination.js"
export type { Options } from "./BatchedSink.js"

/** Files under their names: what an engine does that nothing else is provided to. */
export const files: Layer.Layer<never> = Layer.succeed(Destination, { _tag: "Files" })

/**
 * Verified bytes go into a store of the program's own, in batches; a download is completed when its batch is durable. What the store
 * has already is completed without being fetched.
 *
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Destination, layer } from "sluice"
 *
 * declare const sink: Destination.Sink
 *
 * export const engine = layer({ database: "queue.db", concurrency: 16 }).pipe(
 *   Layer.provide(Destination.batched({ name: "tiles", sink, size: 100 }))
 * )
 * ```
 */
export const batched = <R = never>(options: BatchedSink.Options<R>): Layer.Layer<never, never, R> =>
  Layer.scoped(Destination, BatchedSink.make(options))

/** What was downloaded, by key. */
export interface ResultsShape {
  /** The result, which stays; none if there is none. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Item>>
  /** The result, which is forgotten, so that its room is free. */
  readonly take: (key: string) => Effect.Effect<Option.Option<Item>>
  /** In the order in which they came. */
  readonly keys: Effect.Effect<ReadonlyArray<string>>
}

/** What the destination `memory` holds. */
export class Results extends Context.Tag("sluice/Destination/Results")<Results, ResultsShape>() {}

/** @see {@link memory} */
export interface MemoryOptions {
  /** Bytes of results at most; more wait until some are taken. @default 256 MiB */
  readonly maxBytes?: number | undefined
  /** The largest result; a larger one fails with `TooLarge`. @default a quarter of `maxBytes` */
  readonly maxItem?: number | undefined
  /** @default "memory" */
  readonly name?: string | undefined
}

/** So many downloads may wait for room, beside those at work. */
const waiting = 64

/**
 * Results as bytes in memory, by key (the request's `key`, or its URL), until they are taken. They are gone with the process, so
 * this goes with a queue in memory (`layerMemory`): a queue on disk would remember as completed what is nowhere any more.
 */
export const memory = (options: MemoryOptions = {}): Layer.Layer<Results> => {
  const { maxBytes = 256 * 1024 * 1024, name = "memory" } = options
  const { maxItem = Math.max(1, Math.floor(maxBytes / 4)) } = options
  return Layer.effectContext(
    Effect.gen(function* () {
      if (!(Number.isInteger(maxBytes) && maxBytes > 0 && maxItem > 0 && maxItem <= maxBytes))
        return yield* Effect.die(new RangeError(`maxBytes is a whole number above 0, and maxItem no more`))
      const items = new Map<string, Item>()
      const room = yield* Effect.makeSemaphore(maxBytes)
      const get = (key: string) => Effect.sync(() => Option.fromNullable(items.get(key)))
      const take = (key: string) =>
        Effect.uninterruptible(
          Effect.flatMap(get(key), (item) => {
            items.delete(key)
            return Effect.as(Option.isSome(item) ? room.release(item.value.bytes.length) : Effect.void, item)
          })
        )
      const destination: SinkDestination = {
        _tag: "Sink",
        name,
        waiting,
        maxItem,
        has: (key) => Effect.sync(() => items.has(key)),
        // nothing lies between "in memory" and "not there": whoever is interrupted while he waits for room has handed over nothing
        deliver: ({ download, key, read, size }) =>
          Effect.interruptible(room.take(size)).pipe(
            Effect.zipRight(Effect.onError(read, () => room.release(size))),
            Effect.tap((bytes) =>
              Effect.zipRight(
                take(key),
                Effect.sync(() => items.set(key, { key, bytes, download }))
              )
            ),
            Effect.uninterruptible
          )
      }
      return Context.make(Results, { get, take, keys: Effect.sync(() => [...items.keys()]) }).pipe(
        Context.add(Destination, destination)
      )
    })
  ) as Layer.Layer<Results>
}

/** Requests that the sink is asked about at once. */
const chunk = 500

/**
 * Of requests, those that the sink has not got, in their order: what is there needs no row in the queue. Asks in chunks, and holds no more than
 * one. What is left out is handed to `onCached`, to be counted as done.
 */
export const missing =
  <R2 = never, R3 = never>(
    sink: Sink<R2>,
    onCached?: (request: DownloadRequest) => Effect.Effect<unknown, never, R3>
  ) =>
  <E, R>(
    requests: Stream.Stream<DownloadRequest, E, R>
  ): Stream.Stream<DownloadRequest, E | SinkError | DownloadError, R | R2 | R3> =>
    requests.pipe(
      Stream.mapEffect((request) =>
        // as the engine will name it
        Effect.map(accept({ ...request, directory: "/" }), (accepted) => ({ request, key: keyOf(accepted) }))
      ),
      Stream.rechunk(chunk),
      Stream.mapChunksEffect((some) =>
        Effect.gen(function* () {
          const keyed = Array.from(some)
          const absent = new Set(yield* sink.missing([...new Set(keyed.map(({ key }) => key))]))
          const wanted: Array<DownloadRequest> = []
          for (const { key, request } of keyed) {
            if (absent.has(key)) wanted.push(request)
            else if (onCached !== undefined) yield* onCached(request)
          }
          return Chunk.unsafeFromArray(wanted)
        })
      )
    )
