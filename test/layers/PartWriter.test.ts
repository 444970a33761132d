/**
 * The byte pump over a disk of the test's own, which calls back when told to: at once, or later.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as fc from "fast-check"
import { FileError } from "../../src/domain/FileError.js"
import { Extent } from "../../src/layers/Extent.js"
import * as PartWriter from "../../src/layers/PartWriter.js"
import type { Handle } from "../../src/services/PartFile.js"

const KiB = 1024
const MiB = 1024 * KiB

const full = new FileError({ reason: "NoSpace", operation: "write", path: "/part", code: "ENOSPC" })

class Disk {
  readonly content: Uint8Array
  readonly writes: Array<{ readonly position: number; readonly bytes: number; readonly chunks: number }> = []
  acknowledged: number
  overlapped = false
  /** The next writes call back before `writeAt` returns. */
  synchronous = false
  failing: FileError | undefined = undefined
  /** As somebody else has made it. */
  size = Infinity
  private pending: (() => void) | undefined = undefined

  constructor(size: number, position: number) {
    this.content = new Uint8Array(size)
    this.acknowledged = position
  }

  /** Lets the write in flight call back. */
  complete(): boolean {
    const pending = this.pending
    this.pending = undefined
    pending?.()
    return pending !== undefined
  }

  readonly handle: Handle = {
    identity: { dev: "1", ino: "1" },
    readAt: () => Effect.die("not read here"),
    sync: Effect.void,
    truncate: () => Effect.void,
    size: (done) => done(this.size),
    facts: Effect.die("not used"),
    writeAt: (buffers, position, done) => {
      if (this.pending !== undefined) this.overlapped = true
      const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
      this.writes.push({ position, bytes, chunks: buffers.length })
      const error = this.failing
      const land = (): void => {
        if (error !== undefined) return done(error)
        let at = position
        for (const buffer of buffers) {
          this.content.set(buffer, at)
          at += buffer.length
        }
        this.acknowledged = at
        done(undefined)
      }
      if (this.synchronous) land()
      else this.pending = land
    }
  }
}

// random enough that no two offsets look alike; made once
const random = (() => {
  const words = new Uint32Array(8 * MiB)
  let state = 2463534242
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return Buffer.from(words.buffer)
})()

const finished = (writer: PartWriter.PartWriter) => Effect.runPromise(Effect.either(writer.finish))

