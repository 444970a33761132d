import { describe, expect, it } from "@effect/vitest"
import type { FileFacts } from "../../src/domain/FileFacts.js"
import { defaultOptions } from "../../src/domain/DownloadOptions.js"
import { judge, type Known, knownOf, look } from "../../src/domain/Verification.js"
import { download, record, strong } from "./Fixtures.js"

const caller = { algorithm: "sha-256", hex: "aa" } as const
const server = { algorithm: "sha-512", hex: "bb", field: "Repr-Digest" } as const
const known: Known = { ...caller, by: "caller" }

const facts: FileFacts = { kind: "file", dev: "1", ino: "10", size: 100, mtime: record.mtime }

const completed = (checksum: typeof defaultOptions.checksum | typeof caller, digest?: typeof server) =>
  download({
    status: "completed",
    outcome: "fetched",
    options: { ...defaultOptions, checksum },
    validator: { ...strong, ...(digest === undefined ? {} : { digest }) }
  })

describe("what is known of a completed file", () => {
  it("is the strongest digest, the caller's where both are as strong", () => {
    expect(knownOf(completed(null))).toBe(null)
    expect(knownOf(completed(caller))).toEqual({ ...caller, by: "caller" })
    expect(knownOf(completed(null, server))).toEqual({ algorithm: "sha-512", hex: "bb", by: "server" })
    expect(knownOf(completed(caller, server))).toMatchObject({ by: "server" })
    const same = {
      ...completed(caller),
      validator: { ...strong, digest: { ...server, algorithm: "sha-256" as const } }
    }
    expect(knownOf(same)).toMatchObject({ by: "caller" })
  })
  it("is nothing where it was left alone, as it was never compared", () => {
    expect(knownOf({ ...completed(caller), outcome: "skipped" })).toBe(null)
  })
})

describe("a look at a completed file", () => {
  it.each([
    ["nothing there", undefined, known, "missing"],
    ["a directory", { ...facts, kind: "directory" }, known, "altered"],
    ["a link", { ...facts, kind: "symlink" }, null, "altered"],
    ["another length", { ...facts, size: 99 }, known, "altered"],
    ["as it was, no digest", facts, null, "intact"],
    ["written to, no digest", { ...facts, mtime: "1" }, null, "altered"],
    ["another file, no digest", { ...facts, ino: "11" }, null, "altered"],
    ["another file born, no digest", { ...facts, birth: "5" }, null, "altered"]
  ] as const)("%s", (_, found, digest, result) => {
    const told = look(record, found, digest)
    expect(told).toMatchObject({ _tag: "Told", result })
    expect(told._tag === "Told" && (told.detail === null) === (result === "intact")).toBe(true)
  })
  it.each([facts, { ...facts, ino: "11", mtime: "1" }])("with a digest, its bytes tell: %j", (found) => {
    expect(look(record, found, known)).toEqual({ _tag: "Read" })
  })
  it("the digest decides", () => {
    expect(judge(known, "aa")).toEqual({ result: "verified", detail: null })
    expect(judge(known, "ab")).toMatchObject({
      result: "altered",
      detail: expect.stringContaining("the one asked for")
    })
  })
})
