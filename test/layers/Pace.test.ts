/**
 * The pace of an engine as rules, whatever comes when: no limit is ever exceeded, nobody starves, shares are fair. Time is a number
 * here.
 */
import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { DownloadId } from "../../src/domain/DownloadId.js"
import { none } from "../../src/domain/Limits.js"
import * as TokenBucket from "../../src/domain/TokenBucket.js"
import { type Gate, Pace } from "../../src/layers/Pace.js"

/** A connection that always has more, in chunks of one size. */
class Source implements Gate {
  passed = 0
  private waiting = 0
  readonly flow: Gate["flow"]

  constructor(
    private readonly pace: Pace,
    readonly download: string,
    readonly origin: string,
    private readonly chunk: number,
    rate: number | null,
    private readonly log: (source: Source, bytes: number) => void
  ) {
    this.flow = pace.enter(download as DownloadId, rate)
  }

  readonly queued = () => this.waiting

  readonly hand = (bytes: number) => {
    this.waiting -= bytes
    this.count(bytes)
    // as a Wire does: the next chunk comes from within
    if (this.waiting === 0) this.write()
  }

  private count(bytes: number) {
    this.passed += bytes
    this.log(this, bytes)
  }

  /** What the network delivers next, where it is not held back. */
  write() {
    if (this.waiting > 0) return
    if (this.pace.pass(this, this.chunk)) return this.count(this.chunk)
    this.waiting = this.chunk
    this.pace.wait(this)
  }
}

const beat = 10

interface Connection {
  readonly download: number
  readonly host: number
  readonly chunk: number
}

interface Setting {
  readonly all: number
  readonly hosts: ReadonlyArray<number>
  readonly downloads: ReadonlyArray<number>
  readonly connections: ReadonlyArray<Connection>
}

const rate = fc.oneof(fc.integer({ min: 200, max: 10_000 }), fc.integer({ min: 10_000, max: 5_000_000 }))
const three = fc.tuple(rate, rate, rate)

const settings: fc.Arbitrary<Setting> = fc.record({
  all: rate,
  hosts: three,
  downloads: three,
  connections: fc.array(
    fc.record({ download: fc.nat(2), host: fc.nat(2), chunk: fc.integer({ min: 500, max: 65_536 }) }),
    { minLength: 1, maxLength: 6 }
  )
})

/** Lets so much time pass, in which all send as fast as they may. */
const play = (setting: Setting, millis: number, perBeat = 8) => {
  let now = 0
  const pace = new Pace({ rate: setting.all, perHost: (origin) => setting.hosts[Number(origin)] }, () => now)
  const log: Array<{ readonly at: number; readonly source: Source; readonly bytes: number }> = []
  const sources = setting.connections.map(
    ({ chunk, download, host }) =>
      new Source(pace, String(download), String(host), chunk, setting.downloads[download]!, (source, bytes) =>
        log.push({ at: now, source, bytes })
      )
  )
  for (; now < millis; now += beat) {
    pace.beat()
    for (let i = 0; i < perBeat; i++) for (const source of sources) source.write()
  }
  return { log, sources }
}

/** That in no window more came than a rate allows. */
const keepsTo = (limit: number, log: ReadonlyArray<{ readonly at: number; readonly bytes: number }>) => {
  // the lowest line of this slope that all before lay above
  let sum = 0
  let lowest = Infinity
  for (const { at, bytes } of log) {
    lowest = Math.min(lowest, sum - (limit * at) / 1000)
    sum += bytes
    expect(sum - (limit * at) / 1000 - lowest).toBeLessThanOrEqual(
      TokenBucket.capacityOf(limit) * (1 + 1e-9) + 1e-6
    )
  }
}

