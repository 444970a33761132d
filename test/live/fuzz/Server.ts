/**
 * Serves the cases of the fuzz run on real sockets: the changed answer as it was drawn, honest ones around it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { contentOf } from "../origin/Content.js"
import { reset } from "../origin/Exchange.js"
import { type Case, etagOf, pathOf } from "./Case.js"

export interface FuzzServer {
  readonly url: (one: Case) => string
  readonly add: (one: Case) => void
  readonly remove: (one: Case) => void
  /** Connections open now. */
  readonly connections: () => number
}

const honest = (one: Case, version: number, from: number): Buffer => {
  const bytes = contentOf(pathOf(one.number), version).slice(from, one.size)
  const head = [
    from === 0 ? "HTTP/1.1 200 OK" : "HTTP/1.1 206 Partial Content",
    `ETag: ${etagOf(one.number, version)}`,
    ...(from === 0 ? [] : [`Content-Range: bytes ${from}-${one.size - 1}/${one.size}`]),
    `Content-Length: ${bytes.length}`
  ]
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), bytes])
}

const ending = (socket: Socket, how: Case["end"]): void => {
  if (how === "fin") socket.end()
  else if (how === "rst") reset(socket)
}

/** Writes piece by piece, each in a turn of its own. */
const write = (socket: Socket, [piece, ...more]: Case["pieces"], end: Case["end"]): void => {
  if (piece === undefined) return ending(socket, end)
  socket.write(piece, () => setImmediate(() => write(socket, more, end)))
}

class State {
  readonly cases = new Map<string, { readonly one: Case; phase: "begun" | "cut" | "changed" }>()
  readonly sockets = new Set<Socket>()

  readonly accept = (socket: Socket): void => {
    this.sockets.add(socket)
    socket.setNoDelay(true)
    socket.on("error", () => {}).on("close", () => this.sockets.delete(socket))
    let text = ""
    socket.on("data", (data) => {
      text += data.toString("latin1")
      const end = text.indexOf("\r\n\r\n")
      if (end === -1) return
      const head = text.slice(0, end)
      text = text.slice(end + 4)
      this.answer(socket, head)
    })
  }

  private answer(socket: Socket, head: string): void {
    const found = this.cases.get(/^GET (\S+)/.exec(head)?.[1] ?? "")
    if (found === undefined) return void socket.destroy()
    const { one } = found
    if (one.kind === "whole") return write(socket, one.pieces, one.end)
    if (found.phase === "begun") {
      found.phase = "cut"
      const whole = honest(one, 1, 0)
      return write(socket, [whole.subarray(0, whole.length - (one.size - one.held))], "fin")
    }
    const from = Number(/^range: bytes=(\d+)-/im.exec(head)?.[1] ?? 0)
    if (found.phase === "cut" && from === one.held) {
      found.phase = "changed"
      return write(socket, one.pieces, one.end)
    }
    // from then on the truth, which has changed for some
    const version = 1 + (one.number % 2)
    const matches = head.includes(etagOf(one.number, version))
    socket.write(honest(one, version, matches && from < one.size ? from : 0))
  }
}

export const make: Effect.Effect<FuzzServer, never, Scope.Scope> = Effect.gen(function* () {
  const state = new State()
  const server = yield* Effect.acquireRelease(
    Effect.async<Server>((resume) => {
      const server = createServer(state.accept)
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.sync(() => {
        server.close()
        for (const socket of state.sockets) socket.destroy()
      })
  )
  // an AddressInfo, as it listens on a port
  const { port } = server.address() as AddressInfo
  return {
    url: ({ number }) => `http://127.0.0.1:${port}${pathOf(number)}`,
    add: (one) => void state.cases.set(pathOf(one.number), { one, phase: "begun" }),
    remove: (one) => void state.cases.delete(pathOf(one.number)),
    connections: () => state.sockets.size
  }
})
