/**
 * The commands: their names, arguments and help, and what becomes of their failures. What they do is in Get, Run and Ls.
 */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Span from "@effect/cli/HelpDoc/Span"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { homedir } from "node:os"
import { stripVTControlCharacters } from "node:util"
import * as Args from "./Args.js"
import * as Events from "./Events.js"
import type { CommandError } from "./Failures.js"
import { sentence, trouble, UsageError } from "./Failures.js"
import * as Get from "./Get.js"
import * as Help from "./Help.js"
import * as Ls from "./Ls.js"
import * as Options from "./Options.js"
import * as Output from "./Output.js"
import * as Process from "./Process.js"
import * as Run from "./Run.js"
import { Surroundings } from "./Surroundings.js"
import { version } from "./Version.js"

/** What a command does, and how it is used. */
const help = (what: string, ...examples: ReadonlyArray<string>): HelpDoc.HelpDoc =>
  HelpDoc.blocks([
    HelpDoc.p(what),
    HelpDoc.p(examples.length === 1 ? "Example:" : "Examples:"),
    ...examples.map((example) => HelpDoc.p(Span.code(`  ${example}`)))
  ])

const get = Command.make(
  "get",
  {
    urls: Options.urls,
    db: Options.db,
    ...Options.get,
    ...Options.display
  },
  ({ connections: _one, maxRetries, onConflict, retryDelay, stallTimeout, timeout, ...asked }) =>
    Get.get({ ...asked, options: { maxRetries, onConflict, retryDelay, stallTimeout, timeout } })
).pipe(
  Command.withDescription(
    help(
      "Download URLs and wait for them. The same command again goes on with what is unfinished.",
      "sluice get --dir ~/Downloads https://example.org/file.iso"
    )
  )
)

const run = Command.make("run", { db: Options.db, ...Options.display }, Run.run).pipe(
  Command.withDescription(
    help("Go on with everything unfinished, and end when the queue is empty.", "sluice run --no-progress")
  )
)

const ls = Command.make("ls", { db: Options.db, ...Options.ls }, Ls.ls).pipe(
  Command.withDescription(
    help("List downloads, newest last. Starts nothing.", "sluice ls --status failed --status retrying")
  )
)

const root = Command.make("sluice", {}, () =>
  Effect.fail(
    new UsageError({
      reason: "NoCommand",
      message: "a command is missing",
      advice: "try sluice get URL, or see sluice --help"
    })
  )
).pipe(
  Command.withDescription(
    help(
      "Downloads that survive crashes.",
      "sluice get https://example.org/file.iso",
      "sluice ls",
      "sluice run"
    )
  ),
  Command.withSubcommands([get, run, ls])
)

const parse = Command.run(root, { name: "sluice", version, executable: "sluice" })

const badUsage = (reason: string, message: string): UsageError =>
  new UsageError({ reason, message, advice: "see sluice --help, or sluice COMMAND --help" })

/** @effect/cli says what is wrong in a document of its own; one sentence is made of it. */
const usageError = (error: ValidationError.ValidationError): UsageError =>
  badUsage(
    error._tag,
    stripVTControlCharacters(HelpDoc.toAnsiText(error.error)).trim().replaceAll(/\s+/g, " ")
  )

/** @effect/cli prints help (on stdout) and validation errors (dropped here: they are told by `tellTrouble`). */
const console = (output: Output.Shape): Effect.Effect<Console.Console> =>
  Effect.map(Console.consoleWith(Effect.succeed), (console) => ({
    ...console,
    log: (text: string) =>
      Effect.ignore(output.out(Help.tidy("sluice", Output.colored(text, output.outColor)))),
    error: () => Effect.void
  }))

/** Warnings of the engine, one line each. */
const logger = (output: Output.Shape) =>
  Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ logLevel, message }) => {
      const words = Array.isArray(message) ? message : [message]
      output.unsafeErr(`sluice: ${logLevel.label.toLowerCase()}: ${words.map(String).join(" ")}\n`)
    })
  )

const tellTrouble = (output: Output.Shape, json: boolean) => (cause: Parameters<typeof trouble>[0]) =>
  Effect.gen(function* () {
    const found = trouble(cause)
    if (found === undefined) return
    yield* output.err(sentence(found))
    if (!json) return
    const at = new Date(yield* Clock.currentTimeMillis).toISOString()
    yield* Effect.ignore(output.out(Events.encode({ v: 1, event: "error", at, ...found })))
  })

/** The whole program: parses, runs, and says why where it fails. */
export const program = (
  args: ReadonlyArray<string>
): Effect.Effect<void, CommandError, Output.Output | Surroundings> =>
  Effect.gen(function* () {
    const output = yield* Output.Output
    yield* Args.arrange(Options.repeatable)(args).pipe(
      Either.mapLeft((why) => badUsage("BadArguments", why)),
      Effect.flatMap((arranged) => parse(["node", "sluice", ...arranged])),
      Effect.mapError((error) => (ValidationError.isValidationError(error) ? usageError(error) : error)),
      Effect.tapErrorCause(tellTrouble(output, args.includes("--json"))),
      Effect.withConsole(yield* console(output)),
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
    script: process.argv[1] ?? "sluice",
    cwd: process.cwd(),
    home: homedir(),
    stateHome: process.env["XDG_STATE_HOME"]
  }
  Process.run(
    program(args).pipe(
      Effect.provideService(Output.Output, output),
      Effect.provideService(Surroundings, surroundings)
    )
  )
}
