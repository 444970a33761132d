/**
 * A server of files without end in sight, in a process of its own, so that neither side holds up the other.
 */
import { fork } from "node:child_process"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"

const chunk = Buffer.alloc(64 * 1024, 7)
const size = 2 * 1024 ** 3

/** Sends what is asked for. */
const serve = () => {
  const server = createServer((request, response) => {
    const [, from = "0", to = String(size - 1)] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "") ?? []
    const end = to === "" ? size - 1 : Number(to)
    const ranged = request.headers.range !== undefined
    response.writeHead(ranged ? 206 : 200, {
      etag: '"1"',
      "accept-ranges": "bytes",
      "content-length": end - Number(from) + 1,
      ...(ranged ? { "content-range": `bytes ${from}-${end}/${size}` } : {})
    })
    let left = end - Number(from) + 1
    const more = () => {
      while (left > 0) {
        const next = left < chunk.length ? chunk.subarray(0, left) : chunk
        left -= next.length
        if (!response.write(next)) return
      }
      response.end()
    }
    response.on("drain", more)
    response.on("error", () => {})
    more()
  })
  server.listen(0, "127.0.0.1", () => process.send!((server.address() as AddressInfo).port))
}

const own = fileURLToPath(import.meta.url)

/** Runs `use` with the port of such a server. */
export const withServer = async (use: (port: number) => Promise<void>): Promise<void> => {
  const server = fork(own, ["serve"])
  try {
    await use(
      await new Promise<number>((resolve) => {
        server.once("message", resolve)
      })
    )
  } finally {
    server.kill()
  }
}

if (process.argv[1] === own && process.argv[2] === "serve") serve()
