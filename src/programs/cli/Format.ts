/**
 * Figures and text for people: sizes, speeds, durations, and text that a terminal can be given. How wide a text is, is
 * measured by Columns.
 *
 * pretty-bytes and pretty-ms do the figures. Only a space is put before the units of durations ("12 s"), as it stands
 * before those of sizes, and minutes are "min", since "m" is a metre.
 */
import prettyBytes from "pretty-bytes"
import prettyMs from "pretty-ms"

/** `0 B`, `1.5 KiB`, `1023 MiB`: three significant digits, eight characters at most. */
export const bytes = (count: number): string => prettyBytes(count, { binary: true })

/** Bytes per second, as `85.3 MiB/s`. */
export const speed = (bytesPerSecond: number): string => `${bytes(Math.round(bytesPerSecond))}/s`

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

const upTo = (unit: number, millis: number): number => Math.ceil(Math.max(0, millis) / unit) * unit

const spaced = (text: string): string =>
  text.replace(/(\d)([a-z]+)/g, (_, digit: string, unit: string) => `${digit} ${unit === "m" ? "min" : unit}`)

/** For clocks that count down: `0:07`, `12:30`, `1:02:03`, `4d 3h`. In whole seconds, rounded up. */
export const clock = (millis: number): string => {
  const whole = upTo(second, millis)
  return whole < day
    ? prettyMs(whole, { colonNotation: true, secondsDecimalDigits: 0 })
    : prettyMs(whole, { unitCount: 2 })
}

/** How long something took: `0.2 s`, `12 s`, `1 min 39 s`, `2 h 30 min`. */
export const duration = (millis: number): string => {
  const taken = Math.max(0, Math.round(millis / 100) * 100)
  return taken === 0
    ? "0 s"
    : spaced(
        prettyMs(taken, {
          unitCount: 2,
          secondsDecimalDigits: taken < 10 * second ? 1 : 0,
          subSecondsAsDecimals: true
        })
      )
}

/** How long it is still to wait, short: `0 s`, `12 s`, `2 min`, `3 h`. Rounded up. */
export const wait = (millis: number): string => {
  if (millis <= 0) return "0 s"
  const unit = millis <= minute - second ? second : millis <= hour - minute ? minute : hour
  return spaced(prettyMs(upTo(unit, millis), { compact: true }))
}

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const control = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** Text that can't move the cursor, colour, reorder or break a line. */
export const printable = (text: string): string => text.replace(control, "\ufffd")

const two = (number: number): string => String(number).padStart(2, "0")

/** A time on the clock of whoever looks: `2026-11-22 18:03:27`. */
export const time = (at: number): string => {
  const date = new Date(at)
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  )
}
