/**
 * Durations as people write them, on the command line, in the environment and in config files alike.
 */
import * as Either from "effect/Either"

const unitMillis: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Timers can't count further (2^31 ms); nobody means to. */
const maxTimer = 24 * 86_400_000

/** Left is a sentence without a full stop. `200ms`, `30s`, `1.5m`, `2h`, `1d`; a plain number is seconds. In milliseconds. */
export const parse = (text: string, longest = maxTimer): Either.Either<number, string> => {
  const match = /^(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|h|d)?$/i.exec(text.trim())
  if (match === null) {
    return Either.left(
      `"${text}" is not a duration; write one like 200ms, 30s, 5m or 2h (a plain number is seconds)`
    )
  }
  const millis = Math.round(Number(match[1]) * unitMillis[(match[2] ?? "s").toLowerCase()]!)
  return millis <= longest
    ? Either.right(millis)
    : Either.left(`"${text}" is too long; the longest is ${Math.floor(longest / 86_400_000)}d`)
}
