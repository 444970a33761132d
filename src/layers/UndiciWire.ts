/**
 * The live Wire: undici's dispatch handlers turned into one Effect for the head and one for the body of a response.
 *
 * It moves bytes and maps errors. It leaves timeouts, redirects, retries and every judgement to the transfer program;
 * connections to UndiciConnections.
 *
 * Tricky interleavings: body bytes may come with the head, before anybody has called `pipe`, and a few more
 * after the sink has asked to hold: they wait in a backlog of at most a socket's buffer. The body may even end, and
 * its connection serve somebody else, while the backlog is not empty; from then on the lease is not touched. Once an
 * exchange has a result, whatever undici still reports about it is ignored. The parser comes upon bytes behind the end of a
 * message only after it has told that end, so a message counts as complete when the parser has returned. A kept connection that the server
 * has closed meanwhile costs one immediate second try on a new one, as a GET may be repeated (RFC 9110 section 9.2.2).
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Dispatcher } from "undici"
import { parseLength } from "../domain/ByteRange.js"
import type { DownloadError } from "../domain/DownloadError.js"
import { make as makeError } from "../domain/DownloadError.js"
import type { Headers } from "../domain/Headers.js"
import * as Proxy from "../domain/Proxy.js"
import { single } from "../domain/Headers.js"
import type {
  ByteSink,
  ResponseHead,
  Exchange as WireExchange,
  WireRequest,
  WireResponse
} from "../services/Wire.js"
import { Wire } from "../services/Wire.js"
import * as Resolver from "./Resolver.js"
import { requestBy } from "./ScopedRequest.js"
import * as Tls from "./Tls.js"
import type { Connections, Lease } from "./UndiciConnections.js"
import { ConnectionPool, leasesOf } from "./UndiciConnections.js"
import { isDeath, toDownloadError } from "./UndiciError.js"
import { decode } from "./UndiciHeaders.js"

/** A body of at most so many bytes, come within `discardTime`, is read to its end to keep the connection. */
const discardBytes = 64 * 1024
const discardTime = "1 second"

type Ending = Effect.Effect<void, DownloadError>

const pipedTwice: Ending = Effect.dieMessage("the body of a response was piped twice")

/** Interim answers (1xx) that one request may get. */
const maxInterim = 100

