/**
 * The arguments as they were typed, put in order for @effect/cli: the command, its options as pairs of a name and a value,
 * then what is left. @effect/cli takes an option it does not know for an argument, can't tell a flag that is off from one
 * that was not given, and of options that may be repeated drops those that lack their value without a word; so what is
 * wrong with the options is found here. Pure.
 *
 * The sentences name options and never values, which may be secrets.
 */
import * as Either from "effect/Either"
import { didYouMean } from "./Nearest.js"
import type { Setting } from "./Setting.js"

/** The commands by name, each with its options. */
export type Commands = ReadonlyMap<string, ReadonlyArray<Setting<unknown>>>

export const shells = ["bash", "zsh", "fish"] as const
export type Shell = (typeof shells)[number]

const logLevels = ["all", "trace", "debug", "info", "warning", "error", "fatal", "none"] as const
export type LogLevel = (typeof logLevels)[number]

/** What the arguments ask for. */
export type Asked =
  | { readonly ask: "help"; readonly command: string | undefined }
  | { readonly ask: "version" }
  | { readonly ask: "completions"; readonly shell: Shell }
  | { readonly ask: "run"; readonly args: ReadonlyArray<string>; readonly logLevel?: LogLevel }

/** Options of the program itself that have a value. */
const ownValued = new Set(["completions", "log-level"])
const ownNames = ["help", "version", "completions", "log-level"]

interface Split {
  readonly options: ReadonlyArray<readonly [name: string, value: string]>
  readonly rest: ReadonlyArray<string>
}

/** Tells options, their values and the rest apart. `known`: the options of all commands. */
const split = (
  args: ReadonlyArray<string>,
  known: ReadonlyMap<string, Setting<unknown>>
): Either.Either<Split, string> => {
  const options: Array<readonly [string, string]> = []
  const rest: Array<string> = []
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!
    if (arg === "--") {
      rest.push(...args.slice(index + 1))
      break
    }
    const short = /^-[^-]$/.test(arg) ? brief(arg, known) : undefined
    if (arg === "-h") options.push(["help", "true"])
    else if (short !== undefined) options.push([short, "true"])
    else if (arg === "-" || !arg.startsWith("-")) rest.push(arg)
    else {
      const equals = arg.indexOf("=")
      const typed = equals < 0 ? arg : arg.slice(0, equals)
      const name = typed.slice(2)
      const setting = typed.startsWith("--") ? known.get(name) : undefined
      if (setting === undefined && !(typed.startsWith("--") && ownNames.includes(name))) {
        return Either.left(noSuchOption(typed, known))
      }
      const isFlag = setting === undefined ? !ownValued.has(name) : setting.arity === "flag"
      if (equals >= 0 || isFlag) {
        options.push([name, equals >= 0 ? arg.slice(equals + 1) : "true"])
      } else {
        index++
        const value = args[index]
        if (value === undefined || isOption(value, known)) {
          return Either.left(
            `${typed}: its value is missing${value === undefined || value === "--" ? "" : ` (if it is meant to be ${shown(value)}, write ${typed}=...)`}`
          )
        }
        options.push([name, value])
      }
    }
  }
  return Either.right({ options, rest })
}

/** The flag that one character stands for. */
const brief = (arg: string, known: ReadonlyMap<string, Setting<unknown>>): string | undefined => {
  for (const { arity, name, short } of known.values())
    if (arity === "flag" && arg === `-${short}`) return name
  return undefined
}

/** A value as it may be repeated: what looks like an option with a value could hold a secret. */
const shown = (value: string): string => (value.startsWith("-") ? value.split("=")[0]! : value)

/** Whether a value is more likely an option before which the value was forgotten. */
const isOption = (value: string, known: ReadonlyMap<string, Setting<unknown>>): boolean =>
  value === "--" || (value.startsWith("--") && isName(value.slice(2).split("=")[0]!, known))

const isName = (name: string, known: ReadonlyMap<string, Setting<unknown>>): boolean =>
  known.has(name) || ownNames.includes(name)

const noSuchOption = (typed: string, known: ReadonlyMap<string, Setting<unknown>>): string => {
  const name = typed.replace(/^-+/, "")
  const off = known.get(name.replace(/^no-/, ""))
  if (off?.arity === "flag") return `${typed}: there is no such option; write --${off.name}=false`
  return `${typed}: there is no such option${didYouMean(name, [...known.keys(), ...ownNames], "--")}`
}

/** What is no plain word (a URL, perhaps with a password) is not repeated. */
const noSuchCommand = (command: string | undefined, commands: Commands): string | undefined => {
  if (command === undefined || commands.has(command)) return undefined
  const names = Array.from(commands.keys())
  return /^[a-z][a-z-]{0,20}$/i.test(command)
    ? `there is no command "${command}"${didYouMean(command, names) || `; there are ${names.join(", ")}`}`
    : `what to do comes first: ${names.join(", ")}; to download a URL, write sluice get URL`
}

/** The options that `command` does not have, has twice or has without a value. */
const wrong = (
  { options, rest: [command] }: Split,
  commands: Commands,
  known: ReadonlyMap<string, Setting<unknown>>
): string | undefined => {
  const own = command === undefined ? undefined : commands.get(command)
  const seen = new Set<string>()
  for (const [name, value] of options) {
    // commands may have different options of one name
    const setting = own?.find((of) => of.name === name) ?? known.get(name)
    if (own !== undefined && setting !== undefined && !own.includes(setting)) {
      return `--${name}: sluice ${command} has no such option`
    }
    if (seen.has(name) && setting?.arity !== "many") return `--${name} was given twice`
    if (value === "" && setting?.path === undefined) return `--${name}: its value is missing`
    // @effect/cli would take it for the end of the options
    if (value === "--") return `--${name}: "--" can't be its value; a file of that name is ./--`
    seen.add(name)
  }
  return undefined
}

/** Reads the arguments. The left is a sentence without a full stop. */
export const read = (args: ReadonlyArray<string>, commands: Commands): Either.Either<Asked, string> => {
  const known = new Map(Array.from(commands.values()).flatMap((settings) => settings.map((s) => [s.name, s])))
  return Either.flatMap(split(args, known), (found): Either.Either<Asked, string> => {
    const { options, rest } = found
    const own = new Map(options.filter(([name]) => ownNames.includes(name)))
    const [command] = rest
    if (own.has("help")) {
      return Either.right({
        ask: "help",
        command: command !== undefined && commands.has(command) ? command : undefined
      })
    }
    if (own.has("version")) return Either.right({ ask: "version" })
    const shell = own.get("completions")
    if (shell !== undefined) {
      const asked = shells.find((name) => name === shell)
      return asked === undefined
        ? Either.left(`--completions: "${shown(shell)}" is not one of ${shells.join(", ")}`)
        : Either.right({ ask: "completions", shell: asked })
    }
    const wanted = own.get("log-level")
    const level = logLevels.find((one) => one === wanted)
    if (wanted !== undefined && level === undefined)
      return Either.left(`--log-level: "${shown(wanted)}" is not one of ${logLevels.join(", ")}`)
    const why = noSuchCommand(command, commands) ?? wrong(found, commands, known)
    if (why !== undefined) return Either.left(why)
    return Either.right({
      ask: "run",
      ...(level === undefined ? {} : { logLevel: level }),
      args:
        command === undefined
          ? []
          : [
              command,
              // @effect/cli has an option of that name as well, which is not found everywhere
              ...options.flatMap(([name, value]) => (name === "log-level" ? [] : [`--${name}`, value])),
              ...(rest.length > 1 ? ["--", ...rest.slice(1)] : [])
            ]
    })
  })
}
