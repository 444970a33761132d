/**
 * The commands: what they are called, what they take, what is said about them, and whom they call. Arguments come from
 * @effect/cli as texts; here they are joined with the environment and the config file, and read.
 */
import * as CliArgs from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as ConfigFile from "./ConfigFile.js"
import * as Consumers from "./Consumers.js"
import type { CommandError } from "./Failures.js"
import { UsageError } from "./Failures.js"
import * as Get from "./Get.js"
import * as HeaderFields from "./HeaderFields.js"
import type { Described } from "./Help.js"
import * as Ls from "./Ls.js"
import * as Options from "./Options.js"
import type { Output } from "./Output.js"
import * as Run from "./Run.js"
import type { Setting, Settings } from "./Setting.js"
import * as Sources from "./Sources.js"
import { Surroundings } from "./Surroundings.js"

/** Whether programs listen (`--json`); known once a command has read its settings. */
export class Json extends Context.Tag("sluice/cli/Json")<Json, Ref.Ref<boolean>>() {}

export const badUsage = (reason: string, message: string): UsageError =>
  new UsageError({ reason, message, advice: "see sluice --help, or sluice COMMAND --help" })

/** Everything that a config file can hold. */
const configurable: ReadonlyArray<Setting<unknown>> = Object.values({
  ...Options.common,
  ...Options.display,
  ...Options.engine,
  ...Options.get,
  ...Options.ls
}).filter(({ name }) => name !== "config")

/** An option as @effect/cli has to know it: a name and texts. */
const texts = ({ arity, name }: Setting<unknown>): CliOptions.Options<ReadonlyArray<string>> =>
  arity === "many"
    ? CliOptions.repeated(CliOptions.text(name))
    : CliOptions.map(CliOptions.optional(CliOptions.text(name)), Option.toArray)

const namedTexts = (settings: Settings): Record<string, CliOptions.Options<ReadonlyArray<string>>> =>
  Object.fromEntries(Object.values(settings).map((setting) => [setting.name, texts(setting)]))

/** The settings of a command, from wherever they come. */
const read = <S extends Settings>(settings: S, typed: Readonly<Record<string, ReadonlyArray<string>>>) =>
  Effect.gen(function* () {
    const surroundings = yield* Surroundings
    const near = [Sources.commandLine(typed), Sources.environment(surroundings.environment)]
    const refuse = Either.mapLeft((why: string) => badUsage("InvalidValue", why))
    const config = yield* refuse(Sources.look(Options.common.config, near))
    const file = yield* ConfigFile.load(config.value, configurable, surroundings)
    const found = yield* refuse(Sources.lookAll(settings, file === undefined ? near : [...near, file]))
    const json: Sources.Found<unknown> | undefined = found["json"]
    yield* Ref.set(yield* Json, json?.value === true)
    return found
  })

type Needs = Output | Surroundings

const make = <S extends Settings, P>(
  about: Omit<Described, "settings">,
  positional: CliArgs.Args<P>,
  own: S,
  run: (
    found: Sources.AllFound<S & typeof Options.common>,
    positional: P
  ) => Effect.Effect<void, CommandError, Needs>
) => {
  const settings = { ...own, ...Options.common }
  const described: Described = { ...about, settings: Object.values(settings) }
  const command = Command.make(
    about.name,
    { positional, typed: namedTexts(settings) },
    ({ positional, typed }) => Effect.flatMap(read(settings, typed), (found) => run(found, positional))
  )
  return { described, command }
}

const get = make(
  {
    name: "get",
    about: [
      "Download URLs and wait for them.",
      "The same command again goes on with what is unfinished.",
      "The path of each finished file goes to stdout."
    ],
    usage: ["[OPTIONS] URL...", "[OPTIONS] --input FILE|- [URL...]"],
    examples: [
      ["", "sluice get --dir ~/Downloads https://example.org/file.iso"],
      ["a list, five at once", "sluice get --input list.txt --concurrency 5"],
      ["what another program finds", "find-urls | sluice get --input - --dir images --quiet"],
      ["behind a login", "SLUICE_BEARER=$TOKEN sluice get https://example.org/private.zip"]
    ]
  },
  CliArgs.repeated(CliArgs.text({ name: "URL" })),
  { ...Options.get, ...Options.engine, ...Options.display },
  (found, urls) =>
    Effect.gen(function* () {
      const { bearer, headers, referer, user, userAgent } = found
      const fields = yield* HeaderFields.merge({ bearer, headers, referer, user, userAgent }).pipe(
        Either.mapLeft((why) => badUsage("Contradiction", why))
      )
      const {
        checksum,
        giveUp,
        maxRetries,
        maxSize,
        onConflict,
        retryDelay,
        stallTimeout,
        timeout,
        ...asked
      } = Sources.valuesOf(found)
      yield* Get.get({
        ...asked,
        urls,
        headers: fields,
        options: { checksum, giveUp, maxRetries, maxSize, onConflict, retryDelay, stallTimeout, timeout }
      })
    })
)

const run = make(
  {
    name: "run",
    about: ["Go on with everything unfinished, and end when the queue is empty."],
    usage: ["[OPTIONS]"],
    examples: [["", "sluice run --concurrency 5 --no-progress"]]
  },
  CliArgs.none,
  { ...Options.engine, ...Options.display },
  (found) => Run.run(Sources.valuesOf(found))
)

const ls = make(
  {
    name: "ls",
    about: ["List downloads, newest last.", "Starts nothing."],
    usage: ["[OPTIONS]"],
    examples: [["", "sluice ls --status failed --status retrying"]]
  },
  CliArgs.none,
  Options.ls,
  (found) => Ls.ls(Sources.valuesOf(found))
)

const consumers = make(
  {
    name: "consumers",
    about: [
      "List those who are to hear of the ends of downloads, or forget one.",
      "A consumer gets every end at least once, until it has acknowledged it; BEHIND is how many it has not.",
      "Programs register and read consumers (the library's completions and consume)."
    ],
    usage: ["[ls] [OPTIONS]", "rm NAME... [OPTIONS]"],
    examples: [
      ["", "sluice consumers ls"],
      ["one that is not coming back", "sluice consumers rm converter"]
    ],
    words: Consumers.actions
  },
  CliArgs.repeated(CliArgs.text({ name: "ACTION" })),
  Options.consumers,
  (found, words) => Consumers.consumers({ ...Sources.valuesOf(found), words })
)

/** What there is to say about each, in the order of the help. */
export const described: ReadonlyArray<Described> = [
  get.described,
  run.described,
  ls.described,
  consumers.described
]

export const about = "downloads that survive crashes."

/** The program, without a command and with each. */
export const root = Command.make("sluice", {}, () =>
  Effect.fail(
    new UsageError({
      reason: "NoCommand",
      message: "a command is missing",
      advice: "try sluice get URL, or see sluice --help"
    })
  )
).pipe(Command.withSubcommands([get.command, run.command, ls.command, consumers.command]))
