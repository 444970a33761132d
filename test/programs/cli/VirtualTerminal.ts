/**
 * A terminal as people have one: it interprets what it is given, has a size, a scrollback, and breaks lines anew when
 * it becomes narrower. Its screen can be read.
 */
import type { Terminal as Emulator } from "@xterm/headless"
import * as Effect from "effect/Effect"
import { createRequire } from "node:module"
import type { Stream } from "../../../src/programs/cli/Output.js"
import * as Output from "../../../src/programs/cli/Output.js"

// CommonJS, and its types say otherwise
const { Terminal } = createRequire(import.meta.url)("@xterm/headless") as {
  readonly Terminal: typeof Emulator
}

/** Without the empty ones at the end. */
const trimmed = (lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.slice(
    0,
    lines.reduce((end, line, index) => (line === "" ? end : index + 1), 0)
  )

export class VirtualTerminal implements Stream {
  readonly isTTY = true
  /** Bytes that it has not taken; set by a test. */
  writableLength = 0
  readonly writes: Array<string> = []
  private readonly emulator: Emulator

  constructor(columns: number, rows: number) {
    // as the line discipline of a terminal does, it makes a carriage return of a line end too
    this.emulator = new Terminal({
      cols: columns,
      rows,
      convertEol: true,
      allowProposedApi: true,
      scrollback: 1000
    })
  }
  get columns(): number {
    return this.emulator.cols
  }
  get rows(): number {
    return this.emulator.rows
  }
  write(...args: ReadonlyArray<unknown>): boolean {
    const done = args.at(-1)
    this.writes.push(String(args[0]))
    this.emulator.write(String(args[0]))
    if (typeof done === "function") done(null)
    return true
  }
  readonly resize = (columns: number, rows: number): Effect.Effect<void> =>
    Effect.zipRight(
      this.settled,
      Effect.sync(() => this.emulator.resize(columns, rows))
    )
  /** What was written has been interpreted. */
  readonly settled: Effect.Effect<void> = Effect.async((resume) =>
    this.emulator.write("", () => resume(Effect.void))
  )
  /** All lines, those in the scrollback first, without empty ones at the end. */
  readonly lines: Effect.Effect<ReadonlyArray<string>> = Effect.map(this.settled, () => {
    const { active } = this.emulator.buffer
    const lines = Array.from({ length: active.length }, (_, y) => active.getLine(y)!.translateToString(true))
    return trimmed(lines)
  })
  /** What is on the screen, without empty lines at the end. */
  readonly screen: Effect.Effect<ReadonlyArray<string>> = Effect.map(this.settled, () => {
    const { active } = this.emulator.buffer
    const lines = Array.from({ length: this.rows }, (_, y) =>
      active.getLine(active.baseY + y)!.translateToString(true)
    )
    return trimmed(lines)
  })
  /** The column and row of the cursor, from 0. */
  readonly cursor: Effect.Effect<readonly [x: number, y: number]> = Effect.map(this.settled, () => {
    const { active } = this.emulator.buffer
    return [active.cursorX, active.cursorY]
  })
  get wasCursorHidden(): boolean {
    return this.writes.some((text) => text.includes("\u001b[?25l"))
  }
}

/** A process whose two streams are one terminal, without colours. */
export const terminal = (columns: number, rows: number) => {
  const screen = new VirtualTerminal(columns, rows)
  return { terminal: screen, output: Output.make(screen, screen, { NO_COLOR: "1" }) }
}
