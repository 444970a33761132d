import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { download } from "../domain/Fixtures.js"
import type { Digest } from "../../src/domain/Digest.js"
import { FileError } from "../../src/domain/FileError.js"
import type { Message } from "../../src/domain/Message.js"
import { make as makeError } from "../../src/domain/DownloadError.js"
import { none } from "../../src/domain/Validator.js"
import * as MemoryDisk from "../../src/layers/MemoryDisk.js"
import * as PartSession from "../../src/layers/PartSession.js"
import * as PartWriter from "../../src/layers/PartWriter.js"
import { PartWriters } from "../../src/layers/PartWriters.js"
import type { Handle } from "../../src/services/PartFile.js"
import type { Reporter } from "../../src/services/Transport.js"

const full = new FileError({ reason: "NoSpace", operation: "write", path: "/d/f" })

/** Takes so many bytes, then no more. */
const handle = (room: number): Handle => ({
  identity: { dev: "1", ino: "1" },
  readAt: () => Effect.die("not read here"),
  sync: Effect.void,
  truncate: () => Effect.void,
  size: (done) => done(Infinity),
  facts: Effect.die("not used"),
  writeAt: (_, position, done) => done(position >= room ? full : undefined)
})

describe("PartWriters", () => {
  it.effect("count nothing that a failed write has not brought", () =>
    Effect.gen(function* () {
      const writers = new PartWriters([])
      const disk = handle(PartWriter.batchBytes)
      const [whole, cut] = [PartWriter.make(disk, 0), PartWriter.make(disk, 2 * PartWriter.batchBytes)]
      writers.add(0, whole, "http://a/")
      writers.add(2 * PartWriter.batchBytes, cut, "http://b/")
      whole.write(new Uint8Array(PartWriter.batchBytes))
      cut.write(new Uint8Array(100))
      expect(yield* writers.settle(whole)).toBe(PartWriter.batchBytes)
      expect(Either.isLeft(yield* Effect.either(writers.settle(cut)))).toBe(true)
      expect(writers.accepted).toEqual([[0, PartWriter.batchBytes]])
      expect(writers.brought).toEqual([
        ["http://a/", [[0, PartWriter.batchBytes]]],
        ["http://b/", []]
      ])
    })
  )
})

describe("a part that is condemned", () => {
  it.scoped("is not sound, and is given up, whatever ends its transfer", () =>
    Effect.gen(function* () {
      const row = download({ directory: "/d", output: "f", filename: null, part: null, checkpoint: 0 })
      const told: Array<Message> = []
      const reporter: Reporter = {
        tell: (message) =>
          Effect.as(
            Effect.sync(() => told.push(message)),
            row
          ),
        note: (message) => Effect.asVoid(Effect.sync(() => told.push(message))),
        tellBoth: () => Effect.die("not used"),
        gauge: { received: 0, total: undefined, state: "" }
      }
      const { disk, files } = MemoryDisk.make()
      const session = yield* PartSession.open(disk, row, reporter)
      yield* session.begin({ proposedName: () => "f", total: 10, validator: none })
      const writer = session.write(0, { total: 10, validator: none })
      writer.write(new Uint8Array(10))
      const fault = makeError("ProtocolViolation", "more than it announced")
      session.condemn(fault, { fresh: true })
      yield* session.settle(writer)
      yield* session.record
      expect(yield* Effect.either(session.sound)).toEqual(Either.left(fault))
      expect(told.map(({ _tag }) => _tag)).toEqual(["Identified"])
      yield* session.keep
      expect(told.map(({ _tag }) => _tag)).toEqual(["Identified", "Identified"])
      expect(session.held.bytes).toBe(0)
      expect([...files.values()].map(({ data }) => data.length)).toEqual([0])
    })
  )

  it.scoped("knows the digest that any answer of its version has told", () =>
    Effect.gen(function* () {
      const row = download({ directory: "/d", output: "f", filename: null, part: null, checkpoint: 0 })
      const { disk } = MemoryDisk.make()
      const reporter: Reporter = {
        tell: () => Effect.succeed(row),
        note: () => Effect.void,
        tellBoth: () => Effect.die("not used"),
        gauge: { received: 0, total: undefined, state: "" }
      }
      const session = yield* PartSession.open(disk, row, reporter)
      const plain = { ...none, etag: '"v1"' }
      const digest: Digest = { algorithm: "sha-256", hex: "ab".repeat(32), field: "Digest" }
      yield* session.begin({ proposedName: () => "f", total: 20, validator: plain })
      session.write(0, { total: 20, validator: { ...plain, digest } })
      // asked before that answer came, and judged without it
      session.write(10, { total: 20, validator: plain })
      expect(session.held.validator.digest).toEqual(digest)
      yield* session.keep
    })
  )
})
