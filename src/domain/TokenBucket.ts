/**
 * A limit of so many bytes per second, as a bucket that tokens drip into: what may pass now is what is in it. Pure; the time is the
 * caller's, in milliseconds of a clock that nobody sets.
 *
 * It begins empty, and holds a fifth of a second's worth: so in any window of time no more passes than the rate times that
 * window plus a fifth of a second, however long nothing was taken before. What has come in spite of it (the body of an answer
 * that nobody wanted) is charged, and the bucket may owe.
 */

/** Immutable: each step gives a new one. */
export interface TokenBucket {
  /** Bytes per second, more than 0. */
  readonly rate: number
  /** Bytes that may pass now; less than 0 where more has passed. */
  readonly level: number
  /** When the level was that. */
  readonly at: number
}

/** What gathers while nothing passes, in seconds of the rate: timers are late, and sockets deliver in gulps. */
const burst = 0.2

/** The most that one bucket holds, in bytes. */
export const capacityOf = (rate: number): number => Math.max(1, rate * burst)

/** The least that is worth being handed on: a chunk has a cost of its own. A twentieth of a second's worth, 4 KiB at most. */
export const pieceOf = (rate: number): number => Math.max(1, Math.min(4096, Math.floor(rate / 20)))

export const make = (rate: number, now: number): TokenBucket => ({ rate, level: 0, at: now })

/** As it is at a later time. A time that is not later changes nothing. */
export const refill = (bucket: TokenBucket, now: number): TokenBucket => {
  const elapsed = now - bucket.at
  if (elapsed <= 0) return bucket
  const { rate } = bucket
  const level = Math.min(capacityOf(rate), bucket.level + (rate * elapsed) / 1000)
  return { rate, level, at: now }
}

/** Bytes have passed. */
export const take = (bucket: TokenBucket, bytes: number): TokenBucket => ({
  ...bucket,
  level: bucket.level - bytes
})

/** With another rate from now on: what it holds is cut to what it may hold then, what it owes is still owed. */
export const withRate = (bucket: TokenBucket, rate: number, now: number): TokenBucket => {
  const { level } = refill(bucket, now)
  return { rate, level: Math.min(capacityOf(rate), level), at: now }
}
