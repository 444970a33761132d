/**
 * The combined operations of the live disk: they do what their steps do, one by one.
 */
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { FileError } from "../../src/domain/FileError.js"
import { inSteps } from "../../src/layers/DiskSteps.js"
import * as NodePartFile from "../../src/layers/NodePartFile.js"
import { PartFile, type Shape } from "../../src/services/PartFile.js"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-write-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

/** The same test of both, which must not be told apart. */
const live = (
  title: string,
  body: (disk: Shape, at: (name: string) => string) => Effect.Effect<void, FileError>
) => {
  for (const [how, layer] of [
    ["synced", NodePartFile.layer],
    ["unsynced", NodePartFile.layerUnsynced]
  ] as const) {
    for (const stepwise of [false, true]) {
      it.scopedLive(`${title} (${how}${stepwise ? ", in steps" : ""})`, () =>
        Effect.gen(function* () {
          const directory = yield* temporary
          const disk = yield* PartFile
          yield* body(stepwise ? inSteps(disk) : disk, (name) => join(directory, name))
          // nothing that was opened is open
          const open = fs.existsSync("/proc/self/fd")
            ? fs.readdirSync("/proc/self/fd").flatMap((fd) => {
                try {
                  return [fs.readlinkSync(`/proc/self/fd/${fd}`)]
                } catch {
                  return []
                }
              })
            : []
          expect(open.filter((path) => path.startsWith(directory))).toEqual([])
        }).pipe(Effect.provide(layer))
      )
    }
  }
}

const complaint = (effect: Effect.Effect<unknown, FileError>) =>
  Effect.map(Effect.either(effect), (result) =>
    Either.isLeft(result) ? `${result.left.operation}: ${result.left.reason}` : "succeeded"
  )

describe("writeNew", () => {
  live("makes a file of all buffers and tells what it is", (disk, at) =>
    Effect.gen(function* () {
      const buffers = [Buffer.from("ab"), new Uint8Array(0), Buffer.from("cde")]
      const facts = yield* disk.writeNew(at("a"), buffers)
      expect(fs.readFileSync(at("a"), "utf8")).toBe("abcde")
      expect(Option.some(facts)).toEqual(yield* disk.facts(at("a")))
      expect(fs.statSync(at("a")).mode & 0o777).toBe(0o666 & ~process.umask())
      expect((yield* disk.writeNew(at("one"), [Buffer.from("one")])).size).toBe(3)
      expect((yield* disk.writeNew(at("empty"), [])).size).toBe(0)
      expect(fs.readFileSync(at("empty"), "utf8")).toBe("")
    })
  )

  live("takes no name that is taken, and says what is in the way", (disk, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("file"), "precious")
      fs.mkdirSync(at("directory"))
      fs.symlinkSync(at("nowhere"), at("dangling"))
      for (const name of ["file", "directory", "dangling"]) {
        expect(yield* complaint(disk.writeNew(at(name), [Buffer.from("x")]))).toBe("create: Exists")
      }
      expect(yield* complaint(disk.writeNew(at("missing/x"), []))).toBe("create: Missing")
      expect(yield* complaint(disk.writeNew(at("file/x"), []))).toBe("create: NotADirectory")
      expect(fs.readFileSync(at("file"), "utf8")).toBe("precious")
      expect(fs.existsSync(at("nowhere"))).toBe(false)
    })
  )
})

describe("moveNew", () => {
  live("gives a file its new name and takes the old one away", (disk, at) =>
    Effect.gen(function* () {
      const { ino } = yield* disk.writeNew(at("part"), [Buffer.from("abc")])
      yield* disk.moveNew(at("part"), at("final"))
      expect(String(fs.statSync(at("final")).ino)).toBe(ino)
      expect(fs.existsSync(at("part"))).toBe(false)
    })
  )

  live("replaces nothing, and keeps the old name then", (disk, at) =>
    Effect.gen(function* () {
      yield* disk.writeNew(at("part"), [Buffer.from("abc")])
      fs.writeFileSync(at("final"), "precious")
      expect(yield* complaint(disk.moveNew(at("part"), at("final")))).toBe("link: Exists")
      expect(fs.readFileSync(at("final"), "utf8")).toBe("precious")
      expect(fs.readFileSync(at("part"), "utf8")).toBe("abc")
      expect(yield* complaint(disk.moveNew(at("none"), at("other")))).toBe("link: Missing")
    })
  )
})
