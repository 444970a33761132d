/**
 * What an engine forgets by itself, and when.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Downloads } from "../../src/services/Downloads.js"
import { bytes, settle, world } from "../layers/fakes.js"

const hour = 3_600_000

describe("what ended long ago", () => {
  const { engine, files } = world(() => ({ status: 200, body: [bytes(10)] }), {
    adopt: true,
    retention: 30 * hour
  })

  it.effect("is forgotten by an engine that adopts; its file stays, and so does what is unfinished", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const enqueue = (name: string) => downloads.enqueue({ url: `http://h/${name}`, directory: "/d" })
      const old = yield* enqueue("old")
      yield* settle(old)
      yield* downloads.stop
      const unfinished = yield* enqueue("unfinished")
      yield* downloads.pause(unfinished.id)
      yield* downloads.start
      const young = yield* enqueue("young")
      yield* settle(young)
      expect((yield* downloads.list()).map(({ id }) => id)).toEqual([unfinished.id, young.id])
      expect(yield* downloads.attempts(young.id)).toHaveLength(1)
      expect(yield* Effect.flip(downloads.attempts(old.id))).toMatchObject({ reason: "NotFound" })
      expect([...files.keys()].sort()).toEqual(["/d/old", "/d/young"])
    }).pipe(Effect.provide(engine))
  )
})
