/**
 * What `sluice get` and `sluice add` were asked for, as requests to the engine: URLs of the command line first, then those of
 * the list. Everything that can be checked without the engine is checked here.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { resolve } from "node:path"
import { isFile } from "../../domain/Checksum.js"
import { adviceOf, type DownloadError } from "../../domain/DownloadError.js"
import * as DownloadRequest from "../../domain/DownloadRequest.js"
import type * as Display from "./Display.js"
import type * as Engine from "./Engine.js"
import { UsageError } from "./Failures.js"
import * as HeaderFields from "./HeaderFields.js"
import * as InputFile from "./InputFile.js"
import * as InputText from "./InputText.js"
import { Output } from "./Output.js"
import * as SumsFiles from "./SumsFiles.js"
import * as Subdirectories from "./Subdirectories.js"
import { Surroundings } from "./Surroundings.js"
import type * as Target from "./Target.js"

/** What is asked for, and how. */
export interface Inputs {
  readonly urls: ReadonlyArray<string>
  /** A list of downloads: a file, or `-` for stdin. */
  readonly input: string | undefined
  readonly dir: string | undefined
  readonly output: string | undefined
  readonly headers: ReadonlyArray<DownloadRequest.Header>
  readonly priority: number
  readonly tags: ReadonlyArray<string>
  readonly key: string | undefined
  readonly options: Required<DownloadRequest.RequestOptions>
  readonly quiet: boolean
}

/** The arguments of `get`, read. */
export interface Asked extends Inputs, Display.Options, Engine.Asked, Target.Asked {
  readonly db: string | undefined
}

/** The problems told one by one; further ones are counted. */
const shown = 10

/** No list. */
export const empty: InputFile.List = { entries: [], problems: [] }

/** What is wrong with a list, in one message; `count`: where not all problems are at hand, how many there are. */
export const badList = (
  input: string | undefined,
  problems: ReadonlyArray<InputFile.Problem>,
  { advice = "correct the list; nothing was started", count = problems.length } = {}
): UsageError => {
  const name = InputText.nameOf(input ?? "")
  const sorted = Array.from(problems).sort((one, other) => one.line - other.line)
  const told = sorted.slice(0, shown).map(({ line, why }) => `\n        line ${line}: ${why}`)
  const rest = count > shown ? `\n        and ${count - shown} more` : ""
  return new UsageError({
    reason: "BadInput",
    message:
      count === 1
        ? `${name}, line ${sorted[0]!.line}: ${sorted[0]!.why}`
        : `${name} has ${count} lines that can't be used:${told.join("")}${rest}`,
    advice
  })
}

const urlsError = (reason: string, message: string, advice: string): UsageError =>
  new UsageError({ reason, message, advice })

/** The request for one URL. `entry`: what the list says about it. */
const request = (
  asked: Inputs,
  directory: string,
  url: string,
  entry?: InputFile.Entry
): DownloadRequest.DownloadRequest => ({
  url,
  directory,
  // --output stands for all of out=
  output: asked.output ?? (entry?.out && [...entry.out.below, entry.out.name].join("/")),
  headers: entry === undefined ? asked.headers : HeaderFields.override(asked.headers, entry.headers),
  priority: asked.priority,
  tags: asked.tags,
  key: asked.key,
  options:
    asked.options.checksum !== null || entry?.checksum === undefined
      ? asked.options
      : { ...asked.options, checksum: entry.checksum }
})

/** What of a request can be checked before its list of checksums is read. */
const check = (one: DownloadRequest.DownloadRequest) =>
  DownloadRequest.accept(
    isFile(one.options?.checksum ?? null) ? { ...one, options: { ...one.options, checksum: null } } : one
  )

/** What is for one URL, and was asked for with `count`. */
export const oneForSeveral = (asked: Inputs, count: number): UsageError | undefined => {
  const name = oneOnly(asked)
  return count < 2 || name === undefined
    ? undefined
    : urlsError(
        "OneForSeveral",
        `${name} is for one file, and there are ${count} URLs`,
        `leave ${name} out, run the command once for each URL, or make a list for --input`
      )
}

