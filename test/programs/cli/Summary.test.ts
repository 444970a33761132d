import { describe, expect, it } from "vitest"
import * as Ids from "../../../src/domain/DownloadId.js"
import type { Change } from "../../../src/programs/cli/Events.js"
import { style } from "../../../src/programs/cli/Style.js"
import * as Summary from "../../../src/programs/cli/Summary.js"
import { Tallier } from "../../../src/programs/cli/Tally.js"
import { row } from "./Fixtures.js"

const base = {
  v: 1,
  at: "1970-01-01T00:00:00.000Z",
  id: Ids.fromKey(1),
  url: "http://example.org/a"
} as const
const missing = (url: string): Change => ({
  ...base,
  url,
  event: "failed",
  reason: "NotFound",
  status: 404,
  detail: "the server answered 404 (not found)",
  advice: "check the URL"
})
const refused = (port: number): Change => ({
  ...base,
  url: `http://example.org:${port}/`,
  event: "failed",
  reason: "ConnectionRefused",
  detail: `example.org:${port} refused the connection`,
  advice: "check the address and port, or that the server is running"
})
const completed: Change = { ...base, event: "completed", path: "/a", bytes: 1024, outcome: "fetched" }
const tally = (events: ReadonlyArray<Change>) => {
  const tallier = new Tallier()
  for (const event of events) tallier.add(event)
  return tallier.value()
}
const plain = style(false)

describe("what is not done", () => {
  it("is told with its URL, why, and what to do", () => {
    const found = tally([missing("http://a/\u001b[2J"), { ...base, event: "paused", bytes: 0, total: null }])
    expect(Summary.notDone(found, plain)).toBe(
      "sluice: not done: http://a/\ufffd[2J\n" +
        "        the server answered 404 (not found)\n" +
        "        check the URL\n" +
        "sluice: not done: http://example.org/a\n" +
        "        it was paused by another command\n" +
        "        what has arrived is kept; resume it to go on\n"
    )
  })

  it("is told by reason where it is very much, and the first of each reason in full", () => {
    const events = Array.from({ length: 4000 }, (_, i) => missing(`http://a/${i}`))
    const found = tally([...events, ...Array.from({ length: 1000 }, (_, i) => refused(i + 1))])
    const text = Summary.notDone(found, plain)
    expect(text.split("\n").filter((line) => line.startsWith("sluice: not done"))).toHaveLength(21)
    expect(text).toContain("sluice: not done: http://a/19\n")
    expect(text).not.toContain("http://a/20\n")
    expect(text).toContain("sluice: not done: http://example.org:1/\n")
    expect(text.split("\n").slice(-6).join("\n")).toBe(
      "sluice: and 4979 more not done (sluice ls --status failed names them):\n" +
        "        3980 times: the server answered 404 (not found)\n" +
        "                    check the URL\n" +
        "        999 times: such as: example.org:2 refused the connection\n" +
        "                   check the address and port, or that the server is running\n"
    )
  })
})

describe("the counts", () => {
  it.each([
    [[completed], "1 completed (1 KiB) in 12 s\n"],
    [[completed, completed, missing("http://a/")], "2 completed (2 KiB), 1 failed in 12 s\n"],
    [[{ ...base, event: "cancelled" } as const], "1 stopped in 12 s\n"],
    [[], "nothing to do\n"]
  ])("%#", (events, text) => {
    expect(Summary.counts(tally(events), 12_340, plain)).toBe(text)
  })

  it("are coloured where that is wanted", () => {
    expect(Summary.counts(tally([completed]), 1000, style(true))).toBe(
      "\u001b[32m1 completed (1 KiB)\u001b[39m in 1 s\n"
    )
  })
})

describe("the words of an interruption", () => {
  const again = { command: "sluice get again", hidden: false }
  const left = [
    row({ checkpoint: 512, total: 1024 }),
    row({ id: Ids.fromKey(2), checkpoint: 512, total: 2048 })
  ]

  it("say what is saved and how to go on", () => {
    expect(Summary.goOn(left, again, tally([]), plain)).toBe(
      "sluice: interrupted; 1 KiB of 3 KiB saved. To go on:\n        sluice get again\n"
    )
  })
  it("and what has ended before", () => {
    expect(
      Summary.goOn(left, { ...again, hidden: true }, tally([completed, missing("http://a/")]), plain)
    ).toBe(
      "sluice: interrupted; 1 completed (1 KiB), 1 failed, 2 left; 1 KiB of 3 KiB saved. To go on:\n" +
        "        sluice get again\n        (with the secrets that are left out here)\n"
    )
  })
})
