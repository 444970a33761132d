/**
 * What several connections are worth: seconds for one file from a server that gives each connection so much a second and no
 * more, with one, four and eight of them.
 */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { make as makeOrigin } from "../../test/live/Origin.js"
import type { Contestant } from "./Contestant.js"
import { run } from "./Play.js"
import { path } from "./Situation.js"

export const size = 32 * 2 ** 20
export const rate = 4 * 2 ** 20
export const connections = [1, 4, 8] as const

export interface Timing {
  readonly contestant: string
  readonly connections: number
  /** Undefined where it can't be asked for. */
  readonly seconds: number | undefined
  readonly right: boolean
}

export const measure = (contestant: Contestant, count: number): Effect.Effect<Timing> =>
  Effect.gen(function* () {
    const root = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-limited-"))),
      (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
    )
    const origin = yield* makeOrigin()
    origin.set(path, { size, rate })
    const command = contestant.command({
      url: origin.url(path),
      directory: root,
      scratch: root,
      name: "file.bin",
      sha256: undefined,
      connections: count,
      ca: undefined
    })
    const none = { contestant: contestant.name, connections: count, seconds: undefined, right: true }
    if (command === undefined) return none
    const begun = process.hrtime.bigint()
    const code = yield* Effect.flatMap(run(command, root), (running) => running.code)
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9
    const file = join(root, "file.bin")
    const right =
      code === 0 && fs.existsSync(file) && fs.readFileSync(file).equals(origin.content(path).slice(0, size))
    return { ...none, seconds, right }
  }).pipe(Effect.scoped)
