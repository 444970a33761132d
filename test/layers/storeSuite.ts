/**
 * What every store must do, whatever database is behind it: one suite, a function of the layer.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { fromKey } from "../../src/domain/DownloadId.js"
import * as Message from "../../src/domain/Message.js"
import { Store } from "../../src/services/Store.js"
import { accepted, claim, claimOne, me, one, other, type StoreLayer } from "./storeFixtures.js"

const checksum = { algorithm: "md5", hex: "0".repeat(32) } as const
const part = { name: "f.sluice-part", dev: "1", ino: "2" }
const identified = Message.Identified({
  filename: "f",
  part,
  total: 100,
  validator: { etag: '"a"', lastModifiedStrong: false }
})
const failure = { reason: "ConnectionReset", detail: "reset" } as const
const finalRecord = { name: "f", dev: "1", ino: "2", size: 100, mtime: "5" }

export const storeSuite = (name: string, layer: StoreLayer, shared: boolean): void => {
  describe(`store on ${name}`, () => {
    it.effect("a new request is pending, owned and listed; its secrets are redacted in text", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { attached, download } = yield* one("http://u:geheim@h/f", { headers: [["X-Token", "geheim"]] })
        expect(attached).toBe(false)
        expect(download).toMatchObject({ status: "pending", owner: me, url: "http://h/f", checkpoint: 0 })
        expect(Redacted.value(download.headers)).toHaveLength(2)
        const listed = yield* store.list({})
        expect(listed.map((row) => row.id)).toEqual([download.id])
        expect(JSON.stringify(listed)).not.toContain("geheim")
        expect((yield* store.counters).enqueued).toBe(1)
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("the same request attaches while unfinished, also within one call, and is new after that", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const both = yield* store.enqueue([accepted("http://h/f"), accepted("http://h/f")], { own: true })
        expect(both.map((entry) => entry.attached)).toEqual([false, true])
        const again = yield* one("http://h/f", { priority: 7 })
        expect(again.attached).toBe(true)
        expect(again.download).toMatchObject({ id: both[0]!.download.id, priority: 7 })
        expect((yield* one("http://h/f", { output: "g" })).attached).toBe(false)
        yield* store.tell(again.download.id, Message.CancelRequested())
        expect((yield* one("http://h/f")).attached).toBe(false)
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("a new request knows the last download of the same that has brought a file", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const done = (outcome: "fetched" | "skipped" | "unchanged") =>
          Effect.gen(function* () {
            const { download } = yield* one("http://h/f")
            yield* claimOne
            const validator = { etag: '"b"', lastModifiedStrong: false }
            yield* store.tell(
              download.id,
              Message.Succeeded({
                outcome,
                record: finalRecord,
                ...(outcome === "unchanged" ? { validator } : {})
              })
            )
            return Option.getOrThrow(yield* store.get(download.id))
          })
        const cancelled = Effect.flatMap(one("http://h/f"), ({ download }) =>
          Effect.as(store.tell(download.id, Message.CancelRequested()), download)
        )
        expect((yield* cancelled).earlier).toBeNull()
        expect((yield* done("skipped")).earlier).toBeNull()
        const first = yield* done("fetched")
        expect(first.earlier).toBeNull()
        yield* done("skipped")
        yield* cancelled
        const second = yield* done("unchanged")
        expect(second).toMatchObject({
          earlier: first.id,
          validator: { etag: '"b"' },
          publishing: finalRecord
        })
        const [third, other] = yield* store.enqueue([accepted("http://h/f"), accepted("http://h/g")], {
          own: true
        })
        expect(third!.download.earlier).toBe(second.id)
        expect(other!.download.earlier).toBeNull()
        expect(Option.getOrThrow(yield* store.get(third!.download.id)).earlier).toBe(second.id)
        yield* store.forget([second.id])
        yield* store.tell(third!.download.id, Message.CancelRequested())
        expect((yield* one("http://h/f")).download.earlier).toBe(first.id)
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("claims by priority, then age, each row once, and not before its time", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const a = yield* one("http://h/a")
        const b = yield* one("http://h/b")
        const c = yield* one("http://h/c", { priority: 1 })
        const claimed = yield* claim(2, false)
        expect(claimed.map((row) => row.id)).toEqual([c.download.id, a.download.id])
        expect(claimed[0]).toMatchObject({ status: "processing", owner: me, epoch: 1, attempt: 1 })
        expect((yield* claim(9, false)).map((row) => row.id)).toEqual([b.download.id])
        expect(yield* claim(9, true)).toEqual([])
        yield* store.tell(a.download.id, Message.Failed({ failure, verdict: { _tag: "RetryAt", at: 2000 } }))
        expect(yield* store.nextDue({ adopt: false, since: 0 })).toEqual(Option.some(2000))
        expect(yield* claim(9, false)).toEqual([])
        yield* TestClock.adjust("2 seconds")
        expect(yield* claimOne).toMatchObject({ id: a.download.id, attempt: 2, strikes: [{ at: 0 }] })
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("a download's life, as read back from the database", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f", { headers: [["A", "b"]] })
        yield* claimOne
        yield* Effect.flatten(store.note(download.id, identified))
        expect(
          yield* store.tell(download.id, Message.Checkpointed({ bytes: 60, total: 100, segments: null }))
        ).toMatchObject({
          part,
          checkpoint: 60,
          total: 100,
          validator: { etag: '"a"' }
        })
        yield* store.tell(download.id, Message.Publishing({ record: finalRecord, verified: null }))
        yield* store.tell(download.id, Message.Succeeded({ outcome: "fetched", record: finalRecord }))
        const row = Option.getOrThrow(yield* store.get(download.id))
        expect(row).toMatchObject({
          status: "completed",
          outcome: "fetched",
          owner: null,
          part: null,
          finishedAt: 0
        })
        expect(Redacted.value(row.headers)).toEqual([])
        expect(yield* store.anyLeft({ adopt: true })).toBe(false)
        expect((yield* store.counters).completed).toBe(1)
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("a failure is counted once, also where a new try takes its part over", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f")
        yield* claimOne
        yield* Effect.flatten(store.note(download.id, identified))
        yield* store.tell(download.id, Message.Failed({ failure, verdict: { _tag: "Final" } }))
        expect((yield* one("http://h/f")).download.part).toEqual(part)
        expect(yield* store.counters).toMatchObject({ enqueued: 2, failed: 1 })
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("a checksum can't be added to what is about to get its name, nor inherit such a part", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const publishing = Message.Publishing({ record: finalRecord, verified: null })
        const { download } = yield* one("http://h/f")
        yield* claimOne
        yield* store.tell(download.id, identified)
        const row = yield* store.tell(download.id, publishing)
        const refused = yield* one("http://h/f", { options: { checksum }, priority: 7 })
        expect(refused).toMatchObject({ attached: true, refused: { reason: "ChecksumContradiction" } })
        expect(yield* store.get(download.id)).toEqual(Option.some(row))
        expect((yield* one("http://h/f")).refused).toBe(undefined)
        yield* store.tell(download.id, Message.Failed({ failure, verdict: { _tag: "Final" } }))
        const checked = yield* one("http://h/f", { options: { checksum } })
        expect(checked.download).toMatchObject({ part: null, publishing: null, checkpoint: 0 })
        yield* store.tell(checked.download.id, Message.CancelRequested())
        const heir = yield* one("http://h/f")
        expect(heir.download).toMatchObject({ part, publishing: finalRecord })
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("what was verified by the very checksum asked for is inherited with its publication", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const options = { checksum }
        const { download } = yield* one("http://h/f", { options })
        yield* claimOne
        yield* store.tell(download.id, identified)
        const unverified = Message.Publishing({ record: finalRecord, verified: null })
        expect(yield* store.tell(download.id, unverified)).toMatchObject({ publishing: null })
        const publishing = Message.Publishing({ record: finalRecord, verified: options.checksum })
        expect(yield* store.tell(download.id, publishing)).toMatchObject({ publishing: finalRecord })
        yield* store.tell(download.id, Message.Failed({ failure, verdict: { _tag: "Final" } }))
        expect((yield* one("http://h/f", { options })).download).toMatchObject({
          part,
          publishing: finalRecord
        })
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect(
      "what was verified by a list is not inherited by who asks for that list: it may say another digest now",
      () =>
        Effect.gen(function* () {
          const store = yield* Store
          const list = { url: "http://h/SHA256SUMS" } as const
          const { download } = yield* one("http://h/f", { options: { checksum: list } })
          yield* claimOne
          yield* store.tell(download.id, identified)
          const verified = { ...checksum, from: list.url }
          const publishing = Message.Publishing({ record: finalRecord, verified })
          expect(yield* store.tell(download.id, publishing)).toMatchObject({
            publishing: finalRecord,
            options: { checksum: verified }
          })
          yield* store.tell(download.id, Message.Failed({ failure, verdict: { _tag: "Final" } }))
          const asking = yield* one("http://h/f", { options: { checksum: list } })
          expect(asking.download).toMatchObject({ part: null, publishing: null, checkpoint: 0 })
          yield* store.tell(asking.download.id, Message.CancelRequested())
          // one more try of the very same asks for the digest that was found
          const retried = yield* one("http://h/f", { options: { checksum: verified } })
          expect(retried.download).toMatchObject({ part, publishing: finalRecord })
        }).pipe(Effect.provide(layer(me)))
    )

    it.effect("messages that don't fit are refused and change nothing", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f")
        const error = yield* Effect.flip(store.tell(download.id, identified))
        expect(error).toMatchObject({ _tag: "StoreError", reason: "Refused" })
        expect(yield* store.get(download.id)).toEqual(Option.some(download))
        const unknown = yield* Effect.flip(store.tell("00000000000" as never, identified))
        expect(unknown.reason).toBe("NotFound")
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("a refused job leaves the others of its transaction standing", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f")
        const [refused, paused] = yield* Effect.all(
          [
            Effect.exit(store.tell(download.id, identified)),
            Effect.exit(store.tell(download.id, Message.PauseRequested()))
          ],
          { concurrency: "unbounded" }
        )
        expect(refused._tag).toBe("Failure")
        expect(paused._tag).toBe("Success")
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("release gives every row up and fences what comes late", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f")
        yield* one("http://h/g")
        yield* claimOne
        yield* store.release
        const rows = yield* store.list({})
        expect(rows.map(({ owner, status }) => ({ owner, status }))).toEqual([
          { owner: null, status: "pending" },
          { owner: null, status: "pending" }
        ])
        expect((yield* Effect.flip(store.tell(download.id, identified))).reason).toBe("Refused")
        expect(yield* claim(9, false)).toEqual([])
        expect(yield* claim(9, true)).toHaveLength(2)
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("a listener hears of a commit before whoever asked for it is answered", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f")
        const heard: Array<string> = []
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* store.onCommit(({ changed }) => void heard.push(changed.get(download.id)!.status))
            yield* store.tell(download.id, Message.PauseRequested())
            expect(heard).toEqual(["paused"])
          })
        )
        yield* store.tell(download.id, Message.ResumeRequested())
        expect(heard).toEqual(["paused"])
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("standings tell how many rows stand, and leave out what is not there", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f")
        const stranger = fromKey(1)
        expect(yield* store.standings([stranger, download.id])).toEqual([
          { id: download.id, status: "pending", owner: me }
        ])
        expect(yield* store.standings([])).toEqual([])
      }).pipe(Effect.provide(layer(me)))
    )

    it.effect("a list of what ended here leaves out what did not", () =>
      Effect.gen(function* () {
        const store = yield* Store
        yield* one("http://h/waiting")
        const { download } = yield* one("http://h/cancelled")
        yield* store.tell(download.id, Message.CancelRequested())
        const mine = yield* claimOne
        yield* store.tell(mine.id, Message.Failed({ failure, verdict: { _tag: "Final" } }))
        const ended = { status: ["failed", "cancelled"] } as const
        expect(yield* store.list(ended)).toHaveLength(2)
        expect((yield* store.list({ ...ended, here: true })).map(({ id }) => id)).toEqual([mine.id])
      }).pipe(Effect.provide(layer(me)))
    )

    // a database in memory is seen by one engine only
    if (!shared) return
    it.effect("another engine's rows are not written; a dead engine's are inherited once", () =>
      Effect.gen(function* () {
        const store = yield* Store
        const { download } = yield* one("http://h/f")
        yield* claimOne
        yield* Effect.gen(function* () {
          const heir = yield* Store
          expect(yield* heir.otherOwners).toContain(me)
          expect((yield* Effect.flip(heir.tell(download.id, Message.PauseRequested()))).reason).toBe("Fenced")
          expect(yield* heir.adopt(download.id)).toBe(false)
          // nor can it be told to verify a checksum: the answer must not promise it
          expect(yield* one("http://h/f", { options: { checksum } })).toMatchObject({
            refused: { reason: "ChecksumContradiction" }
          })
          expect((yield* one("http://h/f")).refused).toBe(undefined)
          expect(yield* claim(9, true)).toEqual([])
          expect(yield* heir.disown(me)).toEqual({ cancelled: [], more: false })
          expect(Option.getOrThrow(yield* heir.get(download.id))).toMatchObject({
            status: "pending",
            owner: null,
            crashes: 1
          })
          expect(yield* heir.otherOwners).not.toContain(me)
          expect(yield* heir.adopt(download.id)).toBe(true)
          expect(yield* claim(9)).toHaveLength(1)
        }).pipe(Effect.provide(layer(other)))
        // the first engine still believes in its claim; its writes must not land
        expect((yield* Effect.flip(store.tell(download.id, identified))).reason).toBe("Fenced")
        expect(Option.getOrThrow(yield* store.get(download.id))).toMatchObject({ owner: other, part: null })
      }).pipe(Effect.provide(layer(me)))
    )
  })
}
