/**
 * One download for people: everything about it that is set or has happened, and its tries, in the order in which they were
 * made. Pure. Values of headers are not shown.
 */
import type { Attempt } from "../../domain/Attempt.js"
import * as Checksums from "../../domain/Checksum.js"
import type { Download, Source } from "../../domain/Download.js"
import { pathOf, percent, terminal } from "../../domain/Download.js"
import { adviceOf } from "../../domain/DownloadError.js"
import { type DownloadOptions, defaultOptions } from "../../domain/DownloadOptions.js"
import { redactUrl } from "../../domain/Redaction.js"
import type { CoolingHost } from "../../domain/Stats.js"
import * as Columns from "./Columns.js"
import { delayOf, headerNames } from "./Events.js"
import * as Format from "./Format.js"
import { wrap } from "./Help.js"
import { type Style, style } from "./Style.js"
import { ofTotal } from "./Summary.js"
import type { Column } from "./Table.js"
import { render } from "./Table.js"
import { leftAlone, stateOf } from "./View.js"

export interface Manner {
  /** Undefined where there is no terminal. */
  readonly columns: number | undefined
  readonly color: boolean
  readonly now: number
  /** The host that it waits for, where that is left alone. */
  readonly cooling?: CoolingHost | undefined
}

type Field = readonly [name: string, value: string]

/** Names of fields end here. */
const indent = 12

const ago = (at: number, now: number): string =>
  `${Format.time(at)}${now > at ? `, ${Format.wait(now - at)} ago` : ""}`

/** What was asked for otherwise than by default. */
const chosen = (options: DownloadOptions): string => {
  const parts = [
    options.maxRetries === defaultOptions.maxRetries ? "" : `max-retries ${options.maxRetries}`,
    options.retryDelay === defaultOptions.retryDelay
      ? ""
      : `retry-delay ${Format.duration(options.retryDelay)}`,
    options.timeout === defaultOptions.timeout ? "" : `timeout ${Format.duration(options.timeout)}`,
    options.stallTimeout === defaultOptions.stallTimeout
      ? ""
      : `stall-timeout ${Format.duration(options.stallTimeout)}`,
    options.maxTime === null ? "" : `max-time ${Format.duration(options.maxTime)}`,
    options.giveUp === defaultOptions.giveUp ? "" : `give-up ${Format.duration(options.giveUp)}`,
    options.onConflict === defaultOptions.onConflict ? "" : `on-conflict ${options.onConflict}`,
    options.connections === defaultOptions.connections ? "" : `connections ${options.connections}`,
    options.refetch === defaultOptions.refetch ? "" : `refetch ${options.refetch}`,
    options.maxSize === null ? "" : `max-size ${Format.bytes(options.maxSize)}`
  ]
  return parts.filter((part) => part !== "").join(", ")
}

const statusOf = (download: Download, { cooling, now }: Manner): string => {
  const { desired, status } = download
  const state = terminal.has(status) || status === "paused" ? "" : stateOf(download, now, cooling)
  const wish =
    (desired === "paused" && status !== "paused") || (desired === "cancelled" && status !== "cancelled")
      ? `to be ${desired}`
      : ""
  const outcome = download.outcome === null || download.outcome === "fetched" ? "" : download.outcome
  const more = [status === "processing" ? "" : state, wish, outcome].filter((part) => part !== "").join(", ")
  return more === "" ? status : `${status} (${more})`
}

const amount = (download: Download): string => {
  const done = percent(download)
  const bytes =
    download.status === "completed" ? (download.total ?? download.checkpoint) : download.checkpoint
  return download.status === "completed"
    ? Format.bytes(bytes)
    : `${ofTotal(bytes, download.total)}${done === undefined ? "" : ` (${done}%)`}`
}

const sourceLine = ({ aside, url, used }: Source): string => {
  const state = aside !== null ? ` (set aside: ${aside.detail})` : used ? " (in use)" : ""
  return Format.printable(url + state)
}

