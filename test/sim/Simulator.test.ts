import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Mailbox from "effect/Mailbox"
import * as Random from "effect/Random"
import { describe, expect, it } from "vitest"
import { dawn, Simulator } from "./Simulator.js"

/** Drives a program to its end and returns what it succeeded with. */
const drive = <A>(sim: Simulator, program: Effect.Effect<A>): A => {
  const done: Array<A> = []
  sim.fork(Effect.map(program, (value) => void done.push(value)))
  expect(sim.drive(() => done.length > 0, { steps: 100_000 })).toBe("Reached")
  return done[0]!
}

describe("Simulator", () => {
  it("lets a year pass in an instant, exactly", () => {
    const sim = new Simulator(1)
    const slept = drive(sim, Effect.zipRight(Effect.sleep("365 days"), Clock.currentTimeMillis))
    expect(slept - dawn).toBeGreaterThanOrEqual(365 * 86_400_000)
    expect(slept - dawn).toBeLessThan(365 * 86_400_000 + 1000)
  })

  it("runs fibers in an order that the seed decides", () => {
    const order = (seed: number): string => {
      const seen: Array<number> = []
      const mark = (n: number) =>
        Effect.zipRight(
          Effect.yieldNow(),
          Effect.sync(() => seen.push(n))
        )
      const all = Effect.forEach([1, 2, 3, 4, 5, 6], mark, { concurrency: "unbounded" })
      drive(new Simulator(seed), all)
      return seen.join("")
    }
    expect(order(7)).toBe(order(7))
    expect(new Set(Array.from({ length: 20 }, (_, seed) => order(seed))).size).toBeGreaterThan(5)
  })

  it("decides ties between timers by chance", () => {
    const first = (seed: number): number => {
      const sim = new Simulator(seed)
      const seen: Array<number> = []
      for (const n of [1, 2]) sim.after(10, () => seen.push(n))
      sim.drive(() => seen.length === 2)
      return seen[0]!
    }
    expect(new Set(Array.from({ length: 20 }, (_, seed) => first(seed)))).toEqual(new Set([1, 2]))
  })

  it("gives Effect's Random its seed", () => {
    const drawn = (seed: number) => drive(new Simulator(seed), Random.nextIntBetween(0, 1_000_000))
    expect(drawn(3)).toBe(drawn(3))
    expect(drawn(3)).not.toBe(drawn(4))
  })

  it("tells a deadlock, used up time and used up steps apart", () => {
    const never = new Simulator(1)
    never.fork(Effect.never)
    expect(never.drive(() => false)).toBe("Deadlock")
    const ticking = new Simulator(1)
    ticking.fork(Effect.forever(Effect.sleep("1 second")))
    expect(ticking.drive(() => false, { time: 5000 })).toBe("TimeLimit")
    expect(ticking.drive(() => false, { steps: 10 })).toBe("StepLimit")
  })

  it("forgets the process in a crash, and only the process", () => {
    const sim = new Simulator(1)
    const seen: Array<string> = []
    const fiber = sim.fork(
      Effect.sleep("1 second").pipe(
        Effect.zipRight(Effect.sync(() => seen.push("process"))),
        Effect.onInterrupt(() => Effect.sync(() => seen.push("finaliser")))
      )
    )
    sim.worldAfter(2000, () => seen.push("world"))
    sim.drive(() => false, { time: 500 })
    const corpse = sim.crash()
    expect(sim.pending(0)).toBe(0)
    expect(sim.drive(() => seen.length > 0)).toBe("Reached")
    expect(seen).toEqual(["world"])
    const { fingerprint, now } = sim
    sim.bury(fiber, corpse)
    expect(fiber.unsafePoll()?._tag).toBe("Failure")
    expect([sim.fingerprint, sim.now]).toEqual([fingerprint, now])
  })

  it("loses no wake-up of Effect's Mailbox", () => {
    for (let seed = 1; seed <= 300; seed++) {
      const taken = Effect.gen(function* () {
        const mailbox = yield* Mailbox.make<number>()
        const taker = yield* Effect.fork(Effect.forEach([1, 2, 3], () => mailbox.take))
        for (const n of [1, 2, 3]) {
          yield* Effect.yieldNow()
          yield* mailbox.offer(n)
        }
        return yield* Fiber.join(taker)
      }).pipe(Effect.orDie)
      expect(drive(new Simulator(seed), taken)).toEqual([1, 2, 3])
    }
  })
})