describe("PartWriter", () => {
  it.effect("a small body costs one write", () =>
    Effect.gen(function* () {
      const disk = new Disk(KiB, 0)
      disk.synchronous = true
      const writer = PartWriter.make(disk.handle, 0)
      expect(writer.write(random.subarray(0, KiB))).toBe(true)
      expect(disk.writes).toEqual([])
      yield* writer.finish
      expect(disk.writes).toEqual([{ position: 0, bytes: KiB, chunks: 1 }])
      expect([writer.position, writer.written]).toEqual([KiB, KiB])
    })
  )

  it.effect("an empty body costs none", () =>
    Effect.gen(function* () {
      const disk = new Disk(0, 0)
      const writer = PartWriter.make(disk.handle, 0)
      expect(writer.write(new Uint8Array(0))).toBe(true)
      yield* writer.finish
      expect(disk.writes).toEqual([])
    })
  )

  it("batches chunks, goes on from its position, and keeps the gauge", () => {
    const disk = new Disk(MiB, 100)
    const gauge = { received: 100 }
    const writer = PartWriter.make(disk.handle, 100, gauge)
    for (let i = 0; i < 4; i++) {
      expect(disk.writes.length).toBe(0)
      writer.write(new Uint8Array(64 * KiB))
    }
    expect(disk.writes).toEqual([{ position: 100, bytes: 256 * KiB, chunks: 4 }])
    expect(gauge.received).toBe(100 + 256 * KiB)
    expect(writer.written).toBe(100)
    disk.complete()
    expect(writer.written).toBe(100 + 256 * KiB)
  })

  it.effect("writes nothing to a file that somebody else has cut, and says so", () =>
    Effect.gen(function* () {
      const disk = new Disk(MiB, 0)
      disk.synchronous = true
      const told: Array<FileError> = []
      const extent = new Extent(
        0,
        () => "/part",
        (error) => told.push(error)
      )
      const batch = new Uint8Array(PartWriter.batchBytes)
      const [first, second] = [0, 2 * batch.length].map((at) =>
        PartWriter.make(disk.handle, at, undefined, () => false, extent)
      )
      second!.write(batch)
      first!.write(batch)
      // as far as the farthest has written, though the other has not
      disk.size = 3 * batch.length
      first!.write(batch)
      expect(disk.writes).toHaveLength(3)
      disk.size -= 1
      second!.write(batch)
      expect(disk.writes).toHaveLength(3)
      expect(yield* Effect.flip(second!.finish)).toMatchObject({ reason: "Changed", path: "/part" })
      expect(told).toHaveLength(1)
    })
  )

  it("asks to pause at the bound, and to go on once below half of it", () => {
    const disk = new Disk(8 * MiB, 0)
    const writer = PartWriter.make(disk.handle, 0)
    let drains = 0
    let taken = 0
    while (writer.write(new Uint8Array(64 * KiB))) taken++
    expect(taken + 1).toBe((4 * MiB) / (64 * KiB))
    let held = writer.position - writer.written
    writer.onDrain = () => {
      drains++
      // the last moment at which it was still quiet
      expect(held).toBeGreaterThanOrEqual(2 * MiB)
      expect(writer.position - writer.written).toBeLessThan(2 * MiB)
      expect(writer.position - writer.written).toBeGreaterThan(0)
    }
    while (disk.complete()) held = writer.position - writer.written
    expect(Math.max(...disk.writes.map((write) => write.bytes))).toBeLessThanOrEqual(MiB)
    expect(drains).toBe(1)
    expect(writer.write(new Uint8Array(1))).toBe(true)
  })

  it("bounds the number of chunks held, however short they are", () => {
    const disk = new Disk(MiB, 0)
    const writer = PartWriter.make(disk.handle, 0)
    let chunks = 0
    while (writer.write(new Uint8Array(1))) chunks++
    expect(chunks).toBeLessThan(20_000)
    expect(disk.writes[0]!.chunks).toBe(1024)
    let drained = false
    writer.onDrain = () => (drained = true)
    while (disk.complete());
    expect(drained).toBe(true)
  })

  it.effect("finish waits for the write in flight, also when interrupted", () =>
    Effect.gen(function* () {
      const disk = new Disk(MiB, 0)
      const writer = PartWriter.make(disk.handle, 0)
      writer.write(new Uint8Array(300 * KiB))
      writer.write(new Uint8Array(KiB))
      const fiber = yield* Effect.fork(writer.finish)
      yield* Effect.yieldNow()
      const interruption = yield* Effect.fork(Fiber.interrupt(fiber))
      yield* Effect.yieldNow()
      expect(disk.complete()).toBe(true)
      yield* Effect.repeatN(Effect.yieldNow(), 50)
      expect(interruption.unsafePoll()).toBe(null)
      expect(disk.complete()).toBe(true)
      yield* Fiber.join(interruption)
      expect(writer.written).toBe(301 * KiB)
    })
  )

  it.effect("flush writes what is there and waits for no more; the sink goes on", () =>
    Effect.gen(function* () {
      const disk = new Disk(MiB, 0)
      const writer = PartWriter.make(disk.handle, 0)
      yield* writer.flush
      expect(disk.writes).toEqual([])
      writer.write(new Uint8Array(KiB))
      const fiber = yield* Effect.fork(writer.flush)
      yield* Effect.yieldNow()
      // comes too late for that flush, and waits for a full batch as ever
      expect(writer.write(new Uint8Array(KiB))).toBe(true)
      yield* Effect.yieldNow()
      expect(fiber.unsafePoll()).toBe(null)
      expect(disk.complete()).toBe(true)
      yield* Fiber.join(fiber)
      expect(disk.complete()).toBe(false)
      expect([writer.written, writer.position]).toEqual([KiB, 2 * KiB])
      disk.synchronous = true
      yield* writer.flush
      expect(writer.written).toBe(2 * KiB)
    })
  )

  it.effect("a flush fails with the write it waits for", () =>
    Effect.gen(function* () {
      const disk = new Disk(MiB, 0)
      disk.failing = full
      const writer = PartWriter.make(disk.handle, 0)
      writer.write(new Uint8Array(KiB))
      const fiber = yield* Effect.fork(Effect.flip(writer.flush))
      yield* Effect.yieldNow()
      disk.complete()
      expect(yield* Fiber.join(fiber)).toBe(full)
      expect(yield* Effect.flip(writer.flush)).toBe(full)
    })
  )

  it.effect("refuses what comes after finish, and finishes twice", () =>
    Effect.gen(function* () {
      const disk = new Disk(MiB, 0)
      disk.synchronous = true
      const writer = PartWriter.make(disk.handle, 0)
      writer.write(new Uint8Array(10))
      yield* writer.finish
      expect(writer.write(new Uint8Array(10))).toBe(false)
      expect(writer.position).toBe(10)
      yield* writer.finish
      expect(disk.writes.length).toBe(1)
    })
  )

  it.effect("a failed write is reported once, then nothing is written any more", () =>
    Effect.gen(function* () {
      const disk = new Disk(MiB, 0)
      disk.failing = full
      const writer = PartWriter.make(disk.handle, 0)
      const failures: Array<string> = []
      let drains = 0
      writer.onFailure = (error) => void failures.push(error.reason)
      writer.onDrain = () => void drains++
      for (let i = 0; i < 100; i++) writer.write(new Uint8Array(64 * KiB))
      disk.complete()
      expect(failures).toEqual(["DiskFull"])
      expect(writer.write(new Uint8Array(MiB))).toBe(false)
      expect(yield* Effect.flip(writer.finish)).toBe(full)
      expect(yield* Effect.flip(writer.finish)).toBe(full)
      expect([failures.length, drains, disk.writes.length, writer.written]).toEqual([1, 0, 1, 0])
    })
  )

  it("keeps the stack flat over a disk that calls back at once and a Wire that writes from onDrain", () => {
    const disk = new Disk(0, 0)
    // what lands does not matter here, only how deep the calls nest
    let depth = 0
    let deepest = 0
    let first: () => void = () => {}
    const handle: Handle = {
      ...disk.handle,
      writeAt: (_buffers, position, done) => {
        if (position === 0) return void (first = () => done(undefined))
        deepest = Math.max(deepest, ++depth)
        done(undefined)
        depth--
      }
    }
    const writer = PartWriter.make(handle, 0)
    let rounds = 0
    const chunk = new Uint8Array(5 * MiB)
    writer.onDrain = () => {
      if (rounds++ < 20_000) writer.write(chunk)
    }
    expect(writer.write(chunk)).toBe(false)
    first()
    expect(rounds).toBeGreaterThan(20_000)
    expect(deepest).toBe(1)
  })

  /** One thing that happens to the writer, chosen by the property. */
  const event = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        _tag: fc.constant("chunk" as const),
        size: fc.oneof(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 500_000 }))
      })
    },
    { weight: 3, arbitrary: fc.constant({ _tag: "complete" as const }) },
    { weight: 1, arbitrary: fc.constant({ _tag: "flush" as const }) },
    { weight: 1, arbitrary: fc.boolean().map((on) => ({ _tag: "synchronous" as const, on })) }
  )

  it("bytes land exactly, one write in flight, bounded, and never claims more than was acknowledged", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { maxLength: 60 }),
        fc.integer({ min: 0, max: 1000 }),
        fc.option(fc.nat({ max: 8 }), { nil: undefined }),
        async (events, start, failAt) => {
          const total = events.reduce((sum, item) => sum + (item._tag === "chunk" ? item.size : 0), start)
          const body = random.subarray(0, total)
          const disk = new Disk(total, start)
          disk.content.set(body.subarray(0, start))
          const writer = PartWriter.make(disk.handle, start)
          const failures: Array<unknown> = []
          writer.onFailure = (error) => void failures.push(error)

          // the Wire: keeps its chunks back while it is held, and sends them from inside onDrain
          const backlog: Array<Uint8Array> = []
          const flushes: Array<Promise<{ end: Either.Either<void, FileError>; covered: boolean }>> = []
          let held = false
          let sent = start
          let drainsOwed = 0
          const pump = (): void => {
            while (!held && backlog.length > 0) {
              const chunk = backlog.shift()!
              const before = writer.position - writer.written
              expect(before).toBeLessThan(PartWriter.maxHeldBytes)
              held = !writer.write(chunk)
              if (held) drainsOwed++
            }
          }
          writer.onDrain = () => {
            expect(held).toBe(true)
            drainsOwed--
            held = false
            pump()
          }
          const check = (): void => {
            disk.failing = failAt !== undefined && disk.writes.length >= failAt ? full : undefined
            expect(disk.overlapped).toBe(false)
            expect(writer.written).toBe(disk.acknowledged)
            expect(writer.position).toBeGreaterThanOrEqual(writer.written)
          }
          for (const item of events) {
            check()
            if (item._tag === "complete") disk.complete()
            else if (item._tag === "synchronous") disk.synchronous = item.on
            else if (item._tag === "flush") {
              const target = writer.position
              flushes.push(
                Effect.runPromise(Effect.either(writer.flush)).then((end) => ({
                  end,
                  covered: writer.written >= target
                }))
              )
            } else {
              backlog.push(body.subarray(sent, sent + item.size))
              sent += item.size
              pump()
            }
          }
          while (disk.complete()) check()
          if (failures.length === 0) {
            // nothing in flight and nothing failed: the Wire must not be left waiting
            expect(held).toBe(false)
            expect(backlog).toEqual([])
            expect(drainsOwed).toBe(0)
          }
          // every flush has an answer without any help from finish
          for (const { end, covered } of await Promise.all(flushes)) {
            if (Either.isRight(end)) expect(covered).toBe(true)
            else expect(end.left).toBe(full)
          }
          const ends = [finished(writer), finished(writer)]
          while (disk.complete()) check()
          for (const end of await Promise.all(ends)) {
            expect(Either.isLeft(end)).toBe(failures.length > 0)
            if (Either.isLeft(end)) expect(end.left).toBe(full)
          }
          check()
          expect(failures.length).toBeLessThanOrEqual(1)
          if (failures.length === 0) expect(writer.written).toBe(total)
          expect(body.subarray(0, writer.written).equals(disk.content.subarray(0, writer.written))).toBe(true)
          let next = start
          for (const write of disk.writes) {
            expect(write.position).toBe(next)
            expect(write.bytes).toBeGreaterThan(0)
            next += write.bytes
          }
        }
      ),
      { numRuns: 150 }
    )
  })

  it("asks to pause where a checkpoint takes long, and goes on after it", () => {
    const disk = new Disk(64 * MiB, 0)
    disk.synchronous = true
    let late = false
    let drains = 0
    const writer = PartWriter.make(disk.handle, 0, undefined, () => late)
    writer.onDrain = () => drains++
    const chunk = new Uint8Array(64 * KiB)
    // as much as it likes, while checkpoints come in time
    for (let i = 0; i < 320; i++) expect(writer.write(chunk)).toBe(true)
    writer.record(20 * MiB)
    late = true
    let taken = 0
    while (writer.write(chunk)) taken += chunk.length
    expect(taken + chunk.length).toBe(PartWriter.maxUnrecorded)
    expect(drains).toBe(0)
    // half of what is allowed, and it may go on
    writer.record(20 * MiB + PartWriter.maxUnrecorded / 4)
    expect(drains).toBe(0)
    writer.record(writer.position)
    expect(drains).toBe(1)
  })
})
