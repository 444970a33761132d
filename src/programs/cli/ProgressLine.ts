/**
 * The progress line of a terminal. Pure: what is known -> a view -> a line that fits; the loop that draws it at most
 * ten times a second stands at the end.
 *
 * One download is shown in full; of several, the sum of those being worked on and how many are done. A percentage is
 * shown for a single download only: that of a growing group would go up and down.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Download } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import { fallbackName } from "../../domain/FileName.js"
import type { Active } from "../../services/Supervisor.js"
import * as Format from "./Format.js"
import type * as Output from "./Output.js"

/** How fast bytes arrive. Follows changes with a time constant of 2 s, so that the figure can be read. */
export interface Meter {
  readonly at: number
  /** Bytes held by each download when it was last looked at. */
  readonly received: ReadonlyMap<DownloadId, number>
  /** Bytes per second; undefined until two looks lie apart. */
  readonly speed: number | undefined
}

const timeConstant = 2000

/** A look at the gauges at time `at` (ms). What a download held when first seen did not arrive now. */
export const measure = (meter: Meter | undefined, active: ReadonlyArray<Active>, at: number): Meter => {
  const received = new Map(active.map(({ gauge, id }) => [id, gauge.received]))
  if (meter === undefined) return { at, received, speed: undefined }
  const elapsed = at - meter.at
  if (elapsed <= 0) return meter
  let arrived = 0
  for (const [id, bytes] of received) arrived += Math.max(0, bytes - (meter.received.get(id) ?? bytes))
  const current = (arrived * 1000) / elapsed
  const weight = 1 - Math.exp(-elapsed / timeConstant)
  const speed = meter.speed === undefined ? current : meter.speed + weight * (current - meter.speed)
  return { at, received, speed: active.length === 0 ? undefined : speed }
}

export interface View {
  readonly name: string
  /** In words, such as "connecting"; may be empty. */
  readonly state: string
  readonly received: number
  readonly total: number | undefined
  /** Bytes per second. */
  readonly speed: number | undefined
  /** Milliseconds until the end, at this speed. */
  readonly remaining: number | undefined
  /** Of several downloads: how many have ended, and of how many. */
  readonly finished: { readonly count: number; readonly of: number } | undefined
}

/** The name to show before one is known: the last segment of the URL. */
export const nameOf = (download: Download): string => {
  const name = download.filename ?? download.output ?? new URL(download.url).pathname.split("/").at(-1) ?? ""
  return Format.printable(name === "" ? fallbackName : name)
}

/** What a download that nobody works on right now waits for. */
export const stateOf = (download: Download, now: number): string => {
  const left = Format.duration((download.nextAttemptAt ?? now) - now)
  switch (download.status) {
    case "retrying":
      return `retrying in ${left}`
    case "waiting":
      return download.failure?.reason === "DiskFull"
        ? `disk full, looking again in ${left}`
        : `host cooling down ${left}`
    case "pending":
      return "queued"
    case "processing":
      return "starting"
    default:
      return download.status
  }
}

/** What is known of the downloads of this command. */
export interface Known {
  readonly get: (id: DownloadId) => Download | undefined
  readonly unfinished: () => Iterable<Download>
  readonly finished: number
  readonly of: number
}

/** Undefined if there is nothing to show. */
export const view = (
  known: Known,
  active: ReadonlyArray<Active>,
  meter: Meter,
  now: number
): View | undefined => {
  const several = known.of > 1
  const finished = several ? { count: known.finished, of: known.of } : undefined
  if (active.length === 0) {
    for (const download of known.unfinished()) {
      return {
        name: nameOf(download),
        state: stateOf(download, now),
        received: download.checkpoint,
        total: download.total ?? undefined,
        speed: undefined,
        remaining: undefined,
        finished
      }
    }
    return undefined
  }
  let received = 0
  let total: number | undefined = 0
  const names: Array<string> = []
  for (const { gauge, id } of active) {
    const row = known.get(id)
    names.push(row === undefined ? id : nameOf(row))
    received += gauge.received
    total = total === undefined || gauge.total === undefined ? undefined : total + gauge.total
  }
  const { speed } = meter
  const all = known.finished + active.length >= known.of
  return {
    name: names.join(", "),
    state: active.length === 1 ? active[0]!.gauge.state : "",
    received,
    total,
    speed,
    remaining:
      all && total !== undefined && speed !== undefined && speed >= 1
        ? (Math.max(0, total - received) * 1000) / speed
        : undefined,
    finished
  }
}

