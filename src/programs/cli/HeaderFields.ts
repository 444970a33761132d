/**
 * The header fields that options ask for: `--header`, and the options that stand for one field. Where several of them
 * ask for the same field, the nearest source counts (the command line before the environment before the config file); two
 * of them in one source contradict each other. Pure; no sentence shows a value.
 */
import * as Either from "effect/Either"
import type { Header } from "../../domain/DownloadRequest.js"
import type { Found } from "./Sources.js"

/** As they were found. */
export interface Asked {
  readonly headers: Found<ReadonlyArray<Header>>
  readonly user: Found<Header | undefined>
  readonly bearer: Found<Header | undefined>
  readonly userAgent: Found<Header | undefined>
  readonly referer: Found<Header | undefined>
}

const nameOf = ([name]: Header): string => name.toLowerCase()

/** `own`, and those of `base` that it does not replace. */
export const override = (base: ReadonlyArray<Header>, own: ReadonlyArray<Header>): ReadonlyArray<Header> => {
  if (own.length === 0) return base
  const replaced = new Set(own.map(nameOf))
  return [...base.filter((field) => !replaced.has(nameOf(field))), ...own]
}

/** All fields to send. The left is a sentence without a full stop. */
export const merge = ({
  bearer,
  headers,
  referer,
  user,
  userAgent
}: Asked): Either.Either<ReadonlyArray<Header>, string> => {
  const single = [user, bearer, userAgent, referer].flatMap(({ value, ...found }) =>
    value === undefined ? [] : [{ ...found, field: value }]
  )
  let fields = headers.value
  for (const name of new Set(single.map(({ field }) => nameOf(field)))) {
    const written = fields.filter((field) => nameOf(field) === name)
    const rivals = [
      ...(written.length === 0 ? [] : [{ rank: headers.rank, called: headers.called, fields: written }]),
      ...single
        .filter(({ field }) => nameOf(field) === name)
        .map(({ called, field, rank }) => ({ rank, called, fields: [field] }))
    ]
    const least = Math.min(...rivals.map(({ rank }) => rank))
    const [nearest, other] = rivals.filter(({ rank }) => rank === least)
    if (nearest === undefined) continue
    if (other !== undefined) {
      return Either.left(
        `${nearest.called} and ${other.called} both set the header ${other.fields[0]![0]}; only one of them can`
      )
    }
    fields = override(fields, nearest.fields)
  }
  return Either.right(fields)
}
