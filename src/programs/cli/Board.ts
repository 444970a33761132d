/**
 * How a view looks: a line for each download, one for those that have none, and the total. Pure: a view and the width of the
 * terminal make lines that are narrower than it, so that none is broken and the cursor can stand behind them.
 *
 * The columns of all lines are aligned. What does not fit is left out, least important first: the word
 * "downloading", bar, time left, amounts, speed, percentage; names are cut. A download that does anything else
 * than download has words in the place of its speed and time.
 */
import * as Columns from "./Columns.js"
import * as Format from "./Format.js"
import type { Style } from "./Style.js"
import { style as styleOf } from "./Style.js"
import type { Behind, Entry, Total, View } from "./View.js"

export interface Look {
  readonly columns: number
  readonly color: boolean
  /** The widest name so far: the columns behind names must not dance when downloads come and go. */
  readonly widest: number
}

const sizes = { percent: 4, amounts: 17, speed: 10, eta: 9, state: 11 } as const
type Part = keyof typeof sizes
const parts: ReadonlyArray<Part> = ["percent", "amounts", "speed", "eta", "state"]

const gap = "  "
const minBar = 10
const maxBar = 30

/** The widths of the columns; 0 for one that is left out. Each has a gap before it, but the name. */
interface Layout extends Readonly<Record<Part, number>> {
  readonly room: number
  readonly name: number
  readonly bar: number
}

/** In order of wealth, each with the columns that it leaves to names at least. */
const layouts: ReadonlyArray<{
  readonly bar: boolean
  readonly parts: ReadonlyArray<Part>
  readonly name: number
}> = [
  { bar: true, parts, name: 32 },
  { bar: true, parts: ["percent", "amounts", "speed", "eta"], name: 16 },
  { bar: false, parts: ["percent", "amounts", "speed", "eta"], name: 14 },
  { bar: false, parts: ["percent", "amounts", "speed"], name: 12 },
  { bar: false, parts: ["percent", "speed"], name: 12 },
  { bar: false, parts: ["percent"], name: 8 },
  { bar: false, parts: [], name: 0 }
]

const downloading = "downloading"
const isMoving = ({ speed, state }: Entry): boolean => state === downloading && speed !== undefined

const clockOf = (remaining: number | undefined): string =>
  remaining === undefined ? "" : `ETA ${Format.clock(remaining)}`

const layout = ({ entries, total }: View, { columns, widest }: Look): Layout => {
  const room = Math.max(0, columns - 1)
  const longest = Math.max(sizes.eta, ...[...entries, total].map((line) => clockOf(line?.remaining).length))
  const wide = { ...sizes, eta: longest }
  const fixed = (candidate: (typeof layouts)[number]): number =>
    candidate.parts.reduce((sum, part) => sum + gap.length + wide[part], 0) +
    (candidate.bar ? gap.length + minBar : 0)
  const chosen = layouts.find((candidate) => fixed(candidate) + candidate.name <= room) ?? layouts.at(-1)!
  const spare = room - fixed(chosen)
  const name = Math.min(widest, spare)
  const of = (part: Part): number => (chosen.parts.includes(part) ? wide[part] : 0)
  return {
    room,
    name,
    bar: chosen.bar ? Math.min(maxBar, minBar + spare - name) : 0,
    percent: of("percent"),
    amounts: of("amounts"),
    speed: of("speed"),
    eta: of("eta"),
    state: of("state")
  }
}

const percent = ({ received, total }: Entry): string =>
  total === undefined || total === 0 ? "" : `${Math.min(100, Math.floor((received / total) * 100))}%`

const amounts = (received: number, total: number | undefined): string =>
  total !== undefined
    ? `${Format.bytes(received)}/${Format.bytes(total)}`
    : received > 0
      ? Format.bytes(received)
      : ""

const bar = ({ received, total }: Entry, columns: number, style: Style): string => {
  if (total === undefined || total === 0) return " ".repeat(columns)
  const inside = columns - 2
  const filled = Math.min(inside, Math.floor((received / total) * inside))
  return `[${style.cyan("=".repeat(filled))}${" ".repeat(inside - filled)}]`
}

/** `text` in a column of that width with its gap; nothing where the column is left out. */
const cell = (text: string, columns: number, side: "left" | "right" = "left"): string =>
  columns === 0 ? "" : gap + Columns.pad(Columns.truncate(text, columns), columns, side)

/** Why it waits is told where a good part of the sentence fits. */
const minDetail = 12

