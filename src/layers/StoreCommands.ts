/**
 * What people ask of downloads, for one or a million, whoever owns them.
 *
 * | whose | what a command does |
 * |---|---|
 * | nobody's, or this engine's and not at work | the transition, at once |
 * | this engine's, at work | `desired` changes; its worker is then interrupted, and its ending finds the wish in the row |
 * | another engine's | `intent`, a column that belongs to whoever asks; the owner takes it up (`obey`), or its heir (`inherit`) |
 *
 * Few rows go through `transition` one by one, and events tell of each. Many are changed by one statement, whose guards and
 * targets are read from the same table (`domain/Transition`); listeners learn which, not how they look now.
 *
 * A further source goes the same ways; it is no transition, and a download that has failed may have one, for its retry.
 *
 * A later command replaces an earlier one that the owner has not taken up. Priorities may be written by anybody: no statement
 * of an owner's work writes them.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type Download, type EngineId, type Status, terminal } from "../domain/Download.js"
import { type DownloadId, fromKey, toKey } from "../domain/DownloadId.js"
import {
  Abandoned,
  CancelRequested,
  type Message,
  PauseRequested,
  Released,
  ResumeRequested
} from "../domain/Message.js"
import type { Mirror } from "../domain/DownloadRequest.js"
import * as Sources from "../domain/Source.js"
import { isSpoiled } from "../domain/Publication.js"
import type { Command } from "../domain/Selection.js"
import type { Commanded, Forgotten } from "../services/Store.js"
import { accepting, table } from "../domain/Transition.js"
import { and, inKeys, inStatus } from "./SqlSelection.js"
import type { StoreBatch } from "./StoreBatch.js"

/** Rows of one job that are changed one by one. */
const fewRows = 256

const messageOf: Record<Command, Message> = {
  pause: PauseRequested(),
  resume: ResumeRequested(),
  cancel: CancelRequested()
}

/** What of the fields that go with a transition is not the same for all. */
const wishes: Record<Command, string> = {
  pause: "desired = 'paused'",
  resume: "desired = 'run', waiting_since = NULL, begun_at = NULL",
  cancel: "desired = 'cancelled'"
}

/** Where a command leads from a status in which nobody is at work. */
const targetOf = (command: Command, status: Status): Status | undefined =>
  table[messageOf[command]._tag][status]?.[0]

/** The statuses in which a command changes something, `processing` apart. */
export const changedBy = (command: Command): ReadonlyArray<Status> =>
  accepting(messageOf[command]._tag).filter(
    (status) => status !== "processing" && targetOf(command, status) !== status
  )

/** The statuses in which a command is to be given at all. */
export const concernedBy = (command: Command): ReadonlyArray<Status> => [...changedBy(command), "processing"]

/** The SET clause of a command for many; `?` is the time, once or (for an ending) twice. */
const setsOf = (command: Command): readonly [text: string, times: number] => {
  const [target, ...others] = new Set(changedBy(command).map((status) => targetOf(command, status)!))
  if (target === undefined || others.length > 0) throw new Error(`${command} leads to more than one status`)
  const ends = terminal.has(target)
  return [
    `status = '${target}', ${wishes[command]}, next_attempt_at = NULL, intent = NULL, updated_at = ?${
      ends ? ", finished_at = ?, owner = NULL, secret = NULL" : ""
    }`,
    ends ? 2 : 1
  ]
}

interface Dependencies {
  readonly sql: SqlClient.SqlClient
  readonly engine: EngineId
}

interface Wish {
  readonly download: Download
  /** One of `Command`, or a further source. */
  readonly intent: string
}

/** A further source as a wish: the word (with ! for one that replaces all others), its priority, its URL. */
const sourceIntent = /^source(!?) (\d+) (.*)$/

const intentOf = ({ priority, url }: Required<Mirror>, replace: boolean): string =>
  `source${replace ? "!" : ""} ${priority} ${url}`

