/**
 * What programs use: enqueue, await, look, pause, resume, cancel, retry, remove, follow, group, consume, start and stop.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Attempt } from "../domain/Attempt.js"
import type { Completed } from "../domain/Completion.js"
import type { Download, Status } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadEvent } from "../domain/DownloadEvent.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { DownloadRequest, Header, Mirror } from "../domain/DownloadRequest.js"
import type { GroupId, GroupProgress, GroupSealed } from "../domain/Group.js"
import type { HostEvent } from "../domain/HostEvent.js"
import type { Limited, Limits } from "../domain/Limits.js"
import type { Progress } from "../domain/Progress.js"
import type { Affected, Selection } from "../domain/Selection.js"
import type { CoolingHost, Stats } from "../domain/Stats.js"
import type { StopTimeout, StoreError } from "../domain/StoreError.js"
import type { Verification } from "../domain/Verification.js"
import type { Consumers } from "./Consumers.js"
import type { Filter } from "./Store.js"
import type { Active } from "./Supervisor.js"

/** What became of a request. */
export interface Enqueued {
  /** By which everything else is asked for; durable, and never used again. */
  readonly id: DownloadId
  /** The same request was unfinished already, and this is that download. */
  readonly attached: boolean
  /** The row as it was recorded. */
  readonly download: Download
  /** Why the request changed nothing (`enqueueAll` only): the unfinished download has another checksum. */
  readonly refused?: DownloadError | undefined
}

/** @see {@link Shape.awaitAll} */
export interface AwaitAllOptions<E = never> {
  /** Called after each that has settled, one at a time, in the order in which they settle. */
  readonly onProgress?: ((done: number, of: number) => Effect.Effect<void, E>) | undefined
}

/** @see {@link Shape.addSource} */
export interface AddSourceOptions {
  /**
   * The others are not asked any more, also by a retry: for a link that has expired and still answers, with a page that says so.
   * @default false
   */
  readonly replace?: boolean | undefined
}

/** @see {@link Shape.retry} */
export interface RetryOptions {
  /** Replace the headers of the request, which a terminal row has dropped. @default none */
  readonly headers?: ReadonlyArray<Header> | undefined
}

/**
 * Downloads that belong together. Open until it is sealed; its counters only grow, live in the database and count what any
 * engine does. Removing a download does not lower them.
 */
export interface Group {
  /** For `Filter.group`. */
  readonly id: GroupId
  /** By which it is found again, also after a restart; null for none. */
  readonly name: string | null
  /** As `Downloads.enqueue`, and the download is a member when this returns; one that is a member already counts once. */
  readonly enqueue: (
    request: DownloadRequest
  ) => Effect.Effect<Enqueued, DownloadError | StoreError | GroupSealed>
  /** As `Downloads.enqueueAll`. */
  readonly enqueueAll: (
    requests: Iterable<DownloadRequest>
  ) => Effect.Effect<ReadonlyArray<Enqueued>, DownloadError | StoreError | GroupSealed>
  /** Says that this is all. From now on there is a percentage. Sealing twice does nothing. */
  readonly seal: Effect.Effect<GroupProgress, StoreError>
  /** How it stands now: one row is read, however many members there are. */
  readonly progress: Effect.Effect<GroupProgress, StoreError>
  /** The progress now and after changes, at most every `progressInterval` ms; ends after the one that is `done`. */
  readonly changes: Stream.Stream<GroupProgress, StoreError>
  /**
   * Waits until the group is sealed and all members have ended. Members whose engine has died are taken over. A member that is
   * paused has not ended.
   */
  readonly await: Effect.Effect<GroupProgress, StoreError>
}

