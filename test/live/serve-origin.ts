/**
 * The origin as a process of its own: `tsx test/live/serve-origin.ts [--port N] [--set PATH=JSON]...`. Prints
 * `{"url":"http://127.0.0.1:PORT","port":PORT}` on stdout once it listens, and runs until it is stopped.
 */
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import type { Script } from "./Origin.js"
import { make } from "./Origin.js"

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    set: { type: "string", multiple: true, default: [] }
  }
})

const main = Effect.gen(function* () {
  const origin = yield* make({ port: Number(values.port) })
  for (const text of values.set) {
    const at = text.indexOf("=")
    // whoever runs this origin writes the scripts
    origin.set(text.slice(0, at), JSON.parse(text.slice(at + 1)) as Script)
  }
  process.stdout.write(`${JSON.stringify({ url: origin.url(""), port: origin.port })}\n`)
  return yield* Effect.never
})

Effect.runFork(Effect.scoped(main))
