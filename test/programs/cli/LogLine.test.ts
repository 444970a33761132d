import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as LogLine from "../../../src/programs/cli/LogLine.js"

const lines = (effect: Effect.Effect<unknown>, detailed: boolean) =>
  Effect.gen(function* () {
    const shown: Array<string | undefined> = []
    const logger = Logger.make<unknown, void>((line) => void shown.push(LogLine.format(line, detailed)))
    yield* effect.pipe(
      Effect.annotateLogs({ download: "abc", attempt: 2 }),
      Logger.withMinimumLogLevel(LogLevel.All),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
    return shown
  })

describe("a line of the log", () => {
  it.effect("says what happened, and with a level below warning when and about what", () =>
    Effect.gen(function* () {
      const warning = Effect.logWarning("a part file is left behind")
      expect(yield* lines(warning, false)).toEqual(["sluice: warning: a part file is left behind\n"])
      expect(yield* lines(warning, true)).toEqual([
        "sluice: 1970-01-01T00:00:00.000Z warning: a part file is left behind attempt=2 download=abc\n"
      ])
    })
  )

  it.effect("about a failure is left to the command, unless the log is read for its own sake", () =>
    Effect.gen(function* () {
      const failure = Effect.annotateLogs(
        Effect.logWarning("failed: the server answered 404"),
        "reason",
        "NotFound"
      )
      expect(yield* lines(failure, false)).toEqual([undefined])
      expect((yield* lines(failure, true))[0]).toContain("warning: failed: the server answered 404")
    })
  )

  it.effect("never moves the cursor, and shows a defect's stack only where details are wanted", () =>
    Effect.gen(function* () {
      const defect = Effect.logError("it died \u001b[2J\n", new Error("boom"))
      expect((yield* lines(defect, false))[0]).toMatch(/^sluice: error: it died \?\[2J\? ?(boom)?\n$/)
      const [line] = yield* lines(
        Effect.catchAllCause(Effect.die(new Error("boom")), (cause) => Effect.logError("it died", cause)),
        true
      )
      expect(line!.split("\n").length).toBeGreaterThan(2)
      expect(line).toContain("  Error: boom")
    })
  )
})
