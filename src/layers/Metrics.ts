/**
 * What an engine measures, as Effect metrics: names, units, tags, and the few functions by which the engine keeps them.
 *
 * Everything is counted by what it does to all downloads of this process, never by download, URL or host, so the number of
 * series is fixed. Counters, histograms and the gauges of work are kept as things happen: from the rows before and after each
 * commit, at the head of an answer, at the ends of tries; bytes are looked at by the watchdog's tick, never per chunk. The
 * depth of the queue is the database's to tell (other engines and statements over many change it too), so it is read from
 * there when somebody wants to know: `sample`, or `layerSampling`.
 *
 * Tricky: metrics belong to the process. Gauges of work are therefore moved by differences (two engines add up), and what
 * `sample` sets is that of the engine sampled last.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import { type Download, Status, terminal } from "../domain/Download.js"
import { reasons } from "../domain/DownloadError.js"
import { hostStates } from "../domain/Host.js"
import type { StoreError } from "../domain/StoreError.js"
import { Downloads } from "../services/Downloads.js"
import type { StoreChange } from "../services/Store.js"

/** One metric, as an exporter's author or a dashboard's wants to know it. */
export interface Described {
  /** As Prometheus has it: units and `_total` at the end. */
  readonly name: string
  /** What an exporter makes of it. */
  readonly type: "counter" | "gauge" | "histogram"
  /** What is counted or measured. */
  readonly unit: "downloads" | "tries" | "requests" | "connections" | "bytes" | "hosts" | "seconds"
  /** The values that each tag can have; nothing else is ever a tag. */
  readonly tags: Readonly<Record<string, ReadonlyArray<string>>>
  /** One sentence. */
  readonly description: string
}

const described: Array<Described> = []

const describe = (
  type: Described["type"],
  name: string,
  unit: Described["unit"],
  description: string,
  tags: Described["tags"] = {}
): readonly [name: string, description: string] => {
  described.push({ name, type, unit, tags, description })
  return [name, description]
}

const counter = (...about: Parameters<typeof describe> extends [unknown, ...infer Rest] ? Rest : never) => {
  const [name, description] = describe("counter", ...about)
  return Metric.counter(name, { description, incremental: true })
}

const gauge = (...about: Parameters<typeof describe> extends [unknown, ...infer Rest] ? Rest : never) => {
  const [name, description] = describe("gauge", ...about)
  return Metric.gauge(name, { description })
}

const histogram = (
  boundaries: ReadonlyArray<number>,
  ...about: Parameters<typeof describe> extends [unknown, ...infer Rest] ? Rest : never
) => {
  const [name, description] = describe("histogram", ...about)
  return Metric.histogram(name, MetricBoundaries.fromIterable(boundaries), description)
}

/** The labels of each value of a tag, made once: Effect looks series up by their identity. */
const labels = <A extends string>(tag: string, values: ReadonlyArray<A>) =>
  new Map<string, ReadonlyArray<MetricLabel.MetricLabel>>(
    values.map((value) => [value, [MetricLabel.make(tag, value)]])
  )

/** How a try ended: the status its row has got; `pending` where an engine that stops has put it back. */
const outcomes = Status.literals.filter((status) => status !== "processing")
const ends = Status.literals.filter((status) => terminal.has(status))
const codes = ["1xx", "2xx", "3xx", "4xx", "5xx"]

const statusLabels = labels("status", Status.literals)
const outcomeLabels = labels("outcome", Status.literals)
const reasonLabels = labels("reason", reasons)
const codeLabels = labels("code", codes)
const hostLabels = labels("state", hostStates)

/** 5 ms to 1 min: networks. */
const network = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** 0.1 ms to 10 s: disks. */
const disk = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10]
/** 10 ms to 12 h: transfers. */
const transfer = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200]

/** Downloads in the database by status, whoever works on them. Read by `sample`. */
export const downloads = gauge(
  "sluice_downloads",
  "downloads",
  "Downloads in the database by status, as of the last sample",
  { status: Status.literals }
)
/** Downloads that have a fiber at work. */
export const activeDownloads = gauge(
  "sluice_active_downloads",
  "downloads",
  "Downloads with a fiber at work (transferring, verifying, publishing)"
)
/** Requests at work, from connecting to the last byte. */
export const activeConnections = gauge(
  "sluice_active_connections",
  "connections",
  "Connections at work, from connecting to the last byte of a body"
)
/** Hosts by what may be asked of them. Read by `sample`: time alone changes it, and other engines do. */
export const hosts = gauge(
  "sluice_hosts",
  "hosts",
  "Hosts known to the database by state, as of the last sample: open after failures, cooling as they have asked, half-open while one download asks again",
  { state: hostStates }
)
/** Body bytes that have come from the network, also those that were given up later. */
export const bytesReceived = counter(
  "sluice_bytes_received_total",
  "bytes",
  "Body bytes received from the network, counted every half second and at the end of each connection"
)
/** Downloads recorded by this process. */
export const enqueued = counter("sluice_downloads_enqueued_total", "downloads", "Downloads recorded")
/** By this process, one by one or by a statement over many. */
export const ended = counter(
  "sluice_downloads_ended_total",
  "downloads",
  "Downloads that this process has brought to their end, by status",
  { status: ends }
)
/** Tries that have ended, by how. */
export const attempts = counter(
  "sluice_attempts_total",
  "tries",
  "Tries that have ended, by what became of the download",
  { outcome: outcomes }
)
/** Tries that have failed, by reason. */
export const failures = counter(
  "sluice_failures_total",
  "tries",
  "Tries that have failed, by reason (the closed set of DownloadError)",
  { reason: reasons }
)
/** Heads of responses, by class of status. */
export const responses = counter(
  "sluice_responses_total",
  "requests",
  "Response heads received, by class of their status; redirects count too",
  { code: codes }
)
/** Seconds from the start of a request to its head. */
export const firstByte = histogram(
  network,
  "sluice_first_byte_seconds",
  "seconds",
  "From the start of a request (connecting included) to its response's head"
)
/** Seconds that a try took. */
export const attemptDuration = histogram(
  transfer,
  "sluice_attempt_seconds",
  "seconds",
  "From the claim of a download to the end of the try"
)
/** Seconds from the recording of a download to its completion. */
export const downloadDuration = histogram(
  transfer,
  "sluice_download_seconds",
  "seconds",
  "From the recording of a download to its completion, waits included"
)
/** Seconds that a transaction of the store took. */
export const commitDuration = histogram(
  disk,
  "sluice_commit_seconds",
  "seconds",
  "One transaction of the store: a group of changes, with its sync"
)
/** Seconds that a checkpoint took to reach the disk. */
export const syncDuration = histogram(
  disk,
  "sluice_sync_seconds",
  "seconds",
  "One checkpoint's sync of a part file"
)

