/**
 * A list of downloads, as text: one URL a line, or the syntax of aria2's input files. Pure; every line that can't be used is
 * a problem of its own, so that a person can correct all of them at once.
 *
 * ```
 * # a comment
 * https://example.org/a.iso
 * https://example.org/b.iso
 *   out=images/b.iso
 *   header=Accept-Language: en
 * ```
 *
 * A line that begins with a space or a tab is an option of the URL above it. Mirrors of a URL stand on its line, with tabs
 * between them.
 */
import * as Either from "effect/Either"
import type { ChecksumFile, Expected } from "../../domain/Checksum.js"
import type { Header, Mirror } from "../../domain/DownloadRequest.js"
import * as FileName from "../../domain/FileName.js"
import type { Pieces } from "../../domain/Pieces.js"
import { printable } from "../../domain/Redaction.js"
import * as Args from "./Args.js"
import { didYouMean } from "./Nearest.js"

/** One download of a list. */
export interface Entry {
  /** Of its URL, from 1 on. */
  readonly line: number
  readonly url: string
  readonly mirrors: ReadonlyArray<string | Mirror>
  /** Directories below the target directory, and the file's name. */
  readonly out: { readonly below: ReadonlyArray<string>; readonly name: string } | undefined
  readonly dir: string | undefined
  readonly checksum: Expected | ChecksumFile | undefined
  /** Bytes that the file must have. Only metalinks say it. */
  readonly size?: number | undefined
  /** Digests of its pieces. Only metalinks have them. */
  readonly pieces?: Pieces | undefined
  /** Bytes per second. */
  readonly limitRate: number | undefined
  readonly headers: ReadonlyArray<Header>
}

/** What is wrong with a line, as a sentence without a full stop. */
export interface Problem {
  readonly line: number
  readonly why: string
}

export interface List {
  readonly entries: ReadonlyArray<Entry>
  /** In the order of the lines. */
  readonly problems: ReadonlyArray<Problem>
}

/** No server takes a longer URL or header, and a file with such lines is no list. */
export const maxLine = 65_536

/** `out=`: a name, possibly in directories below the target directory, and never elsewhere. */
export const outPath: Args.Parser<NonNullable<Entry["out"]>> = FileName.checkPath

/** An entry while its options are read. */
interface Draft {
  line: number
  url: string
  mirrors?: ReadonlyArray<string>
  out?: Entry["out"]
  dir?: string
  checksum?: Expected | ChecksumFile
  limitRate?: number
  headers?: Array<Header>
}

/** Reads one option into the draft; the answer is what is wrong with it. */
type Option = (draft: Draft, value: string) => Either.Either<unknown, string>

const once =
  <K extends "out" | "dir" | "checksum" | "limitRate">(
    key: K,
    parse: Args.Parser<NonNullable<Draft[K]>>
  ): Option =>
  (draft, value) =>
    draft[key] === undefined
      ? Either.map(parse(value), (read) => {
          draft[key] = read
        })
      : Either.left("it was given twice")

const limitRate = once("limitRate", Args.positiveSize)

const options: ReadonlyMap<string, Option> = new Map([
  ["out", once("out", outPath)],
  ["dir", once("dir", Args.directory)],
  ["checksum", once("checksum", Args.checksum)],
  ["limit-rate", limitRate],
  // as aria2 calls it
  ["max-download-limit", limitRate],
  ["header", (draft, value) => Either.map(Args.header(value), (field) => (draft.headers ??= []).push(field))]
])

const readOption = (draft: Draft | undefined, text: string): string | undefined => {
  if (draft === undefined) return "an option comes after the URL it is for, and there is none above"
  const equals = text.indexOf("=")
  const name = (equals < 0 ? text : text.slice(0, equals)).trim()
  const option = options.get(name)
  if (option === undefined) {
    return /^https?:\/\//i.test(text)
      ? "a URL must be at the beginning of its line"
      : `"${printable(name, 40)}" is not an option of lists (out, dir, checksum, limit-rate, header)${didYouMean(name, options.keys())}`
  }
  if (equals < 0) return `${name} has no value; write ${name}=...`
  return Either.match(option(draft, text.slice(equals + 1).trim()), {
    onLeft: (why) => `${name}: ${why}`,
    onRight: () => undefined
  })
}

const wrongUrl = (text: string): string | undefined =>
  /[^\t\S]https?:\/\//i.test(text)
    ? "there is more than one URL; keep one per line, or put tabs between a URL and its mirrors"
    : undefined

const urlsOf = (text: string): Pick<Draft, "url" | "mirrors"> => {
  if (!text.includes("\t")) return { url: text }
  const [url, ...mirrors] = text
    .split("\t")
    .map((one) => one.trim())
    .filter((one) => one !== "")
  return { url: url!, mirrors }
}

/** Reads a list line by line, so that nobody has to hold all of it. */
export interface Reader {
  /** The next line, without its end. */
  readonly line: (text: string) => void
  /** What has been read and not taken yet, but for the last URL, for which there may be more lines; at the end, also that. */
  readonly take: (at?: "end") => List
}

/** @see {@link Reader} */
export const reader = (): Reader => {
  let drafts: Array<Draft> = []
  let problems: Array<Problem> = []
  let draft: Draft | undefined
  let number = 0
  return {
    line: (line) => {
      number++
      const trimmed = line.trim()
      if (trimmed === "" || trimmed.startsWith("#")) return
      const isOption = line.startsWith(" ") || line.startsWith("\t")
      let why: string | undefined
      if (line.length > maxLine) why = `it is longer than ${maxLine} characters`
      else if (isOption) why = readOption(draft, trimmed)
      else why = wrongUrl(trimmed)
      // what follows belongs to this URL even if it can't be used
      if (!isOption) draft = { line: number, ...urlsOf(trimmed) }
      if (why !== undefined) problems.push({ line: number, why })
      else if (!isOption) drafts.push(draft!)
    },
    take: (at) => {
      const open = at === undefined && draft !== undefined && drafts.at(-1) === draft ? [drafts.pop()!] : []
      const list = { entries: drafts.map(entry), problems }
      drafts = open
      problems = []
      return list
    }
  }
}

const none: ReadonlyArray<Header> = []

const noMirrors: ReadonlyArray<string> = []

const entry = ({ checksum, dir, headers, limitRate, line, mirrors, out, url }: Draft): Entry => ({
  line,
  url,
  mirrors: mirrors ?? noMirrors,
  out,
  dir,
  checksum,
  limitRate,
  headers: headers ?? none
})

/** Reads a list. */
export const parse = (text: string): List => {
  const list = reader()
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start)
    list.line(text.slice(start, end < 0 ? undefined : end))
    start = end < 0 ? text.length : end + 1
  }
  return list.take("end")
}
