/**
 * The command as the build has bundled it, with the compiled code that the build has kept beside it: compiling what runs
 * once is most of a short command's time.
 *
 * V8 takes compiled code only from its own version under the same flags, and knows the source by its length alone; so the
 * file names carry a hash of the source, and where the code is not taken, the source is compiled as ever.
 */
import { readFileSync } from "node:fs"
import * as module from "node:module"
import { dirname, join } from "node:path"
import { constants, Script } from "node:vm"
import type * as Cli from "./Cli.js"

/** The name of the bundled command, without the extension: written here by the build. */
declare const __SLUICE_COMMAND__: string

const file = join(__dirname, `${__SLUICE_COMMAND__}.js`)

const kept = (): Buffer | undefined => {
  try {
    return readFileSync(join(__dirname, `${__SLUICE_COMMAND__}.cache`))
  } catch {
    return undefined
  }
}

/** As `require` does it. */
const load = (): typeof Cli => {
  const cachedData = kept()
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, "utf8")}\n})`,
    {
      filename: file,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      ...(cachedData === undefined ? {} : { cachedData })
    }
  )
  if (script.cachedDataRejected !== false && "enableCompileCache" in module) {
    // since Node 22.1 (its types are those of Node 20): it keeps compiled code by itself, in a directory of the user's
    ;(module.enableCompileCache as () => void)()
    return require(file) as typeof Cli
  }
  const loaded = { exports: {} as typeof Cli }
  script.runInThisContext()(loaded.exports, module.createRequire(file), loaded, file, dirname(file))
  return loaded.exports
}

export const { main } = load()
