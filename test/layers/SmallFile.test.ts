/**
 * A small file on its way from memory to its name: what is told, in which order, and what is left where a step fails.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { createHash } from "node:crypto"
import { type Checksum, isList } from "../../src/domain/Checksum.js"
import type { Download } from "../../src/domain/Download.js"
import { defaultOptions } from "../../src/domain/DownloadOptions.js"
import { ownPartName } from "../../src/domain/FileName.js"
import type { Message } from "../../src/domain/Message.js"
import { StoreError } from "../../src/domain/StoreError.js"
import { transition } from "../../src/domain/Transition.js"
import * as MemoryDisk from "../../src/layers/MemoryDisk.js"
import * as Publisher from "../../src/layers/Publisher.js"
import * as SmallFile from "../../src/layers/SmallFile.js"
import type { Reporter, Whole } from "../../src/services/Transport.js"
import { download, strong } from "../domain/Fixtures.js"

const chunks = [Buffer.from("small "), Buffer.from("file")]
const whole: Whole = { _tag: "Whole", chunks, size: 10, filename: "a.txt", validator: strong }
const sha256 = (text: string): Checksum => ({
  algorithm: "sha-256",
  hex: createHash("sha256").update(text).digest("hex")
})

const begun = (changes: Partial<Download> = {}) =>
  download({ status: "processing", attempt: 1, directory: "/d", ...changes })

/** A store of one row; `onTell` may change it before a message, or refuse. */
const world = (
  row: Download,
  onTell: (message: Message, row: Download) => Download | StoreError = (_, r) => r
) => {
  const memory = MemoryDisk.make()
  const told: Array<Message["_tag"]> = []
  let current = row
  const tell = (message: Message) =>
    Effect.suspend(() => {
      const changed = onTell(message, current)
      if (changed instanceof StoreError) return changed
      told.push(message._tag)
      current = Either.getOrThrowWith(transition(changed, message, 1), () => new Error(message._tag))
      return Effect.succeed(current)
    })
  const reporter: Reporter = {
    gauge: { received: 10, total: 10, state: "downloading" },
    tell,
    note: (message) => Effect.asVoid(tell(message)),
    tellBoth: (first, second) => Effect.zipRight(tell(first), tell(second))
  }
  const small = SmallFile.make(memory.disk, Publisher.make(memory.disk), {
    settle: (expected) => (isList(expected) ? Effect.dieMessage("no list here") : Effect.succeed(expected))
  })
  return { ...memory, told, reporter, publish: small.publish(row, whole, reporter), clear: small.clear(row) }
}

const fenced = new StoreError({ reason: "Fenced", path: "x.db", detail: "it is another engine's" })
const part = `/d/${ownPartName(begun().id)}`

describe("a small file", () => {
  it.effect("is told of twice, and has its name", () => {
    const { files, publish, syncs, told } = world(begun())
    return Effect.gen(function* () {
      expect(yield* publish).toMatchObject({ status: "completed", filename: "a.txt", total: 10, part: null })
      expect(told).toEqual(["Identified", "Publishing", "Succeeded"])
      expect([...files.keys()]).toEqual(["/d/a.txt"])
      expect(Buffer.from(files.get("/d/a.txt")!.data).toString()).toBe("small file")
      expect(syncs).toHaveLength(1)
    })
  })

  it.effect("with a wrong checksum, it never touches the disk", () => {
    const options = { ...defaultOptions, checksum: sha256("another") }
    const { files, publish, told } = world(begun({ options }))
    return Effect.gen(function* () {
      expect(yield* Effect.flip(publish)).toMatchObject({ reason: "ChecksumMismatch" })
      expect([[...files.keys()], told]).toEqual([[], []])
    })
  })

  it.effect("to which a checksum is added meanwhile is verified by it before it gets its name", () => {
    const adding = (text: string) =>
      world(begun(), (message, row) =>
        message._tag === "Publishing" ? { ...row, options: { ...row.options, checksum: sha256(text) } } : row
      )
    return Effect.gen(function* () {
      const right = adding("small file")
      expect(yield* right.publish).toMatchObject({ status: "completed" })
      expect(right.told).toEqual(["Identified", "Publishing", "Publishing", "Succeeded"])
      const wrong = adding("another")
      expect(yield* Effect.flip(wrong.publish)).toMatchObject({ reason: "ChecksumMismatch" })
      expect(wrong.told).toEqual(["Identified", "Publishing", "Renounced"])
      expect(wrong.files.has("/d/a.txt")).toBe(false)
    })
  })

  it.effect("takes its part with it where the row can't be told", () => {
    const refusing = (tag: Message["_tag"]) =>
      Effect.gen(function* () {
        const { files, publish } = world(begun(), (message, row) => (message._tag === tag ? fenced : row))
        expect(yield* Effect.flip(publish)).toMatchObject({ reason: "Fenced" })
        expect([...files.keys()]).toEqual([])
      })
    return Effect.zipRight(refusing("Identified"), refusing("Publishing"))
  })

  it.effect("leaves nothing of a failed sync", () => {
    const { failSync, files, publish } = world(begun())
    failSync()
    return Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.flip(publish))
      yield* TestClock.adjust("20 millis")
      expect(yield* Fiber.join(fiber)).toMatchObject({ reason: "DiskFailed" })
      expect([...files.keys()]).toEqual([])
    })
  })

  it.effect("gets another name where its own is taken", () => {
    const { files, publish } = world(begun())
    files.set("/d/a.txt", { ino: 99, data: Buffer.from("precious"), mtime: "0" })
    return Effect.gen(function* () {
      expect(yield* publish).toMatchObject({ status: "completed", filename: "a (1).txt" })
      expect(Buffer.from(files.get("/d/a.txt")!.data).toString()).toBe("precious")
    })
  })

  it.effect("replaces the part that an earlier try of its own has left", () => {
    const { files, publish } = world(begun())
    files.set(part, { ino: 99, data: Buffer.from("old"), mtime: "0" })
    return Effect.gen(function* () {
      expect(yield* publish).toMatchObject({ status: "completed", filename: "a.txt" })
      expect([...files.keys()]).toEqual(["/d/a.txt"])
    })
  })

  it.effect("after a crash, a part that no row knows is removed before the next try", () => {
    const left = { ino: 99, data: Buffer.from("old"), mtime: "0" }
    return Effect.gen(function* () {
      const crashed = world(begun({ crashes: 1 }))
      crashed.files.set(part, left)
      yield* crashed.clear
      expect([...crashed.files.keys()]).toEqual([])
      const healthy = world(begun())
      healthy.files.set(part, left)
      yield* healthy.clear
      expect([...healthy.files.keys()]).toEqual([part])
    })
  })
})
