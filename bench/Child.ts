/**
 * The end of a process that a benchmark has started: with its descendants, so that none goes on using the machine that the
 * next one is measured on. It has to lead a process group of its own (`detached`).
 */
import * as Effect from "effect/Effect"
import type { ChildProcess } from "node:child_process"

/** Ends a process and its descendants, and waits until it is gone. */
export const end = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      resume(Effect.void)
      return
    }
    child.once("exit", () => resume(Effect.void))
    process.kill(-child.pid, "SIGKILL")
  })
