/**
 * Which bytes of a resource are held: spans in ascending order, none empty, none touching the next. What is asked for next,
 * and by how many connections, is left to `SegmentPlan`.
 */
import * as Schema from "effect/Schema"

/** Bytes from `start` up to, not including, `end`. */
export type Span = readonly [start: number, end: number]
export type Coverage = ReadonlyArray<Span>

const Spans = Schema.Array(Schema.Tuple(Schema.NonNegativeInt, Schema.NonNegativeInt))

/** As rows and messages hold it: anything out of order is refused. */
export const Coverage = Spans.pipe(
  Schema.filter((spans) =>
    spans.every(([start, end], at) => start < end && (at === 0 || spans[at - 1]![1] < start))
      ? undefined
      : "the spans of a part must be in order and apart from each other"
  )
)

export const empty: Coverage = []

/** The first `bytes` bytes. */
export const prefix = (bytes: number): Coverage => (bytes === 0 ? empty : [[0, bytes]])

/** With one more span, which may overlap what is there. */
export const add = (coverage: Coverage, start: number, end: number): Coverage => {
  if (end <= start) return coverage
  const before = coverage.filter((span) => span[1] < start)
  const after = coverage.filter((span) => span[0] > end)
  const touched = coverage.slice(before.length, coverage.length - after.length)
  const joined: Span = [Math.min(start, touched[0]?.[0] ?? start), Math.max(end, touched.at(-1)?.[1] ?? end)]
  return [...before, joined, ...after]
}

/** How many bytes are held. */
export const count = (coverage: Coverage): number =>
  coverage.reduce((sum, [start, end]) => sum + end - start, 0)

/** Where the last byte held ends; 0 for none. */
export const endOf = (coverage: Coverage): number => coverage.at(-1)?.[1] ?? 0

/** Whether all that is held lies at the beginning, without a gap. */
export const isPrefix = (coverage: Coverage): boolean =>
  coverage.length === 0 || (coverage.length === 1 && coverage[0]![0] === 0)

/** What is missing of the first `total` bytes; of a resource whose length is unknown, `Infinity`. */
export const gaps = (coverage: Coverage, total: number): ReadonlyArray<Span> => {
  const found: Array<Span> = []
  let at = 0
  for (const [start, end] of coverage) {
    if (start > at) found.push([at, Math.min(start, total)])
    at = Math.max(at, end)
    if (at >= total) return found
  }
  if (at < total) found.push([at, total])
  return found
}
