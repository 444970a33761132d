/**
 * Downloads as a table for people. Pure.
 */
import type { Download } from "../../domain/Download.js"
import { percent } from "../../domain/Download.js"
import * as Format from "./Format.js"
import type { LeftAlone } from "./LeftAlone.js"
import type { Column } from "./Table.js"
import { render } from "./Table.js"
import { nameOf, stateOf } from "./View.js"

const head: ReadonlyArray<Column> = [
  { heading: "ID", side: "right" },
  { heading: "STATUS", side: "right" },
  { heading: "DONE", side: "left" },
  { heading: "SIZE", side: "left" },
  { heading: "NAME", side: "right" },
  { heading: "URL", side: "right" }
]

/** What is known beside the rows. */
export interface Around {
  readonly leftAlone: LeftAlone
  readonly now: number
}

/** The status, and how long its host is left alone, if it is. */
const statusOf = (download: Download, { leftAlone, now }: Around): string => {
  const { outcome, status } = download
  if (outcome === "unchanged") return outcome
  const host = leftAlone(download)
  return host === undefined ? status : `${status}: ${stateOf({ ...download, status: "pending" }, now, host)}`
}

const cells = (download: Download, around: Around): ReadonlyArray<string> => {
  const done = percent(download)
  return [
    download.id,
    statusOf(download, around),
    done === undefined ? "-" : `${done}%`,
    download.total === null ? "-" : Format.bytes(download.total),
    nameOf(download),
    Format.printable(download.url)
  ]
}

/** The table, with its line ends; cut at `columns`, if given. */
export const table = (
  downloads: ReadonlyArray<Download>,
  columns: number | undefined,
  around: Around
): string =>
  render(
    head,
    downloads.map((download) => cells(download, around)),
    columns
  )
