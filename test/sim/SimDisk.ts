/**
 * The disk of the simulated world: the PartFile seam over inodes in memory, each with a page cache and a stable storage, and
 * over directory entries that are durable only after their directory was synced.
 *
 * Every operation takes virtual time; a few answer before the call returns. Operations fail by chance in bad weather.
 * `crash("kill")` keeps what the page cache holds; `crash("power")` keeps stable storage and a lucky part of the rest.
 * The watch is told of everything an oracle may object to. A directory made by `ensureDirectory` is durable at once.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { FileError } from "../../src/domain/FileError.js"
import type { FileFacts, FileIdentity } from "../../src/domain/FileFacts.js"
import { partSuffix } from "../../src/domain/FileName.js"
import { inSteps } from "../../src/layers/DiskSteps.js"
import { PartFile, type Steps } from "../../src/services/PartFile.js"
import { DirectoryLog } from "./DirectoryLog.js"
import { Inode } from "./Inode.js"
import type { Simulator } from "./Simulator.js"
import { factsOf, OpenFiles, type FileOptions } from "./OpenFiles.js"
import { error, SystemCalls, type DiskWeather } from "./SystemCalls.js"
import type { Watch } from "./Watch.js"

export type CrashKind = "kill" | "power"

export interface DiskOptions extends DiskWeather, FileOptions {
  readonly directories: ReadonlyArray<string>
  /** Some file systems have no hard links. */
  readonly hardLinks: boolean
}

type Result<A> = Either.Either<A, FileError>

const isPart = (path: string): boolean => path.endsWith(partSuffix)
const ok: Result<void> = Either.void

export class SimDisk {
  readonly entries = new DirectoryLog()
  private readonly files = new Map<number, Inode>()
  private readonly directories: Set<string>
  /** What the process holds open. */
  readonly opened: OpenFiles
  private readonly calls: SystemCalls

  constructor(
    private readonly sim: Simulator,
    private readonly options: DiskOptions,
    private readonly watch: Watch
  ) {
    this.calls = new SystemCalls(sim, options)
    this.opened = new OpenFiles(this.calls, options, watch)
    this.directories = new Set(options.directories)
  }

  // ---- what oracles and users see

  /** The file of a name, as readers see it. */
  at(path: string): Inode | undefined {
    const ino = this.entries.get(path)
    return ino === undefined ? undefined : this.files.get(ino)
  }

  /** The file that a record means, whatever its names. */
  find(identity: FileIdentity): Inode | undefined {
    const inode = this.files.get(Number(identity.ino))
    return inode?.is(identity) === true ? inode : undefined
  }

  /** Files of which a write or a sync has failed. */
  get mishaps(): ReadonlySet<Inode> {
    return this.calls.mishaps
  }

  set full(full: boolean) {
    this.calls.full = full
  }

  /** A user saves a file, durably; false if the name is taken. */
  userCreates(path: string, bytes: Uint8Array): boolean {
    if (this.taken(path) || !this.directories.has(directoryOf(path))) return false
    const inode = this.make("user")
    inode.write(bytes, 0, this.calls.stamp)
    inode.flush(inode.unsynced)
    this.entries.change([[path, inode.ino]])
    this.entries.sync(path)
    this.sim.note(`user creates ${path} #${inode.ino}`)
    return true
  }

  /** A user spoils a part that nobody has open: what is written meanwhile can't be told from what was there. */
  userChanges(path: string, how: "truncate" | "append"): boolean {
    const inode = this.at(path)
    if (inode === undefined || inode.published || this.opened.inodes.includes(inode)) return false
    const { random, stamp } = this.calls
    if (how === "truncate") inode.truncate(random.int(0, inode.size), stamp)
    else inode.write(new Uint8Array(random.int(1, 5000)).fill(1), inode.size, stamp)
    inode.flush(inode.unsynced)
    this.sim.note(`user changes ${path}: ${how}, ${inode.size} bytes now`)
    return true
  }

  userRemoves(path: string): boolean {
    if (this.entries.get(path) === undefined) return false
    this.entries.change([[path, undefined]])
    this.sim.note(`user removes ${path}`)
    return true
  }

  /** A process is gone. */
  kill(process: number): void {
    this.calls.crash(process)
    this.opened.crash(process)
  }

  /** All is gone that was not on stable storage, chance apart. To be called when no process is left. */
  powerCut(): void {
    for (const inode of this.files.values()) inode.powerCut(this.calls.random)
    this.entries.powerCut(this.calls.random)
  }

  // ---- the seam

  /** For one process: after its crash, its operations fail and change nothing. */
  get layer(): Layer.Layer<PartFile> {
    return Layer.sync(PartFile, () => inSteps(this.service(this.sim.process)))
  }