const percentOf = ({ finished, received, total }: View): string | undefined =>
  finished !== undefined
    ? `${finished.count}/${finished.of}`
    : total === undefined || total === 0
      ? undefined
      : Format.pad(`${Math.min(100, Math.floor((received / total) * 100))}%`, 4, "left")

const bar = (received: number, total: number, columns: number): string => {
  const filled = Math.min(columns - 2, Math.floor((received / total) * (columns - 2)))
  return `[${"=".repeat(filled)}${" ".repeat(columns - 2 - filled)}]`
}

const minName = 10
const barColumns = 22

/**
 * The line for a terminal of `columns` columns; one column stays free, since a full line would wrap. What does not fit is
 * left out, least important first: bar, time left, speed, amounts, state, percentage; the name is cut. That it is
 * downloading can be seen, so that word goes before the figures.
 */
export const render = (view: View, columns: number, color: boolean): string => {
  const room = columns - 1
  const amounts =
    view.total !== undefined
      ? `${Format.bytes(view.received)}/${Format.bytes(view.total)}`
      : view.received > 0
        ? Format.bytes(view.received)
        : undefined
  const parts = {
    percent: percentOf(view),
    amounts,
    speed: view.speed === undefined ? undefined : Format.pad(Format.speed(view.speed), 10, "left"),
    eta: view.remaining === undefined ? undefined : `ETA ${Format.clock(view.remaining)}`,
    state: view.state === "" ? undefined : view.state
  }
  const needed = Math.min(Format.width(view.name), minName)
  let used = 0
  const kept = new Set<string>()
  const figures = ["amounts", "speed", "eta"] as const
  const order = view.state === "downloading" ? [...figures, "state" as const] : ["state" as const, ...figures]
  for (const key of ["percent" as const, ...order]) {
    const part = parts[key]
    if (part === undefined || needed + used + 2 + Format.width(part) > room) continue
    used += 2 + Format.width(part)
    kept.add(key)
  }
  const name = Format.truncate(view.name, Math.max(0, room - used))
  const spare = room - used - Format.width(name)
  const drawn =
    view.total !== undefined && view.total > 0 && view.finished === undefined && spare >= barColumns + 2
      ? `  ${bar(view.received, view.total, barColumns)}`
      : ""
  const rest = (["percent", "amounts", "speed", "eta", "state"] as const)
    .filter((key) => kept.has(key))
    .map((key) => `  ${parts[key]}`)
  return `${color ? `\u001b[1m${name}\u001b[22m` : name}${drawn}${rest.join("")}`
}

/** Not drawn before this, in milliseconds: what is over at once needs no progress line. */
const patience = 150
const interval = 100

/** Draws until it is interrupted, then leaves no line behind. */
export const draw = (
  output: Output.Shape,
  known: Known,
  active: Effect.Effect<ReadonlyArray<Active>>
): Effect.Effect<never> => {
  let meter: Meter | undefined
  return Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const gauges = yield* active
    meter = measure(meter, gauges, now)
    const seen = view(known, gauges, meter, now)
    yield* output.status(seen === undefined ? "" : render(seen, output.columns(), output.color))
  }).pipe(
    Effect.repeat(Schedule.spaced(interval)),
    Effect.delay(patience),
    Effect.zipRight(Effect.never),
    Effect.ensuring(output.status(""))
  )
}
