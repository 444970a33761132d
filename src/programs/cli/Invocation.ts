/**
 * The command that was typed, written so that it can be typed again: quoted for a POSIX shell, and without the secrets
 * that were in it.
 */
import { basename, relative } from "node:path"
import { redactUrl } from "../../domain/Redaction.js"
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

/** The value of a header may be a credential: its name stays, the value becomes `...`. */
const hideValue = (field: string): string => {
  const colon = field.indexOf(":")
  return colon < 0 ? "..." : `${field.slice(0, colon)}: ...`
}

/** The command line to type again; `hidden` says whether something secret was left out of it. */
export const again = ({
  args,
  cwd,
  script
}: Pick<Surroundings, "args" | "cwd" | "script">): { readonly command: string; readonly hidden: boolean } => {
  const shown = args.map((arg, index) =>
    args[index - 1] === "--header"
      ? hideValue(arg)
      : arg.startsWith("--header=")
        ? `--header=${hideValue(arg.slice("--header=".length))}`
        : redactUrl(arg)
  )
  return {
    command: [program(script, cwd), ...shown.map(quote)].join(" "),
    hidden: shown.some((arg, index) => arg !== args[index])
  }
}
