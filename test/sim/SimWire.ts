/**
 * The network of the simulated world: the Wire seam over resources that change, servers that get into trouble and
 * connections that break, all in virtual time. Keeps a record of every exchange for the oracles.
 *
 * The download that a request is for is in its query (`?d=3`), which servers ignore and redirects keep.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type DownloadError, make as makeError, type Reason } from "../../src/domain/DownloadError.js"
import { fromPairs } from "../../src/domain/Headers.js"
import { requestBy } from "../../src/layers/ScopedRequest.js"
import {
  type Exchange as WireExchange,
  type Shape,
  Wire,
  type WireRequest,
  type WireResponse
} from "../../src/services/Wire.js"
import { Exchange, type Plan } from "./Exchange.js"
import { type Fault, lies, spoil } from "./Lies.js"
import { httpDate, otherFolder, type Resource } from "./Origin.js"
import type { Seeded } from "./Seeded.js"
import type { Simulator } from "./Simulator.js"
import type { Watch } from "./Watch.js"

/** How likely each fault is, relative to the others. */
export type Weather = Readonly<Partial<Record<Fault, number>>>

export interface WireOptions {
  readonly resources: ReadonlyArray<Resource>
  /** The weather as it is now for a download (its key), for a request that resumes or one that starts. */
  readonly weather: (resuming: boolean, download: string, host: string) => Weather
  /** How likely a resource is replaced just before somebody resumes it. */
  readonly fickleness: () => number
  /** Nothing goes wrong any more. */
  readonly calm: () => boolean
  /** How many connections a download may have. */
  readonly connections: (download: string) => number
  /** How many requests an engine may have at work at one host. */
  readonly perHost: number
}

/** Clocks are read in whole milliseconds, before and after. */
const rounding = 2

type OnHead = Parameters<Shape["exchange"]>[1]

export class SimWire {
  /** Every exchange that got as far as a server, oldest first. */
  readonly exchanges: Array<Exchange> = []
  private readonly random: Seeded
  private readonly open = new Set<Exchange>()
  /** Until when a process was told to leave a host alone. */
  private readonly waits = new Map<string, number>()

  constructor(
    private readonly sim: Simulator,
    private readonly options: WireOptions,
    private readonly watch: Watch
  ) {
    this.random = sim.random.fork("wire")
  }

  /** For one process: after its crash, nothing goes out and nothing comes in. */
  get layer(): Layer.Layer<Wire> {
    return Layer.sync(Wire, () => {
      const { process } = this.sim
      const exchange: Shape["exchange"] = (request, onHead) => this.exchange(request, onHead, process)
      return { exchange, request: (request) => requestBy(exchange(request, () => undefined)) }
    })
  }

  private exchange(request: WireRequest, onHead: OnHead, process: number): WireExchange {
    let begun: Exchange | undefined
    let ending: Effect.Effect<void, DownloadError> | undefined
    let settle: ((outcome: Effect.Effect<WireResponse | void, DownloadError>) => void) | undefined
    const end = (outcome: Effect.Effect<void, DownloadError>): void => {
      if (ending !== undefined) return
      ending = outcome
      if (begun !== undefined) this.end(begun)
      settle?.(outcome)
    }
    const abort = (error = makeError("Network", "the exchange was given up")): void => {
      // what pipes a body is answered by the exchange itself
      if (ending === undefined) begun?.fail(error)
      end(Effect.fail(error))
    }
    return {
      run: Effect.async((resume) => {
        if (ending !== undefined) return resume(ending)
        settle = resume
        begun = this.begin(request, process)
        this.head(begun, request, onHead, resume, end)
        return Effect.sync(() => abort())
      }),
      abort
    }
  }

  /** Exchanges of the process that are not over. */
  get openExchanges(): ReadonlyArray<Exchange> {
    return [...this.open].filter((exchange) => !exchange.over)
  }

  /** A process is gone, and its connections with it. */
  crash(process: number): void {
    for (const exchange of this.open) if (exchange.asked.process === process) this.open.delete(exchange)
  }

  /** The link is lost: what is on its way breaks off, or goes silent. */
  sever(): void {
    for (const exchange of this.openExchanges) {
      if (!exchange.piping || this.random.chance(0.5)) exchange.silence()
      else exchange.fail(makeError("ConnectionReset", `the connection to ${exchange.asked.host} was lost`))
    }
  }

