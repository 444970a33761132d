/**
 * The network of the simulated world: the Wire seam over resources that change, servers that get into trouble and
 * connections that break, all in virtual time. Keeps a record of every exchange for the oracles.
 *
 * The download that a request is for is in its query (`?d=3`), which servers ignore and redirects keep.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type DownloadError, make as makeError } from "../../src/domain/DownloadError.js"
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
import { httpDate, type Answer, type Resource } from "./Origin.js"
import type { Seeded } from "./Seeded.js"
import type { Simulator } from "./Simulator.js"
import type { Watch } from "./Watch.js"

/** What can go wrong with one exchange. */
export type Fault =
  | "none"
  | "refused"
  | "connectStall"
  | "reset"
  | "headStall"
  | "cut"
  | "stall"
  | "slow"
  | "busy"
  | "busyUntil"
  | "tooMany"
  | "error"
  | "notFound"
  | "coding"
  | "badRange"
  | "otherStart"
  | "otherTotal"
  | "shortRange"
  | "longBody"
  | "multipart"
  | "unaskedPart"
  | "corrupt"
  | "noRange"
  | "redirectAgain"

/** How likely each fault is, relative to the others. */
export type Weather = Readonly<Partial<Record<Fault, number>>>

export interface WireOptions {
  readonly resources: ReadonlyArray<Resource>
  /** The weather as it is now for a download (its key), for a request that resumes or one that starts. */
  readonly weather: (resuming: boolean, download: string, host: string) => Weather
  /** How likely a resource is replaced just before somebody resumes it. */
  readonly fickleness: () => number
}

type OnHead = Parameters<Shape["exchange"]>[1]

export class SimWire {
  /** Every exchange that got as far as a server, oldest first. */
  readonly exchanges: Array<Exchange> = []
  private readonly random: Seeded
  private readonly open = new Set<Exchange>()

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

