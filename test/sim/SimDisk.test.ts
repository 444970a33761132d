import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import type { FileError } from "../../src/domain/FileError.js"
import { PartFile, type Handle, type Shape } from "../../src/services/PartFile.js"
import { pageSize } from "./Inode.js"
import { SimDisk, type DiskOptions } from "./SimDisk.js"
import { Simulator } from "./Simulator.js"
import type { Oracle, Watch } from "./Watch.js"

const directory = "/d"
const part = "/d/x.sluice-part"

const setUp = (seed: number, options: Partial<DiskOptions> = {}) => {
  const sim = new Simulator(seed)
  const broken: Array<Oracle> = []
  const watch: Watch = {
    violation: (oracle) => void broken.push(oracle),
    published: () => {},
    replaced: () => {}
  }
  const disk = new SimDisk(
    sim,
    {
      directories: [directory],
      hardLinks: true,
      rough: () => false,
      speed: 1000,
      lyingSync: false,
      ...options
    },
    watch
  )
  /** Runs a program with the disk until it ends or can't go on. */
  const run = (program: (part: Shape) => Effect.Effect<unknown, FileError, never>): string => {
    let exit = "running"
    const fiber = sim.fork(Effect.provide(Effect.flatMap(PartFile, program), disk.layer))
    fiber.addObserver((value) => {
      exit = value._tag === "Success" ? "ok" : String(value.cause)
    })
    sim.drive(() => exit !== "running", { steps: 10_000 })
    return exit
  }
  return { sim, disk, broken, run }
}

const write = (handle: Handle, text: string, position: number) =>
  Effect.async<void, FileError>((resume) =>
    handle.writeAt([Buffer.from(text)], position, (error) =>
      resume(error === undefined ? Effect.void : Effect.fail(error))
    )
  )

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString()

describe("SimDisk", () => {
  it("keeps after a power cut what was synced, name and bytes", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { disk, run } = setUp(seed)
      const exit = run((files) =>
        Effect.scoped(
          Effect.gen(function* () {
            const handle = yield* files.create(part)
            yield* write(handle, "safe", 0)
            yield* handle.sync
            yield* files.syncDirectory(directory)
          })
        )
      )
      expect(exit).toBe("ok")
      disk.kill(0)
      disk.powerCut()
      expect(text(disk.at(part)?.bytes)).toBe("safe")
    }
  })

  it("loses in a power cut, sometimes, each thing that was not synced", () => {
    const left = new Set<string>()
    for (let seed = 1; seed <= 100; seed++) {
      const { disk, run } = setUp(seed)
      run((files) =>
        Effect.scoped(
          Effect.gen(function* () {
            const handle = yield* files.create(part)
            yield* write(handle, "a".repeat(pageSize) + "b".repeat(pageSize), 0)
          })
        )
      )
      disk.kill(0)
      disk.powerCut()
      const bytes = disk.at(part)?.bytes
      left.add(
        bytes === undefined ? "no name" : `${bytes.length} ${bytes[0] ?? "-"} ${bytes[pageSize] ?? "-"}`
      )
    }
    expect(left).toContain("no name")
    expect(left).toContain("0 - -")
    // whole, and with its full size but holes: the size proves nothing
    expect(left).toContain(`${2 * pageSize} 97 98`)
    expect([...left].some((what) => /^8192 (0|97) (0|98)$/.test(what) && / 0( |$)/.test(what))).toBe(true)
  })

  it("keeps in a kill what the page cache has", () => {
    const { disk, run } = setUp(1)
    run((files) => Effect.scoped(Effect.flatMap(files.create(part), (handle) => write(handle, "cached", 0))))
    disk.kill(0)
    expect(text(disk.at(part)?.bytes)).toBe("cached")
    expect(text(disk.at(part)?.durableBytes)).toBe("")
  })

  it("does not write again what a failed sync has lost", () => {
    const { broken, disk, run } = setUp(5, { rough: () => true })
    for (let tries = 0; tries < 2000 && disk.mishaps.size === 0; tries++) {
      run((files) =>
        Effect.scoped(
          Effect.gen(function* () {
            const found = yield* files.open(part)
            const handle = Option.isSome(found) ? found.value : yield* files.create(part)
            yield* write(handle, "x", 0)
            yield* handle.sync
          })
        )
      )
    }
    expect(disk.mishaps.size).toBe(1)
    expect(broken).toEqual([])
  })

  it("refuses what a file system refuses", () => {
    const { disk, run } = setUp(1)
    disk.userCreates("/d/taken", new Uint8Array(1))
    const created = (name: string) => run((files) => Effect.scoped(files.create(name)))
    expect(created(part)).toBe("ok")
    expect(created(part)).toContain("EEXIST")
    expect(created("/nowhere/x.sluice-part")).toContain("ENOENT")
    expect(run((files) => files.link(part, "/d/taken"))).toContain("EEXIST")
    expect(run((files) => files.link("/d/gone.sluice-part", "/d/y"))).toContain("ENOENT")
    disk.full = true
    expect(created("/d/z.sluice-part")).toContain("ENOSPC")
    expect(setUp(1, { hardLinks: false }).run((files) => files.link(part, "/d/y"))).toContain("ENOENT")
  })

  it("notices two writers, writes after a close, and changes of finished and foreign files", () => {
    const twice = setUp(1)
    twice.run((files) =>
      Effect.scoped(
        Effect.gen(function* () {
          yield* write(yield* files.create(part), "one", 0)
          yield* write(Option.getOrThrow(yield* files.open(part)), "two", 0)
        })
      )
    )
    expect(twice.broken).toEqual(["Q2"])
    const closed = setUp(1)
    closed.run((files) =>
      Effect.flatMap(Effect.scoped(files.create(part)), (handle) => write(handle, "late", 0))
    )
    expect(closed.broken).toEqual(["C1"])
    const finished = setUp(1)
    finished.run((files) =>
      Effect.scoped(
        Effect.gen(function* () {
          const handle = yield* files.create(part)
          yield* files.link(part, "/d/x")
          yield* write(handle, "more", 0)
        })
      )
    )
    expect(finished.broken).toEqual(["B1"])
    const foreign = setUp(1)
    foreign.disk.userCreates(part, new Uint8Array(1))
    foreign.run((files) =>
      Effect.scoped(Effect.flatMap(files.open(part), (found) => write(Option.getOrThrow(found), "mine", 0)))
    )
    expect(foreign.broken).toEqual(["B5"])
  })
})