/** All of them, in the order of the documentation. */
export const catalogue: ReadonlyArray<Described> = described

// What the engine calls: synchronous, as most of it happens where no Effect runs.

/** So many more downloads (or less) have a fiber at work. */
export const active = (by: number): void => activeDownloads.unsafeModify(by, [])

/** So many more requests (or less) are at work. */
export const connected = (by: number): void => activeConnections.unsafeModify(by, [])

/** So many bytes of bodies have come. */
export const received = (bytes: number): void => bytesReceived.unsafeUpdate(bytes, [])

/** `nanoseconds`: since the request began. */
export const answered = (status: number, nanoseconds: bigint): void => {
  firstByte.unsafeUpdate(Number(nanoseconds) / 1e9, [])
  const code = codeLabels.get(`${Math.floor(status / 100)}xx`)
  if (code !== undefined) responses.unsafeUpdate(1, code)
}

/** Runs an effect and notes how long it took, where it succeeded. */
export const timed = <A, E, R>(
  clock: Clock.Clock,
  metric: typeof commitDuration,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const since = clock.unsafeCurrentTimeNanos()
    return Effect.map(effect, (value) => {
      metric.unsafeUpdate(Number(clock.unsafeCurrentTimeNanos() - since) / 1e9, [])
      return value
    })
  })

/** As much of a commit as is counted. */
interface Committed {
  readonly inserted: number
  readonly changed: ReadonlyMap<Download["id"], Download>
  readonly before: ReadonlyMap<Download["id"], StoreChange["before"]>
}

/** What came to its end in a commit. */
type Endings = ReadonlyArray<readonly [key: number, status: Status, bytes: number]>

const endedTry = (before: Download, after: Download): void => {
  attempts.unsafeUpdate(1, outcomeLabels.get(after.status)!)
  const { failure, finishedAt, status } = after
  if (before.attemptStartedAt !== null)
    attemptDuration.unsafeUpdate(Math.max(0, after.updatedAt - before.attemptStartedAt) / 1000, [])
  const failed = status === "failed" || status === "retrying" || status === "waiting"
  if (failed && failure !== null) failures.unsafeUpdate(1, reasonLabels.get(failure.reason)!)
  if (status === "completed" && finishedAt !== null)
    downloadDuration.unsafeUpdate(Math.max(0, finishedAt - after.createdAt) / 1000, [])
}

/** What a commit has changed. */
export const committed = (commit: Committed, endings: Endings): void => {
  if (commit.inserted > 0) enqueued.unsafeUpdate(commit.inserted, [])
  for (const [id, after] of commit.changed) {
    const before = commit.before.get(id)
    if (before?.status === "processing" && after.status !== "processing") endedTry(before, after)
  }
  for (const [, status] of endings) {
    const label = statusLabels.get(status)
    if (label !== undefined) ended.unsafeUpdate(1, label)
  }
}

/**
 * Reads from the database what no commit of this process can tell: how many downloads stand how, and how hosts do. A
 * query over an index each; call it when the metrics are about to be read.
 */
export const sample: Effect.Effect<void, StoreError, Downloads> = Effect.gen(function* () {
  const { downloads: depths, hostStates: standing } = yield* (yield* Downloads).stats
  for (const status of Status.literals) downloads.unsafeUpdate(depths[status], statusLabels.get(status)!)
  for (const state of hostStates) hosts.unsafeUpdate(standing[state], hostLabels.get(state)!)
})

/** The share of the time that sampling may take: one in so many. */
const moderation = 100

/**
 * Samples as long as the layer lives, for exporters that read metrics by themselves. `interval` is a minimum: where a queue is so
 * long that counting it takes a while, it is counted less often, so that it never takes more than a hundredth of the time.
 * What can't be read is logged (debug), and read the next time.
 *
 * @default interval 15 s
 */
export const layerSampling = (
  interval: Duration.DurationInput = "15 seconds"
): Layer.Layer<never, never, Downloads> =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const [taken] = yield* Effect.timed(
        Effect.catchAll(sample, (error) =>
          Effect.logDebug(`the queue could not be counted: ${error.message}`)
        )
      )
      yield* Effect.sleep(Duration.max(Duration.decode(interval), Duration.times(taken, moderation)))
    }).pipe(Effect.forever, Effect.interruptible, Effect.forkScoped)
  )
