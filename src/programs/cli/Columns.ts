/**
 * How much room text takes on a terminal, and making it fit. string-width knows the columns of a text; here is what it
 * does not do: cutting between graphemes, padding, and how a terminal that became narrower breaks a line.
 *
 * string-width and the segmenter of graphemes take 50 ms to load and begin. So whoever imports this is itself
 * imported when it is needed.
 */
import stringWidth from "string-width"
import { stripVTControlCharacters } from "node:util"

/** Columns on a terminal. */
export const width = (text: string): number => stringWidth(text)

// eslint-disable-next-line no-control-regex -- its bounds are the first and the last printable character of ASCII
const plain = /^[\u0020-\u007e]*$/

// made when a text needs it: most names are plain
let segmenter: Intl.Segmenter | undefined
const graphemes = (text: string): ReadonlyArray<string> => {
  if (plain.test(text)) return Array.from(text)
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

/** As many of the graphemes, from the first on, as fit. */
const fitting = (graphemes: ReadonlyArray<string>, columns: number): ReadonlyArray<string> => {
  let used = 0
  const end = graphemes.findIndex((grapheme) => (used += width(grapheme)) > columns)
  return end < 0 ? graphemes : graphemes.slice(0, end)
}

const ellipsis = "…"

/** At most `columns` wide; what is cut from the end leaves an ellipsis. */
export const truncate = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  return columns < 1 ? "" : fitting(graphemes(text), columns - 1).join("") + ellipsis
}

/** From here on there is room for a piece of the beginning and one of the end. */
const minCut = 8

/**
 * At most `columns` wide; what is cut from the middle leaves an ellipsis, so that the end of a name (its number, its
 * extension) can still be read.
 */
export const shorten = (text: string, columns: number): string => {
  if (width(text) <= columns) return text
  if (columns < minCut) return truncate(text, columns)
  const all = graphemes(text)
  const tail = fitting(all.slice().reverse(), Math.floor((columns - 1) * 0.4))
    .slice()
    .reverse()
  const head = fitting(all, columns - 1 - width(tail.join("")))
  return head.join("") + ellipsis + tail.join("")
}

/** `text` with spaces up to `columns`. */
export const pad = (text: string, columns: number, side: "left" | "right" = "right"): string => {
  const spaces = " ".repeat(Math.max(0, columns - width(text)))
  return side === "right" ? text + spaces : spaces + text
}

/** How many rows a terminal of `columns` columns breaks a line into; a wide character is not halved. */
export const rows = (line: string, columns: number): number => {
  const text = stripVTControlCharacters(line)
  if (width(text) <= columns || columns < 2) return 1
  let count = 1
  let used = 0
  for (const grapheme of graphemes(text)) {
    const wide = width(grapheme)
    if (used + wide > columns) {
      count++
      used = 0
    }
    used += wide
  }
  return count
}
