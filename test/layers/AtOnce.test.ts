import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { atOnce } from "../../src/layers/AtOnce.js"

describe("atOnce", () => {
  it.effect("answers in order, with so many at work at most", () =>
    Effect.gen(function* () {
      let [atWork, most] = [0, 0]
      const work = (n: number) =>
        Effect.gen(function* () {
          most = Math.max(most, ++atWork)
          for (let i = 0; i < 10 - n; i++) yield* Effect.yieldNow()
          atWork--
          return n * 2
        })
      expect(yield* atOnce([1, 2, 3, 4, 5], work, 2)).toEqual([2, 4, 6, 8, 10])
      expect(most).toBe(2)
      expect(yield* atOnce([1, 2, 3], work)).toEqual([2, 4, 6])
      expect(most).toBe(3)
      expect(yield* atOnce([], work)).toEqual([])
    })
  )

  it.effect("one that fails ends the others, which are waited for", () =>
    Effect.gen(function* () {
      let ended = 0
      const waits = Effect.ensuring(
        Effect.never,
        Effect.zipRight(
          Effect.yieldNow(),
          Effect.sync(() => ended++)
        )
      )
      const exit = yield* Effect.exit(
        atOnce([1, 2, 3], (n) => (n === 2 ? Effect.zipRight(Effect.yieldNow(), Effect.fail("no")) : waits))
      )
      expect(exit).toEqual(Exit.fail("no"))
      expect(ended).toBe(2)
    })
  )

  it.effect("ends when it is interrupted, whenever that is, and leaves nothing at work", () =>
    Effect.gen(function* () {
      for (let steps = 0; steps < 12; steps++) {
        let atWork = 0
        const work = Effect.acquireUseRelease(
          Effect.sync(() => atWork++),
          () => Effect.never,
          () => Effect.sync(() => atWork--)
        )
        const begun = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(
          Effect.zipRight(
            Deferred.succeed(begun, undefined),
            atOnce([1, 2, 3], () => work)
          )
        )
        yield* Deferred.await(begun)
        for (let i = 0; i < steps; i++) yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        expect(atWork).toBe(0)
      }
    })
  )
})