const fields = (download: Download, manner: Manner): ReadonlyArray<Field> => {
  const { cooling, now } = manner
  const { checksum } = download.options
  const announced = download.validator?.digest
  const { failure } = download
  const path = pathOf(download)
  return [
    ["id", download.id],
    ["url", Format.printable(download.url)],
    ["sources", (download.sources ?? []).map(sourceLine).join("\n")],
    ["status", statusOf(download, manner)],
    ["why", failure === null ? "" : Format.printable(failure.detail)],
    ["host", cooling === undefined ? "" : Format.printable(leftAlone(cooling, now))],
    [
      "what to do",
      failure === null || !(terminal.has(download.status) || download.status === "waiting")
        ? ""
        : adviceOf(failure.reason)
    ],
    ["file", path === null ? "" : Format.printable(path)],
    ["directory", path === null ? Format.printable(download.directory) : ""],
    ["part", download.part === null ? "" : Format.printable(download.part.name)],
    ["received", amount(download)],
    ["checksum", checksum === null ? "" : Checksums.format(checksum)],
    // the server's own word, with the field it came in
    ["announced", announced === undefined ? "" : `${Checksums.format(announced)} (${announced.field})`],
    ["priority", String(download.priority)],
    ["key", download.key === null ? "" : Format.printable(download.key)],
    ["tags", download.tags.map((tag) => Format.printable(tag)).join(", ")],
    [
      "headers",
      headerNames(download)
        .map((name) => `${name}: ...`)
        .join(", ")
    ],
    ["options", chosen(download.options)],
    ["meta", download.meta === null ? "" : Format.printable(JSON.stringify(download.meta))],
    ["retried as", download.retriedAs ?? ""],
    ["engine", download.owner ?? ""],
    ["process", download.pid === null ? "" : String(download.pid)],
    ["added", ago(download.createdAt, now)],
    ["changed", ago(download.updatedAt, now)],
    ["ended", download.finishedAt === null ? "" : ago(download.finishedAt, now)]
  ]
}

/** A field, its value in lines of its own width where there is a terminal. */
const line = ([name, value]: Field, { bold }: Style, columns: number | undefined): string => {
  const lines =
    columns === undefined
      ? [value.replaceAll("\n", ", ")]
      : value.split("\n").flatMap((one) => wrap(one, Math.max(20, columns - indent)))
  return `${bold(Columns.pad(name, indent))}${lines.join(`\n${" ".repeat(indent)}`)}\n`
}

const head: ReadonlyArray<Column> = [
  { heading: "TRY", side: "left" },
  { heading: "BEGAN", side: "right" },
  { heading: "TOOK", side: "left" },
  { heading: "FROM", side: "left" },
  { heading: "TO", side: "left" },
  { heading: "NEXT AFTER", side: "left" },
  { heading: "PID", side: "left" },
  { heading: "ENGINE", side: "right" }
]

const cells = (attempt: Attempt, now: number): ReadonlyArray<string> => {
  const delay = delayOf(attempt)
  return [
    String(attempt.number),
    Format.time(attempt.startedAt),
    Format.duration((attempt.endedAt ?? now) - attempt.startedAt),
    Format.bytes(attempt.fromBytes),
    Format.bytes(attempt.toBytes),
    delay === null ? "-" : Format.duration(delay),
    attempt.pid === null ? "-" : String(attempt.pid),
    attempt.engine ?? "-"
  ]
}

/** How it ended: what its row has no room for. */
const ending = (attempt: Attempt, download: Download): ReadonlyArray<string> => [
  attempt.endedAt === null
    ? "goes on"
    : attempt.failure === null
      ? attempt.status
      : `${attempt.status}: ${Format.printable(attempt.failure.detail)}`,
  ...(attempt.source === download.url ? [] : [`from ${Format.printable(redactUrl(attempt.source))}`])
]

const tries = (
  download: Download,
  attempts: ReadonlyArray<Attempt>,
  { columns, now }: Manner,
  { bold, dim }: Style
): string => {
  const [heading = "", ...rows] = render(
    head,
    attempts.map((attempt) => cells(attempt, now)),
    columns
  ).split("\n")
  const margin = " ".repeat(5)
  return [
    bold(heading),
    ...attempts.flatMap((attempt, index) => [
      rows[index]!,
      ...ending(attempt, download)
        .flatMap((text) =>
          columns === undefined ? [text] : wrap(text, Math.max(20, columns - margin.length))
        )
        .map((text) => margin + dim(text))
    ]),
    ""
  ].join("\n")
}

/** The page, with its line ends. */
export const page = (download: Download, attempts: ReadonlyArray<Attempt>, manner: Manner): string => {
  const painted = style(manner.color)
  return (
    fields(download, manner)
      .filter(([, value]) => value !== "")
      .map((field) => line(field, painted, manner.columns))
      .join("") + (attempts.length === 0 ? "" : `\n${tries(download, attempts, manner, painted)}`)
  )
}
