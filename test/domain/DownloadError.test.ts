import { describe, expect, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import {
  adviceOf,
  DownloadError,
  fromFile,
  fromStatus,
  kindOf,
  make,
  Reason,
  reasons
} from "../../src/domain/DownloadError.js"
import { FileError, FileErrorReason, fromCode } from "../../src/domain/FileError.js"
import { download, part, record, reset } from "./Fixtures.js"

describe("DownloadError", () => {
  it("has a kind and an advice for every reason", () => {
    expect(reasons.length).toBeGreaterThan(30)
    for (const reason of reasons) {
      const error = make(reason, "what happened")
      expect(["transient", "wait", "permanent"]).toContain(error.kind)
      expect([kindOf(reason), adviceOf(reason)]).toEqual([error.kind, error.advice])
      // a sentence to be put after the message: no full stop, no capital
      expect(error.advice).toMatch(/^[a-z].*[^.]$/)
      expect(error.message).toBe("what happened")
    }
  })

  it.each([
    ["wait", ["HostBusy", "HostCooling", "Offline", "DiskFull", "SinkMissing"]],
    [
      "permanent",
      [
        "TlsFailed",
        "ClientCertificate",
        "ProxyRefused",
        "NotFound",
        "Gone",
        "Unauthorized",
        "Forbidden",
        "BadStatus",
        "ChecksumUnavailable",
        "TooLarge",
        "WrongSize",
        "UnwantedCoding",
        "TooManyRedirects",
        "RedirectRefused",
        "InvalidUrl",
        "UnsupportedScheme",
        "InvalidRequest",
        "ChecksumContradiction",
        "DestinationUnusable",
        "DestinationExists",
        "SinkRefused",
        "Cancelled",
        "Paused",
        "GaveUp",
        "DiskStayedFull",
        "TimedOut",
        "CrashedTooOften",
        "Defect"
      ]
    ]
  ] as const)("%s are exactly these", (kind, expected) => {
    expect(reasons.filter((reason) => kindOf(reason) === kind)).toEqual(expected)
  })

  it("survives being stored", () => {
    const schema = Schema.parseJson(DownloadError)
    const error = make("HostCooling", "wait", { status: 429, retryAfter: 5 })
    const stored = Schema.encodeSync(schema)(error)
    expect(Schema.decodeSync(schema)(stored)).toEqual(error)
    expect(Either.isLeft(Schema.decodeUnknownEither(Reason)("Unheard"))).toBe(true)
  })
})

describe("DownloadError.fromStatus", () => {
  it.each([
    [100, "ProtocolViolation"],
    [204, "ProtocolViolation"],
    [304, "ProtocolViolation"],
    [400, "BadStatus"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "NotFound"],
    [405, "BadStatus"],
    [407, "ProxyRefused"],
    [408, "ServerError"],
    [410, "Gone"],
    [412, "BadStatus"],
    [416, "BadStatus"],
    [421, "BadStatus"],
    [425, "ServerError"],
    [429, "TooManyRequests"],
    [451, "BadStatus"],
    [500, "ServerError"],
    [502, "ServerError"],
    [503, "ServerError"],
    [504, "ServerError"],
    [599, "ServerError"]
  ])("%s is %s", (status, reason) => {
    const error = fromStatus(status, undefined)
    expect([error.reason, error.status]).toEqual([reason, status])
    expect(error.detail).toContain(String(status))
  })

  it("waits where the server says for how long, if trying again makes sense at all", () => {
    for (const status of [408, 425, 429, 500, 502, 503, 504]) {
      expect(fromStatus(status, 1500)).toMatchObject({
        reason: "HostCooling",
        retryAfter: 1500,
        status,
        kind: "wait"
      })
    }
    for (const status of [401, 403, 404, 410]) expect(fromStatus(status, 1500).kind).toBe("permanent")
    expect(fromStatus(503, 0)).toMatchObject({ reason: "HostCooling", retryAfter: 0 })
    expect(fromStatus(503, 1500).detail).toContain("asked to wait 2 s")
  })

  it("names the status where people know it by name", () => {
    expect(fromStatus(404, undefined).detail).toBe("the server answered 404 (not found)")
    expect(fromStatus(599, undefined).detail).toBe("the server answered 599")
  })

  it("has an answer to any number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999 }), (status) => {
        expect(reasons).toContain(fromStatus(status, undefined).reason)
      })
    )
  })
})

describe("FileError", () => {
  it.each([
    ["EEXIST", "create", "Exists", "DestinationExists"],
    ["ENOENT", "create", "Missing", "DestinationUnusable"],
    ["EACCES", "create", "NotPermitted", "DestinationUnusable"],
    ["EPERM", "create", "NotPermitted", "DestinationUnusable"],
    ["EPERM", "link", "NoHardLinks", "DestinationUnusable"],
    ["EROFS", "create", "ReadOnly", "DestinationUnusable"],
    ["ENOSPC", "write", "NoSpace", "DiskFull"],
    ["EDQUOT", "write", "NoSpace", "DiskFull"],
    ["EISDIR", "open", "IsDirectory", "DestinationUnusable"],
    ["ENOTDIR", "open", "NotADirectory", "DestinationUnusable"],
    ["ELOOP", "open", "NotAFile", "DestinationUnusable"],
    ["ENAMETOOLONG", "create", "NameTooLong", "DestinationUnusable"],
    ["ENOTSUP", "link", "NoHardLinks", "DestinationUnusable"],
    ["EMLINK", "link", "NoHardLinks", "DestinationUnusable"],
    ["EMFILE", "open", "TooManyOpenFiles", "DiskFailed"],
    ["EIO", "sync", "Io", "DiskFailed"],
    [undefined, "sync", "Io", "DiskFailed"],
    ["EWHAT", "sync", "Io", "DiskFailed"]
  ])("%s when trying to %s is %s, for a download %s", (code, operation, reason, meaning) => {
    const error = fromCode(code, operation, "/dir/name")
    expect([error.reason, error.code]).toEqual([reason, code])
    expect(error.message).toContain("/dir/name")
    expect(error.message).toContain(operation)
    const told = fromFile(error)
    expect([told.reason, told.detail.startsWith(error.message)]).toEqual([meaning, true])
  })

  it("tells of a directory that has gone", () => {
    const of = (operation: string) => fromFile(fromCode("ENOENT", operation, "/dir/name")).detail
    expect(of("create")).toContain("its directory was moved, renamed or removed")
    expect(of("sync")).toContain("the directory was moved, renamed or removed")
    expect(of("open")).not.toContain("directory was")
  })

  it("means something to a download, whatever it is", () => {
    for (const reason of FileErrorReason.literals) {
      const meaning = fromFile(new FileError({ reason, operation: "open", path: "/x" }))
      expect(reasons).toContain(meaning.reason)
    }
  })
})

describe("a failure as it is stored", () => {
  it("is an error again when the policy is replayed", () => {
    expect(new DownloadError(reset)).toMatchObject({ reason: "ConnectionReset", kind: "transient" })
    expect(download({ part, publishing: record, failure: reset }).failure).toEqual(reset)
  })
})
