/**
 * How a TLS connection ends, and what that makes of a body, over real sockets: a relay between the origin and the live Wire passes
 * records on, and cuts the connection where an attacker, or a bad network, would. What the Wire makes of other framings is in
 * UndiciWire.test.ts.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { SecureVersion } from "node:tls"
import type { Reason } from "../../src/domain/DownloadError.js"
import * as UndiciWire from "../../src/layers/UndiciWire.js"
import { type Activity, type ByteSink, Wire } from "../../src/services/Wire.js"
import { selfSigned } from "./origin/Certificate.js"
import { make as makeOrigin, type Origin } from "./Origin.js"
import { type Cut, relayTo } from "./TlsRelay.js"

const size = 1_000_000

/** Bytes of TLS that come before the connection is cut. */
const passed = 600_000

const get = (url: string, sink: ByteSink) =>
  Effect.scoped(
    Effect.gen(function* () {
      const wire = yield* Wire
      const activity: Activity = { phase: "connecting", bytes: 0, held: false }
      const response = yield* wire.request({ url, headers: [], activity })
      yield* response.pipe(sink)
      return activity.bytes
    })
  )

/** What becomes of the body: the number of its bytes, or why there is none. */
const outcome = (origin: Origin, port: number, isHeld: boolean) =>
  Effect.gen(function* () {
    let isFull = isHeld
    const sink: ByteSink = { write: () => !isFull, onDrain: () => {}, onFailure: () => {} }
    const getting = yield* Effect.fork(get(`https://127.0.0.1:${port}/a`, sink))
    // lets time pass for all sockets
    yield* get(origin.url("/bytes/4000000/meanwhile"), { ...sink, write: () => true })
    isFull = false
    sink.onDrain()
    return yield* Fiber.join(getting)
  }).pipe(Effect.catchAll(({ reason }) => Effect.succeed(reason)))

const cuts: ReadonlyArray<readonly [Cut, number | Reason]> = [
  ["nowhere", size],
  ["the announcement", "Truncated"],
  ["between records", "Truncated"],
  ["within a record", "Truncated"],
  ["by a reset", "ConnectionReset"]
]

describe.each(["TLSv1.2", "TLSv1.3"] satisfies ReadonlyArray<SecureVersion>)("%s", (maxVersion) => {
  const tls = { ...selfSigned(), maxVersion }
  const wire = UndiciWire.layerConfigured({ tls: { ca: tls.cert } })

  it.scopedLive.each(cuts)("a body without a length, cut: %s", ([cut, expected]) =>
    Effect.gen(function* () {
      const origin = yield* makeOrigin({ tls })
      origin.set("/a", { size, framing: "close" })
      const port = yield* relayTo(origin.port, cut, passed)
      for (const isHeld of [false, true]) {
        expect(yield* outcome(origin, port, isHeld)).toBe(expected)
      }
    }).pipe(Effect.provide(wire))
  )

  it.scopedLive("a body that says itself where it ends needs no announcement", () =>
    Effect.gen(function* () {
      const origin = yield* makeOrigin({ tls })
      const port = yield* relayTo(origin.port, "the announcement", passed)
      for (const framing of ["length", "chunked"] as const) {
        origin.set("/a", { size, framing, close: true })
        for (const isHeld of [false, true]) {
          expect(yield* outcome(origin, port, isHeld)).toBe(size)
        }
      }
    }).pipe(Effect.provide(wire))
  )
})
