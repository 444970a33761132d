/**
 * Digests of the pieces of a file, as metalinks have them: which bytes are wrong where the whole is, what may be kept, and who has
 * sent the others. Pure; reading the file, giving bytes up and fetching them again is left to others.
 *
 * A row keeps only of what kind they are: the digests are large, needed rarely, and stored beside it.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { Algorithm, digits } from "./Checksum.js"
import * as Coverage from "./Coverage.js"
import { printable } from "./Redaction.js"

/** What a row keeps of them. */
export const Kind = Schema.Struct({
  algorithm: Algorithm,
  /** Of each piece but the last, which may be shorter; in bytes. */
  length: Schema.Int.pipe(Schema.positive())
})
export type Kind = typeof Kind.Type

/** Digests of pieces of the same length; the last one may be shorter. */
export interface Pieces extends Kind {
  /** Hexadecimal digits, in order. */
  readonly hashes: ReadonlyArray<string>
}

/** Pieces that one download may have: of 256 KiB each, a file of 32 GiB; stored, 2.5 MiB of SHA-1 or 4 MiB of SHA-256. */
export const maxPieces = 131_072

/** So many pieces make a file of this size. */
export const countOf = (size: number, length: number): number => Math.ceil(size / length)

/** Pieces as a caller wrote them. The left is one sentence without a full stop. */
export const accept = (pieces: Pieces, size: number | null): Either.Either<Pieces, string> => {
  const { algorithm, hashes, length } = pieces
  if (!Schema.is(Kind)(pieces)) return Either.left("pieces have an algorithm and a positive length in bytes")
  if (size === null) return Either.left("pieces need the size of the file")
  if (hashes.length > maxPieces) return Either.left(`a file can have ${maxPieces} pieces at most`)
  const fitting = countOf(size, length)
  if (hashes.length !== fitting)
    return Either.left(
      `${hashes.length} pieces of ${length} bytes were given, and ${size} bytes make ${fitting}`
    )
  const wrong = hashes.find((hash) => hash.length !== digits[algorithm] || !/^[0-9a-f]*$/i.test(hash))
  return wrong === undefined
    ? Either.right({ algorithm, length, hashes: hashes.map((hash) => hash.toLowerCase()) })
    : Either.left(`"${printable(wrong, 140)}" is no ${algorithm} digest`)
}

/** Where the pieces lie whose digests, as found, are not those expected; each by itself. */
export const wrong = (
  { hashes, length }: Pieces,
  size: number,
  found: ReadonlyArray<string>
): ReadonlyArray<Coverage.Span> =>
  hashes.flatMap((hash, i) =>
    hash === found[i] ? [] : [[i * length, Math.min(size, (i + 1) * length)] as const]
  )

/** What remains of a whole file without these. */
export const without = (size: number, spans: ReadonlyArray<Coverage.Span>): Coverage.Coverage =>
  Coverage.gaps(
    spans.reduce<Coverage.Coverage>((wrong, [start, end]) => Coverage.add(wrong, start, end), Coverage.empty),
    size
  )

/** Whose bytes lie where, as far as it is known. */
export type Brought = ReadonlyArray<readonly [url: string, coverage: Coverage.Coverage]>

const overlaps = (coverage: Coverage.Coverage, [start, end]: Coverage.Span): boolean =>
  coverage.some((span) => span[0] < end && span[1] > start)

const covers = (coverage: Coverage.Coverage, [start, end]: Coverage.Span): boolean =>
  coverage.some((span) => span[0] <= start && span[1] >= end)

/**
 * Who has sent wrong pieces, the worst first. Of a piece that several have had a part in, or that somebody unknown may have, it can't be
 * told.
 */
export const senders = (spans: ReadonlyArray<Coverage.Span>, brought: Brought): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const span of spans) {
    const [one, ...others] = brought.filter(([, coverage]) => overlaps(coverage, span))
    if (one !== undefined && others.length === 0 && covers(one[1], span))
      counts.set(one[0], (counts.get(one[0]) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([url]) => url)
}
