/**
 * Waiting for downloads to settle (terminal, or paused): one, or a hundred thousand, by one listener on the store's commits.
 *
 * Tricky interleavings: it listens before it looks, so nothing that happens between the two is missed. A row that another
 * live engine owns changes by commits of another process, so these are looked at again and again, and inherited when the
 * owner's lock is free. A caller that is slow to take what has settled costs bounded memory: what does not fit is forgotten,
 * and found again by the next look.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import { type Download, type EngineId, type Status, terminal } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import { StoreError } from "../domain/StoreError.js"
import type { Shape as EngineLife } from "../services/EngineLife.js"
import type { Shape as Store, Standing } from "../services/Store.js"
import type { Shape as Supervisor } from "../services/Supervisor.js"
import { atOnce } from "./AtOnce.js"
import type * as Inheritance from "./Inheritance.js"
import { firstToEnd } from "./Race.js"

interface Dependencies {
  readonly store: Store
  readonly supervisor: Supervisor
  readonly life: EngineLife
  readonly inheritance: ReturnType<typeof Inheritance.make>
  readonly pollInterval: number
  /** Whether this engine claims what nobody owns. */
  readonly adopt: boolean
}

/** So many settled rows may wait for the caller. */
const backlog = 4096

/** Rows looked at by one query. */
const lookSize = 1000

const isSettled = (status: Status): boolean => terminal.has(status) || status === "paused"

export const notFound = (id: DownloadId): StoreError =>
  new StoreError({ reason: "NotFound", path: "of this engine", detail: id })

export const make = ({ adopt, inheritance, life, pollInterval, store, supervisor }: Dependencies) => {
  /** Makes these rows this engine's where their owner is gone; false while another engine lives for any of them. */
  const inherit = (rows: ReadonlyArray<Standing>) =>
    Effect.gen(function* () {
      const alive = new Set<EngineId>()
      for (const owner of new Set(rows.map((row) => row.owner))) {
        if (owner === null) continue
        if (!(yield* inheritance.from(owner))) alive.add(owner)
      }
      const free = rows.filter(({ owner }) => owner === null || !alive.has(owner))
      // at once: the store commits them together
      const adopted = yield* atOnce(free, ({ id }) => store.adopt(id)).pipe(
        // what has become this engine's has to be seen by it, also if nobody waits any more
        Effect.ensuring(supervisor.ring)
      )
      return alive.size === 0 && adopted.every((mine) => mine)
    })

  /** @see {@link Downloads.settleAll} */
  const settleAll = <E>(
    ids: Iterable<DownloadId>,
    onSettled: (download: Download) => Effect.Effect<void, E>
  ): Effect.Effect<void, StoreError | E> =>
    Effect.gen(function* () {
      const pending = new Set(ids)
      const arrived = new Map<DownloadId, Download>()
      const bell = yield* Effect.makeLatch(false)
      /** Something has happened that only a look can tell. */
      let stale = true
      /** Some of them belong to nobody: any engine may claim them. */
      let unowned = false
      let version = 0
      yield* store.onCommit(({ changed, fenced, removed, touched }) => {
        for (const row of changed.values()) {
          if (!pending.has(row.id)) continue
          if (isSettled(row.status) && arrived.size < backlog) arrived.set(row.id, row)
          else if (isSettled(row.status) || row.owner !== life.id) stale = true
          else continue
          bell.unsafeOpen()
        }
        for (const ids of [fenced, removed, touched]) {
          for (const id of ids) {
            if (!pending.has(id)) continue
            stale = true
            bell.unsafeOpen()
          }
        }
      })

      const settle = (row: Download) => {
        pending.delete(row.id)
        return onSettled(row)
      }

      /** Looks at everything that is waited for; true while a part of it is another engine's. */
      const look = Effect.gen(function* () {
        stale = false
        let foreign = false
        for (const portion of Chunk.chunksOf(Chunk.fromIterable(pending), lookSize)) {
          const standings = yield* store.standings(Chunk.toReadonlyArray(portion))
          if (standings.length < portion.length) {
            const there = new Set(standings.map(({ id }) => id))
            for (const id of portion) if (!there.has(id)) return yield* notFound(id)
          }
          const ended = standings.filter(({ status }) => isSettled(status)).map(({ id }) => id)
          for (const row of ended.length === 0 ? [] : yield* store.getAll(ended)) {
            if (isSettled(row.status)) yield* settle(row)
          }
          const others = standings.filter(({ id, owner }) => pending.has(id) && owner !== life.id)
          // what nobody owns will be claimed, by this engine or another, whose commits are told apart below
          const theirs = adopt ? others.filter(({ owner }) => owner !== null) : others
          unowned ||= theirs.length < others.length
          if (theirs.length > 0) foreign = !(yield* inherit(theirs)) || foreign
        }
        return foreign
      })

      /** Ends when another process has committed something since `version` was read. */
      const committedElsewhere = Effect.repeat(Effect.delay(store.externalVersion, pollInterval), {
        while: (current) => current === version
      })

      let foreign = false
      while (pending.size > 0) {
        if (stale || foreign) {
          version = yield* store.externalVersion
          unowned = false
          foreign = yield* look
        }
        for (const [id, row] of arrived) {
          arrived.delete(id)
          if (pending.has(id)) yield* settle(row)
        }
        if (pending.size === 0 || stale || arrived.size > 0) continue
        if (foreign) yield* firstToEnd(bell.await, Effect.sleep(pollInterval))
        else if (unowned && !store.isAlone) {
          const elsewhere = yield* firstToEnd(
            Effect.as(bell.await, false),
            Effect.as(committedElsewhere, true)
          )
          if (elsewhere) stale = true
        } else yield* bell.await
        yield* bell.close
      }
    }).pipe(Effect.scoped)

  return { inherit, settleAll }
}
