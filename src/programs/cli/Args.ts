/**
 * Reads what people type: durations, header fields, counts. Pure; each parser answers with the value, or with one
 * sentence that says what is wrong and what would be right.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as DownloadRequest from "../../domain/DownloadRequest.js"

/** A parser of one argument. The left is a sentence without a full stop. */
export type Parser<A> = (text: string) => Either.Either<A, string>

const unitMillis: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Timers can't count further (2^31 ms); nobody means to. */
const maxMillis = 24 * 86_400_000

/** `200ms`, `30s`, `1.5m`, `2h`, `1d`; a plain number is seconds. In milliseconds, at most 24 days. */
export const duration: Parser<number> = (text) => {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h|d)?$/i.exec(text.trim())
  if (match === null) {
    return Either.left(
      `"${text}" is not a duration; write one like 200ms, 30s, 5m or 2h (a plain number is seconds)`
    )
  }
  const millis = Math.round(Number(match[1]) * unitMillis[(match[2] ?? "s").toLowerCase()]!)
  return millis <= maxMillis ? Either.right(millis) : Either.left(`"${text}" is too long; the longest is 24d`)
}

/** A duration that is not zero. */
export const positiveDuration: Parser<number> = (text) =>
  Either.flatMap(duration(text), (millis) =>
    millis > 0 ? Either.right(millis) : Either.left(`"${text}" is no time at all; give at least 1ms`)
  )

/** A whole number from `least` on. */
export const count =
  (least: number): Parser<number> =>
  (text) => {
    const number = /^\d{1,15}$/.test(text.trim()) ? Number(text) : -1
    return number >= least
      ? Either.right(number)
      : Either.left(`"${text}" is not a whole number of at least ${least}`)
  }

/** How many connections one download may have: only one, for now. */
export const connections: Parser<number> = (text) =>
  Either.flatMap(count(1)(text), (number) =>
    number === 1
      ? Either.right(number)
      : Either.left(`${number} connections are not possible yet: a download has 1; leave --connections out`)
  )

/** One of a closed set of words. */
export const choice =
  <A extends string>(words: Schema.Literal<readonly [A, ...ReadonlyArray<A>]>): Parser<A> =>
  (text) =>
    Schema.is(words)(text)
      ? Either.right(text)
      : Either.left(`"${text}" is not one of ${words.literals.join(", ")}`)

/** A URL as typed. What looks like an option is one that the command does not know, or could not use. */
export const url: Parser<string> = (text) =>
  text.startsWith("-")
    ? // what follows a = may be a secret
      Either.left(`${text.split("=")[0]}: there is no such option, or it was given twice, or lacks its value`)
    : Either.right(text)

/** A directory as typed; an empty one is most likely a variable that was never set. */
export const directory: Parser<string> = (text) =>
  text === "" ? Either.left("the directory is empty; write . for the current one") : Either.right(text)

/** A file as typed. */
export const file: Parser<string> = (text) =>
  text === "" ? Either.left("the file name is empty") : Either.right(text)

/**
 * `Name: value`. What may be in either is decided by the domain; the sentences never repeat a value, since it may
 * be a secret.
 */
export const header: Parser<DownloadRequest.Header> = (text) => {
  const colon = text.indexOf(":")
  if (colon < 1) return Either.left("a header has no name; write it like 'Accept-Language: en'")
  const field: DownloadRequest.Header = [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
  return DownloadRequest.accept({ url: "http://localhost/", directory: "/", headers: [field] }).pipe(
    Either.mapBoth({ onLeft: (error) => error.detail, onRight: () => field })
  )
}

/**
 * The arguments as @effect/cli understands them. Of options that may be repeated it knows no `--name=value`, and
 * drops one that lacks its value without a word; both are seen to here.
 */
export const arrange =
  (
    repeatable: ReadonlySet<string>
  ): ((args: ReadonlyArray<string>) => Either.Either<ReadonlyArray<string>, string>) =>
  (args) => {
    const end = args.indexOf("--")
    const options = end < 0 ? args : args.slice(0, end)
    const arranged = options.flatMap((arg) => {
      const equals = arg.indexOf("=")
      return equals > 0 && repeatable.has(arg.slice(0, equals))
        ? [arg.slice(0, equals), arg.slice(equals + 1)]
        : [arg]
    })
    const lacking = arranged.find((arg, index) => repeatable.has(arg) && (arranged[index + 1] ?? "") === "")
    return lacking === undefined
      ? Either.right(end < 0 ? arranged : [...arranged, ...args.slice(end)])
      : Either.left(`${lacking}: its value is missing`)
  }
