/**
 * Follows the downloads of one command: rows in, events out to the display, results counted.
 *
 * Rows come from two sides: the engine's changes (in order, but a slow reader loses some) and the answers to `await`
 * (never lost, but they can overtake changes still on their way). So a row is compared with the last one seen: what
 * is older is ignored, what was missed in between is made up for (Events.between), and each ending is told once.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import type { Download } from "../../domain/Download.js"
import { terminal } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import type { Enqueued, Shape as Downloads } from "../../services/Downloads.js"
import type { Display } from "./Display.js"
import * as Events from "./Events.js"
import type { OutputClosed } from "./Output.js"
import { Roster } from "./Roster.js"
import type { Again } from "./Summary.js"
import type { Tally } from "./Tally.js"
import { Tallier } from "./Tally.js"
import type { Known } from "./View.js"

/** @see {@link make} */
export interface Session extends Known {
  /** More downloads that belong to this session. */
  readonly enqueued: (downloads: ReadonlyArray<Enqueued>, at: number) => Effect.Effect<void, OutputClosed>
  /** Rows as they were seen, oldest first. */
  readonly observe: (rows: Iterable<Download>) => Effect.Effect<void, OutputClosed>
  readonly tally: () => Tally
}

/** Whether `row` was overtaken by `known`. The end of a download is never old news, whatever the clocks say. */
const isOlder = (row: Download, known: Download): boolean =>
  !terminal.has(row.status) &&
  (row.epoch < known.epoch || (row.epoch === known.epoch && row.updatedAt < known.updatedAt))

/** A session without end remembers so many of the last endings: changes come in order, and none is looked for later. */
const remembered = 10_000

/**
 * `scope`: only downloads that were enqueued here; whatever the engine works on; or that, without an end in sight.
 */
export const make = (display: Display, scope: "asked" | "everything" | "whatever comes"): Session => {
  const rows = new Roster()
  const ended = new Set<DownloadId>()
  let finished = 0
  const tallier = new Tallier()
  // an event is told before the next row is looked at: two fibers observe
  const oneByOne = Effect.unsafeMakeSemaphore(1).withPermits(1)

  const accept = (row: Download): ReadonlyArray<Events.Change> => {
    const previous = rows.get(row.id)
    if (ended.has(row.id) || (previous === undefined && scope === "asked")) return []
    if (previous !== undefined && isOlder(row, previous)) return []
    if (terminal.has(row.status)) {
      ended.add(row.id)
      finished++
      const [oldest] = scope === "whatever comes" && ended.size > remembered ? ended : []
      if (oldest !== undefined) ended.delete(oldest)
      rows.end(row)
    } else {
      rows.set(row.id, row)
    }
    const events = Events.between(previous, row)
    events.forEach((event) => tallier.add(event))
    return events
  }

  return {
    get: (id) => rows.get(id),
    unfinished: () => rows.values(),
    get finished() {
      return finished
    },
    get of() {
      return finished + rows.size
    },
    delayed: rows.delayed,
    get failed() {
      return tallier.failed
    },
    get held() {
      return tallier.bytes + rows.held
    },
    get arrived() {
      return rows.arrived
    },
    enqueued: (downloads, at) =>
      oneByOne(
        Effect.suspend(() => {
          for (const { download } of downloads) if (!rows.has(download.id)) rows.set(download.id, download)
          return display.tell(
            downloads.map(({ attached, download }) => Events.enqueued(download, attached, at))
          )
        })
      ),
    observe: (seen) =>
      oneByOne(
        Effect.suspend(() => {
          const events = Array.from(seen).flatMap(accept)
          return events.length === 0 ? Effect.void : display.tell(events)
        })
      ),
    tally: () => tallier.value()
  }
}

/** Observes the engine's changes until it is interrupted. */
const follow = (session: Session, downloads: Downloads): Effect.Effect<never, OutputClosed> =>
  downloads.changes.pipe(Stream.runForEachChunk(session.observe), Effect.zipRight(Effect.never))

/** Shows what the engine does until it is interrupted. */
export const show = (
  session: Session,
  display: Display,
  downloads: Downloads
): Effect.Effect<never, OutputClosed> =>
  Effect.raceFirst(follow(session, downloads), display.progress(session, downloads.active))

/** When the effect is interrupted, and has let go of everything, says what is left and how to go on. */
export const onInterrupt =
  (session: Session, display: Display, again: Again) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.onExit(self, (exit) =>
      Exit.isInterrupted(exit)
        ? Effect.ignore(display.interrupted(Array.from(session.unfinished()), again, session.tally()))
        : Effect.void
    )
