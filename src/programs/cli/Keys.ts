/**
 * The keys that a view in a terminal listens to: q leaves, Ctrl-C and Ctrl-Z do what they always do. While it listens, keys are not echoed
 * and come at once; however the process ends or is stopped, the terminal gets its own manner back.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Surroundings } from "./Surroundings.js"

const interrupt = "\u0003"
const suspend = "\u001a"

type Stdin = ReturnType<(typeof Surroundings)["Service"]["stdin"]>

const hasRawMode = (stdin: Stdin): stdin is Stdin & { readonly setRawMode: (raw: boolean) => unknown } =>
  stdin.isTTY === true && "setRawMode" in stdin && typeof stdin.setRawMode === "function"

/** Succeeds when q was typed; never, where there is no keyboard. */
export const quit = (stdin: Stdin): Effect.Effect<void, never, Scope.Scope> =>
  hasRawMode(stdin)
    ? Effect.async<void>((resume) => {
        const raw = (on: boolean) => () => void stdin.setRawMode(on)
        const onData = (data: Buffer | string): void => {
          const typed = String(data)
          if (/q/i.test(typed)) resume(Effect.void)
          // in this manner the terminal makes no signals of them
          if (typed.includes(interrupt)) process.kill(process.pid, "SIGINT")
          if (typed.includes(suspend)) {
            stdin.setRawMode(false)
            process.kill(process.pid, "SIGTSTP")
          }
        }
        const back = raw(false)
        const again = raw(true)
        stdin.setRawMode(true)
        stdin.on("data", onData)
        stdin.resume()
        process.on("SIGCONT", again)
        process.on("exit", back)
        return Effect.sync(() => {
          process.removeListener("SIGCONT", again)
          process.removeListener("exit", back)
          stdin.off("data", onData)
          stdin.pause()
          stdin.setRawMode(false)
        })
      }).pipe(Effect.onExit(() => Effect.sync(() => hasRawMode(stdin) && stdin.setRawMode(false))))
    : Effect.never
