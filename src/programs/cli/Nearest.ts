/**
 * "Did you mean": the word of a list that is nearest to what was typed. Pure.
 */

/** Optimal string alignment: how many letters to add, leave out, change, or swap with their neighbour. */
const distance = (one: string, other: string): number => {
  let before: ReadonlyArray<number> = []
  let row: ReadonlyArray<number> = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let line = 1; line <= one.length; line++) {
    const next = [line]
    for (let column = 1; column <= other.length; column++) {
      const same = one[line - 1] === other[column - 1]
      const swapped =
        line > 1 && column > 1 && one[line - 1] === other[column - 2] && one[line - 2] === other[column - 1]
      next.push(
        Math.min(
          row[column]! + 1,
          next[column - 1]! + 1,
          row[column - 1]! + (same ? 0 : 1),
          swapped ? before[column - 2]! + 1 : Infinity
        )
      )
    }
    before = row
    row = next
  }
  return row[other.length]!
}

/** The nearest of `words`, if it is near enough to be what was meant. */
export const nearest = (typed: string, words: Iterable<string>): string | undefined => {
  const wanted = typed.toLowerCase().replaceAll("_", "-").slice(0, 40)
  let found: string | undefined
  let least = Math.min(3, Math.ceil(wanted.length / 3) + 1)
  for (const word of words) {
    const apart = distance(wanted, word)
    if (apart < least) {
      least = apart
      found = word
    }
  }
  return found
}

/** `; did you mean X?`, or nothing. */
export const didYouMean = (typed: string, words: Iterable<string>, prefix = ""): string => {
  const found = nearest(typed, words)
  return found === undefined ? "" : `; did you mean ${prefix}${found}?`
}
