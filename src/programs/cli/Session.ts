/**
 * Follows the downloads of one command: rows in, events out to the display, results counted.
 *
 * Rows come from two sides: the engine's changes (in order, but a slow reader loses some) and the answers to `await`
 * (never lost, but they can overtake changes still on their way). So a row is compared with the last one seen: what
 * is older is ignored, what was missed in between is made up for (Events.between), and each ending is told once.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Download } from "../../domain/Download.js"
import { terminal } from "../../domain/Download.js"
import type { DownloadId } from "../../domain/DownloadId.js"
import { probeWhy } from "../../domain/Host.js"
import * as HostEvent from "../../domain/HostEvent.js"
import type { CoolingHost } from "../../domain/Stats.js"
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
  /** What this process has found out about hosts. */
  readonly hosts: (events: Iterable<HostEvent.HostEvent>) => Effect.Effect<void, OutputClosed>
  /** All hosts that are left alone now. Told of those that downloads of this session wait for. */
  readonly leftAlone: (hosts: ReadonlyArray<CoolingHost>, at: number) => Effect.Effect<void, OutputClosed>
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
  let cooling: ReadonlyArray<CoolingHost> = []
  let told: HostEvent.Told = new Map()
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

  /** A look and an event may say the same: it is told once. */
  const hear = (
    hosts: Parameters<typeof HostEvent.changes>[1],
    at: number
  ): ReadonlyArray<HostEvent.HostEvent> => {
    const next = HostEvent.changes(told, hosts, at)
    told = next.told
    return next.events
  }
  const tellHosts = (events: () => ReadonlyArray<HostEvent.HostEvent>) =>
    oneByOne(
      Effect.suspend(() => {
        const all = events()
        return all.length === 0 ? Effect.void : display.hosts(all)
      })
    )

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
    queuedAt: rows.queuedAt,
    get cooling() {
      return cooling
    },
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
    hosts: (events) =>
      tellHosts(() =>
        Array.from(events).flatMap(({ at, origin, until, why }) =>
          hear(
            [[origin, until === null ? null : { until: Date.parse(until), why: why ?? "" }]],
            Date.parse(at)
          )
        )
      ),
    leftAlone: (hosts, at) =>
      tellHosts(() => {
        cooling = hosts
        return hear(
          hosts
            .filter(({ origin, why }) => why !== probeWhy && rows.queuedAt.has(origin))
            .map((host) => [host.origin, host] as const),
          at
        )
      }),
    tally: () => tallier.value()
  }
}

/** Observes the engine's changes until it is interrupted. */
const follow = (session: Session, downloads: Downloads): Effect.Effect<never, OutputClosed> =>
  downloads.changes.pipe(Stream.runForEachChunk(session.observe), Effect.zipRight(Effect.never))

/** Between two looks at which hosts are left alone, by whatever engine; and before the first, so that there is something to see. */
const lookInterval = 1000
const firstLook = 150

/** Tells of hosts until it is interrupted. */
const followHosts = (session: Session, downloads: Downloads): Effect.Effect<never, OutputClosed> =>
  Effect.raceFirst(
    downloads.hostEvents.pipe(Stream.runForEachChunk(session.hosts), Effect.zipRight(Effect.never)),
    Effect.gen(function* () {
      // a database that can't be read is told of by the engine
      const hosts = yield* Effect.orElseSucceed(downloads.hosts, () => [])
      yield* session.leftAlone(hosts, yield* Clock.currentTimeMillis)
    }).pipe(
      Effect.repeat(Schedule.spaced(lookInterval)),
      Effect.delay(firstLook),
      Effect.zipRight(Effect.never)
    )
  )

/** Shows what the engine does until it is interrupted. */
export const show = (
  session: Session,
  display: Display,
  downloads: Downloads
): Effect.Effect<never, OutputClosed> =>
  Effect.raceFirst(
    Effect.raceFirst(follow(session, downloads), followHosts(session, downloads)),
    display.progress(session, downloads.active)
  )

/** When the effect is interrupted, and has let go of everything, says what is left and how to go on. */
export const onInterrupt =
  (session: Session, display: Display, again: Again) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.onExit(self, (exit) =>
      Exit.isInterrupted(exit)
        ? Effect.ignore(display.interrupted(Array.from(session.unfinished()), again, session.tally()))
        : Effect.void
    )
