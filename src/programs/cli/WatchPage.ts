/**
 * How `sluice watch` looks: the engines, the hosts that cool down, the board of `get`, and how many there are of each status. Pure: what
 * is known and the size of the terminal make lines that are narrower than it.
 */
import * as Board from "./Board.js"
import * as Columns from "./Columns.js"
import * as Format from "./Format.js"
import type { Meter } from "./Meter.js"
import { style as styleOf } from "./Style.js"
import { leftAlone, view } from "./View.js"
import type { Watched } from "./Watched.js"

export interface Look extends Board.Look {
  readonly rows: number
  readonly now: number
  readonly path: string
}

/** So many engines and cooling hosts have a line of their own. */
const most = 3

const engineLines = ({ engines }: Watched, { now, path }: Look): ReadonlyArray<string> =>
  engines.length === 0
    ? [`no engine is running on ${Format.printable(path)}; looking on`]
    : [
        ...engines
          .slice(0, most)
          .map(
            ({ pid, startedAt }) =>
              `engine${pid === null ? "" : ` ${pid}`} on ${Format.printable(path)}, for ${Format.duration(now - startedAt)}`
          ),
        ...(engines.length > most ? [`and ${engines.length - most} more engines`] : [])
      ]

const coolingLines = ({ glance: { cooling } }: Watched, { now }: Look): ReadonlyArray<string> => {
  const hosts = cooling.filter(({ until }) => until > now)
  return [
    ...hosts.slice(0, most).map((host) => Format.printable(leftAlone(host, now))),
    ...(hosts.length > most ? [`and ${hosts.length - most} more hosts are left alone`] : [])
  ]
}

const words = ["pending", "processing", "retrying", "waiting", "paused"] as const
const lastWords = ["completed", "failed", "cancelled"] as const

/** How many there are of each status; those of which there are none are left out. */
export const countLine = ({ counts }: Watched): string => {
  if (counts === undefined) return "counting ..."
  const said = [
    ...words.map((word) => [word, counts.unfinished[word]] as const),
    ...lastWords.map((word) => [word, counts.ended[word]] as const)
  ].filter(([, count]) => count > 0)
  return said.length === 0 ? "the queue is empty" : said.map(([word, count]) => `${count} ${word}`).join(", ")
}

/** The lines, `look.rows` at most, and the widest name so far. */
export const page = (
  watched: Watched,
  meter: Meter,
  look: Look
): { readonly lines: ReadonlyArray<string>; readonly widest: number } => {
  const style = styleOf(look.color)
  const width = Math.max(1, look.columns - 1)
  const above = [
    ...engineLines(watched, look).map((line) => [line, style.dim] as const),
    ...coolingLines(watched, look).map((line) => [line, style.yellow] as const)
  ]
  // on a low terminal the downloads come first
  const shown = above.slice(0, Math.max(1, look.rows - 5))
  const room = look.rows - shown.length - 1
  const seen = room < 1 ? undefined : view(watched, watched.active, meter, look.now, room)
  const widest = seen === undefined ? look.widest : Board.widest(seen, look.widest)
  const lines = [
    ...shown.map(([line, paint]) => paint(Columns.truncate(line, width))),
    ...(seen === undefined ? [] : Board.render(seen, { ...look, widest }).slice(0, room)),
    style.dim(Columns.truncate(countLine(watched), width))
  ]
  return { lines: lines.slice(-Math.max(1, look.rows)), widest }
}

/** One line that says it all, where lines can't be drawn in place. */
export const sentence = (watched: Watched, meter: Meter): string => {
  const { active, engines } = watched
  const { speed } = meter.total
  return [
    engines.length === 0 ? "no engine" : engines.length === 1 ? "1 engine" : `${engines.length} engines`,
    active.length === 0
      ? ""
      : `${active.length} at work${speed === undefined ? "" : ` (${Format.speed(speed)})`}`,
    countLine(watched)
  ]
    .filter((part) => part !== "")
    .join("; ")
}
