/**
 * The outbox as rows: what is recorded when, what is left of it, who may read, and what another engine makes of it.
 */
import { describe, expect, it } from "@effect/vitest"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "fast-check"
import * as FileSystem from "node:fs"
import * as Layer from "effect/Layer"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll } from "vitest"
import { EngineId } from "../../src/domain/Download.js"
import type { DownloadId } from "../../src/domain/DownloadId.js"
import { accept } from "../../src/domain/DownloadRequest.js"
import * as Message from "../../src/domain/Message.js"
import * as Database from "../../src/layers/Database.js"
import * as SqlStore from "../../src/layers/SqlStore.js"
import { EngineLife } from "../../src/services/EngineLife.js"
import { Outbox, type Reader } from "../../src/services/Outbox.js"
import { Store } from "../../src/services/Store.js"

const directory = FileSystem.mkdtempSync(path.join(os.tmpdir(), "sluice-outbox-"))
afterAll(() => FileSystem.rmSync(directory, { recursive: true }))

const me = EngineId.make("engine-a")
const other = EngineId.make("engine-b")

const lifeOf = (id: EngineId, alive: ReadonlySet<EngineId>) =>
  Layer.succeed(EngineLife, { id, isAlive: (asked) => Effect.succeed(alive.has(asked)) })

const memory = () =>
  SqlStore.layer.pipe(Layer.provideMerge(Database.layerMemory), Layer.provide(lifeOf(me, new Set([me]))))

const requests = (names: ReadonlyArray<string | number>) =>
  names.map((name) => Either.getOrThrow(accept({ url: `http://h/${name}`, directory: "/tmp/d" })))

const enqueue = (...names: ReadonlyArray<string | number>) =>
  Effect.flatMap(Store, (store) =>
    Effect.map(store.enqueue(requests(names), { own: true }), (all) => all.map(({ download }) => download.id))
  )
const cancel = (id: DownloadId) => Effect.flatMap(Store, (store) => store.tell(id, Message.CancelRequested()))
const end = (...names: ReadonlyArray<string | number>) =>
  Effect.flatMap(enqueue(...names), (ids) => Effect.forEach(ids, (id) => Effect.as(cancel(id), id)))

const count = (table: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(sql.unsafe<{ n: number }>(`SELECT count(*) AS n FROM ${table}`), ([row]) => row!.n)
  )

const next = (reader: Reader, after = reader.position, limit = 100) =>
  Effect.flatMap(Outbox, (outbox) => outbox.read(reader, after, limit))

