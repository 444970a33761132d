// Bundles the command: dist/bin/sluice.js, which answers --version by itself, and the command proper with its compiled code,
// which it loads for everything else (src/programs/cli/Bundled.ts). The library is emitted by tsc (tsconfig.build.json).
import { build } from "esbuild"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL(".", import.meta.url))
const outdir = join(root, "dist", "bin")
const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"))

// CommonJS, because node's loader of ES modules uses the thread pool before the first line of an ES module could have set its
// size, and because compiled code can be kept for scripts only.
const common = {
  absWorkingDir: root,
  outdir,
  bundle: true,
  platform: "node",
  target: "node20.18",
  format: "cjs",
  treeShaking: true,
  minifySyntax: true,
  minifyWhitespace: true,
  // the command runs as a script, which has no loader of modules: what is loaded later is required
  supported: { "dynamic-import": false },
  logLevel: "warning",
  logOverride: { "empty-import-meta": "silent" },
  write: false
}
const define = { __SLUICE_VERSION__: JSON.stringify(version) }

const command = await build({
  ...common,
  define,
  entryPoints: { command: "src/programs/cli/Cli.ts" },
  entryNames: "[name]-[hash]",
  external: ["better-sqlite3"]
})
const commandName = basename(command.outputFiles[0].path, ".js")

const entry = await build({
  ...common,
  define: { ...define, __SLUICE_COMMAND__: JSON.stringify(commandName) },
  entryPoints: { sluice: "src/programs/cli/main.ts" },
  banner: { js: "#!/usr/bin/env node" },
  plugins: [
    {
      name: "bundled",
      setup: ({ onResolve }) =>
        onResolve({ filter: /^\.\/Cli\.js$/ }, () => ({ path: join(root, "src/programs/cli/Bundled.ts") }))
    }
  ]
})

await mkdir(outdir, { recursive: true })
// the package as a whole is of ES modules
await writeFile(join(outdir, "package.json"), '{ "type": "commonjs" }\n')
for (const file of [...command.outputFiles, ...entry.outputFiles]) await writeFile(file.path, file.text)
await chmod(join(outdir, "sluice.js"), 0o755)
await keepCompiled(`${commandName}.cache`)

// Names carry a hash of the content: what this build did not write is left over from an earlier one.
const written = ["package.json", "sluice.js", `${commandName}.js`, `${commandName}.cache`]
for (const name of await readdir(outdir)) {
  if (!written.includes(name)) await rm(join(outdir, name), { recursive: true })
}

/** Downloads a byte with the bundle just written, and keeps what V8 has compiled for that. */
async function keepCompiled(name) {
  const directory = await mkdtemp(join(tmpdir(), "sluice-build-"))
  const server = createServer((_request, response) => response.end("1"))
  await once(server.listen(0, "127.0.0.1"), "listening")
  const program = `
    const vm = require("node:vm"), fs = require("node:fs")
    vm.Script = class extends vm.Script {
      constructor(...args) {
        super(...args)
        process.on("exit", () => fs.writeFileSync(process.env.SLUICE_BUILD_CACHE, this.createCachedData()))
      }
    }
    // what is compiled by that is kept elsewhere
    delete require("node:module").enableCompileCache
    process.argv.splice(1, 0, process.env.SLUICE_BUILD_ENTRY)
    require(process.env.SLUICE_BUILD_ENTRY)`
  const args = ["get", `http://127.0.0.1:${server.address().port}/byte`, "--dir", directory, "--quiet"]
  const child = spawn(process.execPath, ["-e", program, "--", ...args, "--db", join(directory, "build.db")], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      SLUICE_BUILD_ENTRY: join(outdir, "sluice.js"),
      SLUICE_BUILD_CACHE: join(outdir, name)
    }
  })
  const [code] = await once(child, "exit")
  server.close()
  await rm(directory, { recursive: true })
  if (code !== 0) throw new Error(`the bundle could not download a byte: it ended with ${code}`)
}
