/**
 * The project's own origin server: serves resources whose bytes are known beforehand, misbehaves on command, and
 * remembers every request. Built on sockets rather than node:http, which would not send malformed messages.
 *
 * Paths: `set` says how a path behaves. `/bytes/SIZE/anything` behaves well without that. Everything else is a 404.
 * For other processes: `/-/requests` lists what was received, `/-/set?path=P&script=JSON` does what `set` does.
 *
 * Listens on 127.0.0.1 only. One response at a time per connection; request bodies are not read.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { EventEmitter } from "node:events"
import type { AddressInfo, Server, Socket } from "node:net"
import { createServer } from "node:net"
import { createServer as createTlsServer, type SecureVersion } from "node:tls"
import type { Behaviour, Script } from "./origin/Behaviour.js"
import type { Content } from "./origin/Content.js"
import { contentOf } from "./origin/Content.js"
import type { Received } from "./origin/Exchange.js"
import { misbehave, reset, send } from "./origin/Exchange.js"
import { respond } from "./origin/Response.js"

export type { Behaviour, Script } from "./origin/Behaviour.js"
export { pythonLike } from "./origin/Behaviour.js"
export type { Received } from "./origin/Exchange.js"

export interface Settings {
  /** @default 0, any free one */
  readonly port?: number
  /** PEM; the origin then speaks TLS. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly maxVersion?: SecureVersion }
}

export interface Origin {
  readonly port: number
  /** The absolute URL of a path. */
  readonly url: (path: string) => string
  /** Decides how a path behaves from now on, a list of behaviours starting with its first. */
  readonly set: (path: string, script: Script) => void
  /** Every request since the start, in order of arrival. */
  readonly requests: ReadonlyArray<Received>
  /** Those for one path. */
  readonly requestsFor: (path: string) => ReadonlyArray<Received>
  /** Body bytes sent, of one path or of all. */
  readonly sent: (path?: string) => number
  /** Waits until something is so; looked at whenever anything happens here. */
  readonly until: (condition: () => boolean) => Effect.Effect<void>
  /** Connections open now. */
  readonly connections: () => number
  /** Connections accepted since the start. */
  readonly accepted: () => number
  /** Ends all connections. */
  readonly disconnect: (how: "fin" | "rst") => void
  /** What a path serves. */
  readonly content: (path: string, version?: number) => Content
}

const listen = (server: Server, port: number) =>
  Effect.async<void>((resume) => {
    server.once("error", (error) => resume(Effect.die(error)))
    server.listen(port, "127.0.0.1", () => resume(Effect.void))
  })

/** An origin that lives as long as the scope. */
export const make = (settings: Settings = {}): Effect.Effect<Origin, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state = new State()
    const server =
      settings.tls === undefined
        ? createServer(state.accept)
        : createTlsServer({ ...settings.tls }, state.accept)
    yield* Effect.acquireRelease(listen(server, settings.port ?? 0), () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        state.disconnect("fin")
      })
    )
    // an AddressInfo, as it listens on a port
    const { port } = server.address() as AddressInfo
    const scheme = settings.tls === undefined ? "http" : "https"
    return {
      port,
      url: (path) => `${scheme}://127.0.0.1:${port}${path}`,
      set: state.set,
      requests: state.requests,
      requestsFor: (path) => state.requests.filter((request) => request.path === path),
      sent: (path) =>
        state.requests.reduce(
          (sum, { path: of, sent }) => (path === undefined || of === path ? sum + sent : sum),
          0
        ),
      until: state.until,
      connections: () => state.sockets.size,
      accepted: () => state.accepted,
      disconnect: state.disconnect,
      content: (path, version = 1) => contentOf(path, version)
    }
  })

class State {
  readonly requests: Array<Received> = []
  readonly sockets = new Set<Socket>()
  accepted = 0
  readonly #scripts = new Map<string, { readonly steps: ReadonlyArray<Behaviour>; count: number }>()
  readonly #counts = new Map<string, number>()
  readonly #events = new EventEmitter().setMaxListeners(0)

  readonly set = (path: string, script: Script): void => {
    this.#scripts.set(path, { steps: "length" in script ? script : [script], count: 0 })
  }

  readonly until = (condition: () => boolean): Effect.Effect<void> =>
    Effect.async<void>((resume) => {
      const look = () => {
        if (!condition()) return
        this.#events.off("change", look)
        resume(Effect.void)
      }
      this.#events.on("change", look)
      look()
      return Effect.sync(() => this.#events.off("change", look))
    })

  readonly disconnect = (how: "fin" | "rst"): void => {
    for (const socket of this.sockets) {
      if (how === "rst") reset(socket)
      else socket.destroy()
    }
  }

  readonly accept = (socket: Socket): void => {
    this.accepted++
    this.sockets.add(socket)
    socket.setNoDelay(true)
    // what it means is seen by whoever writes
    socket.on("error", () => {})
    socket.on("close", () => {
      this.sockets.delete(socket)
      this.#changed()
    })
    let text = ""
    let busy = false
    const next = async (): Promise<void> => {
      const end = text.indexOf("\r\n\r\n")
      if (busy || end === -1 || socket.destroyed) return
      busy = true
      const head = text.slice(0, end)
      text = text.slice(end + 4)
      await this.#answer(socket, head)
      busy = false
      await next()
    }
    socket.on("data", (data) => {
      text += data.toString("latin1")
      void next()
    })
    this.#changed()
  }

  readonly #changed = (): void => {
    this.#events.emit("change")
  }

  async #answer(socket: Socket, head: string): Promise<void> {
    const [line = "", ...fields] = head.split("\r\n")
    const [method = "", path = ""] = line.split(" ")
    const headers: Record<string, string> = {}
    for (const field of fields) {
      const colon = field.indexOf(":")
      headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim()
    }
    if (path.startsWith("/-/")) return this.#control(socket, path)
    const behaviour = this.#behaviour(path)
    const number = (this.#counts.get(path) ?? 0) + 1
    this.#counts.set(path, number)
    const received: Received = {
      number,
      method,
      path,
      headers,
      port: socket.remotePort ?? 0,
      status: undefined,
      sent: 0,
      outcome: "open"
    }
    this.requests.push(received)
    this.#changed()
    if (await misbehave(socket, received, behaviour, this.#changed)) return
    await send(socket, received, behaviour, respond(path, behaviour, headers), this.#changed)
  }

  #behaviour(path: string): Behaviour {
    const script = this.#scripts.get(path)
    if (script !== undefined) return script.steps[Math.min(script.count++, script.steps.length - 1)] ?? {}
    const size = /^\/bytes\/(\d+)\//.exec(path)?.[1]
    return size === undefined ? { status: 404 } : { size: Number(size) }
  }

  #control(socket: Socket, path: string): void {
    const url = new URL(path, "http://localhost")
    const target = url.searchParams.get("path")
    const script = url.searchParams.get("script")
    if (url.pathname === "/-/set" && target !== null && script !== null) {
      // whoever runs this origin writes the scripts
      this.set(target, JSON.parse(script) as Script)
    }
    const body = Buffer.from(JSON.stringify(this.requests))
    socket.write(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    )
    socket.write(body)
  }
}
