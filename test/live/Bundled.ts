/**
 * A program in TypeScript that imports `sluice` as its users do, as one file that node runs at once: translating all the
 * modules anew in each process that a test starts would cost seconds of each.
 */
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

const made = new Map<string, Promise<string>>()

const make = async (file: string): Promise<string> => {
  // where the database's native module is found from; another process may do the same meanwhile
  const outfile = path.join(
    root,
    "node_modules/.cache/sluice",
    `${path.basename(file, ".ts")}-${process.pid}.mjs`
  )
  process.once("exit", () => fs.rmSync(outfile, { force: true }))
  await build({
    absWorkingDir: root,
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.18",
    format: "esm",
    // by its `paths`, "sluice" is src/index.ts
    tsconfig: path.join(root, "tsconfig.json"),
    external: ["better-sqlite3"],
    banner: {
      js: 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);'
    },
    logLevel: "error"
  })
  return outfile
}

/** Where the bundle of the program `file` is; made once in each process. */
export const bundled = (file: string): Effect.Effect<string> =>
  Effect.promise(() => {
    const known = made.get(file) ?? make(file)
    made.set(file, known)
    return known
  })
