/**
 * Exchanges of the live Wire whose body is taken at its head, over real sockets.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { type DownloadError, make as makeError } from "../../src/domain/DownloadError.js"
import * as UndiciWire from "../../src/layers/UndiciWire.js"
import type { Activity, ByteSink, ResponseHead, WireResponse } from "../../src/services/Wire.js"
import { Wire } from "../../src/services/Wire.js"
import type { Origin } from "./Origin.js"
import { make as makeOrigin } from "./Origin.js"

const idle = (): Activity => ({ phase: "connecting", bytes: 0, held: false })

const live = (
  title: string,
  body: (
    origin: Origin,
    wire: Wire["Type"]
  ) => Effect.Effect<void, DownloadError | WireResponse | void, Scope.Scope>
) =>
  it.scopedLive(title, () =>
    Effect.flatMap(Effect.all([makeOrigin(), Wire]), ([origin, wire]) => body(origin, wire)).pipe(
      Effect.provide(UndiciWire.layer)
    )
  )

const collector = () => {
  const chunks: Array<Uint8Array> = []
  const sink: ByteSink & { readonly bytes: () => Buffer } = {
    write: (chunk) => chunks.push(chunk) > 0,
    onDrain: () => {},
    onFailure: () => {},
    bytes: () => Buffer.concat(chunks)
  }
  return sink
}

/** Waits for what this side sees; all sockets have their turn between two looks. */
const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    condition()
      ? Effect.void
      : Effect.zipRight(
          Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void))),
          until(condition)
        )
  )

describe("an exchange", () => {
  live("gives its body to whoever wants it at its head, and its connection to the next", (origin, wire) =>
    Effect.gen(function* () {
      for (const path of ["/one", "/two", "/three"]) {
        origin.set(path, { size: 40_000 })
        const sink = collector()
        const activity = idle()
        const heads: Array<number> = []
        const exchange = wire.exchange({ url: origin.url(path), headers: [], activity }, ({ status }) => {
          heads.push(status)
          return sink
        })
        expect(yield* exchange.run).toBe(undefined)
        expect(heads).toEqual([200])
        expect(sink.bytes()).toEqual(origin.content(path).slice(0, 40_000))
        expect(activity).toEqual({ phase: "body", bytes: 40_000, held: false })
        // it has ended
        exchange.abort()
      }
      expect(origin.connections()).toBe(1)
    })
  )

  live("leaves a body on the wire that nobody wants yet", (origin, wire) =>
    Effect.gen(function* () {
      origin.set("/a", { size: 3_000_000 })
      const exchange = wire.exchange(
        { url: origin.url("/a"), headers: [], activity: idle() },
        () => undefined
      )
      const response = yield* exchange.run
      const sink = collector()
      yield* response!.pipe(sink)
      expect(sink.bytes().length).toBe(3_000_000)
    })
  )

  live("ends with the error it is ended with, before its head and after", (origin, wire) =>
    Effect.gen(function* () {
      origin.set("/silent", { silent: true })
      origin.set("/stalled", { size: 20, stallAfter: 7 })
      const sink = collector()
      for (const [path, isThere] of [
        ["/silent", () => origin.requestsFor("/silent").length === 1],
        ["/stalled", () => sink.bytes().length === 7]
      ] as const) {
        const exchange = wire.exchange({ url: origin.url(path), headers: [], activity: idle() }, () => sink)
        const running = yield* Effect.fork(Effect.flip(exchange.run))
        yield* until(isThere)
        exchange.abort(makeError("Stalled", "no byte came"))
        expect((yield* Fiber.join(running)).reason).toBe("Stalled")
        yield* origin.until(() => origin.requestsFor(path)[0]?.outcome !== undefined)
      }
    })
  )

  live("is over when its run is interrupted, and never begins once it was given up", (origin, wire) =>
    Effect.gen(function* () {
      origin.set("/stalled", { size: 20, stallAfter: 7 })
      const heads: Array<ResponseHead> = []
      const request = { url: origin.url("/stalled"), headers: [], activity: idle() }
      const exchange = wire.exchange(request, (head) => {
        heads.push(head)
        return collector()
      })
      const running = yield* Effect.fork(exchange.run)
      yield* until(() => heads.length === 1)
      yield* Fiber.interrupt(running)
      yield* origin.until(() => origin.requestsFor("/stalled")[0]?.outcome !== undefined)
      const never = wire.exchange(request, () => undefined)
      never.abort()
      expect((yield* Effect.flip(never.run)).reason).toBe("Network")
      expect(origin.requests).toHaveLength(1)
    })
  )
})
