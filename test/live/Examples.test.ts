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
    const { stdout } = yield* Effect.promise(() =>
      promisify(execFile)(
        process.execPath,
        [
          path.join(root, "node_modules/tsx/dist/cli.mjs"),
          "--tsconfig",
          path.join(root, "tsconfig.json"),
          path.join(root, "examples", name),
          ...paths.map(origin.url)
        ],
        { cwd: directory }
      )
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
