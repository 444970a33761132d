// Bundles the command: dist/bin/sluice.js and its chunks, so that `sluice --version` does not load the engine.
// The library is emitted by tsc (tsconfig.build.json).
import { build } from "esbuild"
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL(".", import.meta.url))
const outdir = join(root, "dist", "bin")
const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"))

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: { sluice: "src/programs/cli/main.ts" },
  outdir,
  chunkNames: "chunk-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.18",
  treeShaking: true,
  minifySyntax: true,
  minifyWhitespace: true,
  external: ["better-sqlite3"],
  define: { __SLUICE_VERSION__: JSON.stringify(version) },
  // Bundled CommonJS (undici) calls require("node:...").
  banner: {
    js: 'import{createRequire as __sluiceCreateRequire}from"node:module";const require=__sluiceCreateRequire(import.meta.url);'
  },
  logLevel: "warning",
  write: false
})

await mkdir(outdir, { recursive: true })
const written = new Set()
for (const file of outputFiles) {
  const name = basename(file.path)
  const entry = name === "sluice.js"
  const shebang = entry && !file.text.startsWith("#!") ? "#!/usr/bin/env node\n" : ""
  await writeFile(file.path, shebang + file.text)
  if (entry) await chmod(file.path, 0o755)
  written.add(name)
}
// Names carry a hash of the content: what this build did not write is left over from an earlier one.
for (const name of await readdir(outdir)) {
  if (!written.has(name)) await rm(join(outdir, name), { recursive: true })
}
