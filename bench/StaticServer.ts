/**
 * A small file server for machines without nginx, run as a process: `StaticServer.ts ROOT PORT`. It ends with its parent.
 */
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { createServer } from "node:http"
import { join, normalize } from "node:path"
import { pipeline } from "node:stream/promises"

const [root = ".", port = "0"] = process.argv.slice(2)

const server = createServer((request, response) => {
  const file = join(root, normalize(new URL(request.url ?? "/", "http://localhost").pathname))
  stat(file)
    .then((found) => {
      if (!found.isFile()) throw new Error("no file")
      response.writeHead(200, {
        "content-type": "application/octet-stream",
        "content-length": found.size,
        "last-modified": found.mtime.toUTCString(),
        etag: `"${found.size}-${found.mtimeMs}"`
      })
      return pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), response)
    })
    .catch(() => {
      if (!response.headersSent) response.writeHead(404).end()
      else response.destroy()
    })
})

server.listen(Number(port), "127.0.0.1")
process.stdin.on("end", () => process.exit(0)).resume()
