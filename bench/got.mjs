/**
 * What a Node program does by hand: got (https://github.com/sindresorhus/got), so many at once over kept connections, each
 * streamed into a file of its own. Nothing is synced, recorded or resumed.
 *
 *     node bench/got.mjs CONCURRENCY DIRECTORY FILE_WITH_URLS
 */
import { got } from "got"
import { createWriteStream } from "node:fs"
import { readFile } from "node:fs/promises"
import { Agent } from "node:http"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"

const [concurrency, directory, list] = process.argv.slice(2)
const urls = (await readFile(list, "utf8")).split("\n").filter((line) => line !== "")
const agent = { http: new Agent({ keepAlive: true, maxSockets: Number(concurrency) }) }

const worker = async () => {
  for (let url = urls.pop(); url !== undefined; url = urls.pop()) {
    await pipeline(got.stream(url, { agent }), createWriteStream(join(directory, url.split("/").at(-1))))
  }
}
await Promise.all(Array.from({ length: Number(concurrency) }, worker))
process.exit(0)
