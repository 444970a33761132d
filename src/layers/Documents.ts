/**
 * A small document from the network, as text: a list of checksums, a metalink. Fetched like a download (redirects, timeouts, framing,
 * what goes to which origin), but into memory, bounded, and never stored. What is in it is left to whoever asked.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type DownloadError, make as makeError } from "../domain/DownloadError.js"
import type { Header } from "../domain/DownloadRequest.js"
import * as Identity from "../domain/Identity.js"
import type { Activity, ByteSink, Shape as Wire } from "../services/Wire.js"
import { boundedSink } from "./BoundedSink.js"
import * as Redirects from "./Redirects.js"
import * as Watchdog from "./Watchdog.js"

/** Between two looks of the watchdog, in milliseconds; there is nothing to record. */
const interval = 60_000

/**
 * A document is small: one that comes byte by byte, each in time, would keep its download for ever. This is what a line of the last
 * century brought, and ends the longest list of checksums within nine minutes.
 */
const lowSpeed: Watchdog.LowSpeed = { limit: 8192, time: 60_000 }

export interface Wanted {
  readonly url: URL
  /** Whose people ask: a client certificate is shown to this origin only. */
  readonly home: URL
  /** Headers that may be sent there. */
  readonly given: ReadonlyArray<Header>
  readonly maxBytes: number
  /** What it is to be longer. */
  readonly tooLong: () => DownloadError
  /** For connecting and for the response head, each, in milliseconds. */
  readonly timeout: number
  /** Between two bytes, in milliseconds. */
  readonly stallTimeout: number
}

export interface Documents {
  /** All of it, as UTF-8 text. */
  readonly read: (wire: Wire, wanted: Wanted) => Effect.Effect<string, DownloadError>
}

const fetch = (wire: Wire, { given, home, maxBytes, tooLong, url }: Wanted, activity: Activity) =>
  Effect.gen(function* () {
    const asked = Identity.ask(Identity.nothing)
    const { response } = yield* Redirects.follow(wire, { url, given, home, fields: asked.headers, activity })
    const now = yield* Clock.currentTimeMillis
    const verdict = Identity.judge(Identity.nothing, asked, response.status, response.headers, now)
    if (verdict._tag !== "Body") {
      yield* response.discard
      return yield* verdict._tag === "Failed"
        ? verdict.error
        : // of what was asked for as a whole, nothing else is said
          makeError("ProtocolViolation", `the server answered ${response.status}`)
    }
    const chunks: Array<Uint8Array> = []
    const memory: ByteSink = {
      write: (chunk) => chunks.push(chunk) > 0,
      onDrain: () => {},
      onFailure: () => {}
    }
    if ((verdict.bodyLength ?? 0) > maxBytes) {
      yield* response.discard
      return yield* tooLong()
    }
    const sink = boundedSink(memory, { bytes: maxBytes, excess: tooLong })
    yield* Effect.mapError(response.pipe(sink), (error) => sink.excess ?? error)
    if (sink.excess !== undefined) return yield* sink.excess
    const bytes = Buffer.concat(chunks)
    const fault = Identity.bodyFault(verdict.bodyLength, bytes.length)
    return fault === undefined ? new TextDecoder().decode(bytes) : yield* fault
  }).pipe(Effect.scoped)

export const make: Effect.Effect<Documents, never, Scope.Scope> = Effect.map(Watchdog.make, (watchdog) => ({
  read: (wire, wanted) =>
    Effect.suspend(() => {
      const { stallTimeout, timeout } = wanted
      const activity: Activity = { phase: "connecting", bytes: 0, held: false }
      return watchdog.watch(fetch(wire, wanted, activity), {
        activity,
        timeout,
        stallTimeout,
        lowSpeed,
        interval,
        onTick: Effect.void
      })
    })
}))
