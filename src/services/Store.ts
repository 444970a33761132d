/**
 * The store: the only writer of download state. One actor applies messages with the pure `transition`, commits them in
 * groups, and only then updates what this process believes and answers whoever asked.
 *
 * Who may write what: rows owned by this engine are changed by messages sent here; a row owned by another live engine
 * is never written; every write names the epoch it was decided under, and a write under a stale epoch changes nothing and
 * fails with `Fenced`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import type { Attempt } from "../domain/Attempt.js"
import type { Download, EngineId, Status } from "../domain/Download.js"
import type { DownloadError } from "../domain/DownloadError.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { Accepted, Mirror } from "../domain/DownloadRequest.js"
import type { Group, GroupId, GroupSealed } from "../domain/Group.js"
import type { Cooling, Health } from "../domain/Host.js"
import type { Limited, Limits } from "../domain/Limits.js"
import type { Message } from "../domain/Message.js"
import type { Pieces } from "../domain/Pieces.js"
import type { Affected, Command, Selection } from "../domain/Selection.js"
import type { CoolingHost, Stats } from "../domain/Stats.js"
import type { StoreError } from "../domain/StoreError.js"

/** What became of a request. `attached`: the same request was unfinished already, and this is that download. */
export interface Enqueued {
  readonly download: Download
  readonly attached: boolean
  /** Why it was not taken in after all: it contradicts `download`, which stays as it was. */
  readonly refused?: DownloadError | undefined
}

/** A row as a commit found it (null: it made the row) and as it left it. */
export interface StoreChange {
  readonly before: Download | null
  readonly after: Download
}

/** Which downloads to list; newest last. */
export interface Filter extends Selection {
  /** @default 1000 */
  readonly limit?: number | undefined
  /** Only those enqueued before this one: the page before it. */
  readonly before?: DownloadId | undefined
  /** Of those that the rest of the filter selects, the ones whose last try ended here, in this engine. @default false */
  readonly here?: boolean | undefined
}

/** As much of a row as tells who is to do what about it. */
export interface Standing {
  readonly id: DownloadId
  readonly status: Status
  readonly owner: EngineId | null
}

/** @see {@link Shape.onCommit} */
export interface Commit {
  /** Rows as they are now. */
  readonly changed: ReadonlyMap<DownloadId, Download>
  /** Those as they were when the transaction began; null for rows that it added. */
  readonly before: ReadonlyMap<DownloadId, Download | null>
  /** Rows that turned out to be another engine's. */
  readonly fenced: ReadonlySet<DownloadId>
  /** Rows changed by a statement over many: how they look now, only a look tells. */
  readonly touched: ReadonlySet<DownloadId>
  /** Rows that are no more. */
  readonly removed: ReadonlySet<DownloadId>
  /** Groups whose counters or seal have changed. */
  readonly groups: ReadonlySet<GroupId>
  /** Hosts that are in other health than before, by origin. */
  readonly hosts: ReadonlyMap<string, Health>
  /** Downloads that ended in it, for the Outbox's readers. */
  readonly ended: number
}

export type CommitListener = (commit: Commit) => void

/** @see {@link Shape.claim} */
export interface Places {
  /** Hosts, by origin, of which no more may begin now. */
  readonly full: () => ReadonlyArray<string>
  /** How many more of a host may begin now. */
  readonly room: (origin: string) => number
  /** Downloads that transfer, by host. */
  readonly held: ReadonlyMap<string, number>
  /** All downloads at work (also those that are verified or published), as they were when they were claimed. */
  readonly atWork: () => ReadonlyArray<Download>
}

/** @see {@link Shape.claim} */
export interface Claims {
  readonly rows: ReadonlyArray<Download>
  /** There may be more to claim right away: not every host has been looked at. */
  readonly more: boolean
  /** Some were passed over that the engine's policy does not let begin now; it is to be asked again. @default false */
  readonly refused?: boolean
}

/** What one portion of a command for many has done. */
export interface Commanded extends Affected {
  /** Rows of this engine that are at work: to be interrupted, and their endings find the wish in the row. */
  readonly atWork: ReadonlyArray<DownloadId>
  /** Rows that are cancelled now and still have a part. */
  readonly spoiled: ReadonlyArray<Download>
}

/** @see {@link Shape.expire} */
export interface Impatient {
  readonly ended: number
  /** Where the next portion begins; undefined: there is none. */
  readonly next: DownloadId | undefined
  /** When the next one's patience is over, as things stand. */
  readonly soonest: number | undefined
}

/** @see {@link Shape.forget} */
export interface Forgotten {
  readonly removed: number
  readonly withPart: ReadonlyArray<Download>
}

/** @see {@link Shape.disown} */
export interface Disowned {
  /** Those that are cancelled now: their parts want removing. */
  readonly cancelled: ReadonlyArray<Download>
  /** Whether it still owns some. */
  readonly more: boolean
}

