/**
 * The network seam: one HTTP request, its response head, its body bytes into a sink, and abort.
 *
 * A Wire moves bytes and reports what it saw; it follows no redirect, retries nothing visible, decodes nothing and judges
 * nothing. What a response means for the bytes already held is decided above it by pure rules of the domain,
 * so that the simulated Wire of the tests can stand in for the live one without any promise depending on it.
 *
 * This is the seam for a transport of somebody's own: an object store, a file server, a client with its own ways. It answers in the
 * words of HTTP, whatever it speaks itself, because the engine judges by them. Its contract, each line a case of
 * `WireConformance` in `sluice/testing`:
 *
 * - Identity: a strong ETag is that of the bytes. A rest is sent (206, exact Content-Range) only of the version that If-Range names;
 *   else the whole (200). No ETag at all is honest too: then nothing is resumed without a checksum.
 * - Spans: Range asks for a rest or a span. What is sent is exactly that, or the whole; a transport without ranges ignores the field.
 * - What there is not is an answer (404, 410), no failure; so is what is refused (401, 403).
 * - Failures are `DownloadError`s whose reason decides what follows (`kind`): transient is tried again by the engine, so a
 *   transport tries nothing again by itself once the server may have seen the request. Their `detail` is shown to people: no secrets.
 * - Progress is what `Activity` says: a watchdog bounds connecting, waiting for the head, and silence in the body by it; `held` keeps
 *   our own slowness from being taken for the server's.
 * - Durability is not its business: bytes count when the engine has synced them.
 *
 * Tricky interleavings: a response arrives paused, so no body byte can be lost between the head and `pipe`;
 * closing the scope of `request`, or `abort` of an exchange, ends what is unfinished, and nothing is delivered to the sink
 * after that. What an interrupted `run` would have succeeded with may be lost with it: so whoever runs an exchange aborts
 * it when that has failed, for whatever reason.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DownloadError } from "../domain/DownloadError.js"
import type { Headers } from "../domain/Headers.js"

/** How far an exchange has come; a watchdog reads it to know which timeout applies. */
export type Phase = "connecting" | "awaiting-head" | "body"

/** Where a Wire writes what it observes while it works. Mutable on purpose: no Effect runs per chunk. */
export interface Activity {
  /** As far as that. */
  phase: Phase
  /** Grows with every body byte handed over by the network. */
  bytes: number
  /** True while the sink asked the Wire to hold back: then silence is ours, not the server's. */
  held: boolean
  /** Grows each time that the Wire is held back, whoever asks for it. A wait between two looks is not missed so. */
  holds?: number
  /** Grows with each chunk that has to wait because of a limit of ours. */
  limited?: number
  /** So many of the bytes are in the metrics already: the watchdog's business. */
  counted?: number
}

/** One GET. Header names may have any case; `url` is absolute, http or https, without fragment or credentials. */
export interface WireRequest {
  /** What is asked for. */
  readonly url: string
  /** Fields to be sent, in this order; some are secrets. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  /** Where to say how far it is. */
  readonly activity: Activity
  /**
   * It can be done without: it fails at once where it would have to wait for a place at its host, and this is called when somebody
   * else needs the place it has.
   */
  readonly yields?: (() => void) | undefined
  /** It goes to the origin that the download is of, and no other has led there: who asks may be shown (a client certificate). */
  readonly personal?: boolean | undefined
  /** Told why it waits before it is sent; undefined: it does no more. */
  readonly onWait?: ((why: string | undefined) => void) | undefined
  /** Told the process that does the work, where that is another one. */
  readonly onProcess?: ((pid: number) => Effect.Effect<void>) | undefined
}

/**
 * Takes body bytes. Plain callbacks, because a sink is fed from network events.
 */
export interface ByteSink {
  /** Takes the bytes (the sink may keep them). False asks the Wire to pause until `onDrain` is called. */
  readonly write: (chunk: Uint8Array) => boolean
  /** Set by the Wire: the sink calls it when it can take more. */
  onDrain: () => void
  /** Set by the Wire: the sink calls it when it can take no more at all; the exchange is aborted with this error. */
  onFailure: (error: DownloadError) => void
  /** Called instead of success where bytes came behind the end that Content-Length had announced. */
  readonly onExcess?: () => void
}

/** A response head, its body still on the wire. */
export interface WireResponse {
  /** Of HTTP, 200 to 599. */
  readonly status: number
  /** By lower-case name, each value as it was received. */
  readonly headers: Headers
  /**
   * Moves the body into the sink and succeeds when the message ended as its framing announced.
   * May be run once. Interruption aborts the exchange.
   */
  readonly pipe: (sink: ByteSink) => Effect.Effect<void, DownloadError>
  /** Lets go of the body: reads a small rest so that the connection can be used again, else aborts. */
  readonly discard: Effect.Effect<void>
}

/** What a response says before its body. */
export type ResponseHead = Pick<WireResponse, "status" | "headers">

/** One request and its answer, by hand: cheaper than a scope where thousands of small bodies are wanted. */
export interface Exchange {
  /**
   * Sends the request, and ends when the body has: or with the response, its body still on the wire, if nobody wants
   * it yet. May be run once. Fails as `request` and `pipe` do. Interruption aborts the exchange.
   */
  readonly run: Effect.Effect<WireResponse | void, DownloadError>
  /** Ends it where it stands, and whatever waits for it with this error. Nothing happens if it has ended. */
  readonly abort: (error?: DownloadError) => void
}

/** @see {@link Wire} */
export interface Shape {
  /**
   * Makes an exchange; nothing is sent before it is run. `onHead` is shown the head of the final response, from within a
   * network event, and may give a sink to take the body at once.
   */
  readonly exchange: (request: WireRequest, onHead: (head: ResponseHead) => ByteSink | undefined) => Exchange
  /**
   * Sends one request and succeeds with the final (not 1xx) response head.
   * Fails with transient or permanent `DownloadError`s (refused, reset, DNS, TLS ...); applies no timeout of its own.
   */
  readonly request: (request: WireRequest) => Effect.Effect<WireResponse, DownloadError, Scope.Scope>
}

/** The network, as the transfer program sees it. Layers: undici (live), virtual time (tests). */
export class Wire extends Context.Tag("sluice/Wire")<Wire, Shape>() {}
