/**
 * The help: what a command is for, how it is used, examples, and its options in groups, laid out for the width of the terminal.
 * Written from the same descriptions as everything else about options. Pure.
 */
import type { Setting } from "./Setting.js"
import { groups } from "./Setting.js"

/** What a command takes that is no option. */
export type Positional = "URL" | "ID"

/** A command, as far as people need to know it. */
export interface Described {
  readonly name: string
  /** Sentences. The first is its line in the list of commands. */
  readonly about: ReadonlyArray<string>
  /** What follows its name; each on a line of its own. */
  readonly usage: ReadonlyArray<string>
  readonly examples: ReadonlyArray<readonly [what: string, command: string]>
  readonly positional?: Positional
  readonly settings: ReadonlyArray<Setting<unknown>>
  /** What may follow its name as a word, where there are few. */
  readonly actions?: ReadonlyArray<string>
}

export interface Manner {
  readonly columns: number
  readonly color: boolean
}

/** Wider lines are hard to read. */
const widest = 100
/** Where what an option means begins. */
const column = 26

/** The text in lines of at most so many characters; longer words are not broken. */
export const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === "" ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** A name, and beside it what it means. */
const entry = (name: string, meaning: string, { columns }: Manner): ReadonlyArray<string> => {
  const [first = "", ...others] = wrap(meaning, Math.max(30, Math.min(widest, columns) - column - 1))
  const indent = " ".repeat(column)
  const head = `  ${name}`
  return head.length + 2 <= column
    ? [`${head.padEnd(column)}${first}`, ...others.map((line) => indent + line)]
    : [head, ...[first, ...others].map((line) => indent + line)]
}

const heading = (text: string, { color }: Manner): string =>
  color ? `\u001b[1m${text}:\u001b[22m` : `${text}:`

/** As in `--dir DIR`. */
export const spelled = ({ arity, kind, name, short }: Setting<unknown>): string =>
  `${short === undefined ? "" : `-${short}, `}--${name}${arity === "flag" ? "" : ` ${kind}`}${arity === "many" ? "..." : ""}`

const meaning = ({ description, typed }: Setting<unknown>): string =>
  typed ? `${description} Only on the command line.` : description

const optionLines = (settings: ReadonlyArray<Setting<unknown>>, manner: Manner): ReadonlyArray<string> =>
  groups.flatMap((group) => {
    const members = settings.filter((setting) => setting.group === group)
    if (members.length === 0) return []
    return [
      "",
      heading(group, manner),
      ...members.flatMap((setting) => entry(spelled(setting), meaning(setting), manner))
    ]
  })

const examples = ({ examples }: Pick<Described, "examples">, manner: Manner): ReadonlyArray<string> => [
  "",
  heading(examples.length === 1 ? "Example" : "Examples", manner),
  ...examples.flatMap(([what, command]) => (what === "" ? [`  ${command}`] : [`  # ${what}`, `  ${command}`]))
]

const paragraphs = (sentences: ReadonlyArray<string>, { columns }: Manner): ReadonlyArray<string> =>
  wrap(sentences.join(" "), Math.min(widest, columns) - 1)

const notes = [
  "Durations are 200ms, 30s, 5m, 2h or 1d; sizes 500K, 8MiB, 1.5G or bytes (K is 1024).",
  "Unless it says otherwise, each option can also be set by an environment variable (--max-retries is",
  "SLUICE_MAX_RETRIES; flags are true or false) and in the config file (max-retries = 5).",
  "The command line comes first, then the environment, then the file.",
  "A flag is turned off again by --json=false. Relative paths count from the current directory everywhere."
]

/** The help of one command. */
export const ofCommand = (command: Described, manner: Manner): string =>
  [
    ...paragraphs(command.about, manner),
    "",
    heading("Usage", manner),
    ...command.usage.map((usage) => `  sluice ${command.name} ${usage}`),
    ...examples(command, manner),
    ...optionLines(command.settings, manner),
    ...entry("-h, --help", "This help.", manner),
    "",
    ...paragraphs(notes, manner),
    ""
  ].join("\n")

/** The help of the program. */
export const ofProgram = (
  about: string,
  commands: ReadonlyArray<Described>,
  manner: Manner & { readonly version: string }
): string =>
  [
    `sluice ${manner.version}: ${about}`,
    "",
    heading("Usage", manner),
    "  sluice COMMAND [OPTIONS]",
    "",
    heading("Commands", manner),
    ...commands.flatMap(({ about, name }) => entry(name, about[0] ?? "", manner)),
    ...examples({ examples: commands.flatMap(({ examples }) => examples.slice(0, 1)) }, manner),
    "",
    heading("Options", manner),
    ...entry("-h, --help", "This help; sluice COMMAND --help for the options of a command.", manner),
    ...entry("--version", "The version.", manner),
    ...entry(
      "--completions SHELL",
      "A script that completes commands, options and values, for bash, zsh or fish.",
      manner
    ),
    ...entry("--log-level LEVEL", "How much the engine says about itself: debug, info, warning ...", manner),
    "",
    heading("Completions", manner),
    "  sluice --completions bash > ~/.local/share/bash-completion/completions/sluice",
    "  sluice --completions zsh > DIR/_sluice      # DIR is one of $fpath",
    "  sluice --completions fish > ~/.config/fish/completions/sluice.fish",
    "",
    ...paragraphs(notes, manner),
    ""
  ].join("\n")
