/**
 * How a command speaks of its downloads: lines of JSON, or sentences. Results (events, paths) go to stdout, everything
 * else to stderr. Sentences come in two manners: on a terminal a board drawn in place (Progress) and the failures, elsewhere
 * one line for each change of state.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Download } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import type { HostEvent } from "../../domain/HostEvent.js"
import type { Active } from "../../services/Supervisor.js"
import * as Events from "./Events.js"
import * as Format from "./Format.js"
import type * as Output from "./Output.js"
import * as Progress from "./Progress.js"
import * as Style from "./Style.js"
import type { Again } from "./Summary.js"
import * as Summary from "./Summary.js"
import * as Tally from "./Tally.js"
import type { Known } from "./View.js"

/** @see {@link make} */
export interface Display {
  /** Says what happened, in order. */
  readonly tell: (events: ReadonlyArray<Events.Change>) => Effect.Effect<void, Output.OutputClosed>
  /** Says what happened to hosts. */
  readonly hosts: (events: ReadonlyArray<HostEvent>) => Effect.Effect<void, Output.OutputClosed>
  /** Shows how far downloads are, until it is interrupted. */
  readonly progress: (
    known: Known,
    active: Effect.Effect<ReadonlyArray<Active>>
  ) => Effect.Effect<never, Output.OutputClosed>
  /** The last word of a command that ran to its end, `elapsed` milliseconds after its start. */
  readonly summary: (tally: Tally.Tally, elapsed: number) => Effect.Effect<void>
  /** The last word of a command that was stopped by a signal. */
  readonly interrupted: (
    unfinished: ReadonlyArray<Download>,
    again: Again,
    tally: Tally.Tally
  ) => Effect.Effect<void, Output.OutputClosed>
}

export interface Options {
  readonly json: boolean
  /** Nothing but results and errors. */
  readonly quiet: boolean
  /** No board. */
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
): Pick<Display, "tell" | "hosts" | "progress" | "interrupted"> => {
  const tell: Display["tell"] = (events) => output.out(events.map(Events.encode).join(""))
  return {
    tell,
    hosts: (events) => output.out(events.map(Events.encode).join("")),
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
    interrupted: (unfinished, again, tally) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        yield* tell(unfinished.map((download) => Events.interrupted(download, now)))
        yield* messages.interrupted(unfinished, again, tally)
      })
  }
}

const sentences = (output: Output.Shape, { json, noProgress, quiet }: Options): Display => {
  const style = Style.style(output.color)
  const all = !quiet && !json && !output.errIsTerminal
  const drawn = output.errIsTerminal && !quiet && !json && !noProgress
  let shown: Known | undefined
  // Of a single download the end says it all, and of very many the first will do: the end counts the rest.
  const toldAtOnce = (): boolean =>
    drawn && shown !== undefined && shown.of > 1 && shown.failed <= Tally.maxNotDone
  const say = (text: string): Effect.Effect<void> => (text === "" ? Effect.void : output.err(text))
  const told = (event: Events.Change): string =>
    line(event, all) + (event.event === "failed" && toldAtOnce() ? failed(event, style) : "")
  return {
    tell: (events) => Effect.zipRight(say(quiet ? "" : events.map(told).join("")), results(output, events)),
    // a board shows them itself
    hosts: (events) => say(all ? events.map(hostLine).join("") : ""),
    progress: (known, active) => {
      shown = known
      return drawn ? Progress.draw(output, known, active) : Effect.never
    },
    summary: (tally, elapsed) =>
      say(
        (json && quiet ? "" : Summary.notDone(tally, style)) +
          // of a single download its line has said it all
          (json || quiet || (all && Summary.count(tally) === 1) ? "" : Summary.counts(tally, elapsed, style))
      ),
    interrupted: (unfinished, again, tally) =>
      unfinished.length === 0 || quiet
        ? Effect.void
        : output.err(Summary.goOn(unfinished, again, tally, style))
  }
}

const results = (output: Output.Shape, events: ReadonlyArray<Events.Change>) => {
  const path = output.outIsTerminal ? Format.printable : (path: string) => path
  const paths = events.flatMap((event) => (event.event === "completed" ? [`${path(event.path)}\n`] : []))
  return paths.length === 0 ? Effect.void : output.out(paths.join(""))
}

const failed = (event: Extract<Events.Change, { readonly event: "failed" }>, style: Style.Style): string =>
  `${style.red("failed")} ${Format.printable(event.url)}: ${Format.printable(event.detail)}\n`

const hostLine = ({ at, origin, until, why }: HostEvent): string =>
  Format.printable(
    until === null
      ? `${origin} answers again`
      : `${origin} is left alone for ${Format.wait(Date.parse(until) - Date.parse(at))}${why === null || why === "" ? "" : `: ${why}`}`
  ) + "\n"

/** The sentence for a change, with its line end; `all`: also for those that a board shows. */
const line = (event: Events.Change, all: boolean): string => {
  const url = Format.printable(event.url)
  switch (event.event) {
    case "enqueued":
      return event.attached && event.bytes > 0
        ? `going on with ${url}: ${Summary.ofTotal(event.bytes, event.total)} already here\n`
        : ""
    case "completed":
      return event.outcome === "skipped"
        ? `left alone, it was there already: ${Format.printable(event.path)}\n`
        : event.outcome === "unchanged"
          ? `unchanged: ${Format.printable(event.path)}\n`
          : all
            ? `completed ${url} (${Format.bytes(event.bytes)})\n`
            : ""
    case "started":
      return all ? `started ${url}\n` : ""
    case "retrying":
      return all
        ? `retrying ${url} in ${Format.duration(event.delay)}: ${Format.printable(event.detail)}\n`
        : ""
    case "waiting":
      return all
        ? `waiting ${Format.duration(event.delay)} for ${url}: ${Format.printable(event.detail)}\n`
        : ""
    case "failed":
      return all ? `failed ${url}: ${Format.printable(event.detail)}\n` : ""
    case "cancelled":
    case "paused":
      return all ? `${event.event} ${url}\n` : ""
    case "progress":
    case "interrupted":
      return ""
  }
}
