/**
 * Where results are written: on the disk, and in memory, where no disk drowns what the programs cost themselves.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdir, mkdtemp, rm, statfs } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export type Name = "disk" | "tmpfs"

export interface Place {
  readonly name: Name
  /** A directory of this run's own, which is removed with everything in it. */
  readonly directory: string
  /** Bytes. */
  readonly free: number
}

/** As statfs(2) has it. */
const tmpfsMagic = 0x01021994

const isTmpfs = (directory: string): Promise<boolean> =>
  statfs(directory).then(
    ({ type }) => type === tmpfsMagic,
    () => false
  )

/** The system's directory for temporary files is often in memory: then the project's own disk is taken. */
const diskParent = async (): Promise<string> => {
  if (!(await isTmpfs(tmpdir()))) return tmpdir()
  const cache = fileURLToPath(new URL("../node_modules/.cache", import.meta.url))
  await mkdir(cache, { recursive: true })
  return cache
}

const within = (name: Name, parent: string): Effect.Effect<Place, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const { bavail, bsize } = await statfs(parent)
      return { name, directory: await mkdtemp(join(parent, "sluice-bench-")), free: bavail * bsize }
    }),
    ({ directory }) => Effect.promise(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  )

export const disk = Effect.flatMap(Effect.promise(diskParent), (parent) => within("disk", parent))

/** Undefined where there is no file system in memory at the usual place (Linux has it). */
export const tmpfs = Effect.flatMap(
  Effect.promise(() => isTmpfs("/dev/shm")),
  (present) => (present ? within("tmpfs", "/dev/shm") : Effect.void)
)