/** @see {@link Downloads} */
export interface Shape extends Consumers {
  /**
   * Checks the request and its directory, and records it. When this has returned, the download survives a crash at any
   * later instant. The same request again (same URL, directory and name), while the first is unfinished, attaches to it: its
   * headers, options, priority and (if given) meta replace the earlier ones; with another checksum it
   * fails. Works also while the engine is stopped.
   */
  readonly enqueue: (request: DownloadRequest) => Effect.Effect<Enqueued, DownloadError | StoreError>
  /**
   * The same for many at once, far cheaper than one by one. All requests are checked first: where one is wrong, it fails with
   * what is wrong with the first of those, and nothing is recorded. They are recorded in order, a few hundred in one
   * transaction: what a crash leaves is a beginning of them. Answers come in the order of the requests.
   */
  readonly enqueueAll: (
    requests: Iterable<DownloadRequest>
  ) => Effect.Effect<ReadonlyArray<Enqueued>, DownloadError | StoreError>
  /**
   * The same for a stream, of any length in bounded memory: what comes out has been recorded, in the order of the requests. The
   * source is asked for more only as what comes out is taken. A wrong request fails the stream; those before its portion of
   * some hundreds are recorded.
   */
  readonly enqueueStream: <E, R>(
    requests: Stream.Stream<DownloadRequest, E, R>
  ) => Stream.Stream<Enqueued, DownloadError | StoreError | E, R>
  /** Enqueues and awaits. Interrupting it stops the waiting, not the download: that is what `cancel` is for. */
  readonly download: (request: DownloadRequest) => Effect.Effect<Completed, DownloadError | StoreError>
  /**
   * Waits for the end of a download: the file, or a failure that says why there is none (reason `Cancelled` or `Paused`, if
   * somebody did that). A download that another live engine owns is followed, and taken over when that engine dies.
   */
  readonly await: (id: DownloadId) => Effect.Effect<Completed, DownloadError | StoreError>
  /**
   * Waits for all of them: results and errors as values, in the order asked for. Costs no fiber per download, so a hundred
   * thousand can be awaited; what it holds in memory is the results.
   */
  readonly awaitAll: <E = never>(
    ids: Iterable<DownloadId>,
    options?: AwaitAllOptions<E>
  ) => Effect.Effect<ReadonlyArray<Exit.Exit<Completed, DownloadError>>, StoreError | E>
  /** As `await`, but succeeds with the row as it is then, whatever its status; inspect `status`. */
  readonly settled: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /**
   * Waits until all of them are terminal or paused; each is handed to `onSettled` as it is then, once, in the order in which
   * they get there. Costs no fiber and no memory per download beyond its id.
   */
  readonly settleAll: <E>(
    ids: Iterable<DownloadId>,
    onSettled: (download: Download) => Effect.Effect<void, E>
  ) => Effect.Effect<void, StoreError | E>
  /** The row; none if there is no such download. */
  readonly get: (id: DownloadId) => Effect.Effect<Option.Option<Download>, StoreError>
  /** How it stands; fails with `NotFound` if there is no such download. */
  readonly status: (id: DownloadId) => Effect.Effect<Status, StoreError>
  /** The newest, oldest of them first. */
  readonly list: (filter?: Filter) => Effect.Effect<ReadonlyArray<Download>, StoreError>
  /** Up to `limit` ids that begin with these characters (at least one), oldest first: what a person types instead of all 11. */
  readonly find: (prefix: string, limit: number) => Effect.Effect<ReadonlyArray<DownloadId>, StoreError>
  /** Its tries, oldest first, the one that goes on included; fails with `NotFound` if there is no such download. */
  readonly attempts: (id: DownloadId) => Effect.Effect<ReadonlyArray<Attempt>, StoreError>
  /** Counts everything there is: takes longer the more there is (a million rows: under a second). */
  readonly stats: Effect.Effect<Stats, StoreError>
  /**
   * Stops working on it and keeps its part file; when this returns, nothing of it runs any more. One that another live engine
   * owns is asked for, and this returns when that has let go; after `shutdownTimeout` it fails with `Unanswered`, and what was
   * asked for stays on record. Where another command for it comes before that, it fails with `Refused`: the later one counts.
   */
  readonly pause: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /** Goes on after a pause; ends a backoff or a wait early. */
  readonly resume: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /** Ends it for good and removes its part file; when this returns, nothing of it runs any more. */
  readonly cancel: (id: DownloadId) => Effect.Effect<Download, StoreError>
  /**
   * One more try. What is terminal stays so: a failed or cancelled download's request is enqueued anew, under a new id, goes on
   * with the part that the failed one left behind, and is a member of no group. An unfinished one goes on at once.
   * A completed one is refused: to fetch it anew, enqueue its URL with the option `refetch: "always"`.
   */
  readonly retry: (
    id: DownloadId,
    options?: RetryOptions
  ) => Effect.Effect<Enqueued, DownloadError | StoreError>
  /**
   * One more URL of the same file, as if it had been among its `mirrors`: its link has expired, or its server is gone. No user or
   * password in it. One that was set aside has another chance. What is held is kept where it is proved to be of the same version.
   * A try at work is interrupted and goes on with it, and what waits goes on at once; what is paused stays so, and of one that
   * has failed, its `retry` has it. One that another live engine owns is asked for, as with `pause`. Fails with
   * `InvalidUrl`, `UnsupportedScheme` or `InvalidRequest` for a URL that can't be one, with `Refused` for a
   * download that is completed or cancelled, was retried already, or has a thousand.
   */
  readonly addSource: (
    id: DownloadId,
    url: string | Mirror,
    options?: AddSourceOptions
  ) => Effect.Effect<Download, DownloadError | StoreError>
  /**
   * Forgets a download and its attempts; one that is unfinished is cancelled first. What it has finished stays on disk, the
   * part of a failed one goes. Consumers that have not acknowledged its end still get it.
   */
  readonly remove: (id: DownloadId) => Effect.Effect<void, StoreError>
  /**
   * Pauses every unfinished download of a selection, in portions, so that a million are no long transaction. When it returns,
   * nothing of those runs any more that are this engine's; those of other live engines have been asked for.
   */
  readonly pauseAll: (selection: Selection) => Effect.Effect<Affected, StoreError>
  /** Goes on with every paused, retrying or waiting download of a selection. */
  readonly resumeAll: (selection: Selection) => Effect.Effect<Affected, StoreError>
  /** Cancels every unfinished download of a selection and removes their parts. */
  readonly cancelAll: (selection: Selection) => Effect.Effect<Affected, StoreError>
  /** One more try for every failed or cancelled download of a selection: new downloads, as with `retry`. */
  readonly retryAll: (selection: Selection) => Effect.Effect<Affected, StoreError>
  /** Forgets every terminal download of a selection (unfinished ones are left alone), and the parts of failed ones. */
  readonly removeAll: (selection: Selection) => Effect.Effect<Affected, StoreError>
  /** Changes the priority of every unfinished download of a selection, whoever owns it: higher goes first. */
  readonly move: (selection: Selection, priority: number) => Effect.Effect<Affected, StoreError>
  /**
   * How fast bytes may come, as far as it is set for this database. What the options of an engine or a download say is not in it, and
   * holds beside it.
   */
  readonly limits: Effect.Effect<Limits, StoreError>
  /**
   * Limits all downloads of each engine, those from a host, or a single one, to so many bytes per second, a whole number; `null`
   * lifts it. Durable. It takes effect at once here, and in other running engines of the database within a quarter of
   * a second, also on what is on its way; each engine keeps to it by itself. It never loosens another limit: where several
   * concern a download, the least counts. Succeeds with all that is set then. Fails with `InvalidRequest` for what is
   * no rate, with `NotFound` or `Refused` for a download that is not there or has ended; its limit goes with its end.
   */
  readonly limit: (limited: Limited, rate: number | null) => Effect.Effect<Limits, DownloadError | StoreError>
  /**
   * Looks again at every completed download of a selection, newest first: reads the file and compares it with the digest that is
   * known (the caller's, or the server's), or, where none is, its size, time and inode with what was recorded. Reads only, in
   * bounded memory, whoever works on the queue meanwhile. What is not completed has nothing to verify, and is left out.
   */
  readonly verify: (
    selection?: Pick<Selection, "ids" | "tag" | "group">
  ) => Stream.Stream<Verification, StoreError>
  /** The group of this name, made if there is none; without a name, always a new one. */
  readonly group: (name?: string) => Effect.Effect<Group, StoreError>
  /** Waits until nothing is left that this engine would work on (what is paused does not count). */
  readonly drained: Effect.Effect<void, StoreError>
  /** Rows as they are committed by this process. Slow readers lose the oldest. */
  readonly changes: Stream.Stream<Download>
  /**
   * What happens to downloads, as this process commits it, from the moment the stream runs. Slow readers lose the oldest: who
   * must not miss an ending awaits it.
   */
  readonly events: Stream.Stream<DownloadEvent>
  /**
   * What happens to hosts that are left alone, as this process commits it, from the moment the stream runs; what is left alone then,
   * `hosts` says. Slow readers lose the oldest.
   */
  readonly hostEvents: Stream.Stream<HostEvent>
  /**
   * Hosts that are left alone now, by any engine of the database, the first to be asked again first. One that a single download asks
   * just now whether it is well again is among them: its `why` says so, and its answer ends that long before `until`.
   */
  readonly hosts: Effect.Effect<ReadonlyArray<CoolingHost>, StoreError>
  /** Who is being worked on and how fast, at most every `progressInterval` ms; nothing while there is nothing new. */
  readonly progress: Stream.Stream<ReadonlyArray<Progress>>
  /** What is being worked on right now, in order of start. */
  readonly active: Effect.Effect<ReadonlyArray<Active>>
  /** How many are being worked on. */
  readonly activeCount: Effect.Effect<number>
  /** Which are being worked on, in order of start. */
  readonly activeIds: Effect.Effect<ReadonlyArray<DownloadId>>
  /** Begins to work; nothing if it works already. After a failure of the store it begins anew. */
  readonly start: Effect.Effect<void, StoreError>
  /**
   * Stops all work within `shutdownTimeout`: checkpoints are made, parts are kept, downloads stay this engine's and wait for
   * `start`; those who await them go on waiting. Fails with the names of what did not let go in time. Nothing if it is stopped.
   */
  readonly stop: Effect.Effect<void, StopTimeout>
  /** Whether it works: started, not stopped, and its store has not failed. */
  readonly isRunning: Effect.Effect<boolean>
}

/** The download engine. Layers: `layer`, `layerConfig`, `layerMemory`, `layerClient`; `sluice/testing`. */
export class Downloads extends Context.Tag("sluice/Downloads")<Downloads, Shape>() {}
