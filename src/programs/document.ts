/**
 * A small document from the network, for commands that have to read it before there is an engine: over connections of its own, which
 * are closed with it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DownloadError } from "../domain/DownloadError.js"
import * as Documents from "../layers/Documents.js"
import * as IdentifiedWire from "../layers/IdentifiedWire.js"
import * as UndiciWire from "../layers/UndiciWire.js"
import { Wire } from "../services/Wire.js"

export const read = (
  wanted: Documents.Wanted,
  ways: UndiciWire.Settings & IdentifiedWire.Options = {}
): Effect.Effect<string, DownloadError> =>
  Effect.gen(function* () {
    const documents = yield* Documents.make
    return yield* documents.read(yield* Wire, wanted)
  }).pipe(
    Effect.scoped,
    Effect.provide(Layer.provide(IdentifiedWire.layer(ways), UndiciWire.layerConfigured(ways)))
  )
