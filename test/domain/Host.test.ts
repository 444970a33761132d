import { describe, expect, it } from "@effect/vitest"
import { saysOfHost } from "../../src/domain/Host.js"

describe("what a failed try says of its host", () => {
  it.each([
    ["ConnectionRefused", "trouble"],
    ["ServerError", "trouble"],
    ["NotFound", "answers"],
    ["ChecksumMismatch", "answers"],
    // nobody was asked, or nobody has answered yet
    ["HostBusy", "nothing"],
    ["TimedOut", "nothing"],
    ["Offline", "nothing"],
    ["ProxyFailed", "nothing"],
    ["ProxyRefused", "nothing"],
    ["DiskFull", "nothing"]
  ] as const)("%s: %s", (reason, says) => {
    expect(saysOfHost(reason)).toBe(says)
  })
})
