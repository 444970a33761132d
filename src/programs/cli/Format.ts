/**
 * Figures and text for people: sizes, speeds, durations, and how many columns a text takes on a terminal.
 */

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const

/** `0 B`, `999 B`, `1.5 KiB`, `120 MiB`: three digits or less. */
export const bytes = (count: number): string => {
  let amount = count
  let unit = 0
  // from 999.5 on three digits would round to 1000, hence the next unit
  while (amount >= (unit === 0 ? 1000 : 999.5) && unit < units.length - 1) {
    amount /= 1024
    unit++
  }
  return `${unit === 0 ? amount : amount.toFixed(amount < 99.95 ? 1 : 0)} ${units[unit]}`
}

/** Bytes per second, as `85.3 MiB/s`. */
export const speed = (bytesPerSecond: number): string => `${bytes(Math.round(bytesPerSecond))}/s`

/** For clocks that count down: `0:07`, `12:30`, `1:02:03`, `4d 3h`. In whole seconds, rounded up. */
export const clock = (millis: number): string => {
  const seconds = Math.ceil(Math.max(0, millis) / 1000)
  const [d, h, m, s] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60
  ]
  if (d > 0) return `${d}d ${h}h`
  const two = (n: number): string => String(n).padStart(2, "0")
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** For sentences: `0.2 s`, `12 s`, `5 min`, `2.5 h`. */
export const duration = (millis: number): string => {
  const seconds = Math.max(0, millis) / 1000
  const short = (n: number): string => String(Number(n.toFixed(n < 9.95 ? 1 : 0)))
  if (seconds < 99.5) return `${short(seconds)} s`
  return seconds < 99.5 * 60 ? `${short(seconds / 60)} min` : `${short(seconds / 3600)} h`
}

// eslint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** Text that can't move the cursor, colour, reorder or break a line. */
export const printable = (text: string): string => text.replace(control, "\ufffd")

// eslint-disable-next-line no-control-regex
const plain = /^[\u0020-\u007e]*$/
// What terminals draw two columns wide (Unicode's East Asian Width W and F, and emoji), as far as JavaScript can name it.
const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Yi}\p{Script=Tangut}\p{Emoji_Presentation}\u2e80-\u303e\u3105-\u33ff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u
const narrowKatakana = /^[\uff61-\uffdc]/
const invisible = /^[\p{Mark}\p{Cf}\p{Cc}]+$/u

// made when a text needs it: it costs 20 ms, and most names are plain
let segmenter: Intl.Segmenter | undefined
const graphemes = (text: string): Iterable<{ readonly segment: string }> => {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })
  return segmenter.segment(text)
}

const graphemeWidth = (grapheme: string): number =>
  invisible.test(grapheme) ? 0 : wide.test(grapheme) && !narrowKatakana.test(grapheme) ? 2 : 1

/** Columns on a terminal. */
export const width = (text: string): number => {
  if (plain.test(text)) return text.length
  let columns = 0
  for (const { segment } of graphemes(text)) columns += graphemeWidth(segment)
  return columns
}

/** At most `columns` wide; what is cut from the end leaves an ellipsis. */
export const truncate = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  if (columns < 1) return ""
  let kept = ""
  let used = 0
  for (const { segment } of graphemes(text)) {
    used += graphemeWidth(segment)
    if (used > columns - 1) break
    kept += segment
  }
  return `${kept}…`
}

/** `text` with spaces up to `columns`. */
export const pad = (text: string, columns: number, side: "left" | "right" = "right"): string => {
  const spaces = " ".repeat(Math.max(0, columns - width(text)))
  return side === "right" ? text + spaces : spaces + text
}
