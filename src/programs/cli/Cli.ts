/**
 * The program: reads the arguments, answers what needs no command, runs the others, and says why where they fail.
 */
import type * as CliApp from "@effect/cli/CliApp"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as FiberRefs from "effect/FiberRefs"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Ref from "effect/Ref"
import { homedir } from "node:os"
import { stripVTControlCharacters } from "node:util"
import * as Args from "./Args.js"
import * as CommandLine from "./CommandLine.js"
import * as Commands from "./Commands.js"
import * as Completions from "./Completions.js"
import * as Events from "./Events.js"
import type { CommandError, UsageError } from "./Failures.js"
import { sentence, trouble } from "./Failures.js"
import * as Help from "./Help.js"
import * as LogLine from "./LogLine.js"
import * as Output from "./Output.js"
import * as Process from "./Process.js"
import { Surroundings } from "./Surroundings.js"
import { version } from "./Version.js"

/** What commands need of the world. */
type Needs = CliApp.CliApp.Environment | Commands.Json | Output.Output | Surroundings

const parse = Command.run(Commands.root, { name: "sluice", version, executable: "sluice" })

/** @effect/cli says what is wrong in a document of its own; one sentence is made of it. */
const usageError = (error: ValidationError.ValidationError): UsageError =>
  Commands.badUsage(
    error._tag,
    stripVTControlCharacters(HelpDoc.toAnsiText(error.error)).trim().replaceAll(/\s+/g, " ")
  )

/** Help, version and completions are answered before @effect/cli is asked; its complaints are told by `tellTrouble`. */
const console = Effect.map(Console.consoleWith(Effect.succeed), (console) => ({
  ...console,
  log: () => Effect.void,
  error: () => Effect.void
}))

/** What the engine says about itself, as lines; what the command tells in its own words is left out unless asked for. */
const logger = (output: Output.Shape) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make((line) => {
      const asked = FiberRefs.getOrDefault(line.context, FiberRef.currentMinimumLogLevel)
      const detailed = LogLevel.lessThan(asked, LogLevel.Warning)
      output.unsafeErr(LogLine.format(line, detailed) ?? "")
    })
  )

const tellTrouble =
  (output: Output.Shape, json: Ref.Ref<boolean>) => (cause: Parameters<typeof trouble>[0]) =>
    Effect.gen(function* () {
      const found = trouble(cause)
      if (found === undefined) return
      yield* output.err(sentence(found))
      if (!(yield* Ref.get(json))) return
      const at = new Date(yield* Clock.currentTimeMillis).toISOString()
      yield* Effect.ignore(output.out(Events.encode({ v: 1, event: "error", at, ...found })))
    })

/** Before the settings are read: whether programs listen, as far as one can see. */
const wantsJson = (
  args: ReadonlyArray<string>,
  environment: Surroundings["Type"]["environment"]
): boolean => {
  const typed = args.filter((arg) => arg === "--json" || arg.startsWith("--json=")).at(-1)
  const text =
    typed === "--json" ? "true" : (typed?.slice("--json=".length) ?? environment["SLUICE_JSON"] ?? "")
  return Either.getOrElse(Args.boolean(text), () => false)
}

const known: CommandLine.Commands = new Map(Commands.described.map(({ name, settings }) => [name, settings]))

const levels: Record<CommandLine.LogLevel, LogLevel.Literal> = {
  all: "All",
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warning: "Warning",
  error: "Error",
  fatal: "Fatal",
  none: "None"
}

/** Does what the arguments ask for. */
const answer = (asked: CommandLine.Asked, output: Output.Shape) => {
  const manner = { columns: output.columns(), color: output.outColor }
  switch (asked.ask) {
    case "version":
      return output.out(`${version}\n`)
    case "completions":
      return output.out(Completions.script(asked.shell, Commands.described))
    case "help": {
      const command = Commands.described.find(({ name }) => name === asked.command)
      return output.out(
        command === undefined
          ? Help.ofProgram(Commands.about, Commands.described, { ...manner, version })
          : Help.ofCommand(command, manner)
      )
    }
    case "run": {
      const run = parse(["node", "sluice", ...asked.args])
      return asked.logLevel === undefined
        ? run
        : Logger.withMinimumLogLevel(run, LogLevel.fromLiteral(levels[asked.logLevel]))
    }
  }
}

/** The whole program: parses, runs, and says why where it fails. */
export const program = (
  args: ReadonlyArray<string>
): Effect.Effect<void, CommandError, Output.Output | Surroundings> =>
  Effect.gen(function* () {
    const output = yield* Output.Output
    const json = yield* Ref.make(wantsJson(args, (yield* Surroundings).environment))
    yield* CommandLine.read(args, known).pipe(
      Either.mapLeft((why) => Commands.badUsage("BadArguments", why)),
      Effect.flatMap((asked): Effect.Effect<void, CommandError | ValidationError.ValidationError, Needs> =>
        answer(asked, output)
      ),
      Effect.mapError((error) => (ValidationError.isValidationError(error) ? usageError(error) : error)),
      Effect.tapErrorCause(tellTrouble(output, json)),
      Effect.provideService(Commands.Json, json),
      Effect.withConsole(yield* console),
      Effect.provide(
        Layer.mergeAll(NodeFileSystem.layer, NodePath.layer, NodeTerminal.layer, logger(output))
      ),
      Logger.withMinimumLogLevel(LogLevel.Warning)
    )
  })

/** Runs the program as this process. */
export const main = (args: ReadonlyArray<string>): void => {
  Output.unblock(process.stdout)
  Output.unblock(process.stderr)
  const output = Output.make(process.stdout, process.stderr, process.env)
  const surroundings = {
    args,
    pid: process.pid,
    script: process.argv[1] ?? "sluice",
    cwd: process.cwd(),
    home: homedir(),
    stateHome: process.env["XDG_STATE_HOME"],
    environment: process.env,
    stdin: () => process.stdin
  }
  Process.run(
    program(args).pipe(
      Effect.provideService(Output.Output, output),
      Effect.provideService(Surroundings, surroundings)
    )
  )
}
