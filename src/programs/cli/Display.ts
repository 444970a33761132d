/**
 * How a command speaks of its downloads: lines of JSON, or sentences. Results (events, paths) go to stdout, everything
 * else to stderr. Sentences come in two manners: on a terminal a progress line and the ends, elsewhere one line for each
 * change of state.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Download } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import type { Active } from "../../services/Supervisor.js"
import * as Events from "./Events.js"
import * as Format from "./Format.js"
import type * as Output from "./Output.js"
import * as ProgressLine from "./ProgressLine.js"

/** A download that ended otherwise than completed, or was paused by somebody else. */
export type NotDone = Extract<Events.Change, { readonly event: "failed" | "cancelled" | "paused" }>

/** What has become of the downloads of a command. */
export interface Tally {
  readonly completed: number
  /** The sizes of the completed ones, together. */
  readonly bytes: number
  readonly failed: number
  /** Cancelled or paused by somebody else. */
  readonly stopped: number
  /** The first of those that failed or were stopped. */
  readonly notDone: ReadonlyArray<NotDone>
}

/** The command line that goes on with what was interrupted; `hidden`: secrets were left out of it. */
export interface Again {
  readonly command: string
  readonly hidden: boolean
}

/** @see {@link make} */
export interface Display {
  /** Says what happened, in order. */
  readonly tell: (events: ReadonlyArray<Events.Change>) => Effect.Effect<void, Output.OutputClosed>
  /** Shows how far downloads are, until it is interrupted. */
  readonly progress: (
    known: ProgressLine.Known,
    active: Effect.Effect<ReadonlyArray<Active>>
  ) => Effect.Effect<never, Output.OutputClosed>
  /** The last word of a command that ran to its end, `elapsed` milliseconds after its start. */
  readonly summary: (tally: Tally, elapsed: number) => Effect.Effect<void>
  /** The last word of a command that was stopped by a signal. */
  readonly interrupted: (
    unfinished: ReadonlyArray<Download>,
    again: Again
  ) => Effect.Effect<void, Output.OutputClosed>
}

export interface Options {
  readonly json: boolean
  /** Nothing but results and errors. */
  readonly quiet: boolean
  /** No progress line. */
  readonly noProgress: boolean
}

export const make = (output: Output.Shape, options: Options): Display => {
  const messages = sentences(output, options)
  return options.json ? { ...messages, ...json(output, messages) } : messages
}

/** Between two `progress` events of one download, in milliseconds. */
const progressInterval = 500

const json = (
  output: Output.Shape,
  messages: Display
): Pick<Display, "tell" | "progress" | "interrupted"> => {
  const tell: Display["tell"] = (events) => output.out(events.map(Events.encode).join(""))
  return {
    tell,
    progress: (known, active) => {
      let told: ReadonlyMap<DownloadId, number> = new Map()
      return Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const gauges = yield* active
        const moved = gauges.filter(({ gauge, id }) => gauge.received > 0 && told.get(id) !== gauge.received)
        told = new Map(gauges.map(({ gauge, id }) => [id, gauge.received]))
        const events = moved.flatMap(({ gauge, id }) => {
          const download = known.get(id)
          return download === undefined ? [] : [Events.progress(download, gauge, now)]
        })
        if (events.length > 0) yield* tell(events)
      }).pipe(
        Effect.repeat(Schedule.spaced(progressInterval)),
        Effect.delay(progressInterval),
        Effect.zipRight(Effect.never)
      )
    },
    interrupted: (unfinished, again) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        yield* tell(unfinished.map((download) => Events.interrupted(download, now)))
        yield* messages.interrupted(unfinished, again)
      })
  }
}

