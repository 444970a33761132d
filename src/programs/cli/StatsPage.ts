/**
 * The queue in numbers, for people. Pure.
 */
import { Status } from "../../domain/Download.js"
import { probeWhy } from "../../domain/Host.js"
import type { CoolingHost, ListedEngine } from "../../domain/Stats.js"
import type { HostCount, ReasonCount, Recent, Report } from "../../domain/Survey.js"
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

const recently: ReadonlyArray<Column> = [
  { heading: "IN THE LAST", side: "right" },
  { heading: "COMPLETED", side: "left" },
  { heading: "FAILED", side: "left" },
  { heading: "BYTES", side: "left" },
  { heading: "SPEED", side: "left" }
]

const reasons: ReadonlyArray<Column> = [
  { heading: "STATUS", side: "right" },
  { heading: "WHY", side: "right" },
  { heading: "DOWNLOADS", side: "left" }
]

const origins: ReadonlyArray<Column> = [
  { heading: "HOST", side: "right" },
  { heading: "UNFINISHED", side: "left" },
  { heading: "COMPLETED", side: "left" },
  { heading: "FAILED", side: "left" },
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
  { heading: "WORKS ON", side: "right" },
  { heading: "SINCE", side: "right" }
]

const host = ({ origin, until, why }: CoolingHost, now: number): ReadonlyArray<string> => [
  Format.printable(origin),
  // the time of a probe is no time to wait: its answer ends it
  why === probeWhy ? "-" : Format.wait(until - now),
  Format.printable(why)
]

const engine = ({ adopts, alive, id, pid, startedAt }: ListedEngine): ReadonlyArray<string> => [
  id,
  pid === null ? "-" : String(pid),
  alive ? "yes" : "no",
  adopts ? "the queue" : "its own",
  Format.time(startedAt)
]

const recent = ({ bytes, completed, failed, span }: Recent): ReadonlyArray<string> => [
  Format.wait(span),
  String(completed),
  String(failed),
  Format.bytes(bytes),
  Format.speed((bytes * 1000) / span)
]

const reason = ({ downloads, reason, status }: ReasonCount): ReadonlyArray<string> => [
  status,
  reason,
  String(downloads)
]

const origin = ({ bytes, completed, failed, origin, unfinished }: HostCount): ReadonlyArray<string> => [
  Format.printable(origin),
  String(unfinished),
  String(completed),
  String(failed),
  Format.bytes(bytes)
]

/** The page, with its line ends. */
export const page = (report: Report, { columns, now }: Manner): string => {
  const total = Status.literals.reduce((sum, status) => sum + report.downloads[status], 0)
  const rows = Status.literals.map((status) => [
    status,
    String(report.downloads[status]),
    status === "completed" ? Format.bytes(report.bytes) : ""
  ])
  const others = report.hostCount - report.hosts.length
  /** A table that has rows. */
  const table = (heads: ReadonlyArray<Column>, cells: ReadonlyArray<ReadonlyArray<string>>) =>
    cells.length === 0 ? [] : [render(heads, cells, columns)]
  return [
    render(downloads, [...rows, ["all", String(total), ""]], columns) +
      (report.retries === 0
        ? ""
        : `${report.retries} ${report.retries === 1 ? "retry" : "retries"} of what is listed\n`),
    ...table(recently, report.recent.filter(({ completed, failed }) => completed + failed > 0).map(recent)),
    ...table(reasons, report.reasons.map(reason)),
    ...table(origins, report.hosts.map(origin)).map(
      (text) => text + (others > 0 ? `and ${others} more hosts\n` : "")
    ),
    ...table(
      hosts,
      report.cooling.map((cooling) => host(cooling, now))
    ),
    report.engines.length === 0
      ? "no engine is running\n"
      : render(engines, report.engines.map(engine), columns)
  ].join("\n")
}
