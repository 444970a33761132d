/**
 * Whose turn it is, among downloads that share a limit: the one that has had the least. Pure arithmetic over what each has had;
 * who waits, and for how much, is known to others.
 *
 * Shares are counted by download, not by connection, so that more connections don't get more. What somebody did not take
 * while he had nothing to take is soon forgotten: whoever comes back, or anew, has had no less than the one ahead
 * of all others, but for `slack`.
 */

/** One that gets a share. Mutable, as it is counted per chunk. */
export interface Sharer {
  /** Bytes that it has had, or is taken to have had. */
  had: number
  /** When it was last served, as a number that grows with each turn. */
  turn: number
}

/** What all sharers have in common. */
export interface Round {
  /** The most that one has had. */
  front: number
  turns: number
}

/** Whether one goes before another. */
const before = (one: Sharer, other: Sharer): boolean =>
  one.had < other.had || (one.had === other.had && one.turn < other.turn)

/** Whose turn it is. */
export const next = <S extends Sharer>(sharers: Iterable<S>): S | undefined => {
  let first: S | undefined
  for (const sharer of sharers) if (first === undefined || before(sharer, first)) first = sharer
  return first
}

/** He wants something: what he has not had in the past counts only as far as `slack`. */
export const join = (round: Round, sharer: Sharer, slack: number): void => {
  sharer.had = Math.max(sharer.had, round.front - slack)
}

/** He has got something. */
export const serve = (round: Round, sharer: Sharer, bytes: number, slack: number): void => {
  join(round, sharer, slack)
  sharer.had += bytes
  sharer.turn = ++round.turns
  round.front = Math.max(round.front, sharer.had)
}
