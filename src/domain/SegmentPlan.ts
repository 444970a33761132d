/**
 * How a download is divided among connections: when more than one is worth it, and who fetches what. Pure; whoever
 * transfers does what is planned here, and says what came of it.
 *
 * It begins with one connection. Once ranges are proved and enough is left, the largest remainder (by time, where
 * connections differ) is halved, again and again, up to the number allowed. After a while the rate is compared with what
 * one connection had brought: where that was no less, the others are dropped, and taken up again only if one alone turns
 * out to be slower after all (servers that limit a connection often let its beginning pass). A server that refuses a further
 * connection is left with those it has.
 */
import { type Coverage, gaps, type Span } from "./Coverage.js"

/** When a download is divided. Sizes in bytes, times in milliseconds. */
export interface Policy {
  /** Less than this is not divided. @default 4 MiB */
  readonly minLeft: number
  /** What is over sooner than this is not divided. @default 2000 */
  readonly minTime: number
  /** No half is smaller than this. @default 1 MiB */
  readonly minHalf: number
  /** How long one connection is watched before there are more. @default 350 */
  readonly watch: number
  /** How long several may try to be faster than one was, and then, if they were not, one alone. @default 3000 */
  readonly trial: number
}

export const defaultPolicy: Policy = {
  minLeft: 4 * 1024 * 1024,
  minTime: 2000,
  minHalf: 1024 * 1024,
  watch: 350,
  trial: 3000
}

/** Several connections stay only if together they are faster by this factor. */
const worthwhile = 1.1
/** One that is slower than the fastest by this factor crawls, and its remainder is divided though it be small ... */
const crawling = 4
/** ... if it would take so many times `minTime` ... */
const longTimes = 5
/** ... into halves of at least this share of `minHalf`. */
const smallShare = 1 / 16

/** A connection at work: it has come to `at`, and is to go on to `end`. */
export interface Stream {
  readonly at: number
  readonly end: number
  /** Bytes per second; undefined while it is too new to tell. */
  readonly rate: number | undefined
}

/** What a further connection is to fetch. `from`: the stream whose end that becomes, where the span is its second half. */
export interface Assignment<S extends Stream> {
  readonly span: Span
  readonly from: S | undefined
}

const rateOf = (streams: ReadonlyArray<Stream>) => {
  const rates = streams.flatMap(({ rate }) => (rate === undefined ? [] : [rate]))
  const sum = rates.reduce((all, rate) => all + rate, 0)
  return { sum, mean: rates.length === 0 ? 0 : sum / rates.length, best: Math.max(0, ...rates) }
}

const secondsToMillis = 1000

/** Milliseconds until a stream has come to its end, at this rate in bytes per second. */
const timeLeft = ({ at, end }: Stream, rate: number): number => ((end - at) / rate) * secondsToMillis

/** What nobody holds and nobody fetches. */
export const unclaimed = (
  covered: Coverage,
  total: number,
  streams: ReadonlyArray<Stream>
): ReadonlyArray<Span> => {
  const claims = streams.map(({ at, end }): Span => [at, end]).sort((a, b) => a[0] - b[0])
  return gaps(covered, total).flatMap((gap) => {
    const found: Array<Span> = []
    let at = gap[0]
    for (const [start, end] of claims) {
      if (end <= at || start >= gap[1]) continue
      if (start > at) found.push([at, start])
      at = Math.max(at, end)
    }
    if (at < gap[1]) found.push([at, gap[1]])
    return found
  })
}

/** What one more connection is to fetch, if there is anything for it. */
export const next = <S extends Stream>(
  policy: Policy,
  covered: Coverage,
  total: number,
  streams: ReadonlyArray<S>
): Assignment<S> | undefined => {
  const free = unclaimed(covered, total, streams)
  if (free.length > 0) {
    const largest = free.reduce((a, b) => (b[1] - b[0] > a[1] - a[0] ? b : a))
    return { span: largest, from: undefined }
  }
  const { best, mean, sum } = rateOf(streams)
  if (mean === 0) return undefined
  // who would be last, with what is known of it
  const slowest = streams
    .map((stream) => ({ stream, time: timeLeft(stream, stream.rate ?? mean) }))
    .reduce((a, b) => (b.time > a.time ? b : a))
  const { stream, time } = slowest
  const left = stream.end - stream.at
  const allLeft = streams.reduce((all, { at, end }) => all + end - at, 0)
  // what those that are new will bring is not counted upon
  const allTime = (allLeft / sum) * secondsToMillis
  const normal = allLeft >= policy.minLeft && left >= 2 * policy.minHalf && allTime >= policy.minTime
  const crawls =
    (stream.rate ?? mean) * crawling <= best &&
    time >= longTimes * policy.minTime &&
    left >= 2 * policy.minHalf * smallShare
  if (!normal && !crawls) return undefined
  return { span: [stream.at + Math.ceil(left / 2), stream.end], from: stream }
}

/** How many connections a download may have at this moment, and why. */
export interface Ramp {
  readonly allowed: number
  /** Several are being tried: since when, and what one brought before, in bytes per second. */
  readonly trial: { readonly since: number; readonly alone: number } | undefined
  /** Several did not seem to help, and one alone is looked at again: since when, and what several had brought. */
  readonly control: { readonly since: number; readonly several: number } | undefined
  /** Whether there is nothing more to find out. */
  readonly settled: boolean
}

/** At the beginning of a try. */
export const begin = (connections: number): Ramp => ({
  allowed: 1,
  trial: undefined,
  control: undefined,
  settled: connections <= 1
})

/** A further connection was refused, or brought nothing: `active` are left. */
export const refused = (active: number): Ramp => ({
  allowed: Math.max(1, active),
  trial: undefined,
  control: undefined,
  settled: true
})

/** What is seen of a transfer now and then. */
export interface Sight {
  /** Milliseconds of a clock that nobody sets. */
  readonly now: number
  /** Since when bytes have come. */
  readonly since: number
  /** Bytes per second of all connections together, of late. */
  readonly rate: number
  /** Bytes that are missing. */
  readonly left: number
}

/** Draws conclusions. `connections` is how many the download may have at most. */
export const observe = (policy: Policy, ramp: Ramp, connections: number, sight: Sight): Ramp => {
  if (ramp.settled) return ramp
  const { left, now, rate, since } = sight
  const settle = (allowed: number): Ramp => ({
    allowed,
    trial: undefined,
    control: undefined,
    settled: true
  })
  const { control, trial } = ramp
  if (trial !== undefined) {
    if (now - trial.since < policy.trial) return ramp
    if (rate >= trial.alone * worthwhile) return settle(connections)
    return { allowed: 1, trial: undefined, control: { since: now, several: rate }, settled: false }
  }
  if (control !== undefined) {
    if (now - control.since < policy.trial) return ramp
    return settle(control.several >= rate * worthwhile ? connections : 1)
  }
  const enough = left >= policy.minLeft && rate > 0 && (left / rate) * secondsToMillis >= policy.minTime
  return now - since < policy.watch || !enough
    ? ramp
    : { allowed: connections, trial: { since: now, alone: rate }, control: undefined, settled: false }
}
