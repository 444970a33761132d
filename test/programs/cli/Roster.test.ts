import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Status } from "../../../src/domain/Download.js"
import * as Ids from "../../../src/domain/DownloadId.js"
import { Roster } from "../../../src/programs/cli/Roster.js"
import { row } from "./Fixtures.js"

describe("the roster", () => {
  it("keeps its sums, whatever happens to downloads", () => {
    const change = fc.record({
      key: fc.integer({ min: 1, max: 4 }),
      checkpoint: fc.nat({ max: 100 }),
      status: fc.constantFrom<Status>("pending", "processing", "retrying", "waiting", "completed", "failed")
    })
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const roster = new Roster()
        let arrived = 0
        for (const { checkpoint, key, status } of changes) {
          const download = row({ id: Ids.fromKey(key), checkpoint, status })
          if (status === "completed" || status === "failed") roster.end(download)
          else roster.set(download.id, download)
          const rows = Array.from(roster.values())
          expect(roster.held).toBe(rows.reduce((sum, { checkpoint }) => sum + checkpoint, 0))
          expect(new Set(roster.delayed.values())).toEqual(
            new Set(rows.filter(({ status }) => status === "retrying" || status === "waiting"))
          )
          expect(roster.arrived).toBeGreaterThanOrEqual(arrived)
          arrived = roster.arrived
        }
      })
    )
  })

  it("counts as arrived what came since a download was first seen", () => {
    const roster = new Roster()
    roster.set(row().id, row({ checkpoint: 500 }))
    expect(roster.arrived).toBe(0)
    roster.set(row().id, row({ checkpoint: 600 }))
    // it begins again
    roster.set(row().id, row({ checkpoint: 0 }))
    roster.end(row({ status: "completed", checkpoint: 900, total: 1000 }))
    expect(roster).toMatchObject({ arrived: 1100, held: 0, size: 0 })
  })

  it("does not count a file that was left alone", () => {
    const roster = new Roster()
    roster.set(row().id, row())
    roster.end(row({ status: "completed", total: 1000, outcome: "skipped" }))
    expect(roster.arrived).toBe(0)
  })
})