/** Totals of this engine since it started; they only grow. */
export interface Counters {
  readonly enqueued: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
}

/** @see {@link Store} */
export interface Shape {
  /** Durable when it returns. With `own`, new and unowned rows belong to this engine at once. */
  readonly enqueue: (
    requests: ReadonlyArray<Accepted>,
    options: { readonly own: boolean }
  ) => Effect.Effect<ReadonlyArray<Enqueued>, StoreError>
  /**
   * Takes up to `limit` downloads whose time has come: highest priority first, within it host by host in turn, within a host the
   * oldest, unless the engine's policy says otherwise; hosts that cool down are passed over. `adopt` also takes unowned ones.
   * `places` says how many of a host may begin: what would be too many gives way to others.
   * `onClaimed` hears of the rows before anyone is answered whose message was committed with or after the claim: so who
   * asks for a pause finds the claim it concerns.
   */
  readonly claim: (options: {
    readonly limit: number
    readonly adopt: boolean
    /** @default no bound */
    readonly places?: Places | undefined
    readonly onClaimed: (rows: ReadonlyArray<Download>) => void
  }) => Effect.Effect<Claims, StoreError>
  /** Applies a message and succeeds with the row as committed. Fails with `Fenced` or `Refused` where it can't apply. */
  readonly tell: (id: DownloadId, message: Message) => Effect.Effect<Download, StoreError>
  /**
   * Hands a message in and does not wait for its commit; messages sent later are applied after it. What it succeeds with
   * waits for the commit, for whoever wants to.
   */
  readonly note: (
    id: DownloadId,
    message: Message
  ) => Effect.Effect<Effect.Effect<Download, StoreError>, StoreError>
  /** The digests of its pieces, where it has any. */
  readonly pieces: (
    download: Pick<Download, "id" | "options">
  ) => Effect.Effect<Pieces | undefined, StoreError>
  readonly get: (id: DownloadId) => Effect.Effect<Option.Option<Download>, StoreError>
  /** These, in any order; those that are not there are left out. */
  readonly getAll: (ids: ReadonlyArray<DownloadId>) => Effect.Effect<ReadonlyArray<Download>, StoreError>
  /** How fast bytes may come, as far as it was set for this database. */
  readonly limits: Effect.Effect<Limits, StoreError>
  /**
   * Sets how fast bytes may come from now on, or (`null`) that it is not limited any more, and succeeds with all that is set then.
   * Fails with `NotFound` for a download that is not there, with `Refused` for one that has ended.
   */
  readonly limit: (limited: Limited, rate: number | null) => Effect.Effect<Limits, StoreError>
  /** How these stand and whose they are; those that are not there are left out. */
  readonly standings: (ids: ReadonlyArray<DownloadId>) => Effect.Effect<ReadonlyArray<Standing>, StoreError>
  readonly list: (filter: Filter) => Effect.Effect<ReadonlyArray<Download>, StoreError>
  /** Up to `limit` ids that begin so, oldest first. */
  readonly find: (prefix: string, limit: number) => Effect.Effect<ReadonlyArray<DownloadId>, StoreError>
  /**
   * Ids of a selection, by age, after `after`: one page, found by looking at a bounded number of rows. None on a page that says
   * `next` means only that none was among those.
   */
  readonly page: (
    selection: Selection,
    after: DownloadId | undefined
  ) => Effect.Effect<
    { readonly ids: ReadonlyArray<DownloadId>; readonly next: DownloadId | undefined },
    StoreError
  >
  /** Ended tries of a download, oldest first. */
  readonly attempts: (id: DownloadId) => Effect.Effect<ReadonlyArray<Attempt>, StoreError>
  readonly stats: Effect.Effect<Stats, StoreError>
  /** Up to `limit` cancelled rows whose part is still there, after `after`. */
  readonly spoiled: (
    after: DownloadId | undefined,
    limit: number
  ) => Effect.Effect<ReadonlyArray<Download>, StoreError>
  /** One portion of a command for many; those that it does not concern are left alone. */
  readonly command: (command: Command, ids: ReadonlyArray<DownloadId>) => Effect.Effect<Commanded, StoreError>
  /**
   * Does a portion of what other processes have asked of this engine, and succeeds with the rows concerned; none means that
   * nothing is left to do.
   */
  readonly obey: Effect.Effect<ReadonlyArray<Download>, StoreError>
  /** What another process has asked of the download's owner, last of all, and that has not taken up yet: a `Command`, or another wish. */
  readonly asked: (id: DownloadId) => Effect.Effect<Option.Option<string>, StoreError>
  /** Leaves a host alone until then, as one of its answers has asked. */
  readonly cool: (origin: string, cooling: Cooling) => Effect.Effect<void, StoreError>
  /**
   * Ends downloads that have stood in line for longer than they were to, for hosts that are left alone: a portion of all rows, by age,
   * after `after`.
   */
  readonly expire: (
    after: DownloadId | undefined,
    options: { readonly adopt: boolean }
  ) => Effect.Effect<Impatient, StoreError>
  /** Hosts that are left alone now, the first to be asked again first. */
  readonly cooling: Effect.Effect<ReadonlyArray<CoolingHost>, StoreError>
  /** The same, and those whose probe is under way: nobody else asks them until it has an answer. */
  readonly closed: Effect.Effect<ReadonlyArray<CoolingHost>, StoreError>
  /**
   * Adds a source to a row that has not been completed or cancelled, or, where another engine owns it, asks that one to: the wish
   * takes the place of a command that it has not taken up yet. `replace`: its other sources are set aside. Succeeds with the row as it is
   * then.
   */
  readonly addSource: (
    id: DownloadId,
    mirror: Required<Mirror>,
    replace: boolean
  ) => Effect.Effect<Download, StoreError>
  /** Changes the priority of unfinished rows, whoever owns them; succeeds with their number. */
  readonly move: (ids: ReadonlyArray<DownloadId>, priority: number) => Effect.Effect<number, StoreError>
  /**
   * Removes rows that have ended, with their attempts, tags and memberships, and leaves others alone. Succeeds with how many, and
   * with those that had a part.
   */
  readonly forget: (ids: ReadonlyArray<DownloadId>) => Effect.Effect<Forgotten, StoreError>
  /**
   * When there may be something to claim that was not there at `since`: the next `retrying` or `waiting` row is due, or a host has
   * cooled down. In milliseconds since the epoch.
   */
  readonly nextDue: (options: {
    readonly adopt: boolean
    readonly since: number
  }) => Effect.Effect<Option.Option<number>, StoreError>
  /** Whether an unfinished row is left that `claim` would take now or later (paused rows don't count). */
  readonly anyLeft: (options: { readonly adopt: boolean }) => Effect.Effect<boolean, StoreError>
  /** Engines that own unfinished rows, this one excepted. */
  readonly otherOwners: Effect.Effect<ReadonlyArray<EngineId>, StoreError>
  /** Takes a portion of the rows of a dead engine from it (message `Abandoned`), so that no transaction is long. */
  readonly disown: (owner: EngineId) => Effect.Effect<Disowned, StoreError>
  /** Makes this engine the owner of an unowned, unfinished row; false if it has an owner or is finished. */
  readonly adopt: (id: DownloadId) => Effect.Effect<boolean, StoreError>
  /** The group of this name, made if there is none; null makes a group without a name. */
  readonly openGroup: (name: string | null) => Effect.Effect<Group, StoreError>
  readonly group: (id: GroupId) => Effect.Effect<Group, StoreError>
  readonly sealGroup: (id: GroupId) => Effect.Effect<Group, StoreError>
  /** As `enqueue`, and the downloads are members of the group when it returns. */
  readonly enqueueInto: (
    group: GroupId,
    requests: ReadonlyArray<Accepted>,
    options: { readonly own: boolean }
  ) => Effect.Effect<ReadonlyArray<Enqueued>, StoreError | GroupSealed>
  /** Unfinished members of the group that are not this engine's, by age, `limit` at most, after `after`. */
  readonly strangers: (
    group: GroupId,
    after: DownloadId | undefined,
    limit: number
  ) => Effect.Effect<ReadonlyArray<Standing>, StoreError>
  /**
   * Gives up every row this engine owns, and commits what is in the inbox. Succeeds with those that are cancelled by it: their
   * parts want removing.
   */
  readonly release: Effect.Effect<ReadonlyArray<Download>, StoreError>
  /** No other process can see the database. */
  readonly isAlone: boolean
  /**
   * Empties the write-ahead log, where there is one: what rows have dropped is gone then. False if another process reads just
   * now: nothing has changed then, and it is worth another try.
   */
  readonly emptyLog: Effect.Effect<boolean, StoreError>
  /** A number that changes when another process has committed something. */
  readonly externalVersion: Effect.Effect<number, StoreError>
  /**
   * Calls `listener` after each commit of this process, before anyone is answered, until the scope closes. It must not
   * throw, nor take long.
   */
  readonly onCommit: (listener: CommitListener) => Effect.Effect<void, never, Scope.Scope>
  /** Rows as committed by this process, before and after, one entry per row and commit. Slow readers lose the oldest. */
  readonly changes: PubSub.PubSub<StoreChange>
  readonly counters: Effect.Effect<Counters>
}

/** The store. Layers: SQL (file or memory). */
export class Store extends Context.Tag("sluice/Store")<Store, Shape>() {}
