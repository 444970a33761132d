/**
 * Bodies that are not what they were announced or asked for (PROMISES B2, B3): never a success, never appended.
 */
import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import type { Behaviour } from "../Origin.js"
import { etagOf } from "../origin/Response.js"
import { expectExact, live, MiB, names } from "./Cli.js"

const soon = ["--retry-delay", "10ms"]

describe.concurrent("a body that is not what was asked for", () => {
  const cases: ReadonlyArray<readonly [name: string, behaviour: Behaviour, words: string, tries: number]> = [
    ["gzip", { coding: "gzip" }, "Content-Encoding: gzip", 1],
    ["short", { size: 1000, announced: 1001 }, "before the body was complete", 2],
    ["unfinished", { size: 1000, framing: "chunked", unfinished: true }, "before the body was complete", 2],
    ["unasked", { size: 1000, ranges: "unasked" }, "a part (206)", 2],
    ["lengths", { size: 1000, headers: [["Content-Length", "999"]] }, "", 2],
    ["nonsense", { raw: "NONSENSE\r\n\r\n" }, "", 2]
  ]
  live("is never a success", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      // without validators nothing can be built upon, so that each try counts
      for (const [name, behaviour] of cases) origin.set(`/${name}`, { validators: "none", ...behaviour })
      const urls = cases.map(([name]) => origin.url(`/${name}`))
      const result = yield* world.run("get", "--dir", dir, ...soon, "--max-retries", "1", ...urls)
      expect(result).toMatchObject({ code: 1, stdout: "" })
      expect(names(dir).filter((name) => !name.endsWith(".sluice-part"))).toEqual([])
      for (const [name, , words, tries] of cases) {
        expect(result.stderr).toContain(`not done: ${origin.url(`/${name}`)}`)
        expect(result.stderr).toContain(words)
        expect(origin.requestsFor(`/${name}`), name).toHaveLength(tries)
      }
    })
  )

  // more than a connection's buffer: less can be lost when the connection ends right after the head
  const [size, held] = [MiB, 300_000]
  const rest: ReadonlyArray<readonly [name: string, behaviour: Behaviour]> = [
    ["late", { ranges: "wrong-start" }],
    ["total", { ranges: "wrong-total" }],
    ["multipart", { ranges: "multipart" }],
    ["unsatisfiable", { ranges: "unsatisfiable" }],
    [
      "overlong",
      {
        raw: [
          "HTTP/1.1 206 Partial\r\nTransfer-Encoding: chunked\r\nConnection: close",
          `ETag: ${etagOf("/overlong", {})}\r\nContent-Range: bytes ${held}-${size - 1}/${size}\r\n`,
          `${size.toString(16)}\r\n${"x".repeat(size)}\r\n0\r\n\r\n`
        ].join("\r\n")
      }
    ],
    ["gzipped", { coding: "gzip" }]
  ]
  live("is never appended to what is held", (world) =>
    Effect.gen(function* () {
      const { dir, origin } = world
      for (const [name, behaviour] of rest) {
        const path = `/${name}`
        // first a part, then the wrong rest, then whatever is asked for
        origin.set(path, [{ size, cutAfter: held }, { size, ...behaviour }, { size }])
      }
      const urls = rest.map(([name]) => origin.url(`/${name}`))
      const result = yield* world.run("get", "--dir", dir, ...soon, ...urls)
      for (const [name] of rest) {
        expect(origin.requestsFor(`/${name}`)[1]!.headers["range"], name).toBe(`bytes=${held}-`)
        if (name === "gzipped") continue
        expectExact(world, join(dir, name), `/${name}`, size)
      }
      // this alone is for good
      expect(result.code).toBe(1)
      expect(result.stderr).toContain(`not done: ${origin.url("/gzipped")}`)
      expect(names(dir)).toEqual([...rest.slice(0, -1).map(([name]) => name), "gzipped.sluice-part"].sort())
    })
  )
})
