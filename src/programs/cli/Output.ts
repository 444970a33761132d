/**
 * stdout and stderr as the displays see them: results, messages, and a frame that is drawn in place at the bottom of the
 * terminal (Screen), above which everything else is written.
 *
 * Where both are the same terminal, results take stderr's stream: one write puts them above the frame, and one stream
 * keeps everything in order, however slowly the terminal takes it.
 *
 * A write of results waits until the system has taken the bytes: a slow reader slows the display down, never the
 * engine. A reader that has gone away (`| head`) is a typed error, which ends the command quietly. Nobody needs
 * stderr: frames are left out while the terminal is behind, and what can't be written at all is dropped.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { fstatSync } from "node:fs"
import type { Writable } from "node:stream"
import { stripVTControlCharacters } from "node:util"
import * as Screen from "./Screen.js"

/** The reader of stdout has gone away. */
export class OutputClosed extends Data.TaggedError("OutputClosed")<{}> {}

/** @see {@link Output} */
export interface Shape {
  /** Results, with their line ends. */
  readonly out: (text: string) => Effect.Effect<void, OutputClosed>
  /** Messages, with their line ends. */
  readonly err: (text: string) => Effect.Effect<void>
  /** Draws the frame in the place of the last one, or removes it. Nothing is written if nothing has changed. */
  readonly frame: (frame: Screen.Frame) => Effect.Effect<void>
  /** For callers outside of Effect (loggers): like `err`. */
  readonly unsafeErr: (text: string) => void
  /** For callers outside of Effect (signals): removes the frame. */
  readonly unsafeErase: () => void
  readonly outIsTerminal: boolean
  /** Whether lines of stderr can be drawn in place. */
  readonly errIsTerminal: boolean
  /** Whether stderr may be coloured. */
  readonly color: boolean
  /** Whether stdout may be coloured. */
  readonly outColor: boolean
  /** The width of the terminal now. */
  readonly columns: () => number
  /** The height of the terminal now. */
  readonly rows: () => number
}

/** The streams of the process. */
export class Output extends Context.Tag("sluice/cli/Output")<Output, Shape>() {}

/** A stream of a process; `isTTY`, `columns` and `rows` are there if it is a terminal. */
export interface Stream extends Pick<Writable, "write" | "writableLength"> {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly fd?: number | undefined
}

/** What decides about colours and about drawing in place. */
export interface Environment {
  readonly NO_COLOR?: string | undefined
  readonly FORCE_COLOR?: string | undefined
  readonly TERM?: string | undefined
}

/** So many bytes may wait for a slow reader of stderr. */
const backlog = 1024 * 1024

/** FORCE_COLOR says it for every stream, NO_COLOR (unless empty: no-color.org) and dumb terminals forbid it. */
const wantsColor = ({ FORCE_COLOR, NO_COLOR, TERM }: Environment, isTerminal: boolean): boolean =>
  FORCE_COLOR !== undefined
    ? FORCE_COLOR !== "0" && FORCE_COLOR !== "false"
    : isTerminal && TERM !== "dumb" && (NO_COLOR === undefined || NO_COLOR === "")

/** Whether two terminals are one. A descriptor that can't be looked at tells nothing, and most often they are. */
const areOne = (one: Stream, other: Stream): boolean => {
  if (one.fd === undefined || other.fd === undefined) return true
  try {
    return fstatSync(one.fd).rdev === fstatSync(other.fd).rdev
  } catch {
    return true
  }
}

/**
 * Node makes writes to a terminal wait for it: a terminal that takes nothing for a while (Ctrl-S, a slow line) would stop
 * the event loop, and with it every download. Public API to turn that off there is none; where this finds nothing to
 * turn, it stays as it is. A descriptor may be shared with the shell, which gets it back as it was.
 */
export const unblock = (stream: object): void => {
  const { _handle: handle, isTTY } = stream as {
    readonly isTTY?: boolean
    readonly _handle?: { readonly setBlocking?: (blocking: boolean) => unknown }
  }
  if (isTTY !== true || typeof handle?.setBlocking !== "function") return
  handle.setBlocking(false)
  process.once("exit", () => handle.setBlocking?.(true))
}

export const make = (stdout: Stream, stderr: Stream, environment: Environment): Shape => {
  const outIsTerminal = stdout.isTTY === true
  const errIsTerminal = stderr.isTTY === true && environment.TERM !== "dumb"
  const shared = outIsTerminal && errIsTerminal && areOne(stdout, stderr)
  const columns = (): number => stderr.columns ?? stdout.columns ?? 80
  const rows = (): number => stderr.rows ?? stdout.rows ?? 24
  let drawn = Screen.none
  let drawnAt = { columns: 0, rows: 0 }

  const toErr = (text: string): void => {
    if (text !== "" && stderr.writableLength < backlog) stderr.write(text)
  }
  const isResized = (): boolean =>
    drawn.lines.length > 0 && (columns() !== drawnAt.columns || rows() !== drawnAt.rows)
  /** The text as it goes above the frame. Lines made for another width are not drawn again: the next frame is soon. */
  const above = (text: string): string => {
    if (!isResized()) return Screen.above(drawn, text, columns())
    const erased = Screen.erase(drawn, columns())
    drawn = Screen.none
    return erased + text
  }
  const unsafeErr = (text: string): void => {
    if (text !== "" && stderr.writableLength < backlog) stderr.write(above(text))
  }
  const unsafeErase = (): void => {
    toErr(Screen.erase(drawn, columns()))
    drawn = Screen.none
  }

  return {
    out: (text) =>
      Effect.async((resume) => {
        const stream = shared ? stderr : stdout
        stream.write(shared ? above(text) : text, (error) =>
          resume(error ? Effect.fail(new OutputClosed()) : Effect.void)
        )
      }),
    err: (text) => Effect.sync(() => unsafeErr(text)),
    frame: (next) =>
      Effect.sync(() => {
        if (next.lines.length === 0) return unsafeErase()
        // a frame that the terminal would only get to see late is worth nothing
        if (stderr.writableLength > 0) return
        const resized = isResized()
        if (!resized && isSame(drawn, next)) return
        drawnAt = { columns: columns(), rows: rows() }
        toErr(Screen.replace(drawn, next, drawnAt.columns, resized))
        drawn = next
      }),
    unsafeErr,
    unsafeErase,
    outIsTerminal,
    errIsTerminal,
    color: wantsColor(environment, errIsTerminal),
    outColor: wantsColor(environment, outIsTerminal),
    columns,
    rows
  }
}

const isSame = (one: Screen.Frame, other: Screen.Frame): boolean =>
  one.lines.length === other.lines.length && one.lines.every((line, index) => line === other.lines[index])

/** The text without colours, unless they are wanted. */
export const colored = (text: string, wanted: boolean): string =>
  wanted ? text : stripVTControlCharacters(text)
