/**
 * The help of @effect/cli, made readable: without the sentences that say of every option that it is text or a flag and
 * optional, and without the empty lines between a name and what it means. Pure.
 */
import { stripVTControlCharacters } from "node:util"

const noise = [
  /^A user-defined piece of text\.$/,
  /^A true or false value\.$/,
  /^One of the following: .*$/,
  /^This (setting is optional|option may be repeated zero or more times)\.$/,
  /^This argument must be repeated at least 1 times\.$/
]

/** `text` is the help of the command `name` as printed, possibly with colours. */
export const tidy = (name: string, text: string): string => {
  const lines = text
    .split("\n")
    .map((line) => ({ line: line.trimEnd(), plain: stripVTControlCharacters(line).trimEnd() }))
    .filter(({ plain }) => !noise.some((pattern) => pattern.test(plain.trim())))
  const kept: Array<string> = []
  let before = ""
  let empty = false
  for (const { line, plain } of lines) {
    if (plain === "") {
      empty = true
      continue
    }
    const belongs = plain.startsWith("  ") || (before.startsWith("  ") && /^[-(]/.test(plain))
    if (empty && !belongs && kept.length > 0) kept.push("")
    empty = false
    before = plain
    // the usage of a subcommand names it without the program
    kept.push(
      plain.startsWith("$ ") && !plain.startsWith(`$ ${name}`) ? line.replace("$ ", `$ ${name} `) : line
    )
  }
  return `${kept.join("\n")}\n`
}