export const make = ({ engine, sql }: Dependencies) => {
  /** Rows of an owner that other processes have asked something of; the wish is taken off the row. */
  const takeWishes = (owner: EngineId, limit: number) => (batch: StoreBatch) =>
    Effect.gen(function* () {
      yield* batch.flush
      const wanted = yield* sql.unsafe<{ id: number; intent: string }>(
        `SELECT id, intent FROM sluice_downloads WHERE intent IS NOT NULL AND owner = ? LIMIT ?`,
        [owner, limit]
      )
      if (wanted.length === 0) return []
      const keys = wanted.map(({ id }) => id)
      const [here, parameters] = inKeys(keys)
      yield* sql.unsafe(`UPDATE sluice_downloads SET intent = NULL WHERE ${here}`, parameters)
      const rows = yield* batch.select(`WHERE ${here}`, parameters)
      const intents = new Map(wanted.map(({ id, intent }) => [fromKey(id), intent]))
      return rows.map((download): Wish => ({ download, intent: intents.get(download.id)! }))
    })

  /** The message, where the status allows it; else the row as it is. */
  const ifAllowed = (batch: StoreBatch, download: Download, command: Command) =>
    Effect.catchIf(
      batch.apply(download, messageOf[command]),
      ({ reason }) => reason === "Refused",
      () => Effect.succeed(download)
    )

  /** With a further source. Whoever names it wants it tried: what waits goes on at once. */
  const withSource = (batch: StoreBatch, download: Download, mirror: Required<Mirror>, replace: boolean) =>
    Effect.suspend(() => {
      const next = { ...download, sources: Sources.give(download, mirror, replace) }
      batch.put(next)
      return next.status === "retrying" || next.status === "waiting"
        ? batch.apply(next, ResumeRequested())
        : Effect.succeed(next)
    })

  /** What an intent asks for, where the status allows it; one of a later version asks for nothing. */
  const follow = (batch: StoreBatch, download: Download, intent: string) => {
    if (isCommand(intent)) return ifAllowed(batch, download, intent)
    const [, replace, priority, url] = sourceIntent.exec(intent) ?? []
    return url === undefined || terminal.has(download.status)
      ? Effect.succeed(download)
      : withSource(batch, download, { url, priority: Number(priority) }, replace !== "")
  }

  /** Adds a source to a row, or asks its owner to. */
  const addSource = (id: DownloadId, mirror: Required<Mirror>, replace: boolean) => (batch: StoreBatch) =>
    Effect.gen(function* () {
      const download = yield* batch.load(id)
      if (download.owner === null || download.owner === engine)
        return yield* withSource(batch, download, mirror, replace)
      yield* batch.flush
      yield* sql.unsafe(
        `UPDATE sluice_downloads SET intent = ? WHERE id = ? AND owner <> ? AND finished_at IS NULL`,
        [intentOf(mirror, replace), toKey(id), engine]
      )
      batch.touch(id)
      return download
    })

  /** Does what other processes have asked of this engine. */
  const obey = (limit: number) => (batch: StoreBatch) =>
    Effect.flatMap(
      takeWishes(engine, limit)(batch),
      Effect.forEach(({ download, intent }) => follow(batch, download, intent))
    )

  /** The same for an engine that is gone (or leaving): its rows are nobody's then. */
  const inherit = (owner: EngineId, limit: number) => (batch: StoreBatch) =>
    Effect.flatMap(
      takeWishes(owner, limit)(batch),
      Effect.forEach(({ download, intent }) =>
        Effect.gen(function* () {
          let row = download
          if (row.status === "processing")
            row = yield* batch.apply(row, owner === engine ? Released() : Abandoned())
          if (row.owner !== null) {
            row = { ...row, owner: null, epoch: row.epoch + 1 }
            batch.put(row)
          }
          return yield* follow(batch, row, intent)
        })
      )
    )

  /** One portion of a command for many. */
  const command = (command: Command, ids: ReadonlyArray<DownloadId>) =>
    Effect.fnUntraced(function* (batch: StoreBatch) {
      yield* batch.flush
      const now = Math.floor(yield* Clock.currentTimeMillis)
      const here = inKeys(ids.map(toKey))
      const [statuses, allowed] = inStatus(concernedBy(command))
      // a wish that is not taken up yet is replaced, also where the row stands as this command wants it
      const asked = yield* sql.unsafe<{ id: number }>(
        `UPDATE sluice_downloads SET intent = ? WHERE ${here[0]} AND owner <> ? AND finished_at IS NULL
           AND (${statuses} OR intent IS NOT NULL) RETURNING id`,
        [command, ...here[1], engine, ...allowed]
      )
      const concerned = and([here, [statuses, allowed]])
      for (const { id } of asked) batch.touch(fromKey(id))
      const ours = `${concerned[0]} AND (owner IS NULL OR owner = ?)`
      const parameters = [...concerned[1], engine]
      // what is at work or has a part is looked at one by one, and so is everything where it is not many
      const single =
        ids.length <= fewRows
          ? yield* batch.select(`WHERE ${ours}`, parameters)
          : yield* batch.select(
              `WHERE ${ours} AND (status = 'processing'${command === "cancel" ? " OR part IS NOT NULL OR crashes > 0" : ""})`,
              parameters
            )
      const changed = yield* Effect.forEach(single, (download) => batch.apply(download, messageOf[command]))
      yield* batch.flush
      const [sets, times] = setsOf(command)
      const rest =
        ids.length <= fewRows
          ? []
          : yield* sql.unsafe<{ id: number }>(
              `UPDATE sluice_downloads SET ${sets}
               WHERE ${ours} AND status IN (SELECT value FROM json_each(?)) RETURNING id`,
              [...Array.from({ length: times }, () => now), ...parameters, JSON.stringify(changedBy(command))]
            )
      for (const { id } of rest) {
        batch.touch(fromKey(id))
        if (command === "cancel") batch.end(fromKey(id), "cancelled", 0)
      }
      return {
        changed: changed.length + rest.length,
        asked: asked.length,
        atWork: single.flatMap(({ id, status }) => (status === "processing" ? [id] : [])),
        spoiled: changed.filter(isSpoiled)
      } satisfies Commanded
    })

  /** Changes the priority of unfinished rows, whoever owns them. */
  const move = (ids: ReadonlyArray<DownloadId>, priority: number) => (batch: StoreBatch) =>
    Effect.gen(function* () {
      yield* batch.flush
      const [here, parameters] = inKeys(ids.map(toKey))
      const moved = yield* sql.unsafe<{ id: number }>(
        `UPDATE sluice_downloads SET priority = ? WHERE ${here} AND finished_at IS NULL RETURNING id`,
        [priority, ...parameters]
      )
      for (const { id } of moved) batch.touch(fromKey(id))
      return moved.length
    })

  /** Removes rows that have ended, with all that is recorded about them; succeeds with those that had a part. */
  const forget = (ids: ReadonlyArray<DownloadId>) => (batch: StoreBatch) =>
    Effect.gen(function* () {
      yield* batch.flush
      const [here, parameters] = and([
        inKeys(ids.map(toKey)),
        ["status IN ('completed', 'failed', 'cancelled')", []]
      ])
      const withPart = yield* batch.select(`WHERE ${here} AND part IS NOT NULL`, parameters)
      const gone = yield* sql.unsafe<{ id: number }>(
        `DELETE FROM sluice_downloads WHERE ${here} RETURNING id`,
        parameters
      )
      const keys = gone.map(({ id }) => id)
      for (const [table, column] of belongings) {
        yield* sql.unsafe(`DELETE FROM ${table} WHERE ${column} IN (SELECT value FROM json_each(?))`, [
          JSON.stringify(keys)
        ])
      }
      for (const key of keys) batch.remove(fromKey(key))
      return { removed: gone.length, withPart } satisfies Forgotten
    })

  return { addSource, command, forget, inherit, move, obey }
}

/** What is recorded about a download beside its row. */
const belongings = [
  ["sluice_attempts", "download_id"],
  ["sluice_members", "download_id"],
  ["sluice_tags", "download_id"],
  ["sluice_pieces", "download_id"]
] as const

const isCommand = (intent: string): intent is Command => intent in messageOf