/** The option given that is for one URL alone. */
export const oneOnly = ({ key, options, output }: Inputs): string | undefined =>
  output !== undefined
    ? "--output"
    : options.checksum !== null
      ? "--checksum"
      : key !== undefined
        ? "--request-key"
        : undefined

/** The requests for the URLs of the command line; the first that can't be used is the answer. */
export const ofUrls = (
  asked: Inputs,
  cwd: string
): Either.Either<ReadonlyArray<DownloadRequest.DownloadRequest>, UsageError> => {
  const directory = resolve(cwd, asked.dir ?? ".")
  return Either.all(
    asked.urls.map((url) => {
      const one = request(asked, directory, url)
      return Either.mapBoth(check(one), {
        onLeft: ({ detail, reason }) => urlsError(reason, detail, adviceOf(reason)),
        onRight: () => one
      })
    })
  )
}

/** The requests of a list or a portion of it, and what is wrong with its lines. */
export const ofList = (asked: Inputs, list: InputFile.List, cwd: string) => {
  const directory = resolve(cwd, asked.dir ?? ".")
  const problems: Array<InputFile.Problem> = [...list.problems]
  const wanted: Array<DownloadRequest.DownloadRequest> = []
  for (const entry of list.entries) {
    const base = entry.dir === undefined ? directory : resolve(cwd, entry.dir)
    const one = request(asked, base, entry.url, entry)
    // all but its URL is the same for all entries, or was checked where the list was read
    const checked: Either.Either<unknown, DownloadError> =
      wanted.length === 0 ? check(one) : DownloadRequest.parseUrl(entry.url)
    if (Either.isLeft(checked)) problems.push({ line: entry.line, why: checked.left.detail })
    else wanted.push(one)
  }
  return { problems, wanted }
}

/** The requests, or what is wrong with them. */
export const requests = (
  asked: Inputs,
  list: InputFile.List,
  cwd: string
): Either.Either<ReadonlyArray<DownloadRequest.DownloadRequest>, UsageError> => {
  const several = oneForSeveral(asked, asked.urls.length + list.entries.length)
  if (several !== undefined) return Either.left(several)
  return Either.flatMap(ofUrls(asked, cwd), (urls) => {
    const { problems, wanted } = ofList(asked, list, cwd)
    return problems.length === 0
      ? Either.right([...urls, ...wanted])
      : Either.left(badList(asked.input, problems))
  })
}

/** The directories that the list wants below others, each once. */
export const subdirectories = (
  asked: Inputs,
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

/** That there is something to ask for; whoever types the list is told how. */
export const begin = (
  asked: Inputs,
  command: string
): Effect.Effect<void, UsageError, Output | Surroundings> =>
  Effect.gen(function* () {
    if (asked.urls.length === 0 && asked.input === undefined) {
      return yield* urlsError(
        "NoUrl",
        `there is nothing to ${command === "add" ? "add" : "download"}`,
        `give a URL, or a list with --input FILE (see sluice ${command} --help)`
      )
    }
    if (asked.input === "-" && (yield* Surroundings).stdin().isTTY === true && !asked.quiet)
      yield* (yield* Output).err("sluice: type one URL per line, and Ctrl-D at the end\n")
  })

/** The list had nothing in it. */
export const nothing = (input: string): string =>
  `sluice: ${InputText.nameOf(input)} has no URL; nothing to do\n`

/** All that is asked for; the list is read, and the directories that it names below others are made. */
export const wanted = (
  asked: Inputs
): Effect.Effect<ReadonlyArray<DownloadRequest.DownloadRequest>, UsageError, Output | Surroundings> =>
  Effect.gen(function* () {
    const surroundings = yield* Surroundings
    yield* begin(asked, "get")
    const sums = SumsFiles.make(surroundings.cwd)
    const read =
      asked.input === undefined ? empty : InputFile.parse(yield* InputText.read(asked.input, surroundings))
    const list = yield* sums.inList(read, asked.output)
    const all = yield* sums.inRequests(yield* requests(asked, list, surroundings.cwd))
    if (all.length === 0) yield* (yield* Output).err(nothing(asked.input ?? ""))
    yield* Subdirectories.make(subdirectories(asked, list, surroundings.cwd))
    return all
  })