const words = ({ detail, state }: Entry, columns: number): string => {
  const left = columns - Columns.width(state) - 2
  return Columns.truncate(detail !== "" && left >= minDetail ? `${state}: ${detail}` : state, columns)
}

const line = (entry: Entry, at: Layout, style: Style): string => {
  const paint = entry.speed === undefined && entry.detail !== "" ? style.yellow : (text: string) => text
  if (!isMoving(entry) && at.eta === 0) {
    // no room for words behind the figures: they are what matters
    const said = words(entry, Math.max(at.room - at.name - gap.length, Math.floor(at.room / 2)))
    const left = Math.min(at.name, at.room - gap.length - Columns.width(said))
    return left < 1
      ? paint(Columns.truncate(said, at.room))
      : style.bold(Columns.pad(Columns.shorten(entry.name, left), left)) + gap + paint(said)
  }
  const begin =
    style.bold(Columns.pad(Columns.shorten(entry.name, at.name), at.name)) +
    (at.bar === 0 ? "" : gap + bar(entry, at.bar, style)) +
    cell(percent(entry), at.percent) +
    cell(amounts(entry.received, entry.total), at.amounts)
  if (isMoving(entry)) {
    return (
      begin +
      cell(Format.speed(entry.speed!), at.speed) +
      cell(clockOf(entry.remaining), at.eta) +
      cell(entry.state, at.state, "right")
    )
  }
  const before =
    at.name + [at.bar, at.percent, at.amounts].reduce((sum, n) => sum + (n === 0 ? 0 : gap.length + n), 0)
  return begin + gap + paint(words(entry, at.room - before - gap.length))
}

/** As many of the parts as fit, the first at least. */
const joined = (parts: ReadonlyArray<string>, columns: number): string => {
  const said = parts.filter((part) => part !== "")
  while (said.length > 1 && Columns.width(said.join(", ")) > columns) said.pop()
  return Columns.truncate(said.join(", "), columns)
}

const lastLine = (total: Total, at: Layout, style: Style): string => {
  const label =
    at.name +
    [at.bar, at.percent].reduce((sum, columns) => sum + (columns === 0 ? 0 : gap.length + columns), 0)
  const said = joined(
    [
      `${total.finished - total.failed} of ${total.of} done`,
      total.failed > 0 ? `${total.failed} failed` : "",
      total.queued > 0 ? `${total.queued} queued` : ""
    ],
    at.amounts === 0 ? at.room : label
  )
  const figures =
    cell(amounts(total.received, total.total), at.amounts) +
    cell(total.speed === undefined ? "" : Format.speed(total.speed), at.amounts === 0 ? 0 : at.speed) +
    cell(clockOf(total.remaining), at.eta)
  return style.bold((at.amounts === 0 ? said : Columns.pad(said, label)) + figures.trimEnd())
}

const rest = ({ entries, more: { active, delayed } }: View, room: number): ReadonlyArray<string> => {
  if (active + delayed === 0) return []
  const [and, more] = entries.length === 0 ? ["", ""] : ["and ", " more"]
  const parts = [active > 0 ? `${active}${more} at work` : "", delayed > 0 ? `${delayed}${more} waiting` : ""]
  return [Columns.truncate(and + joined(parts, room - and.length), room)]
}

const behindLine = ({ hosts, left, origin, queued, why }: Behind, room: number): string => {
  const more = why === "" ? "" : ` (${why})`
  const time = left === undefined ? "" : ` ${Format.wait(left)}`
  const one = left === undefined ? origin : `${origin}, cooling down`
  const many = `${hosts} hosts that are left alone, ${origin}${left === undefined ? "" : " for"}`
  return Columns.truncate(`${queued} queued for ${hosts === 1 ? one : many}${time}${more}`, room)
}

/** The widest of these names and those before. */
export const widest = (view: View, before: number): number =>
  view.entries.reduce((most, { name }) => Math.max(most, Columns.width(name)), before)

/** The lines, in at most `rows` where the view was made for so many. */
export const render = (view: View, look: Look): ReadonlyArray<string> => {
  const style = styleOf(look.color)
  const at = layout(view, look)
  return [
    ...view.entries.map((entry) => line(entry, at, style).trimEnd()),
    ...rest(view, at.room).map(style.dim),
    ...(view.behind === undefined ? [] : [style.yellow(behindLine(view.behind, at.room))]),
    ...(view.total === undefined ? [] : [lastLine(view.total, at, style)])
  ]
}