/** Origin, host, path with query. Callers give normalised URLs; a URL object would be a tenth of a request's cost. */
const address = /^(https?:\/\/([^/?#@]+))(?=[/?#]|$)([^#]*)/

type OnHead = (head: ResponseHead) => ByteSink | undefined

const nobody: OnHead = () => undefined

class Exchange implements Dispatcher.DispatchHandler, WireExchange {
  readonly #connections: Connections
  readonly #request: WireRequest
  readonly #origin: string
  readonly #host: string
  readonly #path: string
  readonly #backlog: Array<Uint8Array> = []
  #lease: Lease | undefined
  #controller: Dispatcher.DispatchController | undefined
  readonly #show: OnHead
  #onHead: ((head: Effect.Effect<WireResponse | void, DownloadError>) => void) | undefined
  #onEnd: ((ending: Ending) => void) | undefined
  #sink: ByteSink | undefined
  /** Nothing goes to the sink: there is none yet, or it is full. */
  #held = true
  /** The message has ended, as its framing has it. */
  #ended = false
  /** It has ended as it should, though some of it may be in the backlog. */
  #complete = false
  /** More came than it had announced. */
  #excess = false
  /** Content-Length says where the body ends. */
  #announced = false
  #interim = 0
  #repeated = false
  #ending: Ending | undefined

  constructor(
    connections: Connections,
    request: WireRequest,
    show: OnHead,
    [, origin, host, path]: RegExpExecArray
  ) {
    this.#show = show
    this.#connections = connections
    this.#request = request
    this.#origin = origin!
    this.#host = host!
    this.#path = path!.startsWith("/") ? path! : `/${path}`
  }

  readonly run = Effect.async<WireResponse | void, DownloadError>((resume) => {
    if (this.#ending !== undefined) return resume(this.#ending)
    this.#onHead = resume
    this.#start(false)
    return Effect.sync(() => this.abort())
  })

  readonly abort = (error?: DownloadError): void => {
    if (this.#ending !== undefined) return
    this.#fail(error ?? makeError("Network", `the request to ${this.#host} was given up`))
  }

  readonly pipe = (sink: ByteSink): Ending =>
    Effect.async<void, DownloadError>((resume) => {
      if (this.#sink !== undefined || this.#ending !== undefined) {
        // it has ended before anybody listened: what had come by then still counts
        if (this.#sink === undefined) for (const chunk of this.#backlog.splice(0)) sink.write(chunk)
        resume(this.#sink === undefined && this.#ending !== undefined ? this.#ending : pipedTwice)
        return
      }
      this.#attach(sink, resume)
      this.#drain(sink)
      return Effect.sync(() => this.abort())
    })

  #attach(sink: ByteSink, onEnd: (ending: Ending) => void): void {
    this.#onEnd = onEnd
    this.#sink = sink
    sink.onDrain = () => this.#drain(sink)
    sink.onFailure = (error) => this.#fail(error)
  }

  #start(fresh: boolean): void {
    const { activity, headers, personal } = this.#request
    activity.phase = "connecting"
    const fields = headers.flat()
    if (!headers.some(([name]) => name.toLowerCase() === "user-agent")) fields.push("user-agent", "sluice")
    this.#lease = this.#connections(this.#origin, { fresh, personal: personal === true })
    this.#lease.dispatch(
      {
        path: this.#path,
        method: "GET",
        headers: fields,
        headersTimeout: 0,
        bodyTimeout: 0
      },
      this
    )
  }

  #fail(error: DownloadError): void {
    if (this.#ending !== undefined) return
    const failed = Effect.fail(error)
    this.#ending = failed
    if (this.#sink !== undefined) this.#backlog.length = 0
    this.#request.activity.held = false
    if (!this.#complete) this.#lease?.destroy(this.#controller)
    this.#onHead?.(failed)
    this.#onEnd?.(failed)
  }

  #finish(): void {
    if (this.#excess) {
      // whoever knows how much was announced disowns what has come of it
      this.#sink?.onExcess?.()
      return this.#violated("sent more than it had announced")
    }
    this.#ending = Effect.void
    this.#request.activity.held = false
    this.#onEnd?.(Effect.void)
  }

  #violated(what: string): void {
    this.#fail(makeError("ProtocolViolation", `${this.#host} ${what}`))
  }

  /** Gives the sink what has gathered, and lets the server go on once that is done. */
  #drain(sink: ByteSink): void {
    if (this.#ending !== undefined || !this.#held) return
    this.#hold(false)
    while (!this.#held) {
      const chunk = this.#backlog.shift()
      if (chunk === undefined) break
      if (!sink.write(chunk)) this.#hold(true)
      // the sink may have failed
      if (this.#ending !== undefined) return
    }
    if (this.#complete) {
      if (this.#backlog.length === 0) this.#finish()
    } else if (!this.#held && this.#controller !== undefined) {
      this.#lease?.resume(this.#controller)
    }
  }

  #hold(held: boolean): void {
    this.#held = held
    this.#request.activity.held = held
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#ending !== undefined) {
      controller.abort(new Error("given up"))
      return
    }
    this.#controller = controller
    this.#request.activity.phase = "awaiting-head"
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, parsed: object): void {
    if (this.#ending !== undefined) return
    const version = this.#lease?.version()
    if (version !== undefined && !/^HTTP\/1\.[01]/.test(version)) {
      return this.#violated("answers in another protocol than HTTP/1.1")
    }
    // 1xx are no final answers (RFC 9110 section 15.2)
    if (status < 200) {
      this.#interim++
      return this.#interim > maxInterim ? this.#violated("sends interim answers without end") : undefined
    }
    const headers = decode(controller.rawHeaders ?? parsed)
    const coded = headers.has("transfer-encoding")
    // RFC 9112 section 6.1: its framing is faulty, whatever it says
    if (coded && version === "HTTP/1.0") {
      return this.#violated("sent a Transfer-Encoding in an answer of HTTP/1.0")
    }
    this.#announced = headers.has("content-length") && !coded
    this.#request.activity.phase = "body"
    const sink = this.#show({ status, headers })
    const onHead = this.#onHead
    this.#onHead = undefined
    if (sink !== undefined && onHead !== undefined) {
      this.#attach(sink, onHead)
      this.#hold(false)
      return
    }
    this.#lease?.hold(controller)
    onHead?.(Effect.succeed({ status, headers, pipe: this.pipe, discard: this.#discard(headers) }))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    if (this.#ending !== undefined) return
    this.#request.activity.bytes += chunk.length
    if (this.#held || this.#sink === undefined) {
      this.#backlog.push(chunk)
    } else if (!this.#sink.write(chunk)) {
      this.#hold(true)
      this.#lease?.hold(controller)
    }
  }

  onResponseEnd(): void {
    if (this.#ending !== undefined) return
    const reset = this.#lease?.reset()
    if (reset !== undefined) {
      this.#fail(toDownloadError(reset, this.#host, "body"))
      return
    }
    this.#ended = true
    // the parser has yet to return, and may have found something behind the end
    process.nextTick(() => this.#settle())
  }

  #settle(): void {
    if (this.#ending !== undefined) return
    this.#complete = true
    if (this.#announced && this.#lease?.excess() === true) {
      this.#excess = true
      this.#lease.destroy(this.#controller)
    } else {
      this.#lease?.release()
    }
    if (this.#sink !== undefined && this.#backlog.length === 0) this.#finish()
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, reported: unknown): void {
    if (this.#ending !== undefined || this.#ended) return
    const error = this.#lease?.reset() ?? reported
    const { activity } = this.#request
    const stale = activity.phase === "awaiting-head" && this.#lease?.reused === true && isDeath(error)
    if (!stale || this.#repeated) {
      this.#fail(toDownloadError(error, this.#host, activity.phase))
      return
    }
    this.#repeated = true
    this.#lease?.destroy(this.#controller)
    this.#controller = undefined
    activity.phase = "connecting"
    // undici is still busy with the end of the old connection
    queueMicrotask(() => {
      if (this.#ending === undefined) this.#start(true)
    })
  }

  #discard(headers: Headers): Effect.Effect<void> {
    return Effect.suspend(() => {
      const announced = parseLength(single(headers, "content-length") ?? "0")
      if (announced._tag === "None" || announced.value > discardBytes) return Effect.sync(() => this.abort())
      let left = discardBytes
      const sink: ByteSink = {
        write: (chunk) => {
          left -= chunk.length
          if (left < 0) this.abort()
          return true
        },
        onDrain: () => {},
        onFailure: () => {}
      }
      return Effect.ignore(Effect.timeoutOption(this.pipe(sink), discardTime))
    })
  }
}

const unaddressed: WireExchange = {
  run: Effect.fail(makeError("InvalidUrl", "a request needs an absolute http or https URL")),
  abort: () => {}
}

const over = (connections: Connections): Wire["Type"] => {
  const exchange = (request: WireRequest, onHead: OnHead): WireExchange => {
    const parts = address.exec(request.url)
    return parts === null ? unaddressed : new Exchange(connections, request, onHead, parts)
  }
  return Wire.of({ exchange, request: (request) => requestBy(exchange(request, nobody)) })
}

/** @see {@link layerConfigured} */
export interface Settings {
  /** @default the authorities that Node trusts, and no client certificate */
  readonly tls?: Tls.TlsOptions | undefined
  /** Addresses of this family only. @default both */
  readonly family?: 4 | 6 | undefined
  /** @default none */
  readonly proxies?: Proxy.Rules | undefined
  /** @default the system's getaddrinfo */
  readonly resolve?: Resolver.Resolve
}

/** Certificates that can't be used are a mistake in the program: it dies. */
const tlsOf = (options: Tls.TlsOptions): Effect.Effect<Tls.Tls> =>
  Effect.catchAll(Tls.make(options), (why) => Effect.dieMessage(`the option tls can't be used: ${why}`))

/** Makes its own connections; closing the layer ends them all at once. HTTP/1.1 only. */
export const layerConfigured = ({
  family,
  proxies = Proxy.direct,
  resolve = Resolver.viaSystem,
  tls: asked = {}
}: Settings): Layer.Layer<Wire> =>
  Layer.scoped(
    Wire,
    Effect.gen(function* () {
      const clock = yield* Effect.clock
      const tls = yield* tlsOf(asked)
      if (asked.insecure === true) yield* Effect.logWarning(Tls.unchecked)
      const resolver = Resolver.make({ now: () => clock.unsafeCurrentTimeMillis(), resolve })
      const pool = yield* Effect.acquireRelease(
        Effect.sync(() => new ConnectionPool({ resolver, tls, family, proxies })),
        (pool) => Effect.promise(() => pool.destroy())
      )
      return over(pool.lease)
    })
  )

/** @see {@link layerConfigured}, with nothing configured. */
export const layer: Layer.Layer<Wire> = layerConfigured({})

/**
 * Sends requests through a dispatcher of the caller's (a proxy agent, a mock), who also closes it. Its own timeouts for
 * heads and bodies are switched off; its connect timeout is not.
 */
export const layerWith = (dispatcher: Dispatcher): Layer.Layer<Wire> =>
  Layer.succeed(Wire, over(leasesOf(dispatcher)))
