/**
 * The options of the command line, as @effect/cli wants them described. What they mean is read by Args.
 */
import * as CliArgs from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { Status } from "../../domain/Download.js"
import { ConflictPolicy, defaultOptions } from "../../domain/DownloadRequest.js"
import * as Args from "./Args.js"

/** Reads what was typed after `--name`. */
const read =
  <A>(name: string, parser: Args.Parser<A>) =>
  (text: string) =>
    Either.mapLeft(parser(text), (why) => ValidationError.invalidValue(HelpDoc.p(`--${name}: ${why}`)))

const single = (name: string, kind: string, description: string): Options.Options<string> =>
  Options.text(name).pipe(Options.withPseudoName(kind), Options.withDescription(description))

/** `--name KIND`, read by `parser`. */
const parsed = <A>(
  name: string,
  kind: string,
  parser: Args.Parser<A>,
  description: string
): Options.Options<A> => Options.mapEffect(single(name, kind, description), read(name, parser))

/** The same, any number of times. */
const repeated = <A>(
  name: string,
  kind: string,
  parser: Args.Parser<A>,
  description: string
): Options.Options<ReadonlyArray<A>> =>
  Options.mapEffect(Options.repeated(single(name, kind, description)), (texts) =>
    Either.all(texts.map(read(name, parser)))
  )

/** The names of those. */
export const repeatable: ReadonlySet<string> = new Set(["--header", "--status"])

/** Undefined where the option was not given. */
const maybe = <A>(options: Options.Options<A>): Options.Options<A | undefined> =>
  Options.map(Options.optional(options), Option.getOrUndefined)

/** The domain's default where the option was not given. */
const or = <A>(options: Options.Options<A>, fallback: A): Options.Options<A> =>
  Options.map(
    Options.optional(options),
    Option.getOrElse(() => fallback)
  )

const flag = (name: string, description: string): Options.Options<boolean> =>
  Options.boolean(name).pipe(Options.withDescription(description))

export const urls = CliArgs.text({ name: "URL" }).pipe(
  CliArgs.mapEffect((text) => Either.mapLeft(Args.url(text), (why) => HelpDoc.p(why))),
  CliArgs.withDescription("What to download: http or https."),
  CliArgs.atLeast(1)
)

export const db = maybe(
  parsed(
    "db",
    "FILE",
    Args.file,
    "The database. Default: $XDG_STATE_HOME/sluice/sluice.db, made on first use."
  )
)

export const display = {
  json: flag("json", "One JSON object per line on stdout for each change."),
  quiet: flag("quiet", "Only results (on stdout) and errors."),
  noProgress: flag("no-progress", "No progress line.")
}

export const get = {
  dir: maybe(
    parsed(
      "dir",
      "DIR",
      Args.directory,
      "Where files go; made if its parent exists. Default: the current directory."
    )
  ),
  output: maybe(
    parsed(
      "output",
      "NAME",
      Args.file,
      "The file's name, for a single URL. Default: what the server proposes."
    )
  ),
  connections: maybe(
    parsed("connections", "N", Args.connections, "Connections per download; only 1 is possible for now.")
  ),
  maxRetries: or(
    parsed("max-retries", "N", Args.count(0), "Tries in a row that may fail without progress. Default: 3."),
    defaultOptions.maxRetries
  ),
  retryDelay: or(
    parsed("retry-delay", "D", Args.duration, "The first pause between tries, then doubled. Default: 2s."),
    defaultOptions.retryDelay
  ),
  timeout: or(
    parsed(
      "timeout",
      "D",
      Args.positiveDuration,
      "For connecting, and for the answer to begin, each. Default: 30s."
    ),
    defaultOptions.timeout
  ),
  stallTimeout: or(
    parsed(
      "stall-timeout",
      "D",
      Args.positiveDuration,
      "A connection that brings no byte for so long is given up. Default: 30s."
    ),
    defaultOptions.stallTimeout
  ),
  headers: repeated(
    "header",
    "'K: V'",
    Args.header,
    "A header field to send; may be repeated. Its value is never shown, nor sent to another origin."
  ),
  onConflict: or(
    parsed(
      "on-conflict",
      ConflictPolicy.literals.join("|"),
      Args.choice(ConflictPolicy),
      "What to do where a file of that name is there already. Default: rename, to `name (1).ext`."
    ),
    defaultOptions.onConflict
  )
}

export const ls = {
  status: repeated(
    "status",
    "STATUS",
    Args.choice(Status),
    "Only downloads in this status; may be repeated."
  ),
  limit: Options.withDefault(
    parsed("limit", "N", Args.count(1), "At most so many, the newest. Default: 1000."),
    1000
  ),
  json: flag("json", "One JSON object per download and line.")
}
