/**
 * The package as it would be published: packed, unpacked into an empty project beside its dependencies, compiled there without
 * skipLibCheck, and run. No registry is asked: the dependencies are those of this project.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))
const project = fs.mkdtempSync(path.join(tmpdir(), "sluice-package-"))
const installed = path.join(project, "node_modules", "sluice")
let files: ReadonlyArray<string> = []

const npm = (...args: ReadonlyArray<string>) =>
  execFileSync("npm", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })

beforeAll(() => {
  npm("run", "build:lib")
  const [packed] = JSON.parse(npm("pack", "--json", "--ignore-scripts", "--pack-destination", project)) as [
    { filename: string; files: ReadonlyArray<{ path: string }> }
  ]
  files = packed.files.map((file) => file.path)
  fs.mkdirSync(installed, { recursive: true })
  execFileSync("tar", ["-xzf", path.join(project, packed.filename), "-C", installed, "--strip-components=1"])
  // all that is installed here, so that dependencies find theirs; what is a developer's alone is not used
  for (const name of fs.readdirSync(path.join(root, "node_modules"))) {
    if (name === "sluice" || name.startsWith(".")) continue
    fs.symlinkSync(path.join(root, "node_modules", name), path.join(project, "node_modules", name))
  }
  fs.writeFileSync(path.join(project, "package.json"), JSON.stringify({ type: "module", private: true }))
}, 300_000)
afterAll(() => fs.rmSync(project, { recursive: true }))

describe("the package", () => {
  it("holds the command, the library and the documents, and nothing else", () => {
    const tops = new Set(files.map((file) => file.split("/").slice(0, 2).join("/")))
    expect([...tops].sort()).toEqual([
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "dist/bin",
      "dist/lib",
      "package.json"
    ])
    expect(files).toContain("dist/bin/sluice.js")
    expect(files).toContain("dist/lib/index.d.ts")
    expect(files).toContain("dist/lib/programs/testing.d.ts")
    expect(files.filter((file) => /test|\.snap/.test(file) && !file.includes("programs/testing"))).toEqual([])
  })

  it("has declarations that compile where nothing is skipped", () => {
    fs.writeFileSync(
      path.join(project, "main.ts"),
      `import * as Effect from "effect/Effect"
import { Downloads, layer, type Completed } from "sluice"
import { layer as testLayer, World } from "sluice/testing"
export const one: Effect.Effect<Completed, unknown> = Effect.flatMap(Downloads, (downloads) =>
  downloads.download({ url: "https://example.org/a" })
).pipe(Effect.provide(layer({ database: "q.db" })))
export const two = Effect.flatMap(World, ({ paths }) => paths).pipe(Effect.provide(testLayer()))
`
    )
    fs.writeFileSync(
      path.join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: {
          target: "ES2022",
          module: "NodeNext",
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
          skipLibCheck: false,
          types: ["node"]
        },
        files: ["main.ts"]
      })
    )
    let output = ""
    try {
      execFileSync(process.execPath, [path.join(root, "node_modules/typescript/lib/tsc.js")], {
        cwd: project,
        encoding: "utf8"
      })
    } catch (error) {
      output = String((error as { readonly stdout?: unknown }).stdout)
    }
    // what other packages' declarations are guilty of is theirs
    expect(
      output.split("\n").filter((line) => /^(main\.ts|node_modules\/sluice|.*sluice-package)/.test(line))
    ).toEqual([])
  })

  it("runs: both entry points, and the command", () => {
    fs.writeFileSync(
      path.join(project, "main.mjs"),
      `import * as Effect from "effect/Effect"
import { Downloads, percent } from "sluice"
import { layer, World } from "sluice/testing"
const program = Effect.gen(function* () {
  const downloads = yield* Downloads
  const { path } = yield* downloads.download({ url: "http://h/a" })
  return [yield* (yield* World).text(path), percent((yield* downloads.list())[0])]
})
console.log(JSON.stringify(await Effect.runPromise(program.pipe(Effect.provide(layer({ routes: { "http://h/a": { body: "yes" } } }))))))
`
    )
    const node = (...args: ReadonlyArray<string>) =>
      execFileSync(process.execPath, args, { cwd: project, encoding: "utf8" }).trim()
    expect(node("main.mjs")).toBe('["yes",100]')
    const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as {
      version: string
    }
    expect(node(path.join(installed, "dist/bin/sluice.js"), "--version")).toContain(version)
  })
})