  private begin(request: WireRequest, process: number): Exchange {
    const url = new URL(request.url)
    const fields = new Map(request.headers.map(([name, value]) => [name.toLowerCase(), value]))
    const range = /^bytes=(\d+)-$/.exec(fields.get("range") ?? "")
    if (fields.has("range") && range === null)
      this.watch.violation("Wire", `a strange Range: ${fields.get("range")}`)
    if (fields.get("accept-encoding") !== "identity")
      this.watch.violation("Wire", "Accept-Encoding is not identity")
    const download = url.searchParams.get("d") ?? "?"
    const resource = this.options.resources.find((one) => one.path === url.pathname)
    if (fields.has("authorization") && url.host !== resource?.options.host) {
      this.watch.violation("H2", `d${download}: credentials were sent to ${url.host}`)
    }
    const exchange = new Exchange(this.sim, this.watch, {
      process,
      download,
      host: url.host,
      path: url.pathname,
      range: range === null ? undefined : Number(range[1]),
      ifRange: fields.get("if-range"),
      unlessStill: fields.get("if-none-match") ?? fields.get("if-modified-since"),
      hop: Number(url.searchParams.get("hop") ?? 0),
      activity: request.activity
    })
    if (this.sim.lives(process)) {
      this.exchanges.push(exchange)
      this.watch.asked?.(download)
      this.open.add(exchange)
    }
    return exchange
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
    this.sim.note(`wire d${asked.download} GET ${asked.host}${asked.path} ${asked.range ?? "all"} [${fault}]`)
    const fail = (delay: number, reason: "ConnectionRefused" | "ConnectionReset", text: string) =>
      exchange.later(delay, () => end(Effect.fail(makeError(reason, text))))
    const connect = this.random.log(0.1, 80)
    request.activity.phase = "connecting"
    if (fault === "refused") fail(connect, "ConnectionRefused", `${asked.host} refused the connection`)
    else if (fault !== "connectStall") {
      exchange.later(connect, () => {
        request.activity.phase = "awaiting-head"
        const think = this.random.log(0.1, 300)
        if (fault === "reset") fail(think, "ConnectionReset", `${asked.host} reset the connection`)
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
    exchange.dishonest = fault === "longBody" || fault === "corrupt"
    const range = plan.headers.find(([name]) => name === "Content-Range")?.[1]
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

  /** Q2: one connection a download, as long as downloads are not split. */
  private checkAlone(exchange: Exchange): void {
    const { download } = exchange.asked
    if (this.openExchanges.some((other) => other.piping && other.asked.download === download)) {
      this.watch.violation("Q2", `d${download} is transferred twice at the same time`)
    }
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
    const resource = this.options.resources.find((one) => one.path === asked.path)
    if (resource === undefined) return this.bare(404)
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
      return this.bare(this.random.pick([301, 302, 303, 307, 308]), [
        ["Location", `http://${host}${resource.path}?d=${asked.download}&hop=${hop}`]
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
    const current = resource.validators(resource.current)
    if (unlessStill !== undefined && current.some(([, value]) => value === unlessStill))
      return this.bare(304, current)
    return this.spoil(resource, resource.answer(asked.range, asked.ifRange, now), fault)
  }

  /** Makes of an honest answer what the fault says. */
  private spoil(resource: Resource, answer: Answer, fault: Fault): Plan {
    const { rate } = resource.options
    const plan: Plan = { ...answer, resource, rate, ending: "complete" }
    const length = answer.end - answer.start
    const size = answer.version.size
    const replaced = (fields: Record<string, string | undefined>): Plan["headers"] => [
      ...answer.headers.filter(([name]) => !(name in fields)),
      ...Object.entries(fields).flatMap(([name, value]): Plan["headers"] =>
        value === undefined ? [] : [[name, value]]
      )
    ]
    const part = (range: string, start: number, end: number): Plan => ({
      ...plan,
      status: 206,
      headers: replaced({ "Content-Range": range, "Content-Length": String(end - start) }),
      start,
      end
    })
    const isPart = answer.status === 206
    if (fault === "cut" || fault === "stall")
      return { ...plan, ending: fault, endsAt: this.random.int(0, length) }
    if (fault === "slow") return { ...plan, rate: rate * this.random.log(0.02, 0.5) }
    if (fault === "corrupt" && length > 0) return { ...plan, corrupt: this.random.int(0, length - 1) }
    if (fault === "coding") return { ...plan, headers: replaced({ "Content-Encoding": "gzip" }) }
    if (fault === "unaskedPart" && !isPart && size > 1) return part(`bytes 0-${size - 1}/${size}`, 0, size)
    if (!isPart) return plan
    const { end, start } = answer
    switch (fault) {
      case "badRange":
        return {
          ...plan,
          headers: replaced({
            "Content-Range": this.random.pick(["bytes 5-2/9", "garbage", `bytes ${start}-`])
          })
        }
      case "noRange":
        return { ...plan, headers: replaced({ "Content-Range": undefined }) }
      case "otherStart": {
        const other = this.random.int(0, end - 1)
        return part(`bytes ${other}-${end - 1}/${size}`, other, end)
      }
      case "otherTotal":
        return part(`bytes ${start}-${end - 1}/${size + this.random.int(1, 99)}`, start, end)
      case "shortRange": {
        const shorter = this.random.int(start + 1, end)
        return part(`bytes ${start}-${shorter - 1}/${this.random.chance(0.8) ? size : "*"}`, start, shorter)
      }
      case "longBody": {
        const announced = this.random.int(start + 1, end)
        return {
          ...plan,
          headers: replaced({
            "Content-Range": `bytes ${start}-${announced - 1}/${size}`,
            "Content-Length": undefined,
            "Transfer-Encoding": "chunked"
          })
        }
      }
      case "multipart":
        return {
          ...plan,
          headers: replaced({
            "Content-Type": "multipart/byteranges; boundary=x",
            "Content-Range": undefined
          })
        }
      default:
        return plan
    }
  }
}
