/**
 * The live disk layer on a real directory.
 */
import { describe, expect, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { FileError } from "../../src/domain/FileError.js"
import type { FileFacts } from "../../src/domain/FileFacts.js"
import * as NodePartFile from "../../src/layers/NodePartFile.js"
import * as PartWriter from "../../src/layers/PartWriter.js"
import * as InlineHasher from "../../src/layers/InlineHasher.js"
import * as Repair from "../../src/layers/Repair.js"
import { download } from "../domain/Fixtures.js"
import * as Verifier from "../../src/layers/Verifier.js"
import type { Handle } from "../../src/services/PartFile.js"
import { PartFile } from "../../src/services/PartFile.js"
import { bundle } from "./Bundle.js"

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "sluice-part-file-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true }))
)

const live = (
  name: string,
  body: (
    disk: PartFile["Type"],
    directory: string,
    at: (name: string) => string
  ) => Effect.Effect<void, FileError | Handle | FileFacts | Option.Option<Handle> | void, Scope.Scope>
) =>
  it.scopedLive(name, () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      yield* body(yield* PartFile, directory, (name) => join(directory, name))
    }).pipe(Effect.provide(NodePartFile.layer))
  )

const write = (handle: Handle, buffers: ReadonlyArray<Uint8Array>, position: number) =>
  Effect.async<void, FileError>((resume) =>
    handle.writeAt(buffers, position, (error) => resume(error ? Effect.fail(error) : Effect.void))
  )

const reasonOf = <A, R>(effect: Effect.Effect<A, FileError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

/** The descriptors this process has open on a path; undefined where the system doesn't say. */
const descriptors = (path: string): number | undefined => {
  if (!fs.existsSync("/proc/self/fd")) return undefined
  return fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length
}

const expectClosed = (path: string) => expect(descriptors(path) ?? 0).toBe(0)

describe("create", () => {
  live("makes a new empty file and tells its inode", (disk, _directory, at) =>
    Effect.gen(function* () {
      const handle = yield* disk.create(at("a"))
      const stats = fs.lstatSync(at("a"), { bigint: true })
      expect(handle.identity).toMatchObject({ dev: String(stats.dev), ino: String(stats.ino) })
      expect(handle.identity.birth ?? "0").toBe(String(stats.birthtimeNs))
      expect(Number(stats.mode) & 0o777).toBe(0o666 & ~process.umask())
      expect(stats.size).toBe(0n)
    })
  )

  live("never takes a name that is taken, whatever has it", (disk, _directory, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("file"), "precious")
      fs.mkdirSync(at("directory"))
      fs.symlinkSync(at("nowhere"), at("dangling"))
      for (const name of ["file", "directory", "dangling"]) {
        expect(yield* reasonOf(disk.create(at(name)))).toBe("Exists")
      }
      expect(fs.readFileSync(at("file"), "utf8")).toBe("precious")
      expect(fs.existsSync(at("nowhere"))).toBe(false)
    })
  )

  live("tells a name too long, a missing directory and a file on the way", (disk, _directory, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("file"), "")
      expect(yield* reasonOf(disk.create(at("x".repeat(256))))).toBe("NameTooLong")
      expect(yield* reasonOf(disk.create(at("missing/x")))).toBe("Missing")
      expect(yield* reasonOf(disk.create(at("file/x")))).toBe("NotADirectory")
    })
  )
})

describe("open", () => {
  live("finds the file that was created, for writing", (disk, _directory, at) =>
    Effect.gen(function* () {
      const created = yield* Effect.scoped(disk.create(at("a")))
      const opened = yield* disk.open(at("a")).pipe(Effect.map(Option.getOrThrow))
      expect(opened.identity).toEqual(created.identity)
      yield* write(opened, [Buffer.from("ab"), new Uint8Array(0), Buffer.from("c")], 2)
      expect(fs.readFileSync(at("a"), "latin1")).toBe("\0\0abc")
      expect(Option.isNone(yield* disk.open(at("b")))).toBe(true)
    })
  )

  live("refuses everything that is no regular file, without waiting for it", (disk, _directory, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("target"), "precious")
      fs.symlinkSync(at("target"), at("symlink"))
      fs.mkdirSync(at("directory"))
      execFileSync("mkfifo", [at("fifo")])
      const server = createServer()
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void server.listen(at("socket"), () => resume(Effect.void))),
        () => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      expect(yield* reasonOf(disk.open(at("symlink")))).toBe("NotAFile")
      expect(yield* reasonOf(disk.open(at("directory")))).toBe("IsDirectory")
      expect(yield* reasonOf(disk.open(at("fifo")))).toBe("NotAFile")
      expect(yield* reasonOf(disk.open(at("socket")))).toBe("NotAFile")
      for (const name of ["target", "fifo"]) expectClosed(at(name))
      expect(fs.readFileSync(at("target"), "utf8")).toBe("precious")
    })
  )
})

