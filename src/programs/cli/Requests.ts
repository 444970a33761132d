/**
 * What `sluice get` and `sluice add` were asked for, as requests to the engine: URLs of the command line first, then those of
 * the list. Everything that can be checked without the engine is checked here.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { resolve } from "node:path"
import { isFile } from "../../domain/Checksum.js"
import { adviceOf, type DownloadError } from "../../domain/DownloadError.js"
import type { RequestOptions } from "../../domain/DownloadOptions.js"
import * as DownloadRequest from "../../domain/DownloadRequest.js"
import type * as Display from "./Display.js"
import type * as Engine from "./Engine.js"
import { UsageError } from "./Failures.js"
import * as HeaderFields from "./HeaderFields.js"
import * as InputFile from "./InputFile.js"
import * as InputText from "./InputText.js"
import * as Metalinks from "./Metalinks.js"
import type * as Network from "./Network.js"
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
  /** Documents that say what there is: files, or URLs. */
  readonly metalinks: ReadonlyArray<string>
  readonly dir: string | undefined
  readonly output: string | undefined
  readonly mirrors: ReadonlyArray<string>
  readonly headers: ReadonlyArray<DownloadRequest.Header>
  readonly priority: number
  readonly tags: ReadonlyArray<string>
  readonly key: string | undefined
  readonly options: Required<Omit<RequestOptions, "destination">>
  readonly quiet: boolean
}

/** The arguments of `get`, read. */
export interface Asked extends Inputs, Display.Options, Engine.Asked, Target.Asked {
  readonly network: Network.Asked
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
  {
    advice = "correct the list; nothing was started",
    count = problems.length,
    name = InputText.nameOf(input ?? "")
  } = {}
): UsageError => {
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
  mirrors: [...asked.mirrors, ...(entry?.mirrors ?? [])],
  directory,
  // --output stands for all of out=
  output: asked.output ?? (entry?.out && [...entry.out.below, entry.out.name].join("/")),
  headers: entry === undefined ? asked.headers : HeaderFields.override(asked.headers, entry.headers),
  priority: asked.priority,
  tags: asked.tags,
  key: asked.key,
  pieces: entry?.pieces,
  options: optionsOf(asked.options, entry)
})

/** The command line comes first where a thing can be right for one download only; where for all, the list is more exact. */
const optionsOf = (options: Inputs["options"], entry: InputFile.Entry | undefined): Inputs["options"] => {
  if (entry?.checksum === undefined && entry?.limitRate === undefined && entry?.size === undefined)
    return options
  const { checksum = null, limitRate = options.limitRate, size = null } = entry
  return { ...options, checksum: options.checksum ?? checksum, limitRate, size }
}

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
        `${name} is for one file, and there are ${count} ${asked.metalinks.length === 0 ? "URLs" : "of them"}`,
        `leave ${name} out, run the command once for each URL, or make a list for --input`
      )
}

/** The option given that is for one URL alone. */
export const oneOnly = ({ key, mirrors, options, output }: Inputs): string | undefined =>
  output !== undefined
    ? "--output"
    : options.checksum !== null
      ? "--checksum"
      : key !== undefined
        ? "--request-key"
        : mirrors.length > 0
          ? "--mirror"
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
      wanted.length === 0 || entry.mirrors.length > 0 ? check(one) : DownloadRequest.parseUrl(entry.url)
    if (Either.isLeft(checked)) problems.push({ line: entry.line, why: checked.left.detail })
    else wanted.push(one)
  }
  return { problems, wanted }
}

/** The requests for the files of a document. */
const ofDocument = (asked: Inputs, { entries, headersFor, name }: Metalinks.Document, cwd: string) => {
  const lists = entries.map((entry) =>
    ofList({ ...asked, headers: headersFor(entry.url) }, { entries: [entry], problems: [] }, cwd)
  )
  const problems = lists.flatMap((list) => list.problems)
  return problems.length === 0
    ? Either.right(lists.flatMap((list) => list.wanted))
    : Either.left(badList(undefined, problems, { name, advice: "correct the document; nothing was started" }))
}

/** The metalinks of the command line, read; what is for one file alone is refused before that takes its time. */
export const documents = (
  asked: Inputs & { readonly network?: Network.Asked },
  cwd: string
): Effect.Effect<ReadonlyArray<Metalinks.Document>, UsageError, Surroundings> => {
  const several = oneForSeveral(asked, asked.urls.length + asked.metalinks.length)
  return several === undefined ? Metalinks.read(asked, cwd) : Effect.fail(several)
}

/** The requests for the URLs of the command line, then those for the files of its metalinks. */
export const named = (
  asked: Inputs,
  documents: ReadonlyArray<Metalinks.Document>,
  cwd: string
): Either.Either<ReadonlyArray<DownloadRequest.DownloadRequest>, UsageError> => {
  const count = documents.reduce((sum, { entries }) => sum + entries.length, asked.urls.length)
  const several = oneForSeveral(asked, count)
  if (several !== undefined) return Either.left(several)
  return Either.flatMap(ofUrls(asked, cwd), (urls) =>
    Either.map(Either.all(documents.map((document) => ofDocument(asked, document, cwd))), (files) => [
      ...urls,
      ...files.flat()
    ])
  )
}

/** All requests, or what is wrong with them. */
export const requests = (
  asked: Inputs,
  list: InputFile.List,
  cwd: string,
  documents: ReadonlyArray<Metalinks.Document> = []
): Either.Either<ReadonlyArray<DownloadRequest.DownloadRequest>, UsageError> =>
  Either.flatMap(named(asked, documents, cwd), (first) => {
    const several = oneForSeveral(asked, first.length + list.entries.length)
    if (several !== undefined) return Either.left(several)
    const { problems, wanted } = ofList(asked, list, cwd)
    return problems.length === 0
      ? Either.right([...first, ...wanted])
      : Either.left(badList(asked.input, problems))
  })

/** All that lists and documents say, as one list. */
export const entriesOf = (
  lists: ReadonlyArray<Pick<InputFile.List, "entries">>
): Pick<InputFile.List, "entries"> => ({ entries: lists.flatMap(({ entries }) => entries) })

/** The directories that the list wants below others, each once. */
export const subdirectories = (
  asked: Inputs,
  { entries }: Pick<InputFile.List, "entries">,
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
    if (asked.urls.length === 0 && asked.metalinks.length === 0 && asked.input === undefined) {
      return yield* urlsError(
        "NoUrl",
        `there is nothing to ${command === "add" ? "add" : "download"}`,
        `give a URL, a list with --input FILE, or a document with --metalink FILE (see sluice ${command} --help)`
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
    const metalinks = yield* documents(asked, surroundings.cwd)
    const all = yield* sums.inRequests(yield* requests(asked, list, surroundings.cwd, metalinks))
    if (all.length === 0) yield* (yield* Output).err(nothing(asked.input ?? ""))
    yield* Subdirectories.make(subdirectories(asked, entriesOf([list, ...metalinks]), surroundings.cwd))
    return all
  })
