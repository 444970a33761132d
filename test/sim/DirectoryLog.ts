/**
 * The names of a simulated file system: as readers see them, and as a power cut would leave them. Changes are atomic
 * (a rename is one), reach stable storage when their directory is synced, and are otherwise written back in order, as
 * journals do: a power cut keeps a random prefix of what was not synced.
 */
import type { Seeded } from "./Seeded.js"

/** A name and its inode number, or undefined where the name goes. */
export type NameChange = readonly [path: string, ino: number | undefined]

interface Change {
  readonly directory: string
  readonly names: ReadonlyArray<NameChange>
}

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf("/"))

const applyTo = (names: Map<string, number>, changes: ReadonlyArray<NameChange>): void => {
  for (const [path, ino] of changes) {
    if (ino === undefined) names.delete(path)
    else names.set(path, ino)
  }
}

export class DirectoryLog {
  private names = new Map<string, number>()
  private readonly durable = new Map<string, number>()
  private log: Array<Change> = []

  get(path: string): number | undefined {
    return this.names.get(path)
  }

  /** What a power cut in this instant would leave for sure. */
  durably(path: string): number | undefined {
    return this.durable.get(path)
  }

  get all(): ReadonlyMap<string, number> {
    return this.names
  }

  /** Inode numbers that some name stands for, or could stand for again after a power cut. */
  get numbers(): ReadonlyArray<number> {
    const logged = this.log.flatMap((change) =>
      change.names.flatMap(([, ino]) => (ino === undefined ? [] : [ino]))
    )
    return [...this.names.values(), ...this.durable.values(), ...logged]
  }

  /** Changes names of one directory, atomically. */
  change(names: readonly [NameChange, ...ReadonlyArray<NameChange>]): void {
    applyTo(this.names, names)
    this.log.push({ directory: directoryOf(names[0][0]), names })
  }

  /** What a sync of the directory that starts now will cover. */
  unsynced(directory: string): ReadonlySet<Change> {
    return new Set(this.log.filter((change) => change.directory === directory))
  }

  /** Makes changes durable. */
  apply(changes: ReadonlySet<Change>): void {
    this.log = this.log.filter((change) => {
      if (changes.has(change)) applyTo(this.durable, change.names)
      return !changes.has(change)
    })
  }

  /** Makes all changes of the directory that holds `path` durable. */
  sync(path: string): void {
    this.apply(this.unsynced(directoryOf(path)))
  }

  powerCut(random: Seeded): void {
    const kept = random.pick([0, random.int(0, this.log.length), this.log.length])
    for (const change of this.log.slice(0, kept)) applyTo(this.durable, change.names)
    this.log = []
    this.names = new Map(this.durable)
  }
}