describe("a handle", () => {
  live("cuts, extends, syncs and tells its facts", (disk, _directory, at) =>
    Effect.gen(function* () {
      const handle = yield* disk.create(at("a"))
      yield* write(handle, [Buffer.from("0123456789")], 0)
      yield* handle.truncate(4)
      yield* handle.sync
      expect(fs.readFileSync(at("a"), "latin1")).toBe("0123")
      yield* handle.truncate(6)
      expect(fs.readFileSync(at("a"), "latin1")).toBe("0123\0\0")
      fs.utimesSync(at("a"), 1, 1_700_000_000.25)
      const facts = yield* handle.facts
      expect(facts).toEqual({ ...handle.identity, kind: "file", size: 6, mtime: "1700000000250000000" })
      expect(yield* disk.facts(at("a"))).toEqual(Option.some(facts))
    })
  )

  live("writes a body of many chunks at its position", (disk, _directory, at) =>
    Effect.gen(function* () {
      const handle = yield* disk.create(at("a"))
      // more buffers than one system call takes (IOV_MAX is 1024)
      const chunks = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i},`))
      yield* write(handle, chunks, 5)
      yield* write(handle, [], 0)
      const content = fs.readFileSync(at("a"))
      expect(content.equals(Buffer.concat([Buffer.alloc(5), ...chunks]))).toBe(true)
    })
  )

  live(
    "reads back what was written, up to the end of the file, from a new file and an old one",
    (disk, _, at) =>
      Effect.gen(function* () {
        const handle = yield* disk.create(at("a"))
        yield* write(handle, [Buffer.from("0123456789")], 0)
        for (const each of [handle, Option.getOrThrow(yield* disk.open(at("a")))]) {
          const buffer = Buffer.alloc(4)
          expect([yield* each.readAt(buffer, 3), buffer.toString()]).toEqual([4, "3456"])
          expect([yield* each.readAt(buffer, 8), buffer.toString()]).toEqual([2, "8956"])
          expect(yield* each.readAt(buffer, 10)).toBe(0)
          expect(yield* each.readAt(buffer, 99)).toBe(0)
        }
      })
  )

  live("is verified in blocks: an interruption ends it soon, and nothing is left open", (disk, _, at) =>
    Effect.gen(function* () {
      const size = 64 * 1024 * 1024
      const hex = createHash("sha256").update(Buffer.alloc(size, "sluice")).digest("hex")
      const gauge = { received: 0, total: size, state: "" }
      const unused = () => Effect.dieMessage("nothing is to be told")
      let reads = 0
      const verifying = (onRead: Effect.Effect<void>) =>
        Effect.gen(function* () {
          const handle = Option.getOrThrow(yield* disk.open(at("a")))
          const readAt: Handle["readAt"] = (buffer, position) =>
            Effect.tap(handle.readAt(buffer, position), () => {
              reads++
              return onRead
            })
          const counted = { ...handle, readAt }
          const hasher = InlineHasher.make(disk)
          yield* Verifier.make(hasher, Repair.make({ disk, hasher })).verify(
            { handle: counted, path: at("a"), size },
            { checksum: { algorithm: "sha-256", hex }, digest: undefined },
            { download: download(), brought: [], pieces: Effect.dieMessage("there are no pieces") },
            { gauge, tell: unused, note: unused, tellBoth: unused }
          )
        }).pipe(Effect.scoped)
      fs.writeFileSync(at("a"), Buffer.alloc(size, "sluice"))
      yield* Effect.orDie(verifying(Effect.void))
      expectClosed(at("a"))
      const whole = reads
      expect(whole).toBeGreaterThan(10)
      const begun = yield* Effect.makeLatch()
      reads = 0
      const fiber = yield* Effect.fork(verifying(begun.open))
      yield* begun.await
      yield* Fiber.interrupt(fiber)
      expect(reads).toBeLessThan(whole)
      expectClosed(at("a"))
    })
  )

  live("closes only after the write in flight, when interrupted during a big one", (disk, _directory, at) =>
    Effect.gen(function* () {
      const body = Buffer.alloc(64 * 1024 * 1024, "sluice")
      let writeReturned = false
      let returnedBeforeClose = false
      const begun = yield* Effect.makeLatch()
      const fiber = yield* Effect.gen(function* () {
        const handle = yield* disk.create(at("a"))
        handle.writeAt([body], 0, () => (writeReturned = true))
        yield* begun.open
        return yield* Effect.never
      }).pipe(
        Effect.scoped,
        Effect.ensuring(Effect.sync(() => (returnedBeforeClose = writeReturned))),
        Effect.fork
      )
      yield* begun.await
      yield* Fiber.interrupt(fiber)
      expect(returnedBeforeClose).toBe(true)
      expectClosed(at("a"))
      expect(fs.readFileSync(at("a")).equals(body)).toBe(true)
    })
  )

  live("waits for a sync in flight as well, and refuses what comes after the close", (disk, _directory, at) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const handle = yield* Scope.extend(disk.create(at("a")), scope)
      yield* write(handle, [Buffer.alloc(1024 * 1024)], 0)
      const sync = yield* Effect.fork(handle.sync)
      yield* Effect.yieldNow()
      yield* Scope.close(scope, Exit.void)
      expect(yield* Fiber.join(sync)).toBe(undefined)
      // the next files take the numbers that are free, the handle's among them
      const strangers = Array.from({ length: 20 }, (_, i) => fs.openSync(at(`stranger${i}`), "w+"))
      for (const fd of strangers) fs.writeSync(fd, "precious")
      for (const late of [
        handle.sync,
        handle.truncate(0),
        handle.facts,
        handle.readAt(new Uint8Array(1), 0),
        write(handle, [Buffer.from("late")], 0)
      ]) {
        const exit = yield* Effect.exit(Effect.flip(late))
        expect(exit).toMatchObject({ _tag: "Success", value: { code: "EBADF" } })
      }
      for (const fd of strangers) fs.closeSync(fd)
      for (const i of strangers.keys()) expect(fs.readFileSync(at(`stranger${i}`), "utf8")).toBe("precious")
      expect(fs.statSync(at("a")).size).toBe(1024 * 1024)
    })
  )

  live("carries a PartWriter", (disk, _directory, at) =>
    Effect.gen(function* () {
      const handle = yield* disk.create(at("a"))
      const writer = PartWriter.make(handle, 0)
      const chunks = Array.from({ length: 200 }, (_, i) => Buffer.alloc(60_000, String(i)))
      for (const chunk of chunks) {
        if (writer.write(chunk)) continue
        yield* Effect.async<void>((resume) => {
          writer.onDrain = () => resume(Effect.void)
        })
      }
      yield* writer.finish
      expect(writer.written).toBe(200 * 60_000)
      expect(fs.readFileSync(at("a")).equals(Buffer.concat(chunks))).toBe(true)
    })
  )
})

describe("names", () => {
  live("facts: none, a file, a directory, a symbolic link itself", (disk, directory, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("file"), "12345")
      fs.symlinkSync(at("file"), at("symlink"))
      execFileSync("mkfifo", [at("fifo")])
      const kind = (name: string) =>
        Effect.map(
          disk.facts(at(name)),
          Option.map((facts) => facts.kind)
        )
      expect(yield* kind("none")).toEqual(Option.none())
      expect(yield* kind("file")).toEqual(Option.some("file"))
      expect(yield* kind("symlink")).toEqual(Option.some("symlink"))
      expect(yield* kind("fifo")).toEqual(Option.some("other"))
      expect((yield* disk.facts(directory)).pipe(Option.map((facts) => facts.kind))).toEqual(
        Option.some("directory")
      )
    })
  )

  live("link gives a second name, and never replaces", (disk, _directory, at) =>
    Effect.gen(function* () {
      const part = yield* disk.create(at("part"))
      fs.writeFileSync(at("taken"), "precious")
      fs.symlinkSync(at("nowhere"), at("dangling"))
      yield* disk.link(at("part"), at("final"))
      expect(yield* disk.facts(at("final"))).toMatchObject({ value: part.identity })
      expect(yield* reasonOf(disk.link(at("part"), at("final")))).toBe("Exists")
      expect(yield* reasonOf(disk.link(at("part"), at("taken")))).toBe("Exists")
      expect(yield* reasonOf(disk.link(at("part"), at("dangling")))).toBe("Exists")
      expect(yield* reasonOf(disk.link(at("gone"), at("x")))).toBe("Missing")
      expect(fs.readFileSync(at("taken"), "utf8")).toBe("precious")
    })
  )

  live("link: a refusal by permission means that there are no hard links", (disk, _directory, at) =>
    Effect.gen(function* () {
      // no file system lets a directory have a second name: the same EPERM as FAT gives for files
      fs.mkdirSync(at("directory"))
      const error = yield* Effect.flip(disk.link(at("directory"), at("second")))
      expect([error.reason, error.code, error.path]).toEqual(["NoHardLinks", "EPERM", at("second")])
    })
  )

  live("rename replaces a file, and no directory", (disk, _directory, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("a"), "new")
      fs.writeFileSync(at("b"), "old")
      fs.mkdirSync(at("directory"))
      yield* disk.rename(at("a"), at("b"))
      expect(fs.readFileSync(at("b"), "utf8")).toBe("new")
      expect(fs.existsSync(at("a"))).toBe(false)
      expect(yield* reasonOf(disk.rename(at("b"), at("directory")))).toBe("IsDirectory")
    })
  )

  live("remove: a file, nothing, a symbolic link itself, never a directory", (disk, _directory, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("a"), "")
      fs.symlinkSync(at("a"), at("symlink"))
      fs.mkdirSync(at("directory"))
      yield* disk.remove(at("symlink"))
      expect(fs.existsSync(at("a"))).toBe(true)
      yield* disk.remove(at("a"))
      yield* disk.remove(at("a"))
      expect(fs.readdirSync(at("."))).toEqual(["directory"])
      yield* Effect.flip(disk.remove(at("directory")))
      expect(fs.existsSync(at("directory"))).toBe(true)
    })
  )
})

describe("directories", () => {
  live("sync one, many at once, and tell a missing one", (disk, directory, at) =>
    Effect.gen(function* () {
      fs.writeFileSync(at("file"), "")
      yield* Effect.all(
        Array.from({ length: 50 }, () => disk.syncDirectory(directory)),
        { concurrency: "unbounded" }
      )
      yield* disk.syncDirectory(directory)
      expectClosed(directory)
      const missing = yield* Effect.all(
        Array.from({ length: 5 }, () => reasonOf(disk.syncDirectory(at("missing")))),
        { concurrency: "unbounded" }
      )
      expect(missing).toEqual(Array.from({ length: 5 }, () => "Missing"))
      expect(yield* reasonOf(disk.syncDirectory(at("file")))).toBe("NotADirectory")
    })
  )

  live(
    "ensure: there, missing, its parent missing, a file, a link that leads nowhere",
    (disk, directory, at) =>
      Effect.gen(function* () {
        fs.writeFileSync(at("file"), "")
        fs.symlinkSync(at("nowhere"), at("dangling"))
        fs.symlinkSync(directory, at("link"))
        yield* disk.ensureDirectory(directory)
        yield* disk.ensureDirectory(at("link"))
        yield* disk.ensureDirectory(at("new/"))
        yield* disk.ensureDirectory(at("new"))
        expect(fs.statSync(at("new")).isDirectory()).toBe(true)
        expect(yield* reasonOf(disk.ensureDirectory(at("missing/new")))).toBe("Missing")
        expect(fs.existsSync(at("missing"))).toBe(false)
        expect(yield* reasonOf(disk.ensureDirectory(at("file")))).toBe("NotADirectory")
        expect(yield* reasonOf(disk.ensureDirectory(at("file/new")))).toBe("NotADirectory")
        expect(yield* reasonOf(disk.ensureDirectory(at("dangling")))).toBe("Missing")
        expect(fs.existsSync(at("nowhere"))).toBe(false)
        expect(yield* reasonOf(disk.ensureDirectory(at("x".repeat(256))))).toBe("NameTooLong")
      })
  )

  live("space: what is free, or why there is no telling", (disk, directory, at) =>
    Effect.gen(function* () {
      const { bfree, bsize } = fs.statfsSync(directory)
      const free = Option.getOrThrow(yield* disk.space(directory))
      expect(free).toBeGreaterThan(0)
      expect(free).toBeLessThanOrEqual(bfree * bsize + (1 << 30))
      expect(Exit.isFailure(yield* Effect.exit(disk.space(at("missing"))))).toBe(true)
      // a file system without a size
      if (fs.existsSync("/proc/self")) expect(yield* disk.space("/proc")).toEqual(Option.none())
    })
  )

  live("ensure: made by several at once", (disk, _directory, at) =>
    Effect.all(
      Array.from({ length: 8 }, () => disk.ensureDirectory(at("new"))),
      { concurrency: "unbounded", discard: true }
    )
  )
})

/**
 * Runs a program over the layer in a process of its own, which root can't be: as user 65534 where the tests run as root.
 * `body` is the inside of a generator with `disk` and `path` at hand, and returns a string.
 */
const elsewhere = (directory: string, body: string, path: string, prefix = ""): string => {
  const file = bundle(
    directory,
    `import * as Effect from "effect/Effect"
     import { PartFile } from "./src/services/PartFile.js"
     import * as NodePartFile from "./src/layers/NodePartFile.js"
     const program = Effect.gen(function* () {
       const disk = yield* PartFile
       const path = process.argv[2]
       ${body}
     })
     Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(NodePartFile.layer)))
       .then((text) => process.stdout.write(text))`
  )
  fs.chmodSync(directory, 0o755)
  return execFileSync("sh", ["-c", `${prefix} exec "$@"`, "sh", process.execPath, file, path], {
    encoding: "utf8",
    cwd: "/",
    ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {})
  })
}

describe("in another process", () => {
  live("tells a file and a directory that may not be written to", (_disk, directory, at) =>
    Effect.sync(() => {
      fs.writeFileSync(at("file"), "", { mode: 0o444 })
      fs.mkdirSync(at("closed"), { mode: 0o555 })
      const reasons = elsewhere(
        directory,
        `const reason = (effect) => Effect.map(Effect.flip(effect), (error) => error.reason)
         return JSON.stringify([
           yield* reason(disk.open(path + "/file")),
           yield* reason(disk.ensureDirectory(path + "/closed")),
           yield* reason(disk.ensureDirectory(path + "/closed/new")),
           yield* reason(disk.create(path + "/closed/new"))
         ])`,
        directory
      )
      expect(JSON.parse(reasons)).toEqual(["NotPermitted", "NotPermitted", "NotPermitted", "NotPermitted"])
    })
  )

  live("reads, where that is enough, a file that may not be written to", (_disk, directory, at) =>
    Effect.sync(() => {
      fs.writeFileSync(at("file"), "what was fetched")
      fs.chmodSync(at("file"), 0o444)
      const found = elsewhere(
        directory,
        `const handle = (yield* disk.open(path, "read")).value
         const buffer = Buffer.alloc(100)
         const read = yield* handle.readAt(buffer, 0)
         const written = yield* Effect.async((resume) =>
           handle.writeAt([Buffer.alloc(1)], 0, (error) => resume(Effect.succeed(error?.code))))
         return JSON.stringify([buffer.toString("latin1", 0, read), written])`,
        at("file")
      )
      expect(JSON.parse(found)).toEqual(["what was fetched", "EBADF"])
    })
  )

  live("hashes a finished file that may not be written to", (_disk, directory, at) =>
    Effect.sync(() => {
      fs.writeFileSync(at("file"), "what was fetched")
      fs.chmodSync(at("file"), 0o444)
      const found = elsewhere(
        directory,
        `const InlineHasher = yield* Effect.promise(() => import("./src/layers/InlineHasher.js"))
         const identity = (yield* disk.facts(path)).value
         const found = yield* InlineHasher.make(disk).digests({ path, identity, size: 16 }, ["md5"])
         return found.get("md5")`,
        at("file")
      )
      expect(found).toBe(createHash("md5").update("what was fetched").digest("hex"))
    })
  )

  // A limit on the size of files makes the kernel write short, and then refuse: the shortfall must not pass for success.
  live("tells of a write that fell short", (_disk, directory, at) =>
    Effect.sync(() => {
      fs.mkdirSync(at("open"))
      fs.chmodSync(at("open"), 0o777)
      const code = elsewhere(
        directory,
        `const handle = yield* disk.create(path)
         return yield* Effect.async((resume) =>
           handle.writeAt([Buffer.alloc(5000, "a"), Buffer.alloc(5000, "b")], 0, (error) =>
             resume(Effect.succeed(String(error?.code)))))`,
        at("open/a"),
        "ulimit -f 8;"
      )
      expect(code).toBe("EFBIG")
      // the unit of ulimit is 512 bytes in some shells, 1024 in others
      expect([4096, 8192]).toContain(fs.statSync(at("open/a")).size)
    })
  )
})
