/**
 * What is drawn in place at the bottom of a terminal (a frame), as escapes. A frame is written over the last one from its
 * first line on, in one write, without erasing it first: nothing flickers. Text goes above it: the frame is erased, the text
 * written, the frame drawn again, in one write too.
 *
 * After drawing, the cursor stands at the beginning of the frame's last line. From there the way back up to the first line is
 * known also when the terminal has become narrower and has broken the lines anew, and what the terminal echoes there ("^C")
 * breaks none. The cursor is never hidden, so that there is nothing to restore, however the process ends. Lines that
 * a lower terminal has scrolled out of sight can't be reached any more.
 */

/** Lines to draw. */
export interface Frame {
  /** Each narrower than the terminal, without line ends. None at all: no frame. */
  readonly lines: ReadonlyArray<string>
  /** How many rows a terminal of `columns` columns breaks a line into. */
  readonly rows: (line: string, columns: number) => number
}

export const none: Frame = { lines: [], rows: () => 1 }

// Terminals that know it show all of what is between at once (others ignore it).
const begin = "\u001b[?2026h"
const end = "\u001b[?2026l"
const toEndOfLine = "\u001b[K"
const below = "\u001b[J"

/** From the beginning of the last line of what is drawn to that of its first. */
const toTop = ({ lines, rows }: Frame, columns: number): string => {
  const up = lines.slice(0, -1).reduce((sum, line) => sum + rows(line, columns), 0)
  return up === 0 ? "\r" : `\r\u001b[${up}A`
}

const drawn = ({ lines }: Frame, after: string): string => lines.map((line) => line + after).join("\n")

/**
 * Replaces what is drawn. The terminal has `columns` columns; `resized`: it had others when that was drawn, so that its
 * rows are not those of the lines any more.
 */
export const replace = (last: Frame, next: Frame, columns: number, resized: boolean): string => {
  if (next.lines.length === 0) return erase(last, columns)
  if (last.lines.length === 0) return `${begin}\r${drawn(next, toEndOfLine)}\r${end}`
  const back = resized ? erase(last, columns) : toTop(last, columns)
  return `${begin}${back}${drawn(next, toEndOfLine)}${below}\r${end}`
}

export const erase = (last: Frame, columns: number): string =>
  last.lines.length === 0 ? "" : toTop(last, columns) + below

/** Writes `text`, which ends its line, above what is drawn. */
export const above = (drawnNow: Frame, text: string, columns: number): string =>
  drawnNow.lines.length === 0
    ? text
    : `${begin}${erase(drawnNow, columns)}${text}${drawn(drawnNow, "")}\r${end}`
