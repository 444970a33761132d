/**
 * stdout and stderr as the displays see them: results, messages, and at most one transient line at the bottom of the
 * terminal (the progress line), which is removed before anything else is written and drawn again after it.
 *
 * A write to stdout waits until the system has taken the bytes: a slow reader slows the display down, never the engine.
 * A reader that has gone away (`| head`) is a typed error, which ends the command quietly. Nobody needs stderr: what
 * can't be written there is dropped.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Writable } from "node:stream"
import { stripVTControlCharacters } from "node:util"

/** The reader of stdout has gone away. */
export class OutputClosed extends Data.TaggedError("OutputClosed")<{}> {}

/** @see {@link Output} */
export interface Shape {
  /** Results, with their line ends. */
  readonly out: (text: string) => Effect.Effect<void, OutputClosed>
  /** Messages, with their line ends. */
  readonly err: (text: string) => Effect.Effect<void>
  /** Draws the transient line, or removes it (""). It must be narrower than the terminal and hold no line end. */
  readonly status: (line: string) => Effect.Effect<void>
  /** For callers outside of Effect (loggers): like `err`. */
  readonly unsafeErr: (text: string) => void
  readonly outIsTerminal: boolean
  /** Whether lines of stderr can be drawn in place. */
  readonly errIsTerminal: boolean
  /** Whether stderr may be coloured. */
  readonly color: boolean
  /** Whether stdout may be coloured. */
  readonly outColor: boolean
  /** The width of the terminal now. */
  readonly columns: () => number
}

/** The streams of the process. */
export class Output extends Context.Tag("sluice/cli/Output")<Output, Shape>() {}

/** A stream of a process; `isTTY` and `columns` are there if it is a terminal. */
export interface Stream extends Pick<Writable, "write" | "writableLength"> {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
}

/** So many bytes may wait for a slow reader of stderr. */
const backlog = 1024 * 1024

const removeLine = "\r\u001b[K"

/** `environment` decides about colours (NO_COLOR, TERM=dumb) and drawing in place (TERM=dumb). */
export const make = (
  stdout: Stream,
  stderr: Stream,
  environment: { readonly NO_COLOR?: string | undefined; readonly TERM?: string | undefined }
): Shape => {
  const able = environment.TERM !== "dumb"
  const colorful = able && (environment.NO_COLOR === undefined || environment.NO_COLOR === "")
  const outIsTerminal = stdout.isTTY === true
  const errIsTerminal = stderr.isTTY === true && able
  let line = ""

  const toErr = (text: string): void => {
    if (stderr.writableLength < backlog) stderr.write(text)
  }
  const unsafeErr = (text: string): void => toErr(line === "" ? text : `${removeLine}${text}${line}`)

  const write = (text: string): Effect.Effect<void, OutputClosed> =>
    Effect.async((resume) => {
      stdout.write(text, (error) => resume(error ? Effect.fail(new OutputClosed()) : Effect.void))
    })

  return {
    out: (text) =>
      Effect.suspend(() => {
        if (line === "" || !outIsTerminal) return write(text)
        toErr(removeLine)
        return Effect.ensuring(
          write(text),
          Effect.sync(() => toErr(line))
        )
      }),
    err: (text) => Effect.sync(() => unsafeErr(text)),
    status: (next) =>
      Effect.sync(() => {
        if (next === line) return
        line = next
        toErr(next === "" ? removeLine : `\r${next}\u001b[K`)
      }),
    unsafeErr,
    outIsTerminal,
    errIsTerminal,
    color: errIsTerminal && colorful,
    outColor: outIsTerminal && colorful,
    columns: () => stderr.columns ?? stdout.columns ?? 80
  }
}

/** The text without colours, unless they are wanted. */
export const colored = (text: string, wanted: boolean): string =>
  wanted ? text : stripVTControlCharacters(text)
