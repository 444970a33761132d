/**
 * Our own networks keep the rules that others are asked to keep: undici and wget, against the project's own origin.
 */
import * as NodeCommandExecutor from "@effect/platform-node/NodeCommandExecutor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { AddressInfo } from "node:net"
import { createServer } from "node:http"
import * as UndiciWire from "../../src/layers/UndiciWire.js"
import * as WgetWire from "../../src/layers/WgetWire.js"
import { WireConformance } from "../../src/programs/testing.js"
import { isThere } from "./Wget.js"

if (!isThere) console.error("SKIPPED: rules of wget as a transport: GNU Wget 1 is not installed")

interface Resource {
  readonly bytes: Uint8Array
  readonly etag: string
  readonly cut: number | undefined
}

/** A server that serves what it is given, obeys ranges and cuts what it is told to. */
const place = Effect.gen(function* () {
  const held = new Map<string, Resource>()
  let versions = 0
  let open = 0
  let onIdle = (): void => {}
  const server = createServer((request, response) => {
    open++
    response.on("close", () => {
      open--
      if (open === 0) onIdle()
    })
    const resource = held.get(request.url ?? "")
    if (resource === undefined) {
      response.writeHead(404, { "content-length": 0 }).end()
      return
    }
    const { bytes, cut, etag } = resource
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? []
    const obeyed = from !== undefined && (request.headers["if-range"] ?? etag) === etag
    const start = obeyed ? Number(from) : 0
    const end = obeyed && to !== "" ? Number(to) + 1 : bytes.length
    response.writeHead(obeyed ? 206 : 200, {
      etag,
      "content-length": end - start,
      ...(obeyed ? { "content-range": `bytes ${start}-${end - 1}/${bytes.length}` } : {})
    })
    if (cut === undefined) response.end(bytes.subarray(start, end))
    else response.write(bytes.subarray(start, cut), () => response.destroy())
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
  // an AddressInfo, as it listens on a port
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const put = (name: string, bytes: Uint8Array, cut?: number) =>
    Effect.sync(() => {
      held.set(`/${name}`, { bytes, etag: `"${++versions}"`, cut })
      return `${base}/${name}`
    })
  return {
    put,
    cut: put,
    absent: `${base}/nothing`,
    // nobody listens at the port of nothing
    unreachable: "http://127.0.0.1:1/",
    idle: Effect.async<void>((resume) => {
      onIdle = () => resume(Effect.void)
      if (open === 0) onIdle()
    })
  }
})

const cases = WireConformance.cases({ make: place })

describe("undici keeps the rules of a network", () => {
  for (const { name, run } of cases) it.live(name, () => Effect.provide(run, UndiciWire.layer))
})

const wget = WgetWire.layer().pipe(
  Layer.provide(NodeCommandExecutor.layer),
  Layer.provide(NodeFileSystem.layer)
)

describe("wget keeps the rules of a network", () => {
  for (const { name, run } of cases) {
    it.skipIf(!isThere)(name, () => Effect.runPromise(Effect.provide(run, wget)))
  }
})
