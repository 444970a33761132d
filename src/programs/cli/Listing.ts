/**
 * Downloads as a table for people. Pure.
 */
import type { Download } from "../../domain/Download.js"
import { percent } from "../../domain/Download.js"
import * as Format from "./Format.js"
import type { Column } from "./Table.js"
import { render } from "./Table.js"
import { nameOf } from "./View.js"

const head: ReadonlyArray<Column> = [
  { heading: "ID", side: "right" },
  { heading: "STATUS", side: "right" },
  { heading: "DONE", side: "left" },
  { heading: "SIZE", side: "left" },
  { heading: "NAME", side: "right" },
  { heading: "URL", side: "right" }
]

const cells = (download: Download): ReadonlyArray<string> => {
  const done = percent(download)
  return [
    download.id,
    download.outcome === "unchanged" ? download.outcome : download.status,
    done === undefined ? "-" : `${done}%`,
    download.total === null ? "-" : Format.bytes(download.total),
    nameOf(download),
    Format.printable(download.url)
  ]
}

/** The table, with its line ends; cut at `columns`, if given. */
export const table = (downloads: ReadonlyArray<Download>, columns: number | undefined): string =>
  render(head, downloads.map(cells), columns)
