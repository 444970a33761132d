/**
 * What the figures depend on: the machine, and the programs found on it.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { access, constants } from "node:fs/promises"
import * as os from "node:os"
import { delimiter, join } from "node:path"

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory: string
  readonly system: string
  readonly node: string
}

export const describe = (): Machine => ({
  cpu: os.cpus()[0]?.model.trim() ?? "unknown",
  cores: os.availableParallelism(),
  memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
  system: `${os.type()} ${os.release()} ${os.arch()}`,
  node: process.version
})

// daemons are often not on the path of a user
const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin"]

/** Where a program is, or undefined if it is not installed. */
export const find = (program: string): Effect.Effect<string | undefined> =>
  Effect.promise(async () => {
    for (const directory of directories) {
      const file = join(directory, program)
      const found = await access(file, constants.X_OK).then(
        () => true,
        () => false
      )
      if (directory !== "" && found) return file
    }
    return undefined
  })

/** The first line of what a program says of itself, on either stream. */
export const versionOf = (file: string, argument: string): Effect.Effect<string> =>
  Effect.async<string>((resume) => {
    execFile(file, [argument], (_, stdout, stderr) =>
      resume(Effect.succeed((stdout.trim() || stderr.trim()).split("\n")[0] ?? ""))
    )
  })
