import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Coverage from "../../src/domain/Coverage.js"
import * as Plan from "../../src/domain/SegmentPlan.js"

const MiB = 1024 * 1024
const policy = Plan.defaultPolicy

/** A rate of null is one that nobody knows yet. */
const stream = (at: number, end: number, rate: number | null = MiB): Plan.Stream => ({
  at,
  end,
  rate: rate ?? undefined
})

describe("SegmentPlan.next", () => {
  it("halves the largest remainder", () => {
    const streams = [stream(4 * MiB, 64 * MiB), stream(64 * MiB, 100 * MiB)]
    const covered = Coverage.prefix(4 * MiB)
    expect(Plan.next(policy, covered, 100 * MiB, streams)).toEqual({
      span: [34 * MiB, 64 * MiB],
      from: streams[0]
    })
  })

  it("first fetches what nobody does, the largest first", () => {
    const covered: Coverage.Coverage = [
      [0, 10],
      [20, 30],
      [90, 95]
    ]
    const assigned = Plan.next(policy, covered, 100, [stream(30, 50)])
    expect(assigned).toEqual({ span: [50, 90], from: undefined })
  })

  it.each([
    ["less than 4 MiB in all", [stream(0, 3 * MiB, 1000)], undefined],
    ["less than 2 s", [stream(0, 100 * MiB, 60 * MiB)], undefined],
    ["a rate that nobody knows yet", [stream(0, 100 * MiB, null)], undefined],
    ["enough", [stream(0, 100 * MiB, MiB)], [50 * MiB, 100 * MiB]],
    // by time, not by size
    [
      "one that is slower",
      [stream(0, 60 * MiB, 10 * MiB), stream(60 * MiB, 100 * MiB, MiB)],
      [80 * MiB, 100 * MiB]
    ],
    [
      "a new one, of which nothing is known",
      [stream(0, 20 * MiB, MiB), stream(20 * MiB, 100 * MiB, null)],
      [60 * MiB, 100 * MiB]
    ],
    // 1 MiB at 10 kB/s beside one at 1 MiB/s
    ["a small remainder that crawls", [stream(0, MiB, 10_000), stream(MiB, 2 * MiB, MiB)], [MiB / 2, MiB]],
    [
      "a small remainder where all are slow",
      [stream(0, MiB, 10_000), stream(MiB, 2 * MiB, 10_000)],
      undefined
    ]
  ] as const)("with %s", (_, streams, span) => {
    const total = Math.max(...streams.map(({ end }) => end))
    expect(Plan.next(policy, Coverage.empty, total, streams)?.span).toEqual(span)
  })

  it("never gives anybody what is held or another's, and ends", () => {
    const run = fc.record({
      total: fc.integer({ min: 1, max: 64 * MiB }),
      held: fc.array(fc.tuple(fc.nat(64 * MiB), fc.nat(8 * MiB)), { maxLength: 4 }),
      rates: fc.array(fc.option(fc.integer({ min: 1, max: 20 * MiB }), { nil: undefined }), {
        minLength: 16,
        maxLength: 16
      })
    })
    fc.assert(
      fc.property(run, ({ held, rates, total }) => {
        let covered = Coverage.empty
        for (const [start, length] of held)
          covered = Coverage.add(covered, Math.min(start, total), Math.min(start + length, total))
        let streams: Array<Plan.Stream> = []
        for (const rate of rates) {
          const assigned = Plan.next(policy, covered, total, streams)
          if (assigned === undefined) break
          const [start, end] = assigned.span
          expect(start).toBeLessThan(end)
          expect(end).toBeLessThanOrEqual(total)
          if (assigned.from === undefined) {
            for (const other of streams) expect(end <= other.at || start >= other.end).toBe(true)
          } else {
            expect(end).toBe(assigned.from.end)
            expect(start).toBeGreaterThan(assigned.from.at)
          }
          streams = streams.map((other) => (other === assigned.from ? { ...other, end: start } : other))
          streams.push({ at: start, end, rate })
          // nothing that is held is fetched, nothing is fetched twice
          const fetched = streams.map(({ at, end: to }): Coverage.Span => [at, to])
          const all = [...fetched, ...covered].sort((a, b) => a[0] - b[0])
          for (let i = 1; i < all.length; i++) expect(all[i]![0]).toBeGreaterThanOrEqual(all[i - 1]![1])
        }
        // with a connection for each gap, nothing is left to nobody
        if (streams.length < rates.length) expect(Plan.unclaimed(covered, total, streams)).toEqual([])
      })
    )
  })
})

describe("SegmentPlan.observe", () => {
  const left = 100 * MiB
  const sight = (now: number, rate: number, more: Partial<Plan.Sight> = {}): Plan.Sight => ({
    now,
    since: 0,
    rate,
    left,
    ...more
  })
  const after = (sights: ReadonlyArray<Plan.Sight>, connections = 4) =>
    sights.reduce((ramp, one) => Plan.observe(policy, ramp, connections, one), Plan.begin(connections))

  it("waits before there are more", () => {
    expect(after([sight(349, MiB)]).allowed).toBe(1)
    expect(after([sight(350, MiB)])).toMatchObject({ allowed: 4, settled: false })
  })

  it.each([
    ["one connection was asked for", [sight(1000, MiB)], 1],
    ["less than 4 MiB are left", [sight(1000, 1000, { left: 4 * MiB - 1 })], 4],
    ["it is over in less than 2 s", [sight(1000, 51 * MiB)], 4],
    ["nothing comes", [sight(1000, 0)], 4]
  ] as const)("stays with one where %s", (_, sights, connections) => {
    expect(after(sights, connections).allowed).toBe(1)
  })

  it("keeps them where they help", () => {
    const helped = after([sight(350, MiB), sight(3000, 2 * MiB), sight(3350, 4 * MiB)])
    expect(helped).toMatchObject({ allowed: 4, settled: true })
    expect(Plan.observe(policy, helped, 4, sight(9999, 1))).toBe(helped)
  })

  it("drops them where they don't, and one alone is no slower", () => {
    const dropped = [sight(350, MiB), sight(3350, 1.05 * MiB)]
    expect(after(dropped)).toMatchObject({ allowed: 1, settled: false })
    expect(after([...dropped, sight(6350, MiB)])).toMatchObject({ allowed: 1, settled: true })
  })

  it("takes them up again where the beginning was only a burst", () => {
    const burst = [sight(350, 8 * MiB), sight(3350, 4 * MiB), sight(6350, MiB)]
    expect(after(burst)).toMatchObject({ allowed: 4, settled: true })
  })

  it("is content with what a server permits", () => {
    expect(Plan.refused(2)).toMatchObject({ allowed: 2, settled: true })
    expect(Plan.refused(0)).toMatchObject({ allowed: 1, settled: true })
  })
})