  private service(process: number): Steps {
    const run = <A>(label: string, path: string, apply: () => Result<A>) =>
      this.calls.brief(process, label, path, apply)
    return {
      create: (path) =>
        this.opened.openIn(
          process,
          path,
          run("create", path, () => this.create(path))
        ),
      open: (path) =>
        run("open", path, () => this.lookUp(path)).pipe(
          Effect.flatMap(
            Option.match({
              onNone: () => Effect.succeedNone,
              onSome: (inode) => Effect.asSome(this.opened.openIn(process, path, Effect.succeed(inode)))
            })
          )
        ),
      facts: (path) => run("facts", path, () => Either.right(this.lookAt(path))),
      link: (from, to) => run(`link ${from} ->`, to, () => this.link(from, to)),
      rename: (from, to) => run(`rename ${from} ->`, to, () => this.rename(from, to)),
      remove: (path) => run("remove", path, () => this.remove(path)),
      syncDirectory: (path) => this.syncDirectory(process, path),
      ensureDirectory: (path) => run("ensureDirectory", path, () => this.ensureDirectory(path)),
      // what is free, if little, may be gone by the time it is needed: then the write fails
      space: (path) =>
        run("space", path, () => Either.right(Option.some(this.calls.full ? 0 : Number.MAX_SAFE_INTEGER))),
      // links are none of this world
      ensureBelow: (root, path) =>
        run("ensureBelow", path, () => {
          for (let one = path; one.length > root.length; one = directoryOf(one)) this.directories.add(one)
          return this.ensureDirectory(root)
        })
    }
  }

  // ---- names

  private create(path: string): Result<Inode> {
    if (!this.directories.has(directoryOf(path))) return error("ENOENT", "create", path)
    if (this.taken(path)) return error("EEXIST", "create", path)
    if (this.calls.full) return error("ENOSPC", "create", path)
    if (this.calls.fails(0.003)) return error("EMFILE", "create", path)
    // without hard links, an empty file has to reserve a name before it is taken: else another's could be replaced
    if (!isPart(path) && this.options.hardLinks)
      this.watch.violation("B1", `an unfinished file was created under the final name ${path}`)
    const inode = this.make("engine")
    this.entries.change([[path, inode.ino]])
    return Either.right(inode)
  }

  private taken(path: string): boolean {
    return this.entries.get(path) !== undefined || this.directories.has(path)
  }

  private lookUp(path: string): Result<Option.Option<Inode>> {
    return this.directories.has(path)
      ? error("EISDIR", "open", path)
      : Either.right(Option.fromNullable(this.at(path)))
  }

  private lookAt(path: string): Option.Option<FileFacts> {
    return this.directories.has(path)
      ? Option.some({ dev: "1", ino: "1", kind: "directory", size: 4096, mtime: "0" })
      : Option.map(Option.fromNullable(this.at(path)), factsOf)
  }

  private link(from: string, to: string): Result<void> {
    const inode = this.at(from)
    if (inode === undefined) return error("ENOENT", "link", from)
    if (!this.options.hardLinks) return error("EOPNOTSUPP", "link", to)
    if (this.taken(to)) return error("EEXIST", "link", to)
    if (this.calls.full && this.calls.random.chance(0.5)) return error("ENOSPC", "link", to)
    this.name(to, inode)
    this.entries.change([[to, inode.ino]])
    return ok
  }

  private rename(from: string, to: string): Result<void> {
    const inode = this.at(from)
    if (inode === undefined) return error("ENOENT", "rename", from)
    if (this.directories.has(to)) return error("EISDIR", "rename", to)
    const replaced = this.at(to)
    // POSIX: between two names of one file, rename does nothing
    if (replaced === inode) return ok
    if (replaced !== undefined) this.watch.replaced(to, replaced, inode)
    this.name(to, inode)
    this.entries.change([
      [from, undefined],
      [to, inode.ino]
    ])
    return ok
  }

  private name(path: string, inode: Inode): void {
    if (isPart(path)) return
    inode.published = true
    this.watch.published(path, inode)
  }

  private remove(path: string): Result<void> {
    const inode = this.at(path)
    if (inode === undefined) return ok
    if (inode.maker === "user") this.watch.violation("B5", `the user's file ${path} was removed`)
    else if (!isPart(path)) this.watch.violation("B1", `the finished file ${path} was removed`)
    this.entries.change([[path, undefined]])
    return ok
  }

  private syncDirectory(process: number, path: string): Effect.Effect<void, FileError> {
    return this.calls.run(process, () => {
      const covered = this.entries.unsynced(path)
      return {
        label: "syncDirectory",
        path,
        time: this.calls.latency(),
        apply: () => {
          if (!this.directories.has(path)) return error("ENOENT", "syncDirectory", path)
          if (this.calls.fails(0.005)) return error("EIO", "syncDirectory", path)
          if (!this.options.lyingSync) this.entries.apply(covered)
          return ok
        }
      }
    })
  }

  private ensureDirectory(path: string): Result<void> {
    if (this.directories.has(path)) return ok
    if (this.entries.get(path) !== undefined) return error("ENOTDIR", "ensureDirectory", path)
    if (!this.directories.has(directoryOf(path))) return error("ENOENT", "ensureDirectory", path)
    this.directories.add(path)
    return ok
  }

  /** As file systems do, the lowest inode number that is free is given out again. */

  private make(maker: "engine" | "user"): Inode {
    const used = new Set([...this.entries.numbers, ...this.opened.inodes.map((inode) => inode.ino)])
    let ino = 100
    while (used.has(ino)) ino++
    const inode = new Inode(ino, maker, this.calls.stamp)
    this.files.set(inode.ino, inode)
    return inode
  }
}

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"
