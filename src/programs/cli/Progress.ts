/**
 * Draws the board of a terminal, ten times a second at most, until it is interrupted; then nothing of it is left. What is
 * over at once gets none.
 *
 * The size of the terminal is looked at for each frame, so a resize shows within one. When the process is stopped by the
 * terminal (Ctrl-Z) or ends at once, the frame is removed first: what a shell writes then begins where the frame
 * did, and after the stop a new one is drawn wherever the cursor is.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Active } from "../../services/Supervisor.js"
import type { Meter } from "./Meter.js"
import { measure } from "./Meter.js"
import type * as Output from "./Output.js"
import type { Known } from "./View.js"
import { unsaved, view } from "./View.js"

/** Not drawn before this, in milliseconds: what is over at once needs no board. */
const patience = 150
const interval = 100

/** Removes the frame before the process is stopped, and before it ends without ado (a second SIGINT). */
export const guard = (output: Output.Shape): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        const erase = (): void => output.unsafeErase()
        const stop = (): void => {
          erase()
          process.removeListener("SIGTSTP", stop)
          // now it does what it does by default; this returns when the process goes on
          process.kill(process.pid, "SIGTSTP")
          process.on("SIGTSTP", stop)
        }
        process.on("exit", erase)
        process.on("SIGTSTP", stop)
        return () => {
          process.removeListener("exit", erase)
          process.removeListener("SIGTSTP", stop)
        }
      }),
      (remove) => Effect.sync(remove)
    )
  )

const loop = (output: Output.Shape, known: Known, active: Effect.Effect<ReadonlyArray<Active>>) =>
  Effect.gen(function* () {
    // what measures and lays out text takes a while to load; whoever needs no board does without
    const [Board, Columns] = yield* Effect.promise(() =>
      Promise.all([import("./Board.js"), import("./Columns.js")])
    )
    yield* guard(output)
    let meter: Meter | undefined
    let widest = 0
    yield* Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const gauges = yield* active
      meter = measure(meter, gauges, known.arrived + unsaved(gauges, known), now)
      // the row that stays free is where a shell's prompt was
      const seen = view(known, gauges, meter, now, Math.max(1, output.rows() - 1))
      widest = seen === undefined ? widest : Board.widest(seen, widest)
      const look = { columns: output.columns(), color: output.color, widest }
      yield* output.frame({ lines: seen === undefined ? [] : Board.render(seen, look), rows: Columns.rows })
    }).pipe(Effect.repeat(Schedule.spaced(interval)))
    return yield* Effect.never
  })

/** @see the file's header */
export const draw = (
  output: Output.Shape,
  known: Known,
  active: Effect.Effect<ReadonlyArray<Active>>
): Effect.Effect<never> =>
  Effect.scoped(loop(output, known, active)).pipe(
    Effect.delay(patience),
    Effect.ensuring(Effect.sync(output.unsafeErase))
  )
