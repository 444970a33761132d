// Bundles the command: dist/bin/sluice.js, cli.mjs and its chunks, so that `sluice --version` does not load the engine.
// The library is emitted by tsc (tsconfig.build.json).
import { build } from "esbuild"
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL(".", import.meta.url))
const outdir = join(root, "dist", "bin")
const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"))

const common = {
  absWorkingDir: root,
  outdir,
  bundle: true,
  platform: "node",
  target: "node20.18",
  treeShaking: true,
  minifySyntax: true,
  minifyWhitespace: true,
  define: { __SLUICE_VERSION__: JSON.stringify(version) },
  logLevel: "warning",
  write: false
}

// The entry is CommonJS: node's loader of ES modules uses the thread pool before the first line of an ES module could
// have set its size.
const entry = await build({
  ...common,
  entryPoints: { sluice: "src/programs/cli/main.ts" },
  format: "cjs",
  banner: { js: "#!/usr/bin/env node" },
  logOverride: { "empty-import-meta": "silent" },
  plugins: [
    {
      name: "cli",
      setup: ({ onResolve }) =>
        onResolve({ filter: /^\.\/Cli\.js$/ }, () => ({ path: "./cli.mjs", external: true }))
    }
  ]
})

const command = await build({
  ...common,
  entryPoints: { cli: "src/programs/cli/Cli.ts" },
  chunkNames: "chunk-[hash]",
  outExtension: { ".js": ".mjs" },
  splitting: true,
  format: "esm",
  external: ["better-sqlite3"],
  // Bundled CommonJS (undici) calls require("node:...").
  banner: {
    js: 'import{createRequire as __sluiceCreateRequire}from"node:module";const require=__sluiceCreateRequire(import.meta.url);'
  }
})

await mkdir(outdir, { recursive: true })
const written = new Set(["package.json"])
// the package as a whole is of ES modules
await writeFile(join(outdir, "package.json"), '{ "type": "commonjs" }\n')
for (const file of [...entry.outputFiles, ...command.outputFiles]) {
  const name = basename(file.path)
  await writeFile(file.path, file.text)
  if (name === "sluice.js") await chmod(file.path, 0o755)
  written.add(name)
}
// Names carry a hash of the content: what this build did not write is left over from an earlier one.
for (const name of await readdir(outdir)) {
  if (!written.has(name)) await rm(join(outdir, name), { recursive: true })
}