  private begin(request: WireRequest, process: number): Exchange {
    const url = new URL(request.url)
    const fields = new Map(request.headers.map(([name, value]) => [name.toLowerCase(), value]))
    const range = /^bytes=(\d+)-(\d*)$/.exec(fields.get("range") ?? "")
    const last = range?.[2] === undefined || range[2] === "" ? undefined : Number(range[2])
    if (fields.has("range") && (range === null || (last !== undefined && last < Number(range[1]))))
      this.watch.violation("Wire", `a strange Range: ${fields.get("range")}`)
    if (fields.get("accept-encoding") !== "identity")
      this.watch.violation("Wire", "Accept-Encoding is not identity")
    const download = url.searchParams.get("d") ?? "?"
    const resource = this.resourceOf(url.pathname)
    if (fields.has("authorization") && url.host !== resource?.options.host) {
      this.watch.violation("H2", `d${download}: credentials were sent to ${url.host}`)
    }
    const exchange = new Exchange(this.sim, this.watch, {
      process,
      download,
      host: url.host,
      path: url.pathname,
      range:
        range === null
          ? undefined
          : { start: Number(range[1]), end: last === undefined ? undefined : last + 1 },
      ifRange: fields.get("if-range"),
      unlessStill: fields.get("if-none-match") ?? fields.get("if-modified-since"),
      hop: Number(url.searchParams.get("hop") ?? 0),
      activity: request.activity
    })
    if (this.sim.lives(process)) {
      this.exchanges.push(exchange)
      this.watch.asked?.(download)
      this.open.add(exchange)
      this.checkCap(exchange)
      this.checkPatience(exchange)
    }
    return exchange
  }

  /** C4: no engine has more requests at work at a host than its gate has places. */
  private checkCap({ asked: { host, process } }: Exchange): void {
    const { perHost } = this.options
    const atWork = this.openExchanges.filter(
      ({ asked }) => asked.host === host && asked.process === process
    ).length
    if (atWork > perHost)
      this.watch.violation("C4", `${atWork} requests are at work at ${host} where ${perHost} may be`)
  }

  private toldToWait({ asked: { host, process } }: Exchange, field: string | undefined): void {
    if (field === undefined) return
    const until = /^\d+$/.test(field) ? this.sim.now + Number(field) * 1000 : Date.parse(field)
    const key = `${process} ${host}`
    this.waits.set(key, Math.max(until, this.waits.get(key) ?? 0))
  }

  /** C4: who was told when to come back does not come earlier, whatever for. */
  private checkPatience({ asked: { download, host, process } }: Exchange): void {
    const early = (this.waits.get(`${process} ${host}`) ?? 0) - this.sim.now
    if (early > rounding)
      this.watch.violation("C4", `${host} was asked for d${download} ${Math.ceil(early)} ms before its time`)
  }

  private end(exchange: Exchange): void {
    exchange.abort()
    this.open.delete(exchange)
  }

  private head(
    exchange: Exchange,
    request: WireRequest,
    onHead: OnHead,
    answer: (response: Effect.Effect<WireResponse>) => void,
    end: (ending: Effect.Effect<void, DownloadError>) => void
  ): void {
    const { asked } = exchange
    const fault = this.random.weighted(
      this.options.weather(asked.range !== undefined, asked.download, asked.host)
    )
    exchange.fault = fault
    const wanted = asked.range === undefined ? "all" : `${asked.range.start}-${asked.range.end ?? ""}`
    this.sim.note(`wire d${asked.download} GET ${asked.host}${asked.path} ${wanted} [${fault}]`)
    const fail = (delay: number, reason: Reason, text: string) =>
      exchange.later(delay, () => end(Effect.fail(makeError(reason, text))))
    const connect = this.random.log(0.1, 80)
    request.activity.phase = "connecting"
    if (fault === "refused") fail(connect, "ConnectionRefused", `${asked.host} refused the connection`)
    else if (fault === "offline") fail(connect, "Offline", "the network is down")
    else if (fault === "unresolved") fail(connect, "DnsFailed", `${asked.host} could not be resolved`)
    else if (fault !== "connectStall") {
      exchange.later(connect, () => {
        request.activity.phase = "awaiting-head"
        const think = this.random.log(0.1, 300)
        const turned = this.resourceOf(asked.path)?.options.beyond === "reset" && this.isBeyond(exchange)
        if (fault === "reset" || turned) fail(think, "ConnectionReset", `${asked.host} reset the connection`)
        else if (fault !== "headStall") {
          exchange.later(think, () => {
            const { plan, response } = this.respond(exchange, request, fault)
            const sink = onHead(response)
            if (sink === undefined) return answer(Effect.succeed(response))
            this.checkAlone(exchange)
            exchange.receive(plan, sink, this.random, end)
          })
        }
      })
    }
  }

