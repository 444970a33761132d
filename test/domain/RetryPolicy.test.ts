import { describe, expect, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type { Download } from "../../src/domain/Download.js"
import { type DownloadError, make, reasons, kindOf, type Reason } from "../../src/domain/DownloadError.js"
import { fromKey } from "../../src/domain/DownloadId.js"
import { defaultOptions, type DownloadOptions } from "../../src/domain/DownloadOptions.js"
import * as Message from "../../src/domain/Message.js"
import { decide, fromOptions, maxDelay, type RetryPolicy } from "../../src/domain/RetryPolicy.js"
import { credited } from "../../src/domain/Strikes.js"
import { transition } from "../../src/domain/Transition.js"
import { download, engine, reset, strong } from "./Fixtures.js"

const error = (
  reason: Reason = "ConnectionReset",
  more: { readonly retryAfter?: number } = {}
): DownloadError => make(reason, "what happened", more)

const apply = (row: Download, message: Message.Message, at: number): Download =>
  Either.getOrThrow(transition(row, message, at))

const options = (changes: Partial<DownloadOptions>): DownloadOptions => ({ ...defaultOptions, ...changes })

/** Taken up, when its time has come. */
const claim = (row: Download, now: number): Download =>
  apply(
    row.status === "pending" ? row : apply(row, Message.Due(), now),
    Message.Claimed({ owner: engine }),
    now
  )

/** One try that ends with `failure` at `now`: the row after it and the verdict. */
const attempt = (policy: RetryPolicy, row: Download, failure: DownloadError, now: number) =>
  Effect.gen(function* () {
    const claimed = claim(row, now)
    const verdict = yield* decide(policy, claimed, failure, now)
    return { row: apply(claimed, Message.Failed({ failure, verdict }), now), verdict }
  })

/** The delays between tries that all fail, until the end or `most` of them. */
const delays = (policy: RetryPolicy, start: Download, most = 50) =>
  Effect.gen(function* () {
    const result: Array<number> = []
    let row = start
    let now = 1_000_000
    while (result.length < most) {
      const next = yield* attempt(policy, row, error(), now)
      if (next.verdict._tag !== "RetryAt") return { delays: result, row: next.row }
      result.push(next.verdict.at - now)
      row = next.row
      now = next.verdict.at
    }
    return { delays: result, row }
  })

describe("the default retry policy", () => {
  it.effect("tries again after 2, 4 and 8 s, then fails with the last error", () =>
    Effect.gen(function* () {
      const result = yield* delays(fromOptions(defaultOptions), download())
      expect(result.delays).toEqual([2000, 4000, 8000])
      expect(result.row).toMatchObject({ status: "failed", failure: { reason: "ConnectionReset" } })
    })
  )

  it.effect("doubles up to five minutes and no further", () =>
    Effect.gen(function* () {
      const policy = fromOptions(options({ maxRetries: 2000 }))
      const result = yield* delays(policy, download(), 10)
      expect(result.delays).toEqual([
        2000,
        4000,
        8000,
        16_000,
        32_000,
        64_000,
        128_000,
        256_000,
        maxDelay,
        maxDelay
      ])
      // far beyond where 2^n is a finite number of milliseconds
      const strikes = Array.from({ length: 1100 }, (_, at) => ({ at, failure: reset }))
      expect(yield* decide(policy, download({ strikes }), error(), 5000)).toEqual({
        _tag: "RetryAt",
        at: 305_000
      })
    })
  )

  it.effect("tries as often as asked for", () =>
    Effect.gen(function* () {
      expect((yield* delays(fromOptions(options({ maxRetries: 0 })), download())).delays).toEqual([])
      expect(
        (yield* delays(fromOptions(options({ maxRetries: 1, retryDelay: 7 })), download())).delays
      ).toEqual([7])
      expect(
        (yield* delays(fromOptions(options({ maxRetries: 2, retryDelay: 0 })), download())).delays
      ).toEqual([0, 0])
      expect((yield* delays(fromOptions(options({ retryDelay: 3_600_000 })), download())).delays).toEqual([
        maxDelay,
        maxDelay,
        maxDelay
      ])
    })
  )

  it.effect("counts tries in a row: progress that can be built upon starts the count anew", () =>
    Effect.gen(function* () {
      const policy = fromOptions(defaultOptions)
      const { row } = yield* delays(policy, download(), 3)
      const part = { name: "p", dev: "1", ino: "1" }
      const claimed = claim(row, 1)
      const identified = apply(
        claimed,
        Message.Identified({ filename: "f", part, total: 10, validator: strong }),
        1
      )
      const moved = apply(identified, Message.Checkpointed({ bytes: 5, total: 10, segments: null }), 1)
      expect(yield* decide(policy, credited(identified), error(), 100)).toEqual({ _tag: "Final" })
      expect(yield* decide(policy, credited(moved), error(), 100)).toEqual({ _tag: "RetryAt", at: 2100 })
    })
  )

  it.effect("fails at once where the next try can't be different", () =>
    Effect.gen(function* () {
      for (const reason of reasons) {
        const verdict = yield* decide(fromOptions(defaultOptions), download(), error(reason), 0)
        const expected = { transient: "RetryAt", wait: "WaitUntil", permanent: "Final" }[kindOf(reason)]
        expect([reason, verdict._tag]).toEqual([reason, expected])
      }
    })
  )

  it.effect("needs no clock and does not sleep", () =>
    Effect.gen(function* () {
      const clock = { ...(yield* Clock.clockWith(Effect.succeed)), sleep: () => Effect.die("slept") }
      const verdict = yield* decide(fromOptions(defaultOptions), download(), error(), 123).pipe(
        Effect.withClock(clock)
      )
      expect(verdict).toEqual({ _tag: "RetryAt", at: 2123 })
    })
  )
})

describe("a wait", () => {
  const cooling = (retryAfter?: number) =>
    error("HostCooling", retryAfter === undefined ? {} : { retryAfter })
  const policy = fromOptions(defaultOptions)

  it.effect("is as long as the server asked for, and a second at least", () =>
    Effect.gen(function* () {
      expect(yield* decide(policy, download(), cooling(90_000), 10)).toEqual({
        _tag: "WaitUntil",
        at: 90_010
      })
      expect(yield* decide(policy, download(), cooling(0), 10)).toEqual({ _tag: "WaitUntil", at: 1010 })
      expect(yield* decide(policy, download(), cooling(), 10)).toEqual({ _tag: "WaitUntil", at: 1010 })
      expect(yield* decide(policy, download(), error("DiskFull"), 10)).toEqual({
        _tag: "WaitUntil",
        at: 10_010
      })
    })
  )

  it.effect("uses up no retry", () =>
    Effect.gen(function* () {
      let row = download()
      for (let i = 0; i < 20; i++) row = (yield* attempt(policy, row, cooling(1000), i * 1000)).row
      expect(row).toMatchObject({ status: "waiting", strikes: [], waitingSince: 0 })
      expect((yield* delays(policy, row)).delays).toEqual([2000, 4000, 8000])
    })
  )

  it.effect("ends by the give-up limit, counted from the first wait without progress", () =>
    Effect.gen(function* () {
      const row = download({ options: options({ giveUp: 10_000 }), waitingSince: 1000 })
      expect(yield* decide(policy, row, cooling(1000), 10_000)).toEqual({ _tag: "WaitUntil", at: 11_000 })
      expect(yield* decide(policy, row, cooling(1001), 10_000)).toEqual({ _tag: "Final" })
      const impatient = download({ options: options({ giveUp: 0 }) })
      expect((yield* attempt(policy, impatient, cooling(5000), 0)).row).toMatchObject({
        status: "failed",
        failure: { reason: "GaveUp" }
      })
    })
  )

  it.effect("comes to an end, however short the waits are", () =>
    Effect.gen(function* () {
      let row = download({ options: options({ giveUp: 60_000 }) })
      let now = 0
      let tries = 0
      while (row.status !== "failed") {
        row = (yield* attempt(policy, row, cooling(0), now)).row
        now = row.nextAttemptAt ?? now
        tries++
        expect(tries).toBeLessThan(100)
      }
      expect(now).toBeLessThanOrEqual(60_000)
    })
  )
})

describe("a policy across restarts", () => {
  const jittered = fromOptions(options({ maxRetries: 8 })).pipe(Schedule.jittered)
  const patient: RetryPolicy = Schedule.fibonacci("1 second").pipe(
    Schedule.intersect(Schedule.recurUpTo("30 seconds")),
    Schedule.intersect(Schedule.recurWhile((failure: DownloadError) => failure.reason !== "DnsFailed"))
  )

  it.effect("names the same time again when the same strikes are replayed", () =>
    Effect.gen(function* () {
      const { row } = yield* delays(jittered, download(), 5)
      const restarted = JSON.parse(JSON.stringify({ strikes: row.strikes })) as Pick<Download, "strikes">
      const first = yield* decide(jittered, row, error(), 2_000_000)
      expect(first._tag).toBe("RetryAt")
      for (let i = 0; i < 3; i++) {
        expect(yield* decide(jittered, { ...row, ...restarted }, error(), 2_000_000)).toEqual(first)
      }
    })
  )

  it.effect("has the chance of each download for itself, within the bounds of the jitter", () =>
    Effect.gen(function* () {
      const all = yield* Effect.forEach([1, 2, 3, 4, 5], (key) =>
        delays(jittered, download({ id: fromKey(key) }), 3)
      )
      expect(new Set(all.map((each) => each.delays.join())).size).toBe(5)
      for (const each of all) {
        for (const [i, delay] of each.delays.entries()) {
          expect(delay).toBeGreaterThanOrEqual(0.8 * 2000 * 2 ** i - 1)
          expect(delay).toBeLessThanOrEqual(1.2 * 2000 * 2 ** i + 1)
        }
      }
    })
  )

  it.effect("may be any schedule over the errors, those that look at time and error included", () =>
    Effect.gen(function* () {
      const result = yield* delays(patient, download())
      expect(result.delays.slice(0, 5)).toEqual([1000, 1000, 2000, 3000, 5000])
      expect(result.delays.length).toBeLessThan(9)
      expect(yield* decide(patient, download(), error("DnsFailed"), 0)).toEqual({ _tag: "Final" })
      const never = Schedule.recurs(0) as RetryPolicy
      expect(yield* decide(never, download(), error(), 0)).toEqual({ _tag: "Final" })
      const hourly = Schedule.spaced(Duration.hours(1)) as RetryPolicy
      expect(yield* decide(hourly, download(), error(), 0)).toEqual({ _tag: "RetryAt", at: 3_600_000 })
    })
  )
})
