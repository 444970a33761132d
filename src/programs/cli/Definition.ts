/**
 * How a command is made: its arguments come from @effect/cli as texts; here they are joined with the environment and the
 * config file, and read. Which commands there are, is in Commands.
 */
import type * as CliArgs from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as CliOptions from "@effect/cli/Options"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as ConfigFile from "./ConfigFile.js"
import type { CommandError } from "./Failures.js"
import { UsageError } from "./Failures.js"
import type { Described } from "./Help.js"
import { network } from "./NetworkOptions.js"
import * as Options from "./Options.js"
import type { Output } from "./Output.js"
import * as QueueOptions from "./QueueOptions.js"
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
  ...network,
  ...QueueOptions.ls,
  ...QueueOptions.add
}).filter(({ name, typed }) => name !== "config" && !typed)

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

/** What commands need of the world. */
export type Needs = Output | Surroundings

/** A command, and what there is to say about it. */
export const make = <S extends Settings, P>(
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
