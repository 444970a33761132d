/**
 * The command that was typed, written so that it can be typed again: quoted for a POSIX shell, and without the secrets
 * that were in it.
 */
import { basename, relative } from "node:path"
import { redactUrl } from "../../domain/Redaction.js"
import { network } from "./NetworkOptions.js"
import * as Options from "./Options.js"
import type { Shape as Surroundings } from "./Surroundings.js"

/** Quotes one word for a POSIX shell, where that is needed. */
export const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** How this program is started: by its name, by npx, or by node and its path. */
const program = (script: string, cwd: string): string => {
  if (script.includes("/node_modules/.bin/")) return "npx sluice"
  if (basename(script) === "sluice") return "sluice"
  const path = relative(cwd, script)
  return `node ${quote(path.startsWith("..") ? script : path)}`
}

/** What stands for a secret. The name of a header stays, as it tells which one to type again. */
const hidden = (name: string, value: string): string => {
  const colon = name === "header" ? value.indexOf(":") : -1
  return colon < 0 ? "..." : `${value.slice(0, colon)}: ...`
}

/** The options whose values may be secrets. */
const secret: ReadonlySet<string> = new Set(
  Object.values({ ...Options.get, ...network })
    .filter(({ secret }) => secret)
    .map(({ name }) => name)
)

const isSecret = (arg: string | undefined): boolean =>
  arg?.startsWith("--") === true && secret.has(arg.slice(2))

const show = (arg: string, before: string | undefined): string => {
  if (isSecret(before)) return hidden(before!.slice(2), arg)
  const equals = arg.indexOf("=")
  const name = arg.slice(0, Math.max(0, equals))
  if (isSecret(name)) return `${name}=${hidden(name.slice(2), arg.slice(equals + 1))}`
  // the value of another option may be a URL too
  return name.startsWith("--") ? `${name}=${redactUrl(arg.slice(equals + 1))}` : redactUrl(arg)
}

/** The value of an option that is given at most once. */
const valueOf = (args: ReadonlyArray<string>, name: string): string | undefined => {
  const index = args.findIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`))
  const arg = args[index]
  return arg === `--${name}` ? args[index + 1] : arg?.slice(name.length + 3)
}

type Place = Pick<Surroundings, "args" | "cwd" | "script">

/** The command that works on the same queue. */
export const run = ({ args, cwd, script }: Place): string => {
  const kept = ["db", "config"].flatMap((name) => {
    const value = valueOf(args, name)
    return value === undefined ? [] : [`--${name}`, value]
  })
  return [program(script, cwd), "run", ...kept.map(quote)].join(" ")
}

/** The same command line with another value of an option that is given at most once. */
export const having = ({ args, cwd, script }: Place, name: string, value: string): string => {
  const at = args.findIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`))
  const length = at < 0 ? 0 : args[at] === `--${name}` ? 2 : 1
  const others = length === 0 ? args : [...args.slice(0, at), ...args.slice(at + length)]
  return [program(script, cwd), ...[...others, `--${name}`, value].map(quote)].join(" ")
}

/**
 * The command line to type again; `hidden` says whether something secret was left out of it. What came by stdin can't be
 * had again, but is in the database: there it is `sluice run` that goes on.
 */
export const again = ({
  args,
  cwd,
  script
}: Place): { readonly command: string; readonly hidden: boolean } => {
  if (valueOf(args, "input") === "-") {
    return { command: run({ args, cwd, script }), hidden: false }
  }
  const shown = args.map((arg, index) => show(arg, args[index - 1]))
  return {
    command: [program(script, cwd), ...shown.map(quote)].join(" "),
    hidden: shown.some((arg, index) => arg !== args[index])
  }
}
