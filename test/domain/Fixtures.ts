/**
 * Rows, messages and response fields for the tests of the domain.
 */
import * as fc from "fast-check"
import * as Redacted from "effect/Redacted"
import { type Download, EngineId, type Failure, type FinalRecord } from "../../src/domain/Download.js"
import { fromKey } from "../../src/domain/DownloadId.js"
import { defaultOptions } from "../../src/domain/DownloadOptions.js"
import { fromPairs, type Headers } from "../../src/domain/Headers.js"
import type { Validator } from "../../src/domain/Validator.js"

export const engine = EngineId.make("engine-1")
export const otherEngine = EngineId.make("engine-2")

export const secret = "Bearer hunter2"

/** A row as it is after `enqueue`, changed as asked. */
export const download = (changes: Partial<Download> = {}): Download => ({
  id: fromKey(4711),
  url: "http://origin.test/file.bin",
  directory: "/downloads",
  sources: null,
  root: null,
  output: null,
  headers: Redacted.make([["Authorization", secret]]),
  options: defaultOptions,
  priority: 0,
  tags: [],
  key: null,
  meta: null,
  status: "pending",
  desired: "run",
  owner: null,
  epoch: 0,
  filename: null,
  part: null,
  checkpoint: 0,
  segments: null,
  total: null,
  validator: null,
  publishing: null,
  outcome: null,
  attempt: 0,
  attemptStartedAt: null,
  attemptFrom: 0,
  strikes: [],
  crashes: 0,
  nextAttemptAt: null,
  waitingSince: null,
  begunAt: null,
  failure: null,
  earlier: null,
  retriedAs: null,
  pid: null,
  createdAt: 0,
  updatedAt: 0,
  finishedAt: null,
  ...changes
})

export const strong: Validator = { etag: '"v1"', lastModifiedStrong: false }
export const unprovable: Validator = { etag: 'W/"v1"', lastModifiedStrong: false }

export const part = { name: "file.bin.sluice-part", dev: "1", ino: "10" }
export const record: FinalRecord = {
  name: "file.bin",
  dev: "1",
  ino: "10",
  size: 100,
  mtime: "1700000000000000000"
}

export const reset: Failure = { reason: "ConnectionReset", detail: "the connection was reset" }

/** Fields by name; an array stands for a repeated field, undefined for an absent one. */
export const fields = (
  values: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
): Headers =>
  fromPairs(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined
        ? []
        : typeof value === "string"
          ? [[name, value] as const]
          : value.map((each) => [name, each] as const)
    )
  )

/** Text made of what breaks file names, parsers and terminals, mixed with arbitrary characters. */
export const hostileText = (pieces: ReadonlyArray<string>): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary", maxLength: 6 })), {
      maxLength: 12
    })
    .map((parts) => parts.join(""))
