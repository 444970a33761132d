/**
 * Threads that hash real files: right digests, the file that is meant and no other, and an end whatever happens to the thread.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"
import { Algorithm } from "../../src/domain/Checksum.js"
import * as HashThread from "../../src/layers/HashThread.js"
import * as InlineHasher from "../../src/layers/InlineHasher.js"
import * as NodePartFile from "../../src/layers/NodePartFile.js"
import * as ThreadHasher from "../../src/layers/ThreadHasher.js"
import { Hasher, type Hashed } from "../../src/services/Hasher.js"
import { PartFile } from "../../src/services/PartFile.js"
import { eventually, temporary } from "./cli/Cli.js"

const layer = ThreadHasher.layer.pipe(Layer.provideMerge(NodePartFile.layer))

const MiB = 1024 * 1024

/** A file of so many bytes, none of which is like its neighbour. */
const fileOf = (size: number) =>
  Effect.gen(function* () {
    const path = join(yield* temporary, "file")
    const data = Buffer.alloc(size, createHash("sha512").update("sluice").digest())
    fs.writeFileSync(path, data)
    const facts = Option.getOrThrow(yield* (yield* PartFile).facts(path))
    return { data, file: { path, identity: facts, size } satisfies Hashed }
  })

const hexOf = (data: Buffer, algorithm: Algorithm): string =>
  createHash(InlineHasher.nodeName[algorithm]).update(data).digest("hex")

/** Descriptors of this process that lead to the file. */
const openOn = (path: string): number =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length

const live = <E>(title: string, body: Effect.Effect<void, E, Hasher | PartFile | Scope.Scope>): void =>
  it.scopedLive(title, () => Effect.provide(body, layer))

describe("threads", () => {
  live(
    "compute what is asked for, all in one reading, of a large file, a small one and an empty one",
    Effect.gen(function* () {
      const hasher = yield* Hasher
      for (const size of [9 * MiB + 17, MiB, 1, 0]) {
        const { data, file } = yield* fileOf(size)
        const found = yield* hasher.digests(file, Algorithm.literals)
        for (const algorithm of Algorithm.literals) expect(found.get(algorithm)).toBe(hexOf(data, algorithm))
        expect(openOn(file.path)).toBe(0)
      }
    })
  )

  live(
    "hash the beginning of a file only, and say what is missing of one that is too short",
    Effect.gen(function* () {
      const hasher = yield* Hasher
      const { data, file } = yield* fileOf(6 * MiB)
      const begun = yield* hasher.digests({ ...file, size: 5 * MiB }, ["md5"])
      expect(begun.get("md5")).toBe(hexOf(data.subarray(0, 5 * MiB), "md5"))
      const error = yield* Effect.flip(hasher.digests({ ...file, size: 7 * MiB }, ["md5"]))
      expect(error).toMatchObject({ reason: "DiskFailed" })
      expect(error.detail).toContain(`has ${6 * MiB} bytes instead of ${7 * MiB}`)
    })
  )

  live(
    "read the file that is meant: not another of its name, no link, nothing where there is nothing",
    Effect.gen(function* () {
      const hasher = yield* Hasher
      const { file } = yield* fileOf(5 * MiB)
      const why = Effect.map(Effect.flip(hasher.digests(file, ["md5"])), ({ detail }) => detail)
      fs.renameSync(file.path, `${file.path}.old`)
      expect(yield* why).toContain("was removed or replaced")
      fs.writeFileSync(file.path, Buffer.alloc(5 * MiB))
      expect(yield* why).toContain("was removed or replaced")
      fs.rmSync(file.path)
      fs.symlinkSync(`${file.path}.old`, file.path)
      expect(yield* why).toContain("it is not a regular file")
      // and go on with the next one
      fs.rmSync(file.path)
      fs.renameSync(`${file.path}.old`, file.path)
      expect((yield* hasher.digests(file, ["md5"])).size).toBe(1)
    })
  )

  live(
    "work for more files than there are threads, and hash inline what is small and open",
    Effect.gen(function* () {
      const hasher = yield* Hasher
      const disk = yield* PartFile
      const { data, file } = yield* fileOf(5 * MiB)
      const all = yield* Effect.all(
        Array.from({ length: 12 }, () => hasher.digests(file, ["sha-256"])),
        { concurrency: "unbounded" }
      )
      expect(new Set(all.map((found) => found.get("sha-256")))).toEqual(new Set([hexOf(data, "sha-256")]))
      const handle = Option.getOrThrow(yield* disk.open(file.path))
      // read through the handle: its name is of no interest
      const small = { ...file, handle, path: "/nowhere", size: MiB }
      expect((yield* hasher.digests(small, ["md5"])).get("md5")).toBe(hexOf(data.subarray(0, MiB), "md5"))
    })
  )

  live(
    "are gone when an interruption is over, with all they had open",
    Effect.gen(function* () {
      const hasher = yield* Hasher
      const path = join(yield* temporary, "large")
      fs.writeFileSync(path, "")
      // of holes, so that it takes long to hash and none of the disk
      fs.truncateSync(path, 64 * 1024 * MiB)
      const facts = Option.getOrThrow(yield* (yield* PartFile).facts(path))
      const file = { path, identity: facts, size: facts.size }
      const fiber = yield* Effect.fork(hasher.digests(file, ["sha-512"]))
      yield* eventually(() => openOn(path) > 0)
      yield* Fiber.interrupt(fiber)
      expect(openOn(path)).toBe(0)
      const { data, file: next } = yield* fileOf(5 * MiB)
      expect((yield* hasher.digests(next, ["md5"])).get("md5")).toBe(hexOf(data, "md5"))
    })
  )
})

