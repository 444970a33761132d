/**
 * The file netrc: who one is on which machine. There is no standard; this reads what ftp, curl and GNU's inetutils write: words between
 * white space, words in double quotes with \" and \\ in them, comments in lines that begin with #, `macdef` passed over. Pure.
 *
 * Why not a library: those to be had cut passwords at # and know neither quotes nor `default`.
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"

/** What stands behind `machine` or `default`. */
export interface Entry {
  /** In lower case; undefined for `default`. */
  readonly machine: string | undefined
  readonly login: string
  readonly password: Redacted.Redacted
}

interface Word {
  readonly text: string
  readonly line: number
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" }

/** The words of one line; the left is what is wrong with it. */
const wordsOf = (line: string): Either.Either<ReadonlyArray<string>, string> => {
  const words: Array<string> = []
  const word = /\s*(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|([^\s"]\S*)|(\S))/y
  while (line.slice(word.lastIndex).trim() !== "") {
    const [, quoted, plain] = word.exec(line) ?? []
    if (quoted !== undefined) words.push(quoted.replaceAll(/\\(.)/g, (_, c: string) => escapes[c] ?? c))
    else if (plain !== undefined) words.push(plain)
    else return Either.left("a quote has no end")
  }
  return Either.right(words)
}

/** The left is a sentence without a full stop, with the line's number and nothing of its text. */
export const parse = (text: string): Either.Either<ReadonlyArray<Entry>, string> => {
  const words: Array<Word> = []
  let isMacro = false
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    // a macro ends with an empty line
    if (isMacro) isMacro = line.trim() !== ""
    else if (!/^\s*#/.test(line)) {
      if (/^\s*macdef(\s|$)/.test(line)) isMacro = true
      else {
        const found = wordsOf(line)
        if (Either.isLeft(found)) return Either.left(`line ${index + 1}: ${found.left}`)
        words.push(...found.right.map((word) => ({ text: word, line: index + 1 })))
      }
    }
  }
  const entries: Array<Entry> = []
  let entry: Entry | undefined
  for (let at = 0; at < words.length; at++) {
    const { line, text: key } = words[at]!
    if (key === "default") {
      if (entry !== undefined) entries.push(entry)
      entry = { machine: undefined, login: "", password: Redacted.make("") }
      continue
    }
    if (!["machine", "login", "password", "account"].includes(key))
      return Either.left(
        `line ${line}: a word that is neither machine, default, login, password, account nor macdef`
      )
    const value = words[++at]?.text
    if (value === undefined) return Either.left(`line ${line}: nothing stands behind ${key}`)
    if (key === "machine") {
      if (entry !== undefined) entries.push(entry)
      entry = { machine: value.toLowerCase(), login: "", password: Redacted.make("") }
    } else if (entry === undefined) {
      return Either.left(`line ${line}: ${key} stands before the first machine`)
    } else if (key === "login") entry = { ...entry, login: value }
    else if (key === "password") entry = { ...entry, password: Redacted.make(value) }
  }
  if (entry !== undefined) entries.push(entry)
  return Either.right(entries)
}

/** The first entry for a host name; that for any other where there is none and `orDefault`. */
export const find = (
  entries: ReadonlyArray<Entry>,
  hostname: string,
  orDefault: boolean
): Entry | undefined =>
  entries.find(({ machine }) => machine === hostname.toLowerCase()) ??
  (orDefault ? entries.find(({ machine }) => machine === undefined) : undefined)
