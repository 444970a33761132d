/**
 * Tables for people: one line for each row, with a heading, aligned whatever is in the cells. Pure.
 */
import * as Columns from "./Columns.js"

/** Figures are read from the right: their side is "left", which is padded. */
export interface Column {
  readonly heading: string
  readonly side: "left" | "right"
}

/** Columns are not padded beyond this for the sake of one long cell. */
const widest = 40

/** The table, with its line ends; cut at `columns`, if given. */
export const render = (
  head: ReadonlyArray<Column>,
  body: ReadonlyArray<ReadonlyArray<string>>,
  columns: number | undefined
): string => {
  const rows = [head.map(({ heading }) => heading), ...body]
  const widths = head.map((_, column) =>
    rows.reduce((most, row) => Math.min(widest, Math.max(most, Columns.width(row[column]!))), 0)
  )
  return rows
    .map((row) => {
      const line = row
        .map((cell, column) => Columns.pad(cell, widths[column]!, head[column]!.side))
        .join("  ")
      return `${columns === undefined ? line.trimEnd() : Columns.truncate(line.trimEnd(), columns)}\n`
    })
    .join("")
}