describe("the outbox", () => {
  it.effect(
    "numbers what ends in the order in which it ends, once each, in the transaction that ends it",
    () =>
      Effect.gen(function* () {
        const store = yield* Store
        const outbox = yield* Outbox
        const heard: Array<number> = []
        yield* store.onCommit(({ ended }) => void heard.push(ended))
        const [a, b, c] = yield* enqueue("a", "b", "c")
        yield* cancel(b!)
        // together, and twice
        yield* Effect.all([cancel(c!), cancel(a!), Effect.ignore(cancel(a!))], { concurrency: "unbounded" })
        expect(heard.filter((ended) => ended > 0)).toHaveLength(2)
        const reader = yield* outbox.open("c", "start")
        const page = yield* next(reader)
        expect(page.endings.map(({ id }) => id)).toEqual([b, c, a])
        expect(page.endings.map(({ seq }) => seq)).toEqual([1, 2, 3])
        expect((yield* next(reader, 0, 2)).upTo).toBe(2)
        expect(yield* next(reader, 3)).toEqual({ endings: [], lost: [], upTo: undefined })
      }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  it.effect("keeps one number for an acknowledgement out of order, and none once the gap is closed", () =>
    Effect.gen(function* () {
      const outbox = yield* Outbox
      yield* end(1, 2, 3, 4, 5)
      const reader = yield* outbox.open("c", "start")
      yield* Effect.forEach([2, 3, 5], (seq) => outbox.acknowledge(reader, seq), {
        concurrency: "unbounded"
      })
      expect(yield* count("sluice_acks")).toBe(3)
      expect(yield* outbox.acknowledgedUpTo).toBe(0)
      expect((yield* next(reader)).endings.map(({ seq }) => seq)).toEqual([1, 4])
      yield* outbox.acknowledge(reader, 1)
      expect(yield* outbox.acknowledgedUpTo).toBe(3)
      expect(yield* count("sluice_acks")).toBe(1)
      expect(yield* outbox.list).toMatchObject([{ name: "c", position: 3, behind: 1, reader: me }])
      yield* outbox.acknowledge(reader, 4)
      expect(yield* outbox.list).toMatchObject([{ position: 5, behind: 0 }])
      expect(yield* count("sluice_acks")).toBe(0)
      // later ones begin where this left off
      yield* end(6)
      expect((yield* next(reader)).endings.map(({ seq }) => seq)).toEqual([6])
    }).pipe(Effect.provide(memory()))
  )

  it.effect("many acknowledgements at once share commits", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const outbox = yield* Outbox
      const names = Array.from({ length: 200 }, (_, i) => i)
      yield* end(...names)
      const reader = yield* outbox.open("c", "start")
      let commits = 0
      yield* store.onCommit(() => void commits++)
      yield* Effect.forEach(names, (i) => outbox.acknowledge(reader, i + 1), { concurrency: "unbounded" })
      expect(commits).toBeLessThan(5)
      expect(yield* outbox.acknowledgedUpTo).toBe(200)
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  it.effect("with nobody to hear of it, nothing but the order of endings is kept, as long as the rows", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const outbox = yield* Outbox
      const ids = yield* end(1, 2, 3)
      expect(yield* outbox.acknowledgedUpTo).toBe(Number.MAX_SAFE_INTEGER)
      expect(yield* count("sluice_endings")).toBe(3)
      for (const id of ids) yield* store.forget([id])
      expect(yield* count("sluice_endings")).toBe(0)
      // numbers are not used again
      yield* end(4)
      const reader = yield* outbox.open("c", "start")
      expect((yield* next(reader)).endings[0]!.seq).toBeGreaterThan(3)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("a removed download leaves a remnant until the last consumer has passed it", () =>
    Effect.gen(function* () {
      const store = yield* Store
      const outbox = yield* Outbox
      const one = yield* outbox.open("one", "now")
      const two = yield* outbox.open("two", "now")
      const ids = yield* end(1, 2)
      yield* outbox.acknowledge(one, 1)
      // acknowledged in the very transaction that removes it
      yield* Effect.all([outbox.acknowledge(one, 2), store.forget([ids[1]!]), store.forget([ids[0]!])], {
        concurrency: "unbounded"
      })
      expect(yield* count("sluice_downloads")).toBe(0)
      expect(yield* count("sluice_endings WHERE removed IS NOT NULL")).toBe(2)
      expect((yield* next(two)).endings).toMatchObject([
        { id: ids[0], status: "cancelled", url: "http://h/1", path: null },
        { id: ids[1] }
      ])
      expect((yield* next(one)).endings).toEqual([])
      yield* outbox.acknowledge(two, 1)
      expect(yield* count("sluice_endings")).toBe(1)
      // one that is removed with its consumer's last chance goes as well
      yield* outbox.close(two)
      yield* outbox.remove("two")
      expect(yield* count("sluice_endings")).toBe(0)
      expect(yield* outbox.list).toMatchObject([{ name: "one", position: 2, behind: 0 }])
    }).pipe(Effect.provide(memory()))
  )

  it.effect("commands for many and retention keep the outbox in step", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const store = yield* Store
      const outbox = yield* Outbox
      const reader = yield* outbox.open("c", "now")
      const names = Array.from({ length: 300 }, (_, i) => i + 1)
      yield* enqueue(...names)
      const ids = (yield* store.list({})).map(({ id }) => id)
      expect((yield* store.command("cancel", ids)).changed).toBe(300)
      const told = yield* next(reader)
      expect(told.endings.slice(0, 3).map(({ url }) => url)).toEqual([
        "http://h/1",
        "http://h/2",
        "http://h/3"
      ])
      yield* outbox.acknowledge(reader, 2)
      // retention: what is acknowledged may go, the rest stays
      const { ids: old } = yield* store.page({ endedBefore: 1 }, undefined)
      expect(old).toEqual([ids[1]])
      expect((yield* store.forget(old)).removed).toBe(1)
      expect((yield* next(reader)).endings.slice(0, 2).map(({ url }) => url)).toEqual([
        "http://h/1",
        "http://h/3"
      ])
      // a row that somebody else has deleted is nothing to wait for
      yield* sql`DELETE FROM sluice_downloads WHERE url = 'http://h/1'`
      expect(yield* next(reader)).toMatchObject({ lost: [1] })
    }).pipe(Effect.provide(memory()))
  )

  it.effect(
    "whatever is ended, removed, acknowledged and reopened: all is read, nothing twice, nothing left",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.array(
              fc.oneof(
                fc.record({ do: fc.constant("end" as const), n: fc.integer({ min: 1, max: 4 }) }),
                fc.record({ do: fc.constant("remove" as const), n: fc.nat(20) }),
                fc.record({ do: fc.constant("acknowledge" as const), n: fc.nat(20) }),
                fc.record({ do: fc.constant("reopen" as const), n: fc.constant(0) })
              ),
              { maxLength: 30 }
            ),
            (acts) => {
              const program = Effect.gen(function* () {
                const store = yield* Store
                const outbox = yield* Outbox
                let reader = yield* outbox.open("c", "now")
                const dead = yield* outbox.open("dead", "now")
                const ended: Array<DownloadId> = []
                const removed = new Set<DownloadId>()
                const acknowledged = new Set<number>()
                const seqs = new Map<DownloadId, number>()
                for (const [i, act] of acts.entries()) {
                  if (act.do === "end") {
                    ended.push(...(yield* end(...Array.from({ length: act.n }, (_, k) => `${i}-${k}`))))
                  } else if (act.do === "reopen") {
                    yield* outbox.close(reader)
                    reader = yield* outbox.open("c", "start")
                  } else if (act.do === "remove") {
                    const id = ended[act.n]
                    if (id === undefined || removed.has(id)) continue
                    removed.add(id)
                    yield* store.forget([id])
                  } else {
                    const { endings } = yield* next(reader, 0)
                    for (const { id, seq } of endings) seqs.set(id, seq)
                    const chosen = endings[act.n]
                    if (chosen === undefined) continue
                    acknowledged.add(chosen.seq)
                    yield* outbox.acknowledge(reader, chosen.seq)
                  }
                  const { endings } = yield* next(reader)
                  for (const { id, seq } of endings) seqs.set(id, seq)
                  expect(endings.filter(({ seq }) => acknowledged.has(seq))).toEqual([])
                  expect(endings.length).toBe(ended.length - acknowledged.size)
                }
                expect([...seqs.keys()].length).toBe(ended.length)
                for (const one of [reader, dead]) {
                  for (const { seq } of (yield* next(one)).endings) yield* outbox.acknowledge(one, seq)
                }
                expect(yield* count("sluice_acks")).toBe(0)
                expect(yield* count("sluice_endings WHERE removed IS NOT NULL")).toBe(0)
                expect(yield* count("sluice_endings")).toBe(ended.length - removed.size)
              }).pipe(Effect.provide(memory()))
              return Effect.runPromise(program)
            }
          ),
          { numRuns: 60 }
        )
      )
  )
})

