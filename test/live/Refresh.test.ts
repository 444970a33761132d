/**
 * An expired link over real sockets: the fresh one brings the rest.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { layer } from "../../src/programs/engine.js"
import { Downloads } from "../../src/services/Downloads.js"
import { make as makeOrigin } from "./Origin.js"

const size = 2 * 1024 * 1024

it.scopedLive("a link that has expired half-way is replaced, and what has come is kept", () =>
  Effect.gen(function* () {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(tmpdir(), "sluice-refresh-"))),
      (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
    )
    // two places of one path, which have the same bytes and the same strong tag
    const [old, fresh] = [yield* makeOrigin(), yield* makeOrigin()]
    old.set("/f", [{ size, cutAfter: size / 2 }, { status: 403 }])
    fresh.set("/f", { size })
    const engine = layer({
      database: path.join(directory, "queue.db"),
      directory,
      downloadDefaults: { connections: 1, retryDelay: 1 },
      refresh: () => Effect.succeedSome(fresh.url("/f"))
    })
    const completed = yield* Effect.flatMap(Downloads, (downloads) =>
      downloads.download({ url: old.url("/f") })
    ).pipe(Effect.provide(engine))
    expect(fs.readFileSync(completed.path).equals(Buffer.from(old.content("/f").slice(0, size)))).toBe(true)
    expect(fresh.requests[0]!.headers["if-range"]).toBeDefined()
    expect(fresh.sent("/f")).toBeLessThan(size * 0.75)
  })
)
