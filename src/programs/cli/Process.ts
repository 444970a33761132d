/**
 * Runs a command as the process: signals in, exit code out.
 *
 * The first SIGINT or SIGTERM interrupts the command, which then saves what it has and says how to go on; a second
 * SIGINT ends the process at once. When the command has ended, what was written is given to the system (pipes
 * take it piecemeal) and the process exits: nothing that is still open may delay that.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { CommandError, Signal } from "./Failures.js"
import { exitCode, exitCodes } from "./Failures.js"

/** How long a reader that does not read may hold up a process that was told to stop, in milliseconds. */
const patience = 1000

const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    stream.write("", () => resolve())
  })

const leave = async (code: number, signal: Signal | undefined): Promise<void> => {
  const written = Promise.all([flushed(process.stdout), flushed(process.stderr)])
  // without a signal a slow reader gets all of it, however long that takes
  if (signal !== undefined) setTimeout(() => process.exit(code), patience)
  await written
  process.exit(code)
}

/** Runs `command` and ends the process with the exit code of its outcome. */
export const run = (command: Effect.Effect<void, CommandError>): void => {
  // writes report their errors to those who wait for them; without a listener Node would throw them
  process.stdout.on("error", () => {})
  process.stderr.on("error", () => {})
  // a fiber that waits does not keep Node alive by itself
  const alive = setInterval(() => {}, 2 ** 30)

  let received: Signal | undefined
  const fiber = Effect.runFork(command)
  const on = (signal: Signal) => () => {
    if (received !== undefined && signal === "SIGINT") process.exit(exitCodes.SIGINT)
    received ??= signal
    fiber.unsafeInterruptAsFork(fiber.id())
  }
  process.on("SIGINT", on("SIGINT"))
  process.on("SIGTERM", on("SIGTERM"))

  fiber.addObserver((exit: Exit.Exit<void, CommandError>) => {
    clearInterval(alive)
    void leave(exitCode(exit, received), received)
  })
}
