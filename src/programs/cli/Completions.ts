/**
 * Scripts that complete the command line, for three shells, written from the descriptions of the commands: command names,
 * options, their values where there are few, files and directories where an option takes one. Pure.
 *
 * @effect/cli can write such scripts too, but knows nothing of values that are read later, nor which of them are paths.
 */
import type { Shell } from "./CommandLine.js"
import type { Described } from "./Help.js"
import type { Setting } from "./Setting.js"

type Commands = ReadonlyArray<Described>

/** The first sentence of what an option is for. */
const brief = ({ description }: Setting<unknown>): string =>
  (/^.*?[.:;](?= |$)/.exec(description)?.[0] ?? description).slice(0, -1)

const summary = ({ about }: Described): string => (about[0] ?? "").replace(/\.$/, "")

/** Within single quotes of a POSIX shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const valued = ({ arity }: Setting<unknown>): boolean => arity !== "flag"

/** All options with the same values or kind of path, of all commands. */
const byName = (commands: Commands): ReadonlyArray<Setting<unknown>> =>
  Array.from(
    new Map(commands.flatMap(({ settings }) => settings.map((setting) => [setting.name, setting]))).values()
  )

/** The commands that are followed by one of a few words. */
const worded = (commands: Commands): ReadonlyArray<readonly [name: string, words: string]> =>
  commands.flatMap(({ actions = [], name }) =>
    actions.length === 0 ? [] : [[name, actions.join(" ")] as const]
  )

const bash = (commands: Commands): string => {
  const cases = byName(commands)
    .filter(valued)
    .map((setting) => {
      const { name, path, values } = setting
      if (values.length > 0)
        return `    --${name}) COMPREPLY=($(compgen -W ${quoted(values.join(" "))} -- "$cur")); return ;;`
      if (path !== undefined)
        return `    --${name}) IFS=$'\\n'; compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -${path === "file" ? "f" : "d"} -- "$cur")); return ;;`
      return `    --${name}) return ;;`
    })
  const options = commands.map(
    ({ name, settings }) =>
      `    ${name}) words=${quoted([...settings.map((setting) => `--${setting.name}`), "--help"].join(" "))} ;;`
  )
  const words = worded(commands).map(
    ([name, words]) => `    ${name}) COMPREPLY=($(compgen -W ${quoted(words)} -- "$cur")) ;;`
  )
  return `# bash completion for sluice
_sluice() {
  local cur prev command= words word index IFS=$' \\t\\n'
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  # --name=value comes as three words
  if [[ $cur == "=" ]]; then cur=; elif [[ $prev == "=" ]]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  case "$prev" in
${cases.join("\n")}
    --completions) COMPREPLY=($(compgen -W 'bash zsh fish' -- "$cur")); return ;;
    --log-level) COMPREPLY=($(compgen -W 'debug info warning error none' -- "$cur")); return ;;
  esac
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$word" in
      ${commands.map(({ name }) => name).join("|")}) command="$word"; break ;;
    esac
  done
  case "$command" in
${options.join("\n")}
    *) words=${quoted([...commands.map(({ name }) => name), "--help", "--version", "--completions"].join(" "))} ;;
  esac
  if [[ -z $command || $cur == -* ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur"))
  elif [[ $prev == "$command" ]]; then case "$command" in
${words.join("\n")}
    esac
  fi
}
complete -F _sluice sluice
`
}

/** Within the brackets of \`_arguments\`. */
const zshText = (text: string): string => text.replaceAll(/[\\[\]:]/g, "\\$&")

const zshSpec = (setting: Setting<unknown>): string => {
  const { arity, kind, name, path, values } = setting
  const action =
    values.length > 0
      ? `(${values.join(" ")})`
      : path === "directory"
        ? "_files -/"
        : path === "file"
          ? "_files"
          : " "
  const value = valued(setting) ? `:${zshText(kind)}:${action}` : ""
  const repeat = arity === "many" ? "*" : ""
  return quoted(`${repeat}--${name}${valued(setting) ? "=" : ""}[${zshText(brief(setting))}]${value}`)
}

/** What comes after the options. */
const words = (positional: Described["positional"]): ReadonlyArray<string> =>
  positional === "URL" ? ["'*:URL:_urls'"] : positional === "ID" ? ["'*:ID: '"] : []

const zsh = (commands: Commands): string => `#compdef sluice
# zsh completion for sluice
_sluice() {
  local curcontext="$curcontext" state line ret=1
  local -a commands
  commands=(
${commands.map((command) => `    ${quoted(`${command.name}:${summary(command)}`)}`).join("\n")}
  )
  _arguments -C \\
    '(- *)'{-h,--help}'[Help]' \\
    '(- *)--version[The version]' \\
    '(- *)--completions=[A completion script]:shell:(bash zsh fish)' \\
    '1: :->command' \\
    '*:: :->rest' && ret=0
  case $state in
    command) _describe -t commands 'command' commands && ret=0 ;;
    rest)
      case $line[1] in
${commands
  .map(
    ({ actions = [], name, positional, settings }) => `        ${name})
          _arguments ${[...settings.map(zshSpec), `'(- *)'{-h,--help}'[Help]'`, ...words(positional), ...(actions.length > 0 ? [`'1:action:(${actions.join(" ")})'`] : [])].join(" \\\n            ")} && ret=0 ;;`
  )
  .join("\n")}
      esac ;;
  esac
  return ret
}
if [ "$funcstack[1]" = _sluice ]; then _sluice "$@"; else compdef _sluice sluice; fi
`

/** Within single quotes of fish, where \\ and ' are written with a \\. */
const fishText = (text: string): string => `'${text.replaceAll(/[\\']/g, "\\$&")}'`

const fish = (commands: Commands): string => {
  const names = commands.map(({ name }) => name).join(" ")
  const line = (condition: string, rest: string) => `complete -c sluice -n ${fishText(condition)} ${rest}`
  const none = `not __fish_seen_subcommand_from ${names}`
  return `# fish completion for sluice
complete -c sluice -f
${commands.map((command) => line(none, `-a ${command.name} -d ${fishText(summary(command))}`)).join("\n")}
${line(none, "-l version -d 'The version'")}
${line(none, "-l completions -x -a 'bash zsh fish' -d 'A completion script'")}
complete -c sluice -s h -l help -d 'Help'
${worded(commands)
  .map(([name, words]) => line(`__fish_seen_subcommand_from ${name}`, `-a ${fishText(words)}`))
  .join("\n")}
${commands
  .flatMap(({ name, settings }) =>
    settings.map((setting) => {
      const value = !valued(setting)
        ? ""
        : setting.values.length > 0
          ? ` -x -a ${fishText(setting.values.join(" "))}`
          : setting.path === "directory"
            ? " -x -a '(__fish_complete_directories)'"
            : setting.path === "file"
              ? " -r -F"
              : " -x"
      return line(
        `__fish_seen_subcommand_from ${name}`,
        `-l ${setting.name}${value} -d ${fishText(brief(setting))}`
      )
    })
  )
  .join("\n")}
`
}

const writers: Record<Shell, (commands: Commands) => string> = { bash, zsh, fish }

/** The script for a shell. */
export const script = (shell: Shell, commands: Commands): string => writers[shell](commands)