describe("a thread", () => {
  const file = { path: "/nowhere/file", identity: { dev: "1", ino: "1" }, size: 8 * MiB }
  const nothing = { open: () => Effect.succeedNone }

  it.scoped("that can't be had: the engine hashes by itself", () =>
    Effect.gen(function* () {
      const hasher = yield* ThreadHasher.make(nothing, () => {
        throw new Error("ERR_ACCESS_DENIED")
      })
      expect(yield* Effect.flip(hasher.digests(file, ["md5"]))).toMatchObject({ reason: "DiskFailed" })
    })
  )

  it.scoped("that dies is an error, not a hang, and the next file gets another", () =>
    Effect.gen(function* () {
      let started = 0
      const hasher = yield* ThreadHasher.make(nothing, () => {
        started++
        return {
          isAlive: () => true,
          run: () =>
            Effect.fail(
              new HashThread.ThreadDied({ message: "the thread that hashes has died: out of memory" })
            ),
          abandon: () => {},
          end: Effect.void
        }
      })
      for (const _ of [1, 2]) {
        expect(yield* Effect.flip(hasher.digests(file, ["md5"]))).toMatchObject({
          reason: "DiskFailed",
          kind: "transient",
          detail: "the thread that hashes has died: out of memory"
        })
      }
      expect(started).toBe(2)
    })
  )

  it.scoped("that dies while it has nothing to do is not given the next file", () =>
    Effect.gen(function* () {
      const ended: Array<boolean> = []
      const hasher = yield* ThreadHasher.make(nothing, () => {
        const n = ended.push(false) - 1
        return {
          isAlive: () => !ended[n]!,
          run: ({ size }) =>
            ended[n]!
              ? Effect.fail(new HashThread.ThreadDied({ message: "it had ended" }))
              : Effect.succeed({ read: size, digests: [`of ${n}`] }),
          abandon: () => {},
          end: Effect.void
        }
      })
      const next = Effect.map(hasher.digests(file, ["md5"]), (found) => found.get("md5"))
      expect([yield* next, yield* next]).toEqual(["of 0", "of 0"])
      ended[0] = true
      expect(yield* next).toBe("of 1")
    })
  )

  it.scoped("that reads nothing for a minute is given up without waiting for it", () =>
    Effect.gen(function* () {
      let fail: (why: HashThread.ThreadDied) => void = () => {}
      const hasher = yield* ThreadHasher.make(nothing, () => ({
        isAlive: () => true,
        run: (task) =>
          Effect.async((resume) => {
            fail = (why) => resume(Effect.fail(why))
            new Float64Array(task.pulse)[0] = 1
          }),
        abandon: (why) => fail(why),
        end: Effect.never
      }))
      const fiber = yield* Effect.fork(Effect.flip(hasher.digests(file, ["md5"])))
      yield* TestClock.adjust(2 * ThreadHasher.patience)
      expect(yield* Fiber.join(fiber)).toMatchObject({
        reason: "DiskFailed",
        detail: "reading /nowhere/file has brought nothing for 60 s"
      })
    })
  )

  it.live("that is ended in the middle of its life fails what it runs", () =>
    Effect.gen(function* () {
      const thread = HashThread.start()
      yield* thread.end
      const exit = yield* Effect.exit(
        thread.run({ ...file, flags: 0, algorithms: ["md5"], pulse: new SharedArrayBuffer(8) })
      )
      expect(Exit.isFailure(exit)).toBe(true)
    })
  )
})
