/**
 * The commands that take URLs or work on the queue: what they are called, what they take, what is said about them, and whom
 * they call. Those that look at the queue and change what is in it are in QueueCommands.
 */
import * as CliArgs from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { defaultOptions } from "../../domain/DownloadOptions.js"
import * as Add from "./Add.js"
import * as Consumers from "./Consumers.js"
import { badUsage, make } from "./Definition.js"
import { UsageError } from "./Failures.js"
import * as Get from "./Get.js"
import * as HeaderFields from "./HeaderFields.js"
import type { Described } from "./Help.js"
import { network } from "./NetworkOptions.js"
import * as Options from "./Options.js"
import * as QueueCommands from "./QueueCommands.js"
import * as QueueOptions from "./QueueOptions.js"
import type { Inputs } from "./Requests.js"
import * as Run from "./Run.js"
import * as Sources from "./Sources.js"

export { badUsage, Json } from "./Definition.js"

const urls = CliArgs.repeated(CliArgs.text({ name: "URL" }))

/** What is asked for, from options that `get` and `add` have in common. */
const inputs = (
  found: Sources.AllFound<typeof Options.get & typeof QueueOptions.marks>,
  urls: ReadonlyArray<string>,
  quiet: boolean
) => {
  const { bearer, headers, referer, user, userAgent } = found
  const values = Sources.valuesOf(found)
  const {
    checksum,
    connections,
    giveUp,
    limitEach,
    lowSpeedLimit,
    lowSpeedTime,
    maxRetries,
    maxSize,
    maxTime,
    onConflict,
    retryDelay,
    stallTimeout,
    timeout
  } = values
  const { dir, group, input, key, metalinks, mirrors, output, priority, seal, tags } = values
  const refetch = values.refetch ? ("always" as const) : defaultOptions.refetch
  const limits = { connections, giveUp, maxRetries, maxSize, maxTime, retryDelay, stallTimeout, timeout }
  const speeds = { limitRate: limitEach, lowSpeedLimit, lowSpeedTime }
  const options = { ...limits, ...speeds, checksum, onConflict, refetch, size: null }
  return HeaderFields.merge({ bearer, headers, referer, user, userAgent }).pipe(
    Either.mapBoth({
      onLeft: (why) => badUsage("Contradiction", why),
      onRight: (fields) => ({
        ...({
          dir,
          input,
          key,
          metalinks,
          mirrors,
          output,
          priority,
          quiet,
          tags,
          urls
        } satisfies Partial<Inputs>),
        group,
        seal,
        headers: fields,
        options
      })
    })
  )
}

const get = make(
  {
    name: "get",
    about: [
      "Download URLs and wait for them.",
      "The same command again goes on with what is unfinished.",
      "The path of each finished file goes to stdout."
    ],
    usage: [
      "[OPTIONS] URL...",
      "[OPTIONS] --input FILE|- [URL...]",
      "[OPTIONS] --metalink FILE|URL [URL...]"
    ],
    examples: [
      ["", "sluice get --dir ~/Downloads https://example.org/file.iso"],
      ["a list, five at once", "sluice get --input list.txt --concurrency 5"],
      ["what another program finds", "find-urls | sluice get --input - --dir images --quiet"],
      ["behind a login", "SLUICE_BEARER=$TOKEN sluice get https://example.org/private.zip"]
    ],
    positional: "URL"
  },
  urls,
  { ...Options.get, ...QueueOptions.marks, ...Options.engine, ...network, ...Options.display },
  (found, urls) =>
    Effect.gen(function* () {
      const values = Sources.valuesOf(found)
      const { concurrency, connections, db, durability, json, limitRate, noProgress } = values
      const { perHost, quiet, transport } = values
      const wanted = yield* inputs(found, urls, quiet)
      const engine = { concurrency, connections, durability, limitRate, perHost, transport }
      yield* Get.get({ ...wanted, network: values, ...engine, db, json, noProgress })
    })
)

const add = make(
  {
    name: "add",
    about: [
      "Put URLs into the queue, and print their ids.",
      "Downloads nothing: that is what sluice run is for, or one that runs already.",
      "What is in the queue already is not added twice.",
      "A list may have any length."
    ],
    usage: [
      "[OPTIONS] URL...",
      "[OPTIONS] --input FILE|- [URL...]",
      "[OPTIONS] --metalink FILE|URL [URL...]"
    ],
    examples: [
      ["", "sluice add --dir ~/Downloads https://example.org/file.iso"],
      ["a list, to be commanded together", "sluice add --input list.txt --tag photos --priority 5"],
      ["what belongs together, counted", "sluice add --input papers.txt --group papers --seal"]
    ],
    positional: "URL"
  },
  urls,
  QueueOptions.add,
  (found, urls) =>
    Effect.gen(function* () {
      const { db, json, quiet } = Sources.valuesOf(found)
      yield* Add.run({ ...(yield* inputs(found, urls, quiet)), db, json })
    })
)

const run = make(
  {
    name: "run",
    about: [
      "Go on with everything unfinished, and end when the queue is empty.",
      "With --watch it stays, and takes up what is added."
    ],
    usage: ["[OPTIONS]"],
    examples: [
      ["", "sluice run --concurrency 5 --no-progress"],
      ["as a service", "sluice run --watch --json"]
    ]
  },
  CliArgs.none,
  { ...QueueOptions.run, ...Options.engine, ...network, ...Options.display },
  (found) => {
    const values = Sources.valuesOf(found)
    return Run.run({ ...values, network: values })
  }
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
    actions: Consumers.actions
  },
  CliArgs.repeated(CliArgs.text({ name: "ACTION" })),
  Options.consumers,
  (found, words) => Consumers.consumers({ ...Sources.valuesOf(found), words })
)

const commands = [get, add, run, ...QueueCommands.commands, consumers] as const

/** What there is to say about each, in the order of the help. */
export const described: ReadonlyArray<Described> = commands.map(({ described }) => described)

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
).pipe(
  Command.withSubcommands([
    get.command,
    add.command,
    run.command,
    ...QueueCommands.commands.map(({ command }) => command),
    consumers.command
  ])
)