const sentences = (output: Output.Shape, { json, noProgress, quiet }: Options): Display => {
  const lines = !quiet && !json && !output.errIsTerminal
  const say = (text: string): Effect.Effect<void> => (text === "" ? Effect.void : output.err(text))
  return {
    tell: (events) =>
      Effect.zipRight(
        say(quiet ? "" : events.map((event) => line(event, lines)).join("")),
        results(output, events)
      ),
    progress: (known, active) =>
      output.errIsTerminal && !quiet && !noProgress ? ProgressLine.draw(output, known, active) : Effect.never,
    summary: (tally, elapsed) =>
      say(
        (json && quiet ? "" : notDone(tally)) +
          // of a single download its line has said it all
          (json || quiet || (lines && count(tally) === 1) ? "" : summary(tally, elapsed))
      ),
    interrupted: (unfinished, again) =>
      unfinished.length === 0 || quiet ? Effect.void : output.err(goOn(unfinished, again))
  }
}

const results = (output: Output.Shape, events: ReadonlyArray<Events.Change>) => {
  const paths = events.flatMap((event) => (event.event === "completed" ? [`${event.path}\n`] : []))
  return paths.length === 0 ? Effect.void : output.out(paths.join(""))
}

const ofTotal = (bytes: number, total: number | null): string =>
  total === null ? Format.bytes(bytes) : `${Format.bytes(bytes)} of ${Format.bytes(total)}`

/** The sentence for a change, with its line end; `all`: also for those that a progress line shows. */
const line = (event: Events.Change, all: boolean): string => {
  switch (event.event) {
    case "enqueued":
      return event.attached && event.bytes > 0
        ? `going on with ${event.url}: ${ofTotal(event.bytes, event.total)} already here\n`
        : ""
    case "completed":
      return event.outcome === "skipped"
        ? `left alone, it was there already: ${Format.printable(event.path)}\n`
        : all
          ? `completed ${event.url} (${Format.bytes(event.bytes)})\n`
          : ""
    case "started":
      return all ? `started ${event.url}\n` : ""
    case "retrying":
      return all ? `retrying ${event.url} in ${Format.duration(event.delay)}: ${event.detail}\n` : ""
    case "waiting":
      return all ? `waiting ${Format.duration(event.delay)} for ${event.url}: ${event.detail}\n` : ""
    case "failed":
      return all ? `failed ${event.url}: ${event.detail}\n` : ""
    case "cancelled":
    case "paused":
      return all ? `${event.event} ${event.url}\n` : ""
    case "progress":
    case "interrupted":
      return ""
  }
}

const reason = (event: NotDone): readonly [what: string, advice: string] => {
  switch (event.event) {
    case "failed":
      return [event.detail, event.advice]
    case "cancelled":
      return ["it was cancelled by another command", "run the same command again to start anew"]
    case "paused":
      return ["it was paused by another command", "what has arrived is kept; resume it to go on"]
  }
}

const notDone = (tally: Tally): string => {
  const left = tally.failed + tally.stopped - tally.notDone.length
  return [
    ...tally.notDone.map((event) => {
      const [what, advice] = reason(event)
      return `sluice: not done: ${event.url}\n        ${what}\n        ${advice}\n`
    }),
    left > 0 ? `sluice: and ${left} more; see sluice ls\n` : ""
  ].join("")
}

const count = ({ completed, failed, stopped }: Tally): number => completed + failed + stopped

const summary = ({ bytes, completed, failed, stopped }: Tally, elapsed: number): string => {
  const parts = [
    completed > 0 ? `${completed} completed (${Format.bytes(bytes)})` : "",
    failed > 0 ? `${failed} failed` : "",
    stopped > 0 ? `${stopped} stopped` : ""
  ].filter((part) => part !== "")
  return parts.length === 0 ? "nothing to do\n" : `${parts.join(", ")} in ${Format.duration(elapsed)}\n`
}

const goOn = (unfinished: ReadonlyArray<Download>, { command, hidden }: Again): string => {
  const saved = unfinished.reduce((sum, { checkpoint }) => sum + checkpoint, 0)
  const total = unfinished.reduce<number | null>(
    (sum, download) => (sum === null || download.total === null ? null : sum + download.total),
    0
  )
  return (
    `sluice: interrupted; ${saved > 0 ? `${ofTotal(saved, total)} saved` : "nothing is lost"}. To go on:\n` +
    `        ${command}\n${hidden ? "        (with the secrets that are left out here)\n" : ""}`
  )
}
