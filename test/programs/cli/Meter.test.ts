import { describe, expect, it } from "vitest"
import * as Ids from "../../../src/domain/DownloadId.js"
import * as Meter from "../../../src/programs/cli/Meter.js"
import { active } from "./Fixtures.js"

const MiB = 1024 * 1024
const [one, two] = [Ids.fromKey(1), Ids.fromKey(2)]

describe("the speed of a download", () => {
  it("is unknown at first, and does not count what was there already", () => {
    const first = Meter.measure(undefined, [active(1, 500 * MiB)], 0, 0)
    expect(first.downloads.get(one)?.speed).toBeUndefined()
    expect(first.total.speed).toBeUndefined()
    const second = Meter.measure(first, [active(1, 501 * MiB)], MiB, 100)
    expect(second.downloads.get(one)?.speed).toBeCloseTo(10 * MiB)
    expect(second.total.speed).toBeCloseTo(10 * MiB)
  })

  it("is smoothed, and a burst at the beginning is soon forgotten", () => {
    let meter = Meter.measure(undefined, [active(1, 0)], 0, 0)
    const look = (received: number, at: number) => {
      meter = Meter.measure(meter, [active(1, received)], received, at)
      return meter.downloads.get(one)!.speed!
    }
    expect(look(10 * MiB, 100)).toBeCloseTo(100 * MiB)
    // the mean of the first second: 19 MiB
    for (let i = 2; i <= 10; i++) look((9 + i) * MiB, i * 100)
    expect(meter.downloads.get(one)!.speed).toBeCloseTo(19 * MiB)
    for (let i = 11; i <= 200; i++) look((9 + i) * MiB, i * 100)
    expect(meter.downloads.get(one)!.speed! / MiB).toBeCloseTo(10, 1)
    expect(look(209 * MiB, 20_100) / MiB).toBeGreaterThan(9)
    expect(look(209 * MiB, 30_100) / MiB).toBeLessThan(0.1)
  })

  it("survives a restart from 0 and other downloads coming and going", () => {
    const first = Meter.measure(undefined, [active(1, 10 * MiB)], 0, 0)
    const restarted = Meter.measure(first, [active(1, 0), active(2, 90 * MiB)], 0, 100)
    expect(restarted.downloads.get(one)?.speed).toBe(0)
    const later = Meter.measure(restarted, [active(2, 91 * MiB)], MiB, 200)
    expect(later.downloads.get(two)?.speed).toBeCloseTo(10 * MiB)
    expect(later.downloads.has(one)).toBe(false)
  })

  it("ignores a clock that goes backwards", () => {
    const first = Meter.measure(undefined, [active(1, 0)], 0, 1000)
    expect(Meter.measure(first, [active(1, MiB)], MiB, 900)).toBe(first)
  })
})

describe("the speed of all", () => {
  it("counts what came and went between two looks, and nothing twice", () => {
    let meter = Meter.measure(undefined, [], 0, 0)
    meter = Meter.measure(meter, [], MiB, 100)
    expect(meter.total.speed).toBeCloseTo(10 * MiB)
    // the gauge of an ended download goes before its row comes
    meter = Meter.measure(meter, [], 0.5 * MiB, 200)
    meter = Meter.measure(meter, [], MiB, 300)
    expect(meter.total.speed! * 0.3).toBeCloseTo(MiB)
  })
})
