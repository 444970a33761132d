/**
 * How fast bytes may come: limits that somebody has set for all downloads together, for hosts, for single downloads. Who says
 * what is a matter of several: the options of an engine, the options of a download, what was set while they run. None of them
 * overrules another: the least holds, so that no limit that anybody has set is ever exceeded.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { DownloadId } from "./DownloadId.js"
import { printable } from "./Redaction.js"

/** Bytes per second: a whole number, 1 at least. */
export const Rate = Schema.Int.pipe(Schema.greaterThanOrEqualTo(1))

/** What was set while engines run, or before they do. It holds for every engine of the database, each by itself. */
export interface Limits {
  /** All downloads of an engine together; null for none. */
  readonly all: number | null
  /** By origin (`https://example.org`): all downloads from there together. */
  readonly hosts: ReadonlyMap<string, number>
  readonly downloads: ReadonlyMap<DownloadId, number>
}

export const none: Limits = { all: null, hosts: new Map(), downloads: new Map() }

/** What a limit is for. */
export type Limited =
  | { readonly of: "all" }
  | { readonly of: "host"; readonly origin: string }
  | { readonly of: "download"; readonly id: DownloadId }

/** The least of those that are limits. */
export const least = (...rates: ReadonlyArray<number | null | undefined>): number | undefined => {
  let lowest: number | undefined
  for (const rate of rates) {
    if (rate !== null && rate !== undefined && !(rate >= (lowest ?? Infinity))) lowest = rate
  }
  return lowest
}

/** Reads an origin as a person writes it. The left is a sentence without a full stop. */
export const parseOrigin = (text: string): Either.Either<string, string> => {
  const url = Either.try(() => new URL(text.trim()))
  return Either.isRight(url) && /^https?:$/.test(url.right.protocol)
    ? Either.right(url.right.origin)
    : Either.left(`"${printable(text)}" is not the origin of a host, such as https://example.org`)
}
