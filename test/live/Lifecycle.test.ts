/**
 * The life of a download in a persistent queue, driven through the library over real sockets and files, by both transports alike:
 * pending, processing, retrying, paused, completed, failed, cancelled, and what a restart finds.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Downloads, layer } from "sluice"
import type { StoreError } from "../../src/domain/StoreError.js"
import type { Origin } from "./Origin.js"
import { make as makeOrigin } from "./Origin.js"
import { isThere } from "./Wget.js"

const MiB = 1024 * 1024
const size = 3 * MiB + 5

interface Place {
  readonly origin: Origin
  readonly directory: string
  /** An engine over the same queue, and its end. */
  readonly during: <A, E>(use: Effect.Effect<A, E, Downloads>) => Effect.Effect<A, E | StoreError>
}

/** All that the server has sent is on disk, and recorded. */
const isHeld = (bytes: number) =>
  Effect.flatMap(Downloads, (downloads) =>
    downloads.list().pipe(
      Effect.repeat({
        until: ([first]) => first?.checkpoint === bytes,
        schedule: Schedule.spaced("10 millis")
      })
    )
  )

for (const transport of ["http", "wget"] as const) {
  const isPossible = transport === "http" || isThere
  if (!isPossible) console.warn("SKIPPED: the life of a download by way of wget: GNU Wget 1 is not installed")

  const live = <E>(title: string, test: (place: Place) => Effect.Effect<void, E, Scope.Scope>) =>
    it.skipIf(!isPossible)(title, () =>
      Effect.gen(function* () {
        const origin = yield* makeOrigin()
        const root = yield* Effect.acquireRelease(
          Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-life-"))),
          (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
        )
        const directory = join(root, "files")
        fs.mkdirSync(directory)
        const engine = layer({
          database: join(root, "queue.db"),
          directory,
          transport,
          downloadDefaults: { maxRetries: 2, retryDelay: 20 }
        })
        const during: Place["during"] = (use) => Effect.provide(use, engine)
        yield* test({ origin, directory, during })
      }).pipe(Effect.scoped, Effect.runPromise)
    )

  const expectExact = ({ directory, origin }: Place, name: string, version?: number) =>
    expect(
      fs.readFileSync(join(directory, name)).equals(origin.content(`/${name}`, version).slice(0, size))
    ).toBe(true)

  describe(`a download by way of ${transport}`, () => {
    live("is pending, processing, retrying, completed; and tells so, with its bytes", (place) =>
      place.during(
        Effect.gen(function* () {
          const { origin } = place
          const downloads = yield* Downloads
          origin.set("/a", [{ status: 503 }, { size, cutAfter: MiB }, { size }])
          const events = yield* downloads.events.pipe(
            Stream.takeUntil(({ event }) => event === "completed"),
            Stream.runCollect,
            Effect.fork
          )
          yield* Effect.yieldNow()
          const completed = yield* downloads.download({ url: origin.url("/a") })
          expect(completed.path).toBe(join(place.directory, "a"))
          expectExact(place, "a")
          const told = Array.from(yield* Fiber.join(events), ({ event }) => event)
          expect(told).toEqual([
            "enqueued",
            "started",
            "retrying",
            "started",
            "retrying",
            "started",
            "completed"
          ])
          const [download] = yield* downloads.list()
          expect(download).toMatchObject({ status: "completed", attempt: 3, pid: null })
          const tries = yield* downloads.attempts(download!.id)
          expect(tries.map(({ status }) => status).sort()).toEqual(["completed", "retrying", "retrying"])
          for (const { pid } of tries.filter(({ toBytes }) => toBytes > 0)) {
            if (transport === "wget") expect(pid).toBeGreaterThan(0)
            else expect(pid).toBeNull()
          }
          expect(origin.requestsFor("/a").at(-1)!.headers["range"]).toBe(`bytes=${MiB}-`)
        })
      )
    )

    live(
      "pauses where it stands, goes on from there, and is there once however often it is asked for",
      (place) =>
        place.during(
          Effect.gen(function* () {
            const { origin } = place
            const downloads = yield* Downloads
            origin.set("/a", [{ size, stallAfter: MiB }, { size }])
            const { id } = yield* downloads.enqueue({ url: origin.url("/a") })
            yield* isHeld(MiB)
            expect(yield* downloads.activeIds).toEqual([id])
            expect(yield* downloads.enqueue({ url: origin.url("/a") })).toMatchObject({ id, attached: true })
            const paused = yield* downloads.pause(id)
            expect(paused.status).toBe("paused")
            yield* origin.until(() => origin.connections() === 0)
            expect(yield* downloads.activeCount).toBe(0)
            yield* downloads.resume(id)
            yield* downloads.await(id)
            expectExact(place, "a")
            expect(origin.requestsFor("/a").at(-1)!.headers["range"]).toBe(`bytes=${MiB}-`)
          })
        )
    )

    live("cancelled ends its connection, and leaves nothing", (place) =>
      place.during(
        Effect.gen(function* () {
          const { directory, origin } = place
          const downloads = yield* Downloads
          origin.set("/a", { size, stallAfter: MiB })
          const { id } = yield* downloads.enqueue({ url: origin.url("/a") })
          yield* origin.until(() => origin.sent("/a") === MiB)
          expect((yield* downloads.cancel(id)).status).toBe("cancelled")
          yield* origin.until(() => origin.connections() === 0)
          expect(fs.readdirSync(directory)).toEqual([])
        })
      )
    )

    live("fails after its retries, with a typed reason, and can be retried", (place) =>
      place.during(
        Effect.gen(function* () {
          const { origin } = place
          const downloads = yield* Downloads
          origin.set("/a", [{ status: 500 }, { status: 500 }, { status: 500 }, { size }])
          const failed = yield* Effect.either(downloads.download({ url: origin.url("/a") }))
          expect(Either.isLeft(failed) && failed.left).toMatchObject({
            _tag: "DownloadError",
            reason: "ServerError"
          })
          const [download] = yield* downloads.list({ status: ["failed"] })
          const again = yield* downloads.retry(download!.id)
          yield* downloads.await(again.id)
          expectExact(place, "a")
        })
      )
    )

    live("is found again by the next engine, and goes on from its bytes", (place) =>
      Effect.gen(function* () {
        const { origin } = place
        origin.set("/a", [{ size, stallAfter: MiB }, { size }])
        yield* place.during(
          Effect.gen(function* () {
            yield* (yield* Downloads).enqueue({ url: origin.url("/a") })
            yield* isHeld(MiB)
          })
        )
        expect(origin.connections()).toBe(0)
        yield* place.during(Effect.flatMap(Downloads, ({ drained }) => drained))
        expectExact(place, "a")
        expect(origin.requestsFor("/a").at(-1)!.headers["range"]).toBe(`bytes=${MiB}-`)
      })
    )
  })
}
