/**
 * What people and other processes ask of downloads: for one or many, whoever owns them. For any store.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import type { Download, Status } from "../../src/domain/Download.js"
import type { DownloadId } from "../../src/domain/DownloadId.js"
import * as Message from "../../src/domain/Message.js"
import type { Command } from "../../src/domain/Selection.js"
import { transition } from "../../src/domain/Transition.js"
import { none } from "../../src/domain/Validator.js"
import { Store } from "../../src/services/Store.js"
import { accepted, claim, me, one, other, type StoreLayer } from "./storeFixtures.js"

// says nothing against its host, which would be left alone
const reset = { reason: "Truncated", detail: "cut" } as const
const messages = {
  pause: Message.PauseRequested(),
  resume: Message.ResumeRequested(),
  cancel: Message.CancelRequested()
}

/** How to bring a claimed download to stand so. */
const ways: Record<Exclude<Status, "pending">, ReadonlyArray<Message.Message>> = {
  processing: [],
  retrying: [Message.Failed({ failure: reset, verdict: { _tag: "RetryAt", at: 9000 } })],
  waiting: [
    Message.Failed({
      failure: { reason: "DiskFull", detail: "full" },
      verdict: { _tag: "WaitUntil", at: 9000 }
    })
  ],
  paused: [Message.PauseRequested(), Message.Released()],
  completed: [
    Message.Succeeded({
      outcome: "fetched",
      record: { name: "f", dev: "1", ino: "1", size: 1, mtime: "1" }
    })
  ],
  failed: [Message.Failed({ failure: reset, verdict: { _tag: "Final" } })],
  cancelled: [Message.CancelRequested(), Message.Released()]
}

const rowOf = (id: DownloadId) =>
  Effect.flatMap(Store, (store) => Effect.map(store.get(id), Option.getOrThrow))

/** Rows of every status, `each` of them. */
const oneOfEach = (each: number) =>
  Effect.gen(function* () {
    const store = yield* Store
    const ids: Array<DownloadId> = []
    for (const status of Object.keys(ways) as Array<keyof typeof ways>) {
      const requests = Array.from({ length: each }, (_, i) => accepted(`http://${status}/${i}`))
      const enqueued = yield* store.enqueue(requests, { own: true })
      for (let claimed = yield* claim(500); claimed.length > 0; claimed = yield* claim(500)) {
        for (const { id } of claimed) for (const message of ways[status]) yield* store.note(id, message)
      }
      ids.push(...enqueued.map(({ download }) => download.id))
    }
    const waiting = Array.from({ length: each }, (_, i) => accepted(`http://pending/${i}`))
    ids.push(...(yield* store.enqueue(waiting, { own: true })).map(({ download }) => download.id))
    return ids
  })

