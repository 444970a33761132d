/**
 * A command line without processes: rows made by hand, an engine that is driven by the test, and streams that remember.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as PubSub from "effect/PubSub"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import { vi } from "vitest"
import type { Download } from "../../../src/domain/Download.js"
import { terminal } from "../../../src/domain/Download.js"
import type { DownloadError } from "../../../src/domain/DownloadError.js"
import type { DownloadId } from "../../../src/domain/DownloadId.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import type { DownloadRequest } from "../../../src/domain/DownloadRequest.js"
import { defaultOptions } from "../../../src/domain/DownloadOptions.js"
import type { HostEvent } from "../../../src/domain/HostEvent.js"
import type { CoolingHost } from "../../../src/domain/Stats.js"
import type { StoreError } from "../../../src/domain/StoreError.js"
import { Event } from "../../../src/programs/cli/Events.js"
import * as Output from "../../../src/programs/cli/Output.js"
import { Roster } from "../../../src/programs/cli/Roster.js"
import type { Shape } from "../../../src/programs/cli/Surroundings.js"
import type { Known } from "../../../src/programs/cli/View.js"
import { Downloads } from "../../../src/services/Downloads.js"
import type { Active } from "../../../src/services/Supervisor.js"

/** What draws is loaded when the first frame is due, by a real import that no test clock moves. */
export const boardLoaded = Effect.promise(() => vi.dynamicImportSettled())

export const secret = "Bearer hunter2"

export const row = (more: Partial<Download> = {}): Download => ({
  id: Ids.fromKey(1),
  url: "http://example.org/file.bin",
  directory: "/downloads",
  sources: null,
  root: null,
  output: null,
  headers: Redacted.make([["Authorization", secret]]),
  options: defaultOptions,
  priority: 0,
  tags: [],
  key: null,
  meta: null,
  status: "pending",
  desired: "run",
  owner: null,
  epoch: 0,
  filename: null,
  part: null,
  checkpoint: 0,
  segments: null,
  total: null,
  validator: null,
  publishing: null,
  outcome: null,
  attempt: 0,
  attemptStartedAt: null,
  attemptFrom: 0,
  strikes: [],
  crashes: 0,
  nextAttemptAt: null,
  waitingSince: null,
  begunAt: null,
  failure: null,
  earlier: null,
  retriedAs: null,
  pid: null,
  createdAt: 0,
  updatedAt: 0,
  finishedAt: null,
  ...more
})

/** A download that is being worked on. */
export const active = (key: number, received: number, total?: number, state = "downloading"): Active => ({
  id: Ids.fromKey(key),
  gauge: { received, total, state }
})

/** What a session knows that has these rows, and others that have ended. */
export const knownOf = (
  rows: ReadonlyArray<Download>,
  more: {
    readonly finished?: number
    readonly failed?: number
    readonly completedBytes?: number
    readonly cooling?: ReadonlyArray<CoolingHost>
  } = {}
): Known => {
  const roster = new Roster()
  for (const row of rows) roster.set(row.id, row)
  return {
    get: (id) => roster.get(id),
    unfinished: () => roster.values(),
    finished: more.finished ?? 0,
    of: rows.length + (more.finished ?? 0),
    delayed: roster.delayed,
    queuedAt: roster.queuedAt,
    cooling: more.cooling ?? [],
    failed: more.failed ?? 0,
    held: roster.held + (more.completedBytes ?? 0),
    arrived: roster.arrived
  }
}

/** What a stream of a process was given, and whether it is a terminal. */
export class FakeStream implements Output.Stream {
  text = ""
  readonly writableLength = 0
  closed = false
  columns: number | undefined
  rows: number | undefined
  constructor(readonly isTTY = false) {
    this.columns = isTTY ? 80 : undefined
    this.rows = isTTY ? 24 : undefined
  }
  write(...args: ReadonlyArray<unknown>): boolean {
    const done = args.at(-1)
    if (!this.closed) this.text += String(args[0])
    if (typeof done === "function") done(this.closed ? new Error("EPIPE") : null)
    return true
  }
  get lines(): ReadonlyArray<string> {
    return this.text.split("\n").filter((line) => line !== "")
  }
}

export interface StreamOptions extends Output.Environment {
  readonly terminal?: boolean
}

export const streams = (options: StreamOptions = {}) => {
  const stdout = new FakeStream(options.terminal)
  const stderr = new FakeStream(options.terminal)
  return { stdout, stderr, output: Output.make(stdout, stderr, options) }
}

