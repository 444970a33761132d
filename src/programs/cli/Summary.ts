/**
 * The last words of a command: what is not done, why and what to do about it, and how much is done; or, where it was
 * stopped, how to go on. Pure. Paths are results, told when they came, and are not repeated.
 */
import type { Download } from "../../domain/Download.js"
import * as Format from "./Format.js"
import type { Style } from "./Style.js"
import type { Group, NotDone, Tally } from "./Tally.js"

/** The command line that goes on with what was interrupted; `hidden`: secrets were left out of it. */
export interface Again {
  readonly command: string
  readonly hidden: boolean
}

/** `5.0 MiB of 10 MiB`. */
export const ofTotal = (bytes: number, total: number | null): string =>
  total === null ? Format.bytes(bytes) : `${Format.bytes(bytes)} of ${Format.bytes(total)}`

const reason = (event: NotDone): readonly [what: string, advice: string] => {
  switch (event.event) {
    case "failed":
      return [Format.printable(event.detail), event.advice]
    case "cancelled":
      return ["it was cancelled by another command", "run the same command again to start anew"]
    case "paused":
      return ["it was paused by another command", "what has arrived is kept; resume it to go on"]
  }
}

const one = (event: NotDone, style: Style): string => {
  const [what, advice] = reason(event)
  return `sluice: ${style.red("not done")}: ${Format.printable(event.url)}\n        ${what}\n        ${advice}\n`
}

const group = ({ alike, count, first }: Group): string => {
  const [what, advice] = reason(first)
  return `        ${count} times: ${alike ? "" : "such as: "}${what}\n        ${" ".repeat(`${count} times: `.length)}${advice}\n`
}

/** So many reasons are told: a server can make up statuses. */
const maxGroups = 20

/** What failed or was stopped: the first ones in full, the others counted by reason. */
export const notDone = (tally: Tally, style: Style): string => {
  const left = tally.others.reduce((sum, { count }) => sum + count, 0)
  return (
    tally.notDone.map((event) => one(event, style)).join("") +
    (left === 0
      ? ""
      : `sluice: ${style.red(`and ${left} more not done`)} (sluice ls --status failed names them):\n` +
        tally.others.slice(0, maxGroups).map(group).join(""))
  )
}

export const count = ({ completed, failed, stopped, unchanged }: Tally): number =>
  completed + unchanged + failed + stopped

const ended = ({ bytes, completed, failed, stopped, unchanged }: Tally, style: Style): string =>
  [
    completed > 0 ? style.green(`${completed} completed (${Format.bytes(bytes)})`) : "",
    unchanged > 0 ? style.green(`${unchanged} unchanged`) : "",
    failed > 0 ? style.red(`${failed} failed`) : "",
    stopped > 0 ? style.yellow(`${stopped} stopped`) : ""
  ]
    .filter((part) => part !== "")
    .join(", ")

/** `3 completed (1.2 GiB), 1 failed in 12 s`. */
export const counts = (tally: Tally, elapsed: number, style: Style): string =>
  count(tally) === 0 ? "nothing to do\n" : `${ended(tally, style)} in ${Format.duration(elapsed)}\n`

/** What has ended, what is saved of the rest, and the command to go on with it. */
export const goOn = (
  unfinished: ReadonlyArray<Download>,
  { command, hidden }: Again,
  tally: Tally,
  style: Style
): string => {
  const saved = unfinished.reduce((sum, { checkpoint }) => sum + checkpoint, 0)
  const total = unfinished.reduce<number | null>(
    (sum, download) => (sum === null || download.total === null ? null : sum + download.total),
    0
  )
  return (
    `sluice: interrupted; ${count(tally) > 0 ? `${ended(tally, style)}, ${unfinished.length} left; ` : ""}${saved > 0 ? `${ofTotal(saved, total)} saved` : "nothing is lost"}. To go on:\n` +
    `        ${command}\n${hidden ? "        (with the secrets that are left out here)\n" : ""}`
  )
}
