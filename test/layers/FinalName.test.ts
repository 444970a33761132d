/**
 * Naming where the file system has no hard links: an empty file keeps the name until the part takes its place. What happens
 * to it when that fails.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FinalRecord } from "../../src/domain/Download.js"
import { type FileError, fromCode } from "../../src/domain/FileError.js"
import { StoreError } from "../../src/domain/StoreError.js"
import * as FinalName from "../../src/layers/FinalName.js"
import * as MemoryDisk from "../../src/layers/MemoryDisk.js"
import { download } from "../domain/Fixtures.js"

const record: FinalRecord = { name: "f", dev: "1", ino: "9", size: 10, mtime: "5" }
const row = download({ directory: "/d" })

/** `beforeRename`: what others do before it fails. */
const world = (beforeRename: (memory: MemoryDisk.MemoryDisk) => Effect.Effect<unknown, FileError>) => {
  const memory = MemoryDisk.make()
  const { take } = FinalName.make({
    ...memory.disk,
    link: (_, to) => Effect.fail(fromCode("EPERM", "link", to)),
    rename: (_, to) =>
      Effect.zipRight(Effect.ignore(beforeRename(memory)), Effect.fail(fromCode("EIO", "rename to", to)))
  })
  return { ...memory, take }
}

describe("a name kept by an empty file", () => {
  it.effect("is given up when the part can't take its place", () => {
    const { files, take } = world(() => Effect.void)
    return Effect.gen(function* () {
      expect(yield* Effect.flip(take(row, "/d/part", record, () => Effect.void))).toMatchObject({
        reason: "DiskFailed"
      })
      expect([...files.keys()]).toEqual([])
    })
  })

  it.effect("is given up when it can't be recorded", () => {
    const { files, take } = world(() => Effect.die("not renamed"))
    const error = new StoreError({ reason: "Fenced", path: "x.db", detail: "another engine's" })
    return Effect.gen(function* () {
      expect(yield* Effect.flip(take(row, "/d/part", record, () => error))).toBe(error)
      expect([...files.keys()]).toEqual([])
    })
  })

  const meddling: Record<
    string,
    (memory: MemoryDisk.MemoryDisk) => Effect.Effect<unknown, FileError, Scope.Scope>
  > = {
    "replaced it": ({ disk }) => Effect.zipRight(disk.remove("/d/f"), disk.create("/d/f")),
    "written to it": ({ files }) => Effect.sync(() => (files.get("/d/f")!.data = new Uint8Array(3)))
  }

  it.effect.each(Object.keys(meddling))("stays where somebody else has %s meanwhile", (how) => {
    const { files, take } = world((memory) => Effect.scoped(meddling[how]!(memory)))
    return Effect.gen(function* () {
      yield* Effect.flip(take(row, "/d/part", record, () => Effect.void))
      expect([...files.keys()]).toEqual(["/d/f"])
    })
  })
})
