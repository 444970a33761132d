/**
 * The queue in numbers, for people. Pure.
 */
import { Status } from "../../domain/Download.js"
import type { CoolingHost, ListedEngine, Stats } from "../../domain/Stats.js"
import * as Format from "./Format.js"
import type { Column } from "./Table.js"
import { render } from "./Table.js"

export interface Manner {
  /** Undefined where there is no terminal. */
  readonly columns: number | undefined
  readonly now: number
}

const downloads: ReadonlyArray<Column> = [
  { heading: "STATUS", side: "right" },
  { heading: "DOWNLOADS", side: "left" },
  { heading: "BYTES", side: "left" }
]

const hosts: ReadonlyArray<Column> = [
  { heading: "COOLING HOST", side: "right" },
  { heading: "TIME LEFT", side: "left" },
  { heading: "WHY", side: "right" }
]

const engines: ReadonlyArray<Column> = [
  { heading: "ENGINE", side: "right" },
  { heading: "PID", side: "left" },
  { heading: "LIVES", side: "right" },
  { heading: "SINCE", side: "right" }
]

const host = ({ origin, until, why }: CoolingHost, now: number): ReadonlyArray<string> => [
  Format.printable(origin),
  Format.wait(until - now),
  Format.printable(why)
]

const engine = ({ alive, id, pid, startedAt }: ListedEngine): ReadonlyArray<string> => [
  id,
  pid === null ? "-" : String(pid),
  alive ? "yes" : "no",
  Format.time(startedAt)
]

/** The page, with its line ends. */
export const page = (stats: Stats, { columns, now }: Manner): string => {
  const total = Status.literals.reduce((sum, status) => sum + stats.downloads[status], 0)
  const rows = Status.literals.map((status) => [
    status,
    String(stats.downloads[status]),
    status === "completed" ? Format.bytes(stats.bytes) : ""
  ])
  return [
    render(downloads, [...rows, ["all", String(total), ""]], columns),
    ...(stats.cooling.length === 0
      ? []
      : [
          render(
            hosts,
            stats.cooling.map((cooling) => host(cooling, now)),
            columns
          )
        ]),
    stats.engines.length === 0
      ? "no engine is running\n"
      : render(engines, stats.engines.map(engine), columns)
  ].join("\n")
}
