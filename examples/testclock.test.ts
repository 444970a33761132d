/**
 * A test of a program that uses sluice: hours of backoff in milliseconds, without a network, a disk or a real clock.
 */
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { Downloads } from "sluice"
import { inTime, layer, World } from "sluice/testing"

/** The program under test: fetches tiles, and says which are missing. */
const seedTiles = (urls: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const downloads = yield* Downloads
    const enqueued = yield* downloads.enqueueAll(urls.map((url) => ({ url, options: { maxRetries: 2 } })))
    const exits = yield* downloads.awaitAll(enqueued.map(({ id }) => id))
    return urls.filter((_, i) => exits[i]!._tag === "Failure")
  })

const tile = (name: string) => `https://tiles.example/${name}`

it.effect("a tile that is missing does not keep the others from coming", () =>
  Effect.gen(function* () {
    const missing = yield* inTime(seedTiles([tile("1"), tile("2"), tile("3")]))
    expect(missing).toEqual([tile("2")])
    const world = yield* World
    expect(yield* world.paths).toEqual(["/downloads/1", "/downloads/3"])
    expect(yield* world.text("/downloads/3")).toBe("three")
  }).pipe(Effect.provide(layer({ routes: { [tile("1")]: { body: "one" }, [tile("3")]: { body: "three" } } })))
)

it.effect("a host that asks to wait is waited for, as long as it asks", () =>
  Effect.gen(function* () {
    // fork what waits, let time pass, then join
    const fiber = yield* Effect.fork(seedTiles([tile("busy")]))
    yield* TestClock.adjust("59 minutes")
    const { requests } = yield* World
    expect(yield* requests).toHaveLength(1)
    yield* TestClock.adjust("1 minutes")
    expect(yield* Fiber.join(fiber)).toEqual([])
    expect((yield* requests).map(({ at }) => at)).toEqual([0, 3_600_000])
  }).pipe(
    Effect.provide(
      layer({
        routes: { [tile("busy")]: [{ status: 503, headers: { "Retry-After": "3600" } }, { body: "tile" }] }
      })
    )
  )
)
