/**
 * What can be seen of a queue from outside: who is at work on what, what waits and why, how many of each there are. For those
 * who only look, beside engines that run: it never changes anything, nor holds anybody up.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Download } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { CoolingHost, ListedEngine } from "../domain/Stats.js"
import type { StoreError } from "../domain/StoreError.js"
import type { Counts, Report } from "../domain/Survey.js"

/** A download that has ended. */
export interface EndedRow {
  readonly id: DownloadId
  readonly status: "completed" | "failed" | "cancelled"
  /** Its bytes, where it brought them. */
  readonly bytes: number
}

/** What is going on; costs little, however many downloads there are. */
export interface Glance {
  readonly engines: ReadonlyArray<ListedEngine>
  /** Being worked on, oldest first; a thousand at most. */
  readonly working: ReadonlyArray<Download>
  /** Waiting for a retry, a host or the disk, soonest first; a few. */
  readonly delayed: ReadonlyArray<Download>
  /** Hosts that are left alone now. */
  readonly cooling: ReadonlyArray<CoolingHost>
  /** What has ended after the position asked for, oldest first; a thousand at most. */
  readonly ended: ReadonlyArray<EndedRow>
  /** Of the last of those: from where the next glance goes on. */
  readonly position: number
}

/** @see {@link Survey} */
export interface Shape {
  /** Changes when somebody has committed something; a look costs microseconds. */
  readonly version: Effect.Effect<number, StoreError>
  /** The newest ending. */
  readonly position: Effect.Effect<number, StoreError>
  /** `after`: the position of the last glance. */
  readonly glance: (after: number) => Effect.Effect<Glance, StoreError>
  /** The unfinished ones; reads indexes only, some 20 ms for a million. */
  readonly unfinished: Effect.Effect<Counts["unfinished"], StoreError>
  /** All of them; reads every row, about a second for a million. */
  readonly counts: Effect.Effect<Counts, StoreError>
  /** All there is to say; reads every row, some seconds for a million. `hosts`: so many are listed. */
  readonly report: (options: { readonly hosts: number }) => Effect.Effect<Report, StoreError>
}

/** Reads one database, which others may be writing to. */
export class Survey extends Context.Tag("sluice/Survey")<Survey, Shape>() {}
