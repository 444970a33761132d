/**
 * Lists of checksums, as text: what coreutils write (`HEX  name`, names escaped where they must be), the BSD style
 * (`SHA256 (name) = HEX`), a lone digest, and any of them within a signed message. Pure; fetching or reading a list is left to others.
 *
 * A list comes from somebody else: lines that are none of these say nothing, and an entry that is found but not clear is
 * refused, never guessed at.
 */
import * as Either from "effect/Either"
import { type Algorithm, algorithmOf, type Checksum, digits, ofLength, strength } from "./Checksum.js"
import { type DownloadError, make } from "./DownloadError.js"
import { printable } from "./Redaction.js"

/** A longer list is refused, in bytes. */
export const maxBytes = 4 * 1024 * 1024

/** One entry. */
export interface Line {
  /** Lower case, of any length. */
  readonly hex: string
  /** As the line says; undefined where only the number of digits tells. */
  readonly algorithm: Algorithm | "unknown" | undefined
  /** Undefined for a digest that stands alone. */
  readonly name: string | undefined
}

/** Names with line breaks or backslashes: the line then begins with a backslash. */
const unescape = (name: string): string =>
  name.replaceAll(/\\([\\nr])/g, (_, letter: string) =>
    letter === "n" ? "\n" : letter === "r" ? "\r" : "\\"
  )

const hexLine = /^(\\)?([0-9a-f]{8,256})(?:[ \t]+[*]?(.+))?$/i
// the name is greedy: it may have brackets and equals signs itself
const bsdLine = /^(\\)?([a-z0-9/-]{2,20}) ?\((.+)\) ?= ?([0-9a-f]{8,256})$/i

const read = (text: string): Line | undefined => {
  const bsd = bsdLine.exec(text)
  if (bsd !== null) {
    const [, escaped, algorithm, name, hex] = bsd
    return {
      hex: hex!.toLowerCase(),
      algorithm: algorithmOf(algorithm!) ?? "unknown",
      name: escaped === undefined ? name! : unescape(name!)
    }
  }
  const plain = hexLine.exec(text)
  if (plain === null) return undefined
  const [, escaped, hex, name] = plain
  return {
    hex: hex!.toLowerCase(),
    algorithm: undefined,
    name: name === undefined ? undefined : escaped === undefined ? name : unescape(name)
  }
}

/** The entries of a list, in order. */
export const parse = (text: string): ReadonlyArray<Line> =>
  text
    .replace(/^\ufeff/, "")
    .split("\n")
    .flatMap((line) => {
      const trimmed = line.replace(/\r$/, "").trim()
      const found = trimmed === "" || trimmed.startsWith("#") ? undefined : read(trimmed)
      return found === undefined ? [] : [found]
    })

const plainName = (name: string): string => name.replace(/^(\.\/)+/, "")
const lastOf = (name: string): string => name.split("/").at(-1)!

/** The entries for the first of these names that has any: by the whole name, else by its last component. */
const entriesFor = (lines: ReadonlyArray<Line>, names: ReadonlyArray<string>): ReadonlyArray<Line> => {
  for (const wanted of names) {
    const named = lines.filter(({ name }) => name !== undefined && plainName(name) === wanted)
    if (named.length > 0) return named
    const within = lines.filter(({ name }) => name !== undefined && lastOf(name) === wanted)
    if (within.length > 0) return within
  }
  const [only] = lines
  return lines.length === 1 && only!.name === undefined ? [only!] : []
}

/** What an entry's digest is made by; undefined if that is nothing known here, or its digits are too few or too many. */
const algorithmFor = ({ algorithm, hex }: Line): Algorithm | undefined => {
  const told = algorithm ?? ofLength(hex.length)
  return told === undefined || told === "unknown" || digits[told] !== hex.length ? undefined : told
}

const lacking = (detail: string) => Either.left(make("ChecksumUnavailable", detail))

/**
 * The checksum of a file that has one of these names, the likeliest first. `algorithm`: the one asked for; else the
 * strongest that the list has for it. `place`: what the list is called, for what is said where there is no such entry.
 */
export const find = (
  text: string,
  names: ReadonlyArray<string>,
  algorithm: Algorithm | undefined,
  place: string
): Either.Either<Checksum, DownloadError> => {
  const list = printable(place)
  const lines = parse(text)
  if (lines.length === 0) return lacking(`${list} has no checksum in it`)
  const entries = entriesFor(lines, names)
  const called = Array.from(new Set(names), (name) => `"${printable(name)}"`).join(" or ")
  if (entries.length === 0) return lacking(`${list} has no entry for ${called}`)
  const usable = entries.flatMap((line) => {
    const known = algorithmFor(line)
    return known === undefined || (algorithm !== undefined && known !== algorithm)
      ? []
      : [{ algorithm: known, hex: line.hex }]
  })
  const [first] = usable
  if (first === undefined) {
    const { hex } = entries[0]!
    return lacking(
      algorithm === undefined
        ? `the entry of ${list} for ${called} has ${hex.length} hexadecimal digits and can't be used: use sha-256, sha-512, sha-1 or md5`
        : `${list} has no ${algorithm} entry for ${called}: the one it has is of ${hex.length} hexadecimal digits, not ${digits[algorithm]}`
    )
  }
  const best = usable.reduce(
    (one, other) => (strength(other.algorithm) > strength(one.algorithm) ? other : one),
    first
  )
  return usable.some((other) => other.algorithm === best.algorithm && other.hex !== best.hex)
    ? lacking(`${list} has several entries for ${called}, which contradict each other`)
    : Either.right(best)
}

/** The names under which a file may stand in a list, the likeliest first: its own, and the last segment of its URL. */
export const namesOf = (name: string | null | undefined, url: string): ReadonlyArray<string> => {
  const segment = new URL(url).pathname.split("/").at(-1) ?? ""
  const decoded = Either.getOrElse(
    Either.try(() => decodeURIComponent(segment)),
    () => segment
  )
  return [name ?? "", decoded, segment].filter((one, i, all) => one !== "" && all.indexOf(one) === i)
}
