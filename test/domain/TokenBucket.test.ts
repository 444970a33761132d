import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as TokenBucket from "../../src/domain/TokenBucket.js"

const rates = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1000, max: 1e9 }))

/** Time that passes, and the share of what may pass then that does. */
const steps = fc.array(
  fc.record({
    wait: fc.integer({ min: 0, max: 3000 }),
    share: fc.double({ min: 0, max: 1, noNaN: true })
  }),
  { maxLength: 60 }
)

describe("TokenBucket", () => {
  it("never lets more pass, in any window, than its rate and what it holds", () => {
    fc.assert(
      fc.property(rates, steps, (rate, list) => {
        let bucket = TokenBucket.make(rate, 0)
        let now = 0
        const passed: Array<readonly [at: number, bytes: number]> = []
        for (const { share, wait } of list) {
          now += wait
          bucket = TokenBucket.refill(bucket, now)
          const bytes = Math.floor(bucket.level * share)
          bucket = TokenBucket.take(bucket, bytes)
          passed.push([now, bytes])
        }
        passed.forEach(([from], first) => {
          let sum = 0
          for (const [at, bytes] of passed.slice(first)) {
            sum += bytes
            const most = (rate * (at - from)) / 1000 + TokenBucket.capacityOf(rate)
            expect(sum).toBeLessThanOrEqual(most * (1 + 1e-9))
          }
        })
      })
    )
  })

  it("begins empty, and forgets nothing that is owed", () => {
    const empty = TokenBucket.make(1000, 5000)
    expect(TokenBucket.refill(empty, 5000).level).toBe(0)
    expect(TokenBucket.refill(empty, 5100).level).toBe(100)
    expect(TokenBucket.refill(empty, 99_000).level).toBe(200)
    const owing = TokenBucket.take(empty, 600)
    expect(TokenBucket.refill(owing, 5500).level).toBe(-100)
    // with another rate it is still owed
    expect(TokenBucket.withRate(owing, 100, 5100).level).toBe(-500)
    expect(TokenBucket.withRate(TokenBucket.refill(empty, 9000), 100, 9000).level).toBe(20)
  })

  it("does not run backwards", () => {
    const bucket = TokenBucket.refill(TokenBucket.make(1000, 0), 100)
    expect(TokenBucket.refill(bucket, 50)).toEqual(bucket)
  })

  it("always can hold a piece", () => {
    fc.assert(
      fc.property(rates, (rate) => TokenBucket.pieceOf(rate) <= Math.max(1, TokenBucket.capacityOf(rate)))
    )
  })
})