  private respond(
    exchange: Exchange,
    request: WireRequest,
    fault: Fault
  ): { readonly plan: Plan; readonly response: WireResponse } {
    request.activity.phase = "body"
    const plan = this.plan(exchange, fault)
    const field = (name: string) => plan.headers.find(([one]) => one === name)?.[1]
    exchange.status = plan.status
    exchange.answeredAt = this.sim.now
    exchange.validator = field("ETag") ?? field("Last-Modified")
    exchange.provokes = lies.has(fault) || plan.status === 416
    if (plan.status === 429 || plan.status === 503) this.toldToWait(exchange, field("Retry-After"))
    const range = field("Content-Range")
    this.sim.note(
      `wire d${exchange.asked.download} ${plan.status}${plan.version === undefined ? "" : ` v${plan.version.number}`} ${range ?? ""}`
    )
    const response: WireResponse = {
      status: plan.status,
      headers: fromPairs(plan.headers),
      pipe: (sink) =>
        Effect.suspend(() => {
          this.checkAlone(exchange)
          return exchange.pipe(plan, sink, this.random)
        }),
      discard: Effect.sync(() => exchange.abort())
    }
    return { plan, response }
  }

  /** Q2: a download is transferred by one process at a time, over no more connections than it may have. */
  private checkAlone(exchange: Exchange): void {
    const { download, process } = exchange.asked
    const others = this.openExchanges.filter(
      (other) => other !== exchange && other.asked.download === download
    )
    if (others.some((other) => other.piping && other.asked.process !== process)) {
      this.watch.violation("Q2", `d${download} is transferred twice at the same time`)
    }
    const allowed = this.options.connections(download)
    if (others.length + 1 > allowed) {
      this.watch.violation(
        "Q2",
        `d${download} has ${others.length + 1} connections where ${allowed} are allowed`
      )
    }
  }

  private resourceOf(path: string): Resource | undefined {
    return this.options.resources.find((one) => path === one.path || path === otherFolder + one.path)
  }

  /** Whether a connection is one more than the server grants a download. */
  private isBeyond({ asked }: Exchange): boolean {
    const served = this.openExchanges.filter(
      (other) => other.asked.download === asked.download && (other.status === 200 || other.status === 206)
    )
    return served.length >= (this.resourceOf(asked.path)?.options.connectionLimit ?? Infinity)
  }

  private bare(status: number, headers: Plan["headers"] = []): Plan {
    const date: [string, string] = ["Date", httpDate(this.sim.now)]
    return {
      status,
      headers: [date, ["Content-Length", "0"], ...headers],
      resource: undefined,
      version: undefined,
      start: 0,
      end: 0,
      rate: 100,
      ending: "complete"
    }
  }

  private plan(exchange: Exchange, fault: Fault): Plan {
    const { asked } = exchange
    const { now } = this.sim
    const resource = this.resourceOf(asked.path)
    if (resource === undefined) return this.bare(404)
    const { beyond } = resource.options
    const refused = this.isBeyond(exchange)
    if (refused && (beyond === 503 || beyond === 429)) return this.bare(beyond)
    switch (fault) {
      case "busy":
        return this.bare(503)
      case "busyUntil": {
        const seconds = this.random.int(0, 20)
        return this.bare(this.random.pick([503, 429]), [
          ["Retry-After", this.random.chance(0.7) ? String(seconds) : httpDate(now + seconds * 1000)]
        ])
      }
      case "tooMany":
        return this.bare(429)
      case "error":
        return this.bare(this.random.pick([500, 502, 504, 408]))
      case "notFound":
        return this.bare(this.random.pick([404, 410, 403]))
      default:
    }
    if (asked.hop < resource.options.hops || fault === "redirectAgain") {
      const host = this.random.pick([resource.options.host, `cdn-${resource.options.host}`])
      const hop = asked.hop + (fault === "redirectAgain" ? 0 : 1)
      const folder = resource.options.twoPaths && this.random.chance(0.5) ? otherFolder : ""
      return this.bare(this.random.pick([301, 302, 303, 307, 308]), [
        ["Location", `http://${host}${folder}${resource.path}?d=${asked.download}&hop=${hop}`]
      ])
    }
    const { unlessStill } = asked
    if (
      (asked.range !== undefined || unlessStill !== undefined) &&
      this.random.chance(this.options.fickleness())
    ) {
      resource.change(now)
      this.sim.note(
        `server r${resource.index} is now v${resource.current.number}, ${resource.current.size} bytes`
      )
    }
    const calm = this.options.calm()
    const current = resource.validators(resource.current)
    // who answers by turns, or by the path, does not say which version it has
    const { backends, twoPaths } = resource.options
    if (!backends && !twoPaths && current.some(([, value]) => value === unlessStill))
      return this.bare(304, current)
    const answer = resource.answer(refused ? undefined : asked.range, asked.ifRange, now, asked.path, calm)
    return spoil(this.random, resource, answer, asked.range, fault, calm)
  }
}
