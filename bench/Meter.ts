/**
 * Runs a program as a process of its own and measures it whole: wall time from spawn to exit, and what the kernel
 * accounts to it. GNU time tells CPU and peak memory; without it `times` of the shell tells the CPU, and memory is unknown.
 *
 * The process gets a session of its own, so that an interruption can end all of it: GNU time does not pass signals on.
 */
import * as Effect from "effect/Effect"
import { execFile, spawn } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Failure } from "./Failure.js"
import { end } from "./Child.js"
import * as Machine from "./Machine.js"

/** Times in seconds, memory in bytes. */
export interface Usage {
  readonly wall: number
  readonly user: number
  readonly system: number
  readonly rss: number | undefined
}

export interface Meter {
  readonly name: string
  /** Fails if the program does. */
  readonly run: (
    command: ReadonlyArray<string>,
    place: { readonly directory: string; readonly scratch: string }
  ) => Effect.Effect<Usage, Failure>
}

type Accounts = Omit<Usage, "wall">

/** How a command is wrapped, and how the accounts that end up in `file` are read. */
interface Method {
  readonly name: string
  readonly wrap: (command: ReadonlyArray<string>, file: string) => ReadonlyArray<string>
  readonly read: (text: string) => Accounts
}

const gnuTime = (time: string): Method => ({
  name: "GNU time",
  wrap: (command, file) => [time, "-q", "-f", "%U %S %M", "-o", file, ...command],
  read: (text) => {
    const [user, system, kibibytes] = text.trim().split(" ").map(Number)
    return { user: user ?? NaN, system: system ?? NaN, rss: (kibibytes ?? NaN) * 1024 }
  }
})

const shell: Method = {
  name: "times of sh (install GNU time to see the peak memory)",
  wrap: (command, file) => ["/bin/sh", "-c", '"$@"; code=$?; times >"$0"; exit $code', file, ...command],
  // the second line is that of the children: 0m0.12s 0m0.34s
  read: (text) => {
    const seconds = (text.trim().split("\n")[1] ?? "").split(" ").map((time) => {
      const [minutes, rest] = time.split("m")
      return Number(minutes) * 60 + Number.parseFloat(rest ?? "")
    })
    return { user: seconds[0] ?? NaN, system: seconds[1] ?? NaN, rss: undefined }
  }
}

const isGnuTime = (file: string): Effect.Effect<boolean> =>
  Effect.async<boolean>((resume) => {
    execFile(file, ["-q", "-f", "%M", "true"], (error) => resume(Effect.succeed(error === null)))
  })

/** Nothing of the user's own settings (curlrc, wgetrc, proxies) gets into the figures. */
const environment = (scratch: string): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: scratch,
  XDG_STATE_HOME: scratch,
  LC_ALL: "C"
})

const execute = (command: ReadonlyArray<string>, cwd: string, scratch: string) =>
  Effect.async<number, Failure>((resume) => {
    const [program = "", ...args] = command
    const begun = process.hrtime.bigint()
    const child = spawn(program, args, {
      cwd,
      env: environment(scratch),
      stdio: ["ignore", "ignore", "pipe"],
      detached: true
    })
    let said = ""
    let wall = NaN
    child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-1000)))
    child.on("error", (error) => resume(new Failure({ message: `${program}: ${error.message}` })))
    child.on("exit", () => (wall = Number(process.hrtime.bigint() - begun) / 1e9))
    child.on("close", (code, signal) =>
      resume(
        code === 0
          ? Effect.succeed(wall)
          : new Failure({ message: `exit ${code ?? signal}: ${said.trim() || "it said nothing"}` })
      )
    )
    return end(child)
  })

export const make: Effect.Effect<Meter> = Effect.gen(function* () {
  const time = yield* Machine.find("time")
  const method = time !== undefined && (yield* isGnuTime(time)) ? gnuTime(time) : shell
  return {
    name: method.name,
    run: (command, { directory, scratch }) =>
      Effect.gen(function* () {
        const file = join(scratch, "accounts")
        const wall = yield* execute(method.wrap(command, file), directory, scratch)
        const text = yield* Effect.promise(() => readFile(file, "utf8"))
        return { wall, ...method.read(text) }
      })
  }
})
