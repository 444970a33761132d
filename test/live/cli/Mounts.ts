/**
 * File systems for tests: small ones, read-only ones. Only root can mount; where that is not possible, a test that
 * needs it is skipped, and says so.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import type { TestContext } from "vitest"

const mount = (...args: ReadonlyArray<string>): string | undefined => {
  const { error, status, stderr } = spawnSync("mount", args, { encoding: "utf8" })
  return status === 0 ? undefined : (error?.message ?? stderr).trim()
}

/** Ends the test as skipped, loudly. */
export const skip = (context: TestContext, reason: string): Effect.Effect<never> =>
  Effect.suspend(() => {
    console.warn(`SKIPPED: ${context.task.name}: ${reason}`)
    context.skip(reason)
    return Effect.never
  })

/** Mounts an empty file system of so many KiB at a directory, until the scope closes. */
export const tmpfs = (
  context: TestContext,
  directory: string,
  kibibytes: number
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => mount("-t", "tmpfs", "-o", `size=${kibibytes}k`, "tmpfs", directory)),
      (problem) =>
        Effect.sync(() => (problem === undefined ? spawnSync("umount", ["--lazy", directory]) : undefined))
    ),
    (problem) =>
      problem === undefined
        ? Effect.void
        : skip(context, `tmpfs can't be mounted (${problem.split("\n")[0]})`)
  )

/** Changes a mounted file system: "ro", "size=8192k". */
export const remount = (directory: string, options: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const problem = mount("-o", `remount,${options}`, directory)
    if (problem !== undefined) throw new Error(problem)
  })

/** Makes a directory one that can't be written to: for others than root by its mode, for root as a file system. */
export const readOnly = (context: TestContext, directory: string): Effect.Effect<void, never, Scope.Scope> =>
  process.getuid?.() === 0
    ? Effect.gen(function* () {
        const contents = fs
          .readdirSync(directory)
          .map((name) => [name, fs.readFileSync(join(directory, name))] as const)
        yield* tmpfs(context, directory, 4096)
        for (const [name, bytes] of contents) fs.writeFileSync(join(directory, name), bytes, { mode: 0o600 })
        yield* remount(directory, "ro")
      })
    : Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => fs.chmodSync(directory, 0o555)),
          () => Effect.sync(() => fs.chmodSync(directory, 0o755))
        )
      )

/** Takes all the room that is left on a file system, with a file of this name. */
export const fill = (file: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const fd = fs.openSync(file, "w")
    try {
      for (;;) fs.writeSync(fd, Buffer.alloc(4096))
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
    } finally {
      fs.closeSync(fd)
    }
  })
