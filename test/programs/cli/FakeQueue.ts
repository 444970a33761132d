/**
 * A queue in memory for commands that download nothing: rows made by hand, changed as an engine would that is never
 * started. What was called is remembered; any member can be replaced.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { Attempt } from "../../../src/domain/Attempt.js"
import { type Download, Status, terminal } from "../../../src/domain/Download.js"
import type { DownloadId } from "../../../src/domain/DownloadId.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import type { DownloadRequest } from "../../../src/domain/DownloadRequest.js"
import { type GroupId, GroupSealed, progressOf } from "../../../src/domain/Group.js"
import type { Affected, Selection } from "../../../src/domain/Selection.js"
import type { CoolingHost, ListedEngine } from "../../../src/domain/Stats.js"
import { StoreError, type StoreErrorReason } from "../../../src/domain/StoreError.js"
import { Downloads, type Enqueued, type Group, type Shape } from "../../../src/services/Downloads.js"
import { row } from "./Fixtures.js"

export interface Options {
  readonly attempts?: ReadonlyArray<Attempt>
  readonly cooling?: ReadonlyArray<CoolingHost>
  readonly engines?: ReadonlyArray<ListedEngine>
  /** Names of groups that are sealed. */
  readonly sealed?: ReadonlyArray<string>
  readonly more?: Partial<Shape>
}

export const storeError = (reason: StoreErrorReason, detail?: string) =>
  new StoreError({ reason, path: "/db", ...(detail === undefined ? {} : { detail }) })

/** An engine that lives elsewhere. */
export const living: ListedEngine = {
  id: "engine-1" as ListedEngine["id"],
  pid: 4711,
  startedAt: 0,
  adopts: true,
  alive: true
}

export const fakeQueue = (stored: ReadonlyArray<Download> = [], options: Options = {}) => {
  const rows = new Map<DownloadId, Download>(stored.map((row) => [row.id, row]))
  const members = new Map<GroupId, Set<DownloadId>>()
  const sealed = new Set(options.sealed)
  const calls: Array<readonly [name: string, ...args: ReadonlyArray<unknown>]> = []
  const portions: Array<number> = []
  const requests: Array<DownloadRequest> = []

  const change = (id: DownloadId, more: Partial<Download>) =>
    Effect.suspend(() => {
      const known = rows.get(id)
      if (known === undefined) return Effect.fail(storeError("NotFound", id))
      rows.set(id, { ...known, ...more })
      return Effect.succeed(rows.get(id)!)
    })
  const told =
    (name: string, more: Partial<Download>) =>
    (id: DownloadId): Effect.Effect<Download, StoreError> => {
      calls.push([name, id])
      return change(id, more)
    }
  const all =
    (name: string) =>
    (selection: Selection): Effect.Effect<Affected> => {
      calls.push([name, selection])
      return Effect.succeed({ changed: rows.size, asked: 0 })
    }
  const enqueue = (request: DownloadRequest): Enqueued => {
    requests.push(request)
    const known = Array.from(rows.values()).find(
      ({ status, url }) => url === request.url && !terminal.has(status)
    )
    if (known !== undefined) return { id: known.id, attached: true, download: known }
    const download = row({
      id: Ids.fromKey(1000 + rows.size),
      url: request.url,
      directory: request.directory ?? "/",
      tags: request.tags ?? []
    })
    rows.set(download.id, download)
    return { id: download.id, attached: false, download }
  }
  const enqueueAll = (all: Iterable<DownloadRequest>) =>
    Effect.sync(() => {
      const enqueued = Array.from(all, enqueue)
      portions.push(enqueued.length)
      return enqueued
    })
  const group = (name = ""): Effect.Effect<Group> =>
    Effect.sync(() => {
      calls.push(["group", name])
      const id = name.padEnd(11, "0") as GroupId
      const ids = members.get(id) ?? new Set<DownloadId>()
      members.set(id, ids)
      const progress = Effect.sync(() =>
        progressOf({
          id,
          name,
          sealed: sealed.has(name),
          enqueued: ids.size,
          completed: 0,
          failed: 0,
          cancelled: 0,
          bytes: 0
        })
      )
      const into = (all: Iterable<DownloadRequest>) =>
        sealed.has(name)
          ? Effect.fail(new GroupSealed({ id, name }))
          : Effect.tap(enqueueAll(all), (enqueued) =>
              Effect.sync(() => enqueued.forEach((one) => ids.add(one.id)))
            )
      return {
        id,
        name,
        enqueue: () => Effect.dieMessage("not used"),
        enqueueAll: into,
        seal: Effect.suspend(() => {
          calls.push(["seal", name])
          sealed.add(name)
          return progress
        }),
        progress,
        changes: undefined as never,
        await: progress
      }
    })

  const layer = Layer.mock(Downloads, {
    enqueueAll,
    group,
    find: (prefix, limit) =>
      Effect.sync(() =>
        Array.from(rows.keys())
          .filter((id) => id.startsWith(prefix))
          .slice(0, limit)
      ),
    get: (id) => Effect.sync(() => Option.fromNullable(rows.get(id))),
    list: (filter = {}) =>
      Effect.sync(() => {
        calls.push(["list", filter])
        return Array.from(rows.values())
          .filter(({ status }) => filter.status?.includes(status) ?? true)
          .slice(-(filter.limit ?? 1000))
      }),
    attempts: () => Effect.succeed(options.attempts ?? []),
    stats: Effect.sync(() => ({
      // every status is there
      downloads: Object.fromEntries(
        Status.literals.map((status) => [
          status,
          Array.from(rows.values()).filter((row) => row.status === status).length
        ])
      ) as Record<Status, number>,
      bytes: 1536,
      cooling: options.cooling ?? [],
      hostStates: { closed: 0, open: 0, "half-open": 0, cooling: options.cooling?.length ?? 0 },
      engines: options.engines ?? []
    })),
    hosts: Effect.sync(() => options.cooling ?? []),
    pause: told("pause", { status: "paused", desired: "paused" }),
    resume: told("resume", { status: "pending", desired: "run" }),
    cancel: told("cancel", { status: "cancelled", desired: "cancelled" }),
    retry: (id) =>
      Effect.suspend(() => {
        calls.push(["retry", id])
        const known = rows.get(id)
        if (known === undefined) return Effect.fail(storeError("NotFound", id))
        if (!terminal.has(known.status)) return Effect.succeed({ id, attached: true, download: known })
        return Effect.succeed(enqueue({ url: known.url, directory: known.directory }))
      }),
    addSource: (id, url) =>
      Effect.suspend(() => {
        calls.push(["addSource", id, url])
        const known = rows.get(id)
        return known === undefined ? Effect.fail(storeError("NotFound", id)) : Effect.succeed(known)
      }),
    remove: (id) =>
      Effect.sync(() => {
        calls.push(["remove", id])
        rows.delete(id)
      }),
    pauseAll: all("pauseAll"),
    resumeAll: all("resumeAll"),
    cancelAll: all("cancelAll"),
    retryAll: all("retryAll"),
    removeAll: all("removeAll"),
    move: (selection, priority) =>
      Effect.sync(() => {
        calls.push(["move", selection, priority])
        return { changed: selection.ids?.length ?? rows.size, asked: 0 }
      }),
    ...options.more
  })
  return { layer, calls, portions, requests, rows, members }
}
