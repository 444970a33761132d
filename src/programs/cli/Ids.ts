/**
 * Downloads as people name them: by the first characters of their ids, three at least, in any case, with o, i and l for the
 * digits they look like. All that was typed is looked up before anything is done about any of it, and every mistake is
 * told.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Download } from "../../domain/Download.js"
import * as DownloadId from "../../domain/DownloadId.js"
import { printable } from "../../domain/Redaction.js"
import type { StoreError } from "../../domain/StoreError.js"
import { Downloads } from "../../services/Downloads.js"
import { UsageError } from "./Failures.js"

const least = 3
const length = 11

/** Candidates and mistakes told one by one; further ones are counted. */
const shown = 10

/** At once, so that the store reads while others are decoded. */
const concurrency = 16

/** The characters that an id begins with. The left is a sentence without a full stop. */
export const prefix = (text: string): Either.Either<string, string> => {
  const clean = DownloadId.tolerant(text)
  const typed = `"${printable(text, 40)}"`
  if (!/^[0-9a-hjkmnp-tv-z]*$/.test(clean)) return Either.left(`${typed} is no id of a download`)
  if (clean.length > length)
    return Either.left(`${typed} is longer than an id, which has ${length} characters`)
  return clean.length < least
    ? Either.left(`${typed} is too short: give at least the first ${least} characters of an id`)
    : Either.right(clean)
}

const ambiguous = (typed: string, rows: ReadonlyArray<Download>): string =>
  `several downloads begin with "${typed}":` +
  rows
    .slice(0, shown)
    .map(({ id, url }) => `\n        ${id}  ${printable(url)}`)
    .join("") +
  (rows.length > shown ? "\n        and more" : "")

/** The download that was meant, or what is wrong. */
const one = (text: string): Effect.Effect<Either.Either<Download, string>, StoreError, Downloads> =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const typed = prefix(text)
    if (Either.isLeft(typed)) return Either.left(typed.left)
    const whole = DownloadId.parse(text)
    const ids = Option.isSome(whole) ? [whole.value] : yield* downloads.find(typed.right, shown + 1)
    // one may have been removed since
    const rows = (yield* Effect.forEach(ids, downloads.get)).flatMap(Option.toArray)
    const [row] = rows
    if (row === undefined) {
      return Either.left(
        Option.isSome(whole)
          ? `there is no download "${typed.right}"`
          : `no download begins with "${printable(text.trim(), 40)}"`
      )
    }
    return rows.length === 1 ? Either.right(row) : Either.left(ambiguous(typed.right, rows))
  })

const mistakes = (found: ReadonlyArray<string>, count: number): UsageError =>
  new UsageError({
    reason: "UnknownDownload",
    message:
      found.length === 1
        ? found[0]!
        : `${found.length} of ${count} ids can't be used:` +
          found
            .slice(0, shown)
            .map((why) => `\n        ${why.replaceAll("\n", "\n  ")}`)
            .join("") +
          (found.length > shown ? `\n        and ${found.length - shown} more` : ""),
    advice: "sluice ls lists what there is; nothing was changed"
  })

/** The downloads that were meant, in the order typed, each once. */
export const resolve = (
  texts: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Download>, UsageError | StoreError, Downloads> =>
  Effect.gen(function* () {
    const answers = yield* Effect.forEach(texts, one, { concurrency })
    const wrong = answers.flatMap((answer) => (Either.isLeft(answer) ? [answer.left] : []))
    if (wrong.length > 0) return yield* mistakes(wrong, texts.length)
    const rows = new Map(
      answers.flatMap((answer) => (Either.isRight(answer) ? [[answer.right.id, answer.right] as const] : []))
    )
    return Array.from(rows.values())
  })
