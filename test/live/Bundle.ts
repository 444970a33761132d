/**
 * Programs over the project's sources for processes of their own: one plain JavaScript file, which starts fast and which any
 * user can run.
 */
import { buildSync } from "esbuild"
import { createRequire } from "node:module"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const sqlite = createRequire(import.meta.url).resolve("better-sqlite3")

/** `contents` imports packages, and sources as "./src/...". Succeeds with the path of the file. */
export const bundle = (directory: string, contents: string): string => {
  const outfile = join(directory, "program.mjs")
  buildSync({
    stdin: { contents, resolveDir: fileURLToPath(new URL("../..", import.meta.url)), loader: "ts" },
    bundle: true,
    platform: "node",
    format: "esm",
    // it finds its native part relative to where it is
    alias: { "better-sqlite3": sqlite },
    external: [sqlite],
    outfile
  })
  return outfile
}
