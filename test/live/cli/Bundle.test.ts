/**
 * The bundle with its compiled code (src/programs/cli/Bundled.ts): taken by this Node, and done without where it is missing,
 * or not V8's.
 */
import { expect, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const built = fileURLToPath(new URL("../../../dist/bin", import.meta.url))

/** Copies the bundle and runs its help, which needs no native part; with what became of the compiled code. */
const help = (change: (directory: string, cache: string) => void) => {
  const directory = fs.mkdtempSync(join(tmpdir(), "sluice-bundle-"))
  try {
    fs.cpSync(built, directory, { recursive: true })
    change(
      directory,
      join(
        directory,
        fs.readdirSync(directory).find((name) => name.endsWith(".cache"))!
      )
    )
    const watch = join(directory, "watch.cjs")
    fs.writeFileSync(
      watch,
      `const vm = require("node:vm")
       vm.Script = class extends vm.Script {
         constructor(...args) {
           super(...args)
           process.on("exit", () => process._rawDebug("rejected: " + this.cachedDataRejected))
         }
       }`
    )
    return spawnSync(process.execPath, ["--require", watch, join(directory, "sluice.js"), "get", "--help"], {
      encoding: "utf8"
    })
  } finally {
    fs.rmSync(directory, { recursive: true })
  }
}

it("takes the compiled code", () => {
  const { status, stderr, stdout } = help(() => {})
  expect(stdout).toContain("--on-conflict")
  expect([status, stderr.trim()]).toEqual([0, "rejected: false"])
})

it("does without it", () => {
  const { status, stderr, stdout } = help((_, cache) => fs.rmSync(cache))
  expect(stdout).toContain("--on-conflict")
  expect([status, stderr.trim()]).toEqual([0, "rejected: undefined"])
})

it("does not take what V8 did not make", () => {
  const { status, stderr, stdout } = help((_, cache) => fs.writeFileSync(cache, Buffer.alloc(4096, "x")))
  expect(stdout).toContain("--on-conflict")
  expect([status, stderr.trim()]).toEqual([0, "rejected: true"])
})

it("says so where a part of it is missing", () => {
  const { status, stderr } = help((directory) => {
    for (const name of fs.readdirSync(directory)) {
      if (/^command-.*\.js$/.test(name)) fs.rmSync(join(directory, name))
    }
  })
  expect(status).toBe(3)
  expect(stderr).toContain("sluice: it can't be loaded")
  expect(stderr).toContain("install it again")
})
