/**
 * How a command can fail as a whole, and what it says then: one sentence and what to do about it, and the exit code.
 * Downloads that failed while the command itself worked are told by the displays; here they are only an exit code.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { DownloadError, Reason } from "../../domain/DownloadError.js"
import type { StoreError } from "../../domain/StoreError.js"
import type { OutputClosed } from "./Output.js"

/** What was asked for can't be understood or done; nothing was started. */
export class UsageError extends Data.TaggedError("UsageError")<{
  /** One sentence without a full stop. */
  readonly message: string
  readonly advice: string
  readonly reason: string
}> {}

/** The command ran, and some of what was asked for is not done. */
export class Unfinished extends Data.TaggedError("Unfinished")<{}> {}

export type CommandError = UsageError | Unfinished | OutputClosed | StoreError | DownloadError

export type Signal = "SIGINT" | "SIGTERM"

export const exitCodes = {
  done: 0,
  someFailed: 1,
  usage: 2,
  engine: 3,
  SIGINT: 130,
  /** As a shell reports a program that wrote into a closed pipe: 128 + SIGPIPE. */
  outputClosed: 141,
  SIGTERM: 143
} as const

/** Reasons for which a request is refused before anything starts, and that are the caller's to correct. */
const callers: ReadonlySet<Reason> = new Set<Reason>([
  "InvalidUrl",
  "InvalidRequest",
  "ChecksumContradiction",
  "UnsupportedScheme",
  "DestinationUnusable",
  "DestinationExists"
])

/** A failure of the command as a whole, in words. */
export interface Trouble {
  /** A code for programs. */
  readonly reason: string
  readonly message: string
  readonly advice: string
  readonly exit: number
}

const ofError = (error: CommandError): Trouble | undefined => {
  switch (error._tag) {
    case "UsageError":
      return { reason: error.reason, message: error.message, advice: error.advice, exit: exitCodes.usage }
    case "DownloadError":
      return {
        reason: error.reason,
        message: error.detail,
        advice: error.advice,
        exit: callers.has(error.reason) ? exitCodes.usage : exitCodes.engine
      }
    case "StoreError":
      return { reason: error.reason, message: error.message, advice: error.advice, exit: exitCodes.engine }
    case "Unfinished":
    case "OutputClosed":
      return undefined
  }
}

/** What to say about a command that ended like this; undefined if there is nothing (more) to say. */
export const trouble = (cause: Cause.Cause<CommandError>): Trouble | undefined => {
  const error = Cause.failureOption(cause)
  if (Option.isSome(error)) return ofError(error.value)
  const defects = Cause.keepDefects(cause)
  return Option.isNone(defects)
    ? undefined
    : {
        reason: "Defect",
        message: `sluice failed in a way it should not:\n${Cause.pretty(defects.value)}`,
        advice: "this is a bug in sluice; please report it with the lines above",
        exit: exitCodes.engine
      }
}

/**
 * The exit code of the process. A signal counts only if it kept the command from its end: what was all done when it
 * came is done.
 */
export const exitCode = (exit: Exit.Exit<void, CommandError>, signal: Signal | undefined): number => {
  if (Exit.isSuccess(exit)) return exitCodes.done
  if (signal !== undefined) return exitCodes[signal]
  const error = Cause.failureOption(exit.cause)
  if (Option.isSome(error)) {
    if (error.value._tag === "Unfinished") return exitCodes.someFailed
    if (error.value._tag === "OutputClosed") return exitCodes.outputClosed
  }
  return trouble(exit.cause)?.exit ?? exitCodes.engine
}

/** For people. */
export const sentence = ({ advice, message }: Pick<Trouble, "message" | "advice">): string =>
  `sluice: ${message}\n        ${advice}\n`
