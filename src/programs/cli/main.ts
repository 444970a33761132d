/**
 * The entry of the command. It answers `--version` itself and loads everything else only after that: a process that is
 * asked for its version has no use for the engine.
 */
import { setFlagsFromString } from "node:v8"
import { version } from "./Version.js"

// Files are synced by the threads of libuv's pool, many at once (the journal then groups them), and host names are
// looked up there too: the default of 4 would make downloads wait for one another. The pool reads this when it is first
// used. Node uses it to read an entry that is an ES module, so this counts only where the entry is loaded as CommonJS.
// A value of the user's own is respected.
process.env["UV_THREADPOOL_SIZE"] ??= "16"

// undici's HTTP parser is WebAssembly, most of it one huge function, which V8 would optimise in the background after some
// dozen bytes of a head: 0.1 s of CPU, for which even the end of the process waits, and 35 MB. Bodies pass the parser in
// large spans, so nothing is gained by it.
setFlagsFromString("--wasm-tiering-budget=2147483647")

const args = process.argv.slice(2)

if (args.length === 1 && args[0] === "--version") {
  process.stdout.on("error", () => process.exit(0))
  process.stdout.write(`${version}\n`)
} else {
  import("./Cli.js").then(
    (cli) => cli.main(args),
    (error: unknown) => {
      process.stderr.write(`sluice: it can't be loaded: ${String(error)}\n        install it again\n`)
      process.exitCode = 3
    }
  )
}
