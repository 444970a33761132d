import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { defaultBreaker, type Health, troubled, well } from "../../src/domain/Host.js"
import { defaultPolicy, type Guest, HostGate } from "../../src/domain/HostGate.js"

interface Visitor extends Guest {
  /** When it may begin. */
  readonly entered: Array<number>
  told: number
}

const visitor = (clock: { now: number }, further = false): Visitor => {
  const made: Visitor = {
    entered: [],
    told: 0,
    yields: further ? () => void made.told++ : undefined,
    enter: (delay) => made.entered.push(clock.now + delay)
  }
  return made
}

const clock = { now: 0 }

describe("the door to a host", () => {
  it("lets so many in, and the others in the order in which they came", () => {
    const gate = new HostGate({ ...defaultPolicy, connections: 2 })
    const guests = [1, 2, 3, 4].map(() => visitor(clock))
    for (const guest of guests) expect(gate.arrive(guest, 0)).toBe(true)
    expect(guests.map(({ entered }) => entered.length)).toEqual([1, 1, 0, 0])
    gate.leave(guests[3]!, 0)
    gate.leave(guests[0]!, 0)
    gate.leave(guests[0]!, 0)
    expect(guests.map(({ entered }) => entered.length)).toEqual([1, 1, 1, 0])
    expect([gate.active, gate.waiting]).toEqual([2, 0])
  })

  it("gives a further connection what nobody wants, and takes it back when somebody does", () => {
    const gate = new HostGate({ ...defaultPolicy, connections: 3 })
    const [lead, one, two, late] = [
      visitor(clock),
      visitor(clock, true),
      visitor(clock, true),
      visitor(clock, true)
    ]
    expect([lead, one, two, late].map((guest) => gate.arrive(guest, 0))).toEqual([true, true, true, false])
    const [next, after] = [visitor(clock), visitor(clock)]
    gate.arrive(next, 0)
    expect([one.told, two.told]).toEqual([0, 1])
    gate.arrive(after, 0)
    expect([one.told, two.told]).toEqual([1, 1])
    gate.leave(two, 0)
    expect(next.entered).toHaveLength(1)
    // not while somebody waits
    expect(gate.arrive(visitor(clock, true), 0)).toBe(false)
  })

  it("keeps the interval and the rate, whichever is slower", () => {
    const begun = (policy: Partial<typeof defaultPolicy>) => {
      const gate = new HostGate({ ...defaultPolicy, ...policy })
      return [1, 2, 3].flatMap(() => {
        const guest = visitor(clock)
        gate.arrive(guest, 0)
        return guest.entered
      })
    }
    expect(begun({})).toEqual([0, 0, 0])
    expect(begun({ requestsPerSecond: 4 })).toEqual([0, 250, 500])
    expect(begun({ requestsPerSecond: 4, minInterval: 1000 })).toEqual([0, 1000, 2000])
  })

  it("never has more inside than its policy permits, never exceeds the rate, and lets everybody in at last", () => {
    const step = fc.record({
      after: fc.nat(300),
      what: fc.constantFrom("lead", "further", "leave", "withdraw"),
      which: fc.nat()
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom(Infinity, 3, 50),
        fc.array(step, { maxLength: 60 }),
        (connections, requestsPerSecond, steps) => {
          const time = { now: 0 }
          const gate = new HostGate({ ...defaultPolicy, connections, requestsPerSecond })
          const all: Array<Visitor> = []
          const gone = new Set<Visitor>()
          const leave = (guest: Visitor) => {
            gone.add(guest)
            gate.leave(guest, time.now)
          }
          const inside = () => all.filter((guest) => guest.entered.length > 0 && !gone.has(guest))
          const yieldAll = () => {
            for (const guest of inside()) if (guest.told > 0) leave(guest)
          }
          for (const { after, what, which } of steps) {
            time.now += after
            if (what === "lead" || what === "further") {
              const guest = visitor(time, what === "further")
              if (gate.arrive(guest, time.now)) all.push(guest)
              // only one that may be done without is turned away
              else expect(what).toBe("further")
            } else {
              const present = all.filter((guest) => !gone.has(guest))
              if (present.length > 0) leave(present[which % present.length]!)
            }
            expect(inside().length).toBe(gate.active)
            expect(gate.active).toBeLessThanOrEqual(connections)
          }
          for (const guest of all) expect(guest.entered.length).toBeLessThanOrEqual(1)
          // nobody starves: those who are asked to leave do, and the others end one by one
          for (let round = 0; round <= all.length; round++) {
            yieldAll()
            const [first] = inside()
            if (first !== undefined) leave(first)
          }
          expect(gate.waiting).toBe(0)
          expect(gate.active).toBe(0)
          const begun = all.flatMap(({ entered }) => entered).sort((a, b) => a - b)
          const spacing = requestsPerSecond === Infinity ? 0 : 1000 / requestsPerSecond
          for (let i = 1; i < begun.length; i++)
            expect(begun[i]! - begun[i - 1]!).toBeGreaterThanOrEqual(spacing - 1e-6)
        }
      )
    )
  })
})

describe("the breaker", () => {
  const failure = (reason: "ConnectionRefused" | "ServerError" | "HostCooling", retryAfter?: number) => ({
    reason,
    detail: "no",
    ...(retryAfter === undefined ? {} : { retryAfter })
  })
  const final = { _tag: "Final" } as const
  const after = (health: Health, now: number, ...args: Parameters<typeof failure>) =>
    troubled(defaultBreaker, health, failure(...args), final, now)

  it("opens at once where nobody is there, for 2, 4, 8 seconds and so on, up to five minutes", () => {
    let health = well
    const pauses: Array<number> = []
    for (let i = 0; i < 10; i++) {
      health = after({ ...health, cooling: null }, 1000, "ConnectionRefused")
      pauses.push(health.cooling!.until - 1000)
    }
    expect(pauses).toEqual([2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000])
    expect(health.since).toBe(1000)
  })

  it("opens with the fifth server error in a row, and at once where the probe failed", () => {
    let health = well
    for (let i = 0; i < 4; i++) health = after(health, i, "ServerError")
    expect(health).toEqual({ failures: 4, since: 0, cooling: null })
    health = after(health, 4, "ServerError")
    expect(health.cooling).toEqual({ until: 2004, why: "no" })
    health = after(health, 3000, "ServerError")
    expect(health.cooling?.until).toBe(7000)
  })

  it("obeys the server up to a day, and the download's own backoff", () => {
    expect(after(well, 0, "HostCooling", 7000).cooling?.until).toBe(7000)
    expect(after(well, 0, "HostCooling", 1e12).cooling?.until).toBe(86_400_000)
    const verdict = { _tag: "RetryAt", at: 5000 } as const
    expect(troubled(defaultBreaker, well, failure("ConnectionRefused"), verdict, 0).cooling?.until).toBe(5000)
  })

  it("is never open for a shorter time because of one more failure", () => {
    const open = after(well, 0, "HostCooling", 60_000)
    expect(after(open, 10, "ConnectionRefused").cooling?.until).toBe(60_000)
  })
})
