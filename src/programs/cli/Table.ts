/**
 * Tables for people: one line each, with a heading, aligned whatever is in the names; and the one of downloads. Pure.
 */
import type { Download } from "../../domain/Download.js"
import { percent } from "../../domain/Download.js"
import * as Columns from "./Columns.js"
import * as Format from "./Format.js"
import { nameOf } from "./View.js"

const headings = ["ID", "STATUS", "DONE", "SIZE", "NAME", "URL"] as const
/** Figures are read from the right. */
const sides = ["right", "right", "left", "left", "right", "right"] as const
/** Columns are not padded beyond this for the sake of one long name. */
const widest = 40

const cells = (download: Download): ReadonlyArray<string> => {
  const done = percent(download)
  return [
    download.id,
    download.status,
    done === undefined ? "-" : `${done}%`,
    download.total === null ? "-" : Format.bytes(download.total),
    nameOf(download),
    Format.printable(download.url)
  ]
}

/** Rows of as many cells as there are sides, with their line ends; cut at `columns`, if given. */
export const layOut = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  sides: ReadonlyArray<"left" | "right">,
  columns: number | undefined
): string => {
  const widths = sides.map((_, column) =>
    Math.min(widest, Math.max(...rows.map((row) => Columns.width(row[column]!))))
  )
  return rows
    .map((row) => {
      const line = row.map((cell, column) => Columns.pad(cell, widths[column]!, sides[column])).join("  ")
      return `${columns === undefined ? line.trimEnd() : Columns.truncate(line.trimEnd(), columns)}\n`
    })
    .join("")
}

/** Downloads, with a heading. */
export const table = (downloads: ReadonlyArray<Download>, columns: number | undefined): string =>
  layOut([headings, ...downloads.map(cells)], sides, columns)
