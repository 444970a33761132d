/**
 * The programs in examples/, run as a reader would run them, against the project's own origin.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { bundled } from "./Bundled.js"
import * as Origin from "./Origin.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Runs an example in a directory of its own, which is given to `look` with what the program wrote. */
const run = (name: string, paths: ReadonlyArray<string>, look: (directory: string, stdout: string) => void) =>
  Effect.gen(function* () {
    const origin = yield* Origin.make()
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(tmpdir(), "sluice-example-"))),
      (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
    )
    const program = yield* bundled(path.join(root, "examples", name))
    const { stdout } = yield* Effect.promise(() =>
      promisify(execFile)(process.execPath, [program, ...paths.map(origin.url)], { cwd: directory })
    )
    look(directory, stdout)
  }).pipe(Effect.scoped)

it.live("get.ts: five lines", () =>
  run("get.ts", ["/bytes/1000/a.bin"], (directory, stdout) => {
    expect(stdout.trim()).toBe(fs.realpathSync(path.join(directory, "a.bin")))
    expect(fs.statSync(path.join(directory, "a.bin")).size).toBe(1000)
  })
)

it.live("compose.ts: a database of its own, results as values, finalizers in order", () =>
  run("compose.ts", ["/bytes/10/a.pdf", "/bytes/20/b.pdf", "/nowhere"], (directory, stdout) => {
    const lines = stdout.trim().split("\n")
    expect(lines.slice(0, 4)).toEqual(["1 of 3", "2 of 3", "3 of 3", "100 %"])
    expect(lines[4]).toBe("the library is closed")
    expect(lines.filter((line) => line.endsWith(".pdf"))).toHaveLength(2)
    expect(lines.filter((line) => line.endsWith("not there"))).toHaveLength(1)
    expect(fs.readdirSync(directory).sort()).toEqual(["a.pdf", "b.pdf", "papers.db"])
  })
)

it.live("convert.ts: a slow converter behind the downloads, and a list of what is incomplete", () =>
  run("convert.ts", ["/bytes/10/a.jpg", "/bytes/0/empty.jpg", "/nowhere"], (directory, stdout) => {
    const lines = stdout.trim().split("\n")
    expect(lines).toHaveLength(4)
    expect(lines.at(-1)).toBe("2 downloaded, 1 not")
    expect(lines.filter((line) => line.startsWith("converted"))).toEqual([
      `converted ${fs.realpathSync(path.join(directory, "a.jpg"))}`
    ])
    expect(lines.filter((line) => /NotFound|can't be converted/.test(line))).toHaveLength(2)
    expect(fs.readFileSync(path.join(directory, "a.jpg.dds")).subarray(0, 4).toString()).toBe("DDS ")
    expect(fs.readFileSync(path.join(directory, "incomplete.txt"), "utf8").trim().split("\n")).toHaveLength(2)
  })
)

it.live("tile-pool.ts: a bounded pool, batches into a cache, what is missing as a value", () =>
  run("tile-pool.ts", ["/bytes/10/a.png", "/bytes/20/b.png", "/nowhere"], (directory, stdout) => {
    const lines = stdout.trim().split("\n")
    expect(lines[0]).toMatch(/^missing: .*nowhere \(NotFound\)$/)
    expect(lines.at(-1)).toBe("2 tiles")
    expect(fs.readdirSync(directory)).toContain("tiles.db")
  })
)

it.live("policies.ts: retries, gates, bandwidth, admission and conflicts", () => {
  const images = ["1.png", "2.png", "3.png"].map((name) => `/bytes/100000/${name}`)
  const paths = ["/bytes/10/a.pdf", "/bytes/10/b.bin", "/status/500/c", "/bytes/10/d.iso", ...images]
  return run("policies.ts", paths, (directory, stdout) => {
    const lines = stdout.trim().split("\n")
    expect(lines[0]).toMatch(/a\.pdf: here after 1 \(overwrite\)$/)
    expect(lines[1]).toMatch(/b\.bin: here after 1 \(skip\)$/)
    expect(lines[2]).toMatch(/: not there after [14] \(skip\)$/)
    expect(lines[3]).toMatch(/d\.iso: here after 1 \(skip, 1000000 bytes\/s at most\)$/)
    expect(lines.slice(4, 7).every((line) => line.endsWith("png: here after 1 (skip)"))).toBe(true)
    expect(lines[7]).toBe("images at once: 1")
    expect(fs.readdirSync(directory)).toContain("a.pdf")
  })
})

it.live("metrics.ts: what a scraper of Prometheus would read", () =>
  run("metrics.ts", ["/bytes/10/a.bin", "/bytes/200000/b.bin", "/nowhere"], (_, stdout) => {
    const lines = stdout.trim().split("\n")
    expect(lines).toEqual(
      expect.arrayContaining([
        "# TYPE sluice_downloads gauge",
        'sluice_downloads{status="completed"} 2',
        'sluice_downloads{status="failed"} 1',
        'sluice_downloads{status="pending"} 0',
        "sluice_active_connections 0",
        'sluice_attempts_total{outcome="completed"} 2',
        'sluice_failures_total{reason="NotFound"} 1',
        "# TYPE sluice_first_byte_seconds histogram",
        'sluice_first_byte_seconds_bucket{le="+Inf"} 3',
        "sluice_first_byte_seconds_count 3"
      ])
    )
    // with the body of the 404
    expect(stdout).toMatch(/^sluice_bytes_received_total 200\d\d\d$/m)
    // the grammar of the text format, as far as it is used
    const sample = /^[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? -?\d+(\.\d+)?(e[+-]?\d+)?$/
    for (const line of lines) expect(line).toMatch(line.startsWith("#") ? /^# (HELP|TYPE) sluice_/ : sample)
    // a histogram's buckets only grow
    const buckets = lines.flatMap((line) => /^sluice_attempt_seconds_bucket\S* (\d+)$/.exec(line)?.[1] ?? [])
    expect(buckets.map(Number)).toEqual(buckets.map(Number).sort((a, b) => a - b))
  })
)