/** An engine whose downloads change when the test says so. */
export interface FakeEngine {
  readonly layer: Layer.Layer<Downloads>
  /** The row as the engine would commit it. `quietly`: the change itself is lost to readers. */
  readonly put: (row: Download, quietly?: "quietly") => Effect.Effect<void>
  readonly requests: Array<DownloadRequest>
  readonly active: Array<Active>
  /** What is left alone, for whoever looks. */
  readonly hosts: Array<CoolingHost>
  /** What the engine finds out about hosts. */
  readonly hear: (event: HostEvent) => Effect.Effect<void>
  /** No `await` or `drained` answers before this. */
  readonly drain: Effect.Effect<void>
}

export const fakeEngine = (
  enqueue: (
    request: DownloadRequest,
    index: number
  ) => Effect.Effect<Download, DownloadError | StoreError> = (request, index) =>
    Effect.succeed(
      row({ id: Ids.fromKey(index + 1), url: request.url, directory: request.directory ?? "/" })
    ),
  refused: (request: DownloadRequest) => DownloadError | undefined = () => undefined
): Effect.Effect<FakeEngine> =>
  Effect.gen(function* () {
    const changes = yield* PubSub.unbounded<Download>()
    const rows = new Map<DownloadId, Download>()
    const ends = new Map<DownloadId, Deferred.Deferred<Download>>()
    const drained = yield* Deferred.make<void>()
    const requests: Array<DownloadRequest> = []
    const active: Array<Active> = []
    const hosts: Array<CoolingHost> = []
    const heard = yield* PubSub.unbounded<HostEvent>()
    const endOf = (id: DownloadId) => {
      const known = ends.get(id) ?? Deferred.unsafeMake<Download>(FiberId.none)
      ends.set(id, known)
      return known
    }
    const record = (request: DownloadRequest) =>
      Effect.suspend(() => {
        requests.push(request)
        return enqueue(request, requests.length - 1)
      })
    const known = new Set<DownloadId>()
    const layer = Layer.mock(Downloads, {
      enqueueAll: (all) =>
        Effect.forEach(all, (request) =>
          Effect.map(record(request), (download) => {
            const attached = known.has(download.id) || download.checkpoint > 0
            known.add(download.id)
            const error = refused(request)
            return error === undefined
              ? { id: download.id, attached, download }
              : { id: download.id, attached: true, download, refused: error }
          })
        ),
      settleAll: <E>(ids: Iterable<DownloadId>, onSettled: (download: Download) => Effect.Effect<void, E>) =>
        Effect.forEach(ids, (id) => Effect.flatMap(Deferred.await(endOf(id)), onSettled), {
          concurrency: "unbounded",
          discard: true
        }),
      settled: (id) => Deferred.await(endOf(id)),
      get: (id) => Effect.sync(() => Option.fromNullable(rows.get(id))),
      list: (filter) =>
        Effect.sync(() =>
          Array.from(rows.values()).filter(({ status }) => filter?.status?.includes(status) ?? true)
        ),
      drained: Deferred.await(drained),
      changes: Stream.fromPubSub(changes),
      events: Stream.die("not used"),
      hosts: Effect.sync(() => Array.from(hosts)),
      hostEvents: Stream.fromPubSub(heard),
      progress: Stream.die("not used"),
      active: Effect.sync(() => Array.from(active))
    })
    return {
      layer,
      put: (next, quietly) =>
        Effect.gen(function* () {
          rows.set(next.id, next)
          if (quietly === undefined) yield* changes.publish(next)
          if (terminal.has(next.status) || next.status === "paused")
            yield* Deferred.succeed(endOf(next.id), next)
        }),
      requests,
      active,
      hosts,
      hear: (event) => Effect.asVoid(heard.publish(event)),
      drain: Effect.asVoid(Deferred.succeed(drained, undefined))
    }
  })

/** What a command typed like this knows of its process. */
export const surroundings = (...args: ReadonlyArray<string>): Shape => ({
  args,
  pid: 1,
  script: "/usr/bin/sluice",
  cwd: "/work",
  home: "/home/me",
  stateHome: undefined,
  environment: {},
  stdin: () => Readable.from([])
})

/** The lines of `--json`, each checked against the contract. */
export const eventsOf = ({ lines }: FakeStream): ReadonlyArray<Event> =>
  lines.map((line) => Schema.decodeUnknownSync(Schema.parseJson(Event), { onExcessProperty: "error" })(line))
