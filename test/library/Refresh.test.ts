/**
 * Links that expire: a fresh URL is asked of the program before a download fails.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { inTime, layer, type Options, World } from "../../src/programs/testing.js"
import { Downloads } from "../../src/services/Downloads.js"

const link = (n: number) => `https://a.test/f.bin?signature=${n}`
const body = Uint8Array.from({ length: 200_000 }, (_, at) => (at * 31 + (at >> 8)) & 255)
const tagged = { body, headers: { ETag: '"v1"' } }
const expired = { status: 403 }

/** Hands out one link after the other. */
const links = () => {
  const asked: Array<string> = []
  const refresh: NonNullable<Options["refresh"]> = (download, { reason, status }) =>
    Effect.sync(() => Option.some(link(asked.push(`${download.status} ${reason} ${status}`))))
  return { asked, refresh }
}

describe("a link that has expired", () => {
  it.effect("is replaced, and the rest comes from the fresh one", () => {
    const { asked, refresh } = links()
    const routes = { [link(0)]: [{ ...tagged, cutAfter: 80_000 }, expired], [link(1)]: tagged }
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const world = yield* World
      const { id } = yield* downloads.enqueue({ url: link(0) })
      const { path } = yield* inTime(downloads.await(id))
      expect(yield* world.bytes(path)).toEqual(body)
      expect(asked).toEqual(["processing Forbidden 403"])
      const last = (yield* world.requests).at(-1)!
      expect([last.url, last.headers.get("range"), last.headers.get("if-range")]).toEqual([
        link(1),
        "bytes=80000-",
        '"v1"'
      ])
      expect(Option.getOrThrow(yield* downloads.get(id))).toMatchObject({
        sources: [
          { url: link(0), aside: { reason: "Forbidden", status: 403 } },
          { url: link(1), used: true }
        ]
      })
    }).pipe(Effect.provide(layer({ routes, refresh })))
  })

  it.effect.each([401, 403, 404, 410])("is asked for after a %s, three times in a row at most", (status) => {
    const { asked, refresh } = links()
    const routes = Object.fromEntries([0, 1, 2, 3, 4, 5].map((n) => [link(n), { status }]))
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: link(0) })
      const row = yield* inTime(downloads.settled(id))
      expect(row).toMatchObject({ status: "failed", failure: { status } })
      expect(asked).toHaveLength(3)
      expect((yield* (yield* World).requests).map(({ url }) => url)).toEqual([0, 1, 2, 3].map(link))
    }).pipe(Effect.provide(layer({ routes, refresh })))
  })

  it.effect("is not asked for after other failures", () => {
    const { asked, refresh } = links()
    const routes = { [link(0)]: { status: 400 } }
    return Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: link(0) })
      expect(yield* inTime(downloads.settled(id))).toMatchObject({ failure: { reason: "BadStatus" } })
      expect(asked).toEqual([])
    }).pipe(Effect.provide(layer({ routes, refresh })))
  })

  it.effect.each([
    ["has no fresh one", () => Effect.succeed(Option.none<string>())],
    ["does not answer", () => Effect.never],
    ["dies", () => Effect.dieMessage("a bug")],
    ["names what is no URL", () => Effect.succeed(Option.some("ftp://me:hunter2@a.test/f"))]
  ] as const)("fails as it would have where whoever is asked %s", ([, refresh]) =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const { id } = yield* downloads.enqueue({ url: link(0) })
      const row = yield* inTime(downloads.settled(id), "31 seconds")
      expect(row).toMatchObject({ status: "failed", failure: { reason: "Forbidden" } })
    }).pipe(Effect.provide(layer({ routes: { [link(0)]: expired }, refresh })))
  )

  it.effect("may be paused, and the engine stopped, while a fresh one is asked for", () =>
    Effect.gen(function* () {
      const downloads = yield* Downloads
      const one = yield* downloads.enqueue({ url: link(0) })
      const other = yield* downloads.enqueue({ url: link(1) })
      yield* TestClock.adjust("1 seconds")
      expect(yield* downloads.activeCount).toBe(2)
      expect(yield* downloads.pause(one.id)).toMatchObject({ status: "paused" })
      yield* downloads.stop
      expect(yield* downloads.status(other.id)).toBe("pending")
    }).pipe(
      Effect.provide(
        layer({ routes: { [link(0)]: expired, [link(1)]: expired }, refresh: () => Effect.never })
      )
    )
  )
})
