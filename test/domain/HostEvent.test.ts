import { describe, expect, it } from "vitest"
import { changes, type HostEvent, type Told } from "../../src/domain/HostEvent.js"
import type { Cooling } from "../../src/domain/Host.js"

/** What is told of one host that is like this one after the other. */
const story = (...healths: ReadonlyArray<readonly [at: number, cooling: Cooling | null]>) => {
  let told: Told = new Map()
  return healths.flatMap(([at, cooling]): ReadonlyArray<HostEvent> => {
    const next = changes(told, [["http://h", cooling]], at)
    told = next.told
    return next.events
  })
}
const until = (until: number): Cooling => ({ until, why: "busy" })

describe("events of a host", () => {
  it("tell when it is left alone, and when it answers again", () => {
    expect(story([0, until(2000)], [2500, null])).toEqual([
      {
        v: 1,
        event: "host",
        at: "1970-01-01T00:00:00.000Z",
        origin: "http://h",
        state: "open",
        until: "1970-01-01T00:00:02.000Z",
        why: "busy"
      },
      {
        v: 1,
        event: "host",
        at: "1970-01-01T00:00:02.500Z",
        origin: "http://h",
        state: "closed",
        until: null,
        why: null
      }
    ])
  })

  it("say a thing once: an answer and the failure it makes are one, as are a look and a commit", () => {
    const events = story(
      [0, until(2000)],
      [1, until(2001)],
      [2, until(1500)],
      [3, until(9000)],
      [4, null],
      [5, null]
    )
    expect(events.map(({ at, state, until }) => [Date.parse(at), state, until && Date.parse(until)])).toEqual(
      [
        [0, "open", 2000],
        [3, "open", 9000],
        [4, "closed", null]
      ]
    )
  })

  it("are none of a host that has failed and is asked all the same, nor of a time that is over", () => {
    expect(story([0, null], [10, until(10)], [20, null])).toEqual([])
  })

  it("remember a bounded number of hosts, the last ones", () => {
    const many = Array.from({ length: 5000 }, (_, i) => [`http://${i}`, until(9000)] as const)
    const { events, told } = changes(new Map(), many, 0)
    expect([events.length, told.size, told.has("http://0"), told.has("http://4999")]).toEqual([
      5000,
      4096,
      false,
      true
    ])
  })
})
