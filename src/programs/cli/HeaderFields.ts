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
export const merge = ({ headers, ...single }: Asked): Either.Either<ReadonlyArray<Header>, string> => {
  const chosen = new Map<string, Found<Header | undefined>>()
  let fields = headers.value
  for (const found of Object.values(single)) {
    if (found.value === undefined) continue
    const name = nameOf(found.value)
    const written = fields.some((field) => nameOf(field) === name)
    const rival = written ? headers : chosen.get(name)
    if (rival?.rank === found.rank) {
      return Either.left(
        `${rival.called} and ${found.called} both set the header ${found.value[0]}; only one of them can`
      )
    }
    if (rival !== undefined && rival.rank < found.rank) continue
    if (written) fields = fields.filter((field) => nameOf(field) !== name)
    chosen.set(name, found)
  }
  return Either.right([
    ...fields,
    ...Array.from(chosen.values()).flatMap(({ value }) => (value === undefined ? [] : [value]))
  ])
}