export const commandSuite = (name: string, layer: StoreLayer, shared: boolean): void => {
  const run = <A, E>(effect: Effect.Effect<A, E, Store>) => Effect.provide(effect, layer(me))

  describe(`commands on ${name}`, () => {
    for (const command of ["pause", "resume", "cancel"] as const satisfies ReadonlyArray<Command>) {
      for (const each of [1, 60]) {
        it.effect(`${command} for ${each * 8} rows is what the transition is for each`, () =>
          run(
            Effect.gen(function* () {
              const store = yield* Store
              const ids = yield* oneOfEach(each)
              const before = yield* store.getAll(ids)
              yield* TestClock.adjust("5 seconds")
              const { asked, atWork, changed } = yield* store.command(command, ids)
              const after = new Map((yield* store.getAll(ids)).map((row) => [row.id, row]))
              const seen = new Map<Status, number>()
              let expected = 0
              for (const row of before) {
                const next = Either.getOrElse(transition(row, messages[command], 5000), () => row)
                // what stands as it is asked to is not written again
                const idle = next.status === row.status && row.status !== "processing"
                expect(after.get(row.id)).toEqual(idle ? row : next)
                if (!idle) expected += 1
                seen.set(row.status, (seen.get(row.status) ?? 0) + 1)
              }
              expect([asked, changed]).toEqual([0, expected])
              expect(atWork).toHaveLength(each)
              expect([...seen.values()]).toEqual(Array(8).fill(each))
            })
          )
        )
      }
    }

    it.effect("what many of them cancelled can be asked for again, and counts for its groups", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const group = yield* store.openGroup("g")
          const requests = Array.from({ length: 400 }, (_, i) => accepted(`http://h/${i}`))
          const first = yield* store.enqueueInto(group.id, requests, { own: false })
          yield* store.command(
            "cancel",
            first.map(({ download }) => download.id)
          )
          expect(yield* store.group(group.id)).toMatchObject({ enqueued: 400, cancelled: 400 })
          const again = yield* store.enqueue(requests, { own: false })
          expect(again.some(({ attached }) => attached)).toBe(false)
        })
      )
    )

    it.effect("counts an end once, also where one transaction meets the row before and after it", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const group = yield* store.openGroup("g")
          const requests = Array.from({ length: 300 }, (_, i) => accepted(`http://h/${i}`))
          const rows = yield* store.enqueueInto(group.id, requests, { own: false })
          const ids = rows.map(({ download }) => download.id)
          yield* Effect.all(
            [
              store.adopt(ids[0]!),
              store.command("cancel", ids),
              store.enqueue([{ ...requests[0]!, retries: ids[0]! }], { own: false })
            ],
            { concurrency: "unbounded" }
          )
          expect((yield* rowOf(ids[0]!)).retriedAs).not.toBeNull()
          expect(yield* store.group(group.id)).toMatchObject({ enqueued: 300, cancelled: 300 })
        })
      )
    )

    it.effect("tries again what was forgotten meanwhile, and leaves nothing half done", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const { download } = yield* one("http://h/a", { tags: ["x"] })
          yield* store.command("cancel", [download.id])
          yield* store.forget([download.id])
          const again = { ...accepted("http://h/a", { tags: ["x"] }), retries: download.id }
          const [next] = yield* store.enqueue([again], { own: false })
          expect((yield* store.list({ tag: "x" })).map(({ id }) => id)).toEqual([next!.download.id])
        })
      )
    )

    it.effect("removes what has ended and nothing else, with all that was recorded about it", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const ids = yield* oneOfEach(2)
          expect(yield* store.forget(ids)).toEqual({ removed: 6, withPart: [] })
          const left = yield* store.getAll(ids)
          expect(left.map(({ status }) => status).sort()).toEqual(
            ["pending", "processing", "retrying", "waiting", "paused"].flatMap((one) => [one, one]).sort()
          )
          for (const id of ids.filter((one) => !left.some((row) => row.id === one))) {
            expect(yield* store.attempts(id)).toEqual([])
          }
        })
      )
    )

    it.effect("finds rows by tag, status, group, id and page", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const a = yield* one("http://h/a", { tags: ["x", "y"], meta: 1 })
          const b = yield* one("http://h/b", { tags: ["y"] })
          yield* one("http://h/b", { tags: ["z"] })
          const group = yield* store.openGroup(null)
          yield* store.enqueueInto(group.id, [accepted("http://h/a")], { own: true })
          const ids = (filter: Parameters<typeof store.list>[0]) =>
            Effect.map(store.list(filter), (rows) => rows.map(({ id }) => id))
          expect(yield* ids({ tag: "y" })).toEqual([a.download.id, b.download.id])
          expect(yield* ids({ tag: "x", status: ["paused"] })).toEqual([])
          expect(yield* ids({ group: group.id })).toEqual([a.download.id])
          expect(yield* ids({ limit: 1, before: b.download.id })).toEqual([a.download.id])
          expect((yield* rowOf(b.download.id)).tags).toEqual(["y", "z"])
          expect(yield* store.page({ tag: "z" }, undefined)).toEqual({
            ids: [b.download.id],
            next: undefined
          })
          for (const { download } of [a, b]) {
            for (const length of [4, 10, 11]) {
              expect(yield* store.find(download.id.slice(0, length), 5)).toContain(download.id)
            }
          }
          expect(yield* store.find("!", 5)).toEqual([])
        })
      )
    )

    it.effect("a key is the request's name: the same one attaches, another one under it is refused", () =>
      run(
        Effect.gen(function* () {
          const first = yield* one("http://h/a", { key: "nightly" })
          expect((yield* one("http://h/a", { key: "nightly" })).attached).toBe(true)
          expect((yield* one("http://h/a")).attached).toBe(false)
          const contradicting = yield* one("http://h/b", { key: "nightly" })
          expect(contradicting.refused?.url).toBe("http://h/b")
          expect(contradicting.refused?.detail).toContain(`${first.download.id} of http://h/a`)
        })
      )
    )

    it.effect("keeps the log of tries: what failed, how far it got, when the next was due", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const { download } = yield* one("http://h/a")
          yield* claim(1)
          yield* TestClock.adjust("1 seconds")
          yield* store.tell(
            download.id,
            Message.Failed({ failure: reset, verdict: { _tag: "RetryAt", at: 3000 } })
          )
          yield* TestClock.adjust("2 seconds")
          yield* claim(1)
          yield* store.tell(download.id, ways.completed[0]!)
          expect(yield* store.attempts(download.id)).toEqual([
            {
              number: 1,
              source: "http://h/a",
              engine: me,
              pid: null,
              startedAt: 0,
              endedAt: 1000,
              status: "retrying",
              fromBytes: 0,
              toBytes: 0,
              failure: reset,
              nextAttemptAt: 3000
            },
            expect.objectContaining({
              number: 2,
              startedAt: 3000,
              endedAt: 3000,
              status: "completed",
              toBytes: 1
            })
          ])
        })
      )
    )

    it.effect("keeps the newest hundred tries", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const { download } = yield* one("http://h/a")
          for (let i = 0; i < 120; i++) {
            yield* claim(1)
            yield* store.tell(download.id, Message.Released())
          }
          const kept = yield* store.attempts(download.id)
          expect([kept.length, kept[0]!.number, kept.at(-1)!.number]).toEqual([100, 21, 120])
        })
      )
    )
  })

  if (!shared) return

  describe(`commands to other engines on ${name}`, () => {
    /** Rows of `me`: one at work, one pending; what `other` does with them, then what `me` finds. */
    const between = <A, E, B, E2>(
      theirs: (ids: ReadonlyArray<DownloadId>) => Effect.Effect<A, E, Store>,
      ours: (ids: ReadonlyArray<DownloadId>, result: A) => Effect.Effect<B, E2, Store>
    ) =>
      run(
        Effect.gen(function* () {
          const atWork = yield* one("http://h/a")
          yield* claim(1)
          const pending = yield* one("http://h/b")
          const ids = [atWork.download.id, pending.download.id]
          const result = yield* Effect.provide(theirs(ids), layer(other))
          return yield* ours(ids, result)
        })
      )

    it.effect("a later one replaces an earlier one, wherever the row stands", () =>
      between(
        (ids) =>
          Effect.gen(function* () {
            const store = yield* Store
            yield* store.command("pause", ids)
            return yield* store.command("resume", ids)
          }),
        (ids, { asked }) =>
          Effect.gen(function* () {
            const store = yield* Store
            expect(asked).toBe(2)
            yield* store.obey
            expect(standing(yield* store.getAll(ids))).toEqual([
              ["processing", "run"],
              ["pending", "run"]
            ])
          })
      )
    )

    const standing = (rows: ReadonlyArray<Download>) => rows.map(({ desired, status }) => [status, desired])

    it.effect("are recorded, taken up by the owner once, and done", () =>
      between(
        (ids) => Effect.flatMap(Store, (store) => store.command("pause", ids)),
        (ids, result) =>
          Effect.gen(function* () {
            const store = yield* Store
            expect(result).toMatchObject({ asked: 2, changed: 0, atWork: [] })
            expect(standing(yield* store.getAll(ids))).toEqual([
              ["processing", "run"],
              ["pending", "run"]
            ])
            expect(yield* store.asked(ids[0]!)).toEqual(Option.some("pause"))
            expect(standing(yield* store.obey)).toEqual([
              ["processing", "paused"],
              ["paused", "paused"]
            ])
            expect(yield* store.obey).toEqual([])
            expect(yield* store.asked(ids[0]!)).toEqual(Option.none())
          })
      )
    )

    it.effect("replace one another until they are taken up", () =>
      between(
        (ids) =>
          Effect.gen(function* () {
            const store = yield* Store
            yield* store.command("cancel", ids)
            yield* store.command("pause", ids)
            yield* store.command("resume", [ids[0]!])
          }),
        () =>
          Effect.gen(function* () {
            const store = yield* Store
            expect(standing(yield* store.obey)).toEqual([
              ["processing", "run"],
              ["paused", "paused"]
            ])
          })
      )
    )

    it.effect("do not concern what has ended meanwhile, nor a status that does not allow them", () =>
      between(
        (ids) => Effect.flatMap(Store, (store) => store.command("resume", ids)),
        (ids) =>
          Effect.gen(function* () {
            const store = yield* Store
            yield* store.tell(ids[0]!, ways.completed[0]!)
            expect(standing(yield* store.obey)).toEqual([])
            expect(yield* store.asked(ids[0]!)).toEqual(Option.none())
          })
      )
    )

    it.effect("priorities are changed at once, and the owner's own work does not change them back", () =>
      between(
        (ids) => Effect.flatMap(Store, (store) => store.move(ids, 7)),
        (ids) =>
          Effect.gen(function* () {
            const store = yield* Store
            const part = { name: "p", dev: "1", ino: "1" }
            const validator = { etag: '"a"', lastModifiedStrong: false }
            yield* store.tell(ids[0]!, Message.Identified({ filename: "f", part, total: 9, validator }))
            yield* store.tell(ids[0]!, Message.Released())
            yield* store.tell(ids[1]!, Message.PauseRequested())
            expect((yield* store.getAll(ids)).map(({ priority }) => priority)).toEqual([7, 7])
          })
      )
    )

    it.effect("are done by the heir of an engine that died first", () =>
      run(
        Effect.gen(function* () {
          const store = yield* Store
          const enqueued = yield* store.enqueue(
            ["a", "b", "c"].map((path) => accepted(`http://h/${path}`)),
            { own: true }
          )
          yield* claim(2)
          const ids = enqueued.map(({ download }) => download.id)
          const heir = Effect.gen(function* () {
            const theirs = yield* Store
            yield* theirs.command("cancel", [ids[0]!])
            yield* theirs.command("pause", [ids[2]!])
            const { cancelled, more } = yield* theirs.disown(me)
            expect([cancelled.map(({ id }) => id), more]).toEqual([[ids[0]], false])
            return yield* theirs.getAll(ids)
          })
          const rows = yield* Effect.provide(heir, layer(other))
          expect(rows.map(({ crashes, owner, status }) => [status, owner, crashes])).toEqual([
            ["cancelled", null, 1],
            ["pending", null, 1],
            ["paused", null, 0]
          ])
          // the dead one's late writes do not land
          const late = yield* Effect.flip(
            store.tell(ids[1]!, Message.Checkpointed({ bytes: 1, total: null, segments: null }))
          )
          expect(late.reason).toBe("Fenced")
        })
      )
    )

    it.effect(
      "what a dead engine was at work on, if it is much, becomes what the transition makes of each",
      () =>
        run(
          Effect.gen(function* () {
            const store = yield* Store
            const requests = Array.from({ length: 1200 }, (_, i) => accepted(`http://h/${i}`))
            yield* store.enqueue(requests, { own: true })
            for (let claimed = yield* claim(400); claimed.length > 0; claimed = yield* claim(400)) {
              for (const [i, { id }] of claimed.entries()) {
                if (i % 7 === 0) yield* store.tell(id, Message.PauseRequested())
                if (i % 11 === 0) yield* store.note(id, Message.CancelRequested())
              }
            }
            const before = yield* store.list({ limit: 2000 })
            expect(before.every(({ status }) => status === "processing")).toBe(true)
            yield* TestClock.adjust("5 seconds")
            const heir = Effect.gen(function* () {
              const theirs = yield* Store
              yield* Effect.repeat(theirs.disown(me), { while: ({ more }) => more })
              return yield* theirs.list({ limit: 2000 })
            })
            const after = yield* Effect.provide(heir, layer(other))
            expect(after).toEqual(
              before.map((row) => Either.getOrThrow(transition(row, Message.Abandoned(), 5000)))
            )
            const [log] = yield* store.attempts(before[1]!.id)
            expect(log).toMatchObject({
              number: 1,
              engine: me,
              startedAt: 0,
              endedAt: 5000,
              status: "pending"
            })
          })
        )
    )

    it.effect(
      "what a dead engine owned is given up in portions, without being loaded",
      () =>
        run(
          Effect.gen(function* () {
            const store = yield* Store
            for (let i = 0; i < 12; i++) {
              yield* store.enqueue(
                Array.from({ length: 1000 }, (_, j) => accepted(`http://h/${i}-${j}`)),
                { own: true }
              )
            }
            const claimed = yield* claim(10)
            const part = { name: "p", dev: "1", ino: "1" }
            const left = { size: 5, mtime: "7" }
            const { id } = claimed[0]!
            yield* store.tell(id, Message.Identified({ filename: "f", part, total: 9, validator: none }))
            yield* store.tell(id, Message.Checkpointed({ bytes: 5, total: 9, segments: null, left }))
            const heir = Effect.gen(function* () {
              const theirs = yield* Store
              const portions: Array<boolean> = []
              for (let more = true; more;) {
                ;({ more } = yield* theirs.disown(me))
                portions.push(more)
              }
              expect(portions).toEqual([true, true, false])
              expect(yield* theirs.otherOwners).not.toContain(me)
              const [first] = yield* theirs.getAll([id])
              expect(first).toMatchObject({ status: "pending", owner: null, crashes: 1, checkpoint: 5 })
              // it may have been written to since
              expect(first!.part).toEqual(part)
              expect(yield* claim(1, true)).toHaveLength(1)
            })
            yield* Effect.provide(heir, layer(other))
          })
        ),
      30_000
    )
  })
}