describe("the outbox in a file, with two engines", () => {
  let files = 0
  const engines = () => {
    const file = path.join(directory, `${++files}.db`)
    const alive = new Set([me, other])
    const engine = (id: EngineId) =>
      SqlStore.layer.pipe(Layer.provideMerge(Database.layerFile(file)), Layer.provide(lifeOf(id, alive)))
    return { alive, mine: engine(me), theirs: engine(other) }
  }

  it.scopedLive("one reads, the other is told who, and takes its place when it has died", () => {
    const { alive, mine, theirs } = engines()
    return Effect.gen(function* () {
      const a = yield* Layer.build(mine)
      const b = yield* Layer.build(theirs)
      const first = yield* Effect.provide(
        Effect.gen(function* () {
          const outbox = yield* Outbox
          const reader = yield* outbox.open("c", "start")
          yield* end(1, 2, 3)
          yield* outbox.handOut(reader, 2)
          yield* outbox.acknowledge(reader, 1)
          return reader
        }),
        a
      )
      yield* Effect.provide(
        Effect.gen(function* () {
          const outbox = yield* Outbox
          const busy = yield* Effect.flip(outbox.open("c", "start"))
          expect(busy).toMatchObject({ _tag: "ConsumerBusy", reader: me, here: false, pid: process.pid })
          expect(busy.message).toBe(
            `the consumer "c" is being read by process ${process.pid} (engine engine-a)`
          )
          expect(yield* Effect.flip(outbox.remove("c"))).toMatchObject({ _tag: "ConsumerBusy" })
          expect(yield* outbox.list).toMatchObject([{ reader: me, pid: process.pid, behind: 2 }])
          alive.delete(me)
          expect(yield* outbox.list).toMatchObject([{ reader: null, pid: null }])
          const reader = yield* outbox.open("c", "now")
          expect(reader).toMatchObject({ key: first.key, position: 1, delivered: 2 })
          expect((yield* next(reader)).endings.map(({ seq }) => seq)).toEqual([2, 3])
          yield* outbox.close(reader)
        }),
        b
      )
      // what the late one still says about what it was given is true, and taken
      alive.add(me)
      yield* Effect.provide(
        Effect.flatMap(Outbox, (outbox) => outbox.acknowledge(first, 3)),
        a
      )
      yield* Effect.provide(
        Effect.gen(function* () {
          const outbox = yield* Outbox
          expect(yield* outbox.list).toMatchObject([{ position: 1, behind: 1, reader: null }])
          yield* outbox.remove("c")
          expect(yield* outbox.list).toEqual([])
          expect(yield* count("sluice_acks")).toBe(0)
        }),
        b
      )
      // of one that is forgotten, nothing is kept
      yield* Effect.provide(
        Effect.gen(function* () {
          const outbox = yield* Outbox
          yield* outbox.acknowledge(first, 2)
          yield* outbox.close(first)
          expect(yield* count("sluice_acks")).toBe(0)
        }),
        a
      )
    })
  })
})
