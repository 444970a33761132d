/**
 * What a queue does all the time must not look at all of it: every statement of an engine's work is shown to SQLite's planner, and
 * none may scan the table of downloads.
 */
import { describe, expect, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as FileSystem from "node:fs"
import * as Layer from "effect/Layer"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, vi } from "vitest"
import * as Message from "../../src/domain/Message.js"
import * as Database from "../../src/layers/Database.js"
import * as SqlStore from "../../src/layers/SqlStore.js"
import { Store } from "../../src/services/Store.js"
import { accepted, claim, lifeOf, me, other } from "./storeFixtures.js"

const directory = FileSystem.mkdtempSync(path.join(os.tmpdir(), "sluice-plans-"))
afterAll(() => FileSystem.rmSync(directory, { recursive: true }))
const file = path.join(directory, "q.db")

const reset = { reason: "ConnectionReset", detail: "reset" } as const
const cooling = { reason: "HostCooling", detail: "wait" } as const

/** Everything that an engine, its heirs and its commands do while a queue is worked on. */
const work = Effect.gen(function* () {
  const store = yield* Store
  const requests = Array.from({ length: 400 }, (_, i) => accepted(`http://h${i % 3}/${i}`, { tags: ["t"] }))
  const enqueued = yield* store.enqueue(requests, { own: true })
  const group = yield* store.openGroup("g")
  yield* store.enqueueInto(group.id, requests.slice(0, 5), { own: true })
  const ids = enqueued.map(({ download }) => download.id)
  for (const adopt of [true, false]) {
    const [a, b, c] = yield* claim(3, adopt)
    yield* store.tell(a!.id, Message.Failed({ failure: reset, verdict: { _tag: "RetryAt", at: 0 } }))
    yield* store.tell(b!.id, Message.Failed({ failure: cooling, verdict: { _tag: "WaitUntil", at: 9 } }))
    yield* store.tell(c!.id, Message.Failed({ failure: reset, verdict: { _tag: "Final" } }))
    yield* claim(5, adopt)
    yield* store.nextDue({ adopt, since: 0 })
    yield* store.anyLeft({ adopt })
  }
  yield* store.standings(ids)
  yield* store.getAll(ids)
  yield* store.asked(ids[0]!)
  yield* store.obey
  yield* store.command("pause", ids)
  yield* store.command("resume", ids)
  yield* store.move(ids, 3)
  yield* store.spoiled(undefined, 10)
  yield* store.page({}, undefined)
  yield* store.page({ tag: "t", status: ["pending"] }, undefined)
  yield* store.strangers(group.id, undefined, 10)
  yield* Effect.provide(
    Effect.flatMap(Store, (heir) =>
      Effect.zipRight(
        heir.command("pause", ids),
        Effect.repeat(heir.disown(me), { while: ({ more }) => more })
      )
    ),
    layer(other)
  )
  yield* store.command("cancel", ids)
  yield* store.forget(ids)
})

const layer = (engine: typeof me) =>
  SqlStore.layer.pipe(Layer.provide([Database.layerFile(file), lifeOf(engine)]))

describe("the plans of SQLite", () => {
  it.effect("never scan the queue for what is done all the time", () =>
    Effect.gen(function* () {
      const prepare = yield* Effect.gen(function* () {
        const spy = vi.spyOn(Sqlite.prototype, "prepare")
        yield* work
        return spy
      }).pipe(Effect.provide(layer(me)))
      const texts = new Set(prepare.mock.calls.map(([text]) => text))
      prepare.mockRestore()
      const db = new Sqlite(file)
      const scans: Array<string> = []
      let looked = 0
      for (const text of texts) {
        if (!/^\s*(SELECT|WITH|UPDATE|DELETE|INSERT)/i.test(text) || !/sluice_/.test(text)) continue
        const statement = db.prepare(`EXPLAIN QUERY PLAN ${text}`)
        const parameters = Array.from({ length: (text.match(/\?/g) ?? []).length }, () => null)
        const plan = statement.all(...parameters) as ReadonlyArray<{ readonly detail: string }>
        looked++
        for (const { detail } of plan) {
          // `d` is also what a subquery is called, which is scanned by its nature
          const subquery = detail.startsWith("SCAN d") && text.includes(") AS d")
          const whole = /^SCAN (sluice_(downloads|attempts|endings|members|tags)|d|a|e|m)\b(?!.*USING)/
          if (!subquery && whole.test(detail)) {
            scans.push(`${detail}: ${text.replace(/\s+/g, " ").slice(0, 200)}`)
          }
        }
      }
      db.close()
      expect(scans).toEqual([])
      // else it has looked at nothing
      expect(looked).toBeGreaterThan(40)
    })
  )
})
