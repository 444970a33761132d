/**
 * What `sluice get` was asked for, as requests to the engine: URLs of the command line first, then those of the list.
 * Everything that can be checked without the engine is checked for all of them before anything starts.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { join, resolve } from "node:path"
import { adviceOf, type DownloadError } from "../../domain/DownloadError.js"
import * as DownloadRequest from "../../domain/DownloadRequest.js"
import type * as Display from "./Display.js"
import type * as Engine from "./Engine.js"
import { UsageError } from "./Failures.js"
import * as HeaderFields from "./HeaderFields.js"
import * as InputFile from "./InputFile.js"
import * as InputText from "./InputText.js"
import { Output } from "./Output.js"
import * as Subdirectories from "./Subdirectories.js"
import { Surroundings } from "./Surroundings.js"

/** The arguments of `get`, read. */
export interface Asked extends Display.Options, Engine.Asked {
  readonly urls: ReadonlyArray<string>
  /** A list of downloads: a file, or `-` for stdin. */
  readonly input: string | undefined
  readonly dir: string | undefined
  readonly output: string | undefined
  readonly db: string | undefined
  readonly headers: ReadonlyArray<DownloadRequest.Header>
  readonly priority: number
  readonly options: DownloadRequest.DownloadOptions
}

/** The problems told one by one; further ones are counted. */
const shown = 10

const empty: InputFile.List = { entries: [], problems: [] }

/** What is wrong with a list, in one message: nothing of it is started. */
const badList = (name: string, problems: ReadonlyArray<InputFile.Problem>): UsageError => {
  const sorted = Array.from(problems).sort((one, other) => one.line - other.line)
  const [first, ...others] = sorted
  const told = sorted.slice(0, shown).map(({ line, why }) => `\n        line ${line}: ${why}`)
  const rest = sorted.length > shown ? `\n        and ${sorted.length - shown} more` : ""
  return new UsageError({
    reason: "BadInput",
    message:
      others.length === 0
        ? `${name}, line ${first!.line}: ${first!.why}`
        : `${name} has ${sorted.length} lines that can't be used:${told.join("")}${rest}`,
    advice: "correct the list; nothing was started"
  })
}

const urlsError = (reason: string, message: string, advice: string): UsageError =>
  new UsageError({ reason, message, advice })

/** The request for one URL. `entry`: what the list says about it. */
const request = (
  asked: Asked,
  directory: string,
  url: string,
  entry?: InputFile.Entry
): DownloadRequest.DownloadRequest => ({
  url,
  // --output stands for all of out=
  directory: asked.output === undefined ? join(directory, ...(entry?.out?.below ?? [])) : directory,
  output: asked.output ?? entry?.out?.name,
  headers: entry === undefined ? asked.headers : HeaderFields.override(asked.headers, entry.headers),
  priority: asked.priority,
  options:
    asked.options.checksum !== null || entry?.checksum === undefined
      ? asked.options
      : { ...asked.options, checksum: entry.checksum }
})

/** The requests, or what is wrong with them. */
export const requests = (
  asked: Asked,
  list: InputFile.List,
  cwd: string
): Either.Either<ReadonlyArray<DownloadRequest.DownloadRequest>, UsageError> => {
  const count = asked.urls.length + list.entries.length
  if (count > 1 && (asked.output !== undefined || asked.options.checksum !== null)) {
    const name = asked.output !== undefined ? "--output" : "--checksum"
    return Either.left(
      urlsError(
        "OneForSeveral",
        `${name} is for one file, and there are ${count} URLs`,
        `leave ${name} out, run the command once for each URL, or make a list for --input`
      )
    )
  }
  const directory = resolve(cwd, asked.dir ?? ".")
  const wanted: Array<DownloadRequest.DownloadRequest> = []
  for (const url of asked.urls) {
    const one = request(asked, directory, url)
    const accepted = DownloadRequest.accept(one)
    if (Either.isLeft(accepted)) {
      const { detail, reason } = accepted.left
      return Either.left(urlsError(reason, detail, adviceOf(reason)))
    }
    wanted.push(one)
  }
  const problems: Array<InputFile.Problem> = [...list.problems]
  for (const entry of list.entries) {
    const base = entry.dir === undefined ? directory : resolve(cwd, entry.dir)
    const one = request(asked, base, entry.url, entry)
    // all but its URL is the same for all entries, or was checked where the list was read
    const checked: Either.Either<unknown, DownloadError> =
      wanted.length === 0 ? DownloadRequest.accept(one) : DownloadRequest.parseUrl(entry.url)
    if (Either.isLeft(checked)) problems.push({ line: entry.line, why: checked.left.detail })
    else wanted.push(one)
  }
  return problems.length === 0
    ? Either.right(wanted)
    : Either.left(badList(InputText.nameOf(asked.input ?? ""), problems))
}

/** The directories that the list wants below others, each once. */
const subdirectories = (
  asked: Asked,
  { entries }: InputFile.List,
  cwd: string
): Iterable<Subdirectories.Wanted> => {
  const found = new Map<string, Subdirectories.Wanted>()
  for (const { dir, out } of entries) {
    if (out === undefined || out.below.length === 0 || asked.output !== undefined) continue
    const root = resolve(cwd, dir ?? asked.dir ?? ".")
    found.set(JSON.stringify([root, out.below]), { root, below: out.below })
  }
  return found.values()
}

/** All that is asked for; the list is read, and the directories that it names below others are made. */
export const wanted = (
  asked: Asked
): Effect.Effect<ReadonlyArray<DownloadRequest.DownloadRequest>, UsageError, Output | Surroundings> =>
  Effect.gen(function* () {
    const surroundings = yield* Surroundings
    const output = yield* Output
    if (asked.urls.length === 0 && asked.input === undefined) {
      return yield* urlsError(
        "NoUrl",
        "there is nothing to download",
        "give a URL, or a list with --input FILE (see sluice get --help)"
      )
    }
    if (asked.input === "-" && surroundings.stdin().isTTY === true && !asked.quiet)
      yield* output.err("sluice: type one URL per line, and Ctrl-D at the end\n")
    const list =
      asked.input === undefined ? empty : InputFile.parse(yield* InputText.read(asked.input, surroundings))
    const all = yield* requests(asked, list, surroundings.cwd)
    if (all.length === 0)
      yield* output.err(`sluice: ${InputText.nameOf(asked.input ?? "")} has no URL; nothing to do\n`)
    yield* Subdirectories.make(subdirectories(asked, list, surroundings.cwd))
    return all
  })