describe("Pace", () => {
  it("exceeds no limit in any window: neither the engine's, nor a host's, nor a download's", () => {
    fc.assert(
      fc.property(settings, (setting) => {
        const { log } = play(setting, 1500)
        keepsTo(setting.all, log)
        setting.hosts.forEach((limit, host) =>
          keepsTo(
            limit,
            log.filter(({ source }) => source.origin === String(host))
          )
        )
        setting.downloads.forEach((limit, download) =>
          keepsTo(
            limit,
            log.filter(({ source }) => source.download === String(download))
          )
        )
      }),
      { numRuns: 25 }
    )
  })

  it("brings all that the narrowest limit allows, and starves nobody", () => {
    fc.assert(
      fc.property(settings, (setting) => {
        const { sources } = play(setting, 3000)
        const sum = (some: ReadonlyArray<Source>) => some.reduce((all, { passed }) => all + passed, 0)
        for (const { download } of sources)
          expect(sum(sources.filter((one) => one.download === download))).toBeGreaterThan(0)
        // some limit is used up, or nearly: the whole engine's, or one for each connection
        const used = (limit: number, some: ReadonlyArray<Source>) => sum(some) >= limit * 3 * 0.85
        const spent = sources.every(
          ({ download, origin }) =>
            used(setting.all, sources) ||
            used(
              setting.hosts[Number(origin)]!,
              sources.filter((one) => one.origin === origin)
            ) ||
            used(
              setting.downloads[Number(download)]!,
              sources.filter((one) => one.download === download)
            )
        )
        expect(spent).toBe(true)
      }),
      { numRuns: 25 }
    )
  })

  it("gives downloads that share a limit equal shares, whatever connections they have and chunks they come in", () => {
    const wide = 1e12
    const chunk = fc.integer({ min: 500, max: 65_536 })
    fc.assert(
      fc.property(
        rate,
        fc.array(fc.array(chunk, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 4 }),
        (all, downloads) => {
          const connections = downloads.flatMap((chunks, download) =>
            chunks.map((size) => ({ download, host: 0, chunk: size }))
          )
          const { sources } = play(
            { all, hosts: [wide], downloads: downloads.map(() => wide), connections },
            5000,
            64
          )
          const shares = downloads.map((_, download) =>
            sources
              .filter((one) => one.download === String(download))
              .reduce((sum, { passed }) => sum + passed, 0)
          )
          // a quantum each, what the bucket holds at the beginning and at the end, and what it is overdrawn by, apart
          const apart = 2 * 65_536 + 3 * TokenBucket.capacityOf(all)
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(apart)
        }
      ),
      {
        numRuns: 15,
        // small chunks kept larger ones from ever gathering what they need
        examples: [[29_871, [[508, 508, 500], [799], [799]]]]
      }
    )
  })

  it("keeps two limits at once for a large chunk that waits for both, beside small ones", () => {
    const wide = 1e12
    const connections = [
      { download: 0, host: 0, chunk: 65_536 },
      ...Array.from({ length: 6 }, (_, i) => ({ download: i % 3, host: i < 3 ? 0 : 1, chunk: 500 }))
    ]
    const { sources } = play(
      { all: 100_000, hosts: [50_000, wide], downloads: [wide, wide, wide], connections },
      5000,
      64
    )
    const passed = (download: number) =>
      sources.filter((one) => one.download === String(download)).reduce((sum, one) => sum + one.passed, 0)
    expect(sources[0]!.passed).toBeGreaterThan(50_000)
    expect([0, 1, 2].reduce((sum, one) => sum + passed(one), 0)).toBeGreaterThan(0.95 * 500_000)
  })

  it("does not hold up others for one that is limited by itself", () => {
    const { sources } = play(
      {
        all: 1_000_000,
        hosts: [1e12],
        downloads: [1000, 1e12],
        connections: [
          { download: 0, host: 0, chunk: 65_536 },
          { download: 1, host: 0, chunk: 4096 }
        ]
      },
      5000,
      64
    )
    expect(sources[0]!.passed).toBeGreaterThan(4500)
    expect(sources[1]!.passed).toBeGreaterThan(4_700_000)
  })

  it("lets whoever comes later share at once, and claim nothing for the time before", () => {
    let now = 0
    const pace = new Pace({ rate: 100_000, perHost: () => undefined }, () => now)
    const make = (name: string) => new Source(pace, name, "0", 2000, null, () => {})
    const sources = [make("a")]
    const run = (millis: number) => {
      for (const end = now + millis; now < end; now += beat) {
        pace.beat()
        for (const source of sources) source.write()
      }
    }
    run(10_000)
    const before = sources[0]!.passed
    expect(before).toBeGreaterThan(950_000)
    sources.push(make("b"))
    run(2000)
    expect(sources[1]!.passed).toBeGreaterThan(80_000)
    expect(sources[0]!.passed - before).toBeGreaterThan(75_000)
  })

  it("lets everything pass where there is no limit, and what waits when one is lifted", () => {
    let now = 0
    const pace = new Pace({ rate: undefined, perHost: () => undefined }, () => now)
    let passed = 0
    const source = new Source(pace, "a", "0", 1e6, null, (_, bytes) => (passed += bytes))
    source.write()
    expect(passed).toBe(1e6)
    pace.govern({ ...none, hosts: new Map([["0", 1000]]) })
    source.write()
    now += 1000
    pace.beat()
    expect(passed).toBe(1e6 + 200)
    pace.govern(none)
    pace.beat()
    // and the next one with it
    expect(passed).toBe(3e6)
  })

  it("takes back what came unasked", () => {
    let now = 0
    const pace = new Pace({ rate: 1000, perHost: () => undefined }, () => now)
    let passed = 0
    const source = new Source(pace, "a", "0", 100, null, (_, bytes) => (passed += bytes))
    pace.charge("a" as DownloadId, "0", 1000)
    now = 1000
    source.write()
    expect(passed).toBe(0)
    now = 1100
    pace.beat()
    expect(passed).toBe(100)
  })
})
